"""All models together: their order, the names they use, and the models of this project."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_like_sql.model import SqlModel, SqlModelError
from dbt_like_sql.project import check_columns, column_lineage, load_models

WriteModel = Callable[..., SqlModel]


def test_every_model_of_the_project_reads_and_declares_columns_that_exist() -> None:
    models = load_models()
    assert {"marts.catalog_overview", "marts.run_calendar"} <= {model.full_name for model in models}
    check_columns(models)


def test_every_column_of_the_project_s_models_has_a_lineage_into_known_tables() -> None:
    models = load_models()
    for model in models:
        origins = column_lineage(model, models)
        assert origins.keys() == model.columns.keys()
        assert {table for pairs in origins.values() for table, _ in pairs} <= set(model.dependencies)


def test_models_come_after_those_they_read(write_model: WriteModel, tmp_path: Path) -> None:
    write_model("SELECT b.a FROM marts.b AS b", name="marts/a")
    write_model("SELECT c.a FROM marts.c AS c", name="marts/b")
    write_model("SELECT p.title AS a FROM catalog.program AS p", name="marts/c")
    models = load_models(tmp_path)
    assert [model.name for model in models] == ["c", "b", "a"]
    check_columns(models)
    assert column_lineage(models[1], models) == {"a": [("marts.c", "a")]}


def test_a_circle_of_models_is_refused_and_shown(write_model: WriteModel, tmp_path: Path) -> None:
    write_model("SELECT b.a FROM marts.b AS b", name="marts/a")
    write_model("SELECT a.a FROM marts.a AS a", name="marts/b")
    with pytest.raises(SqlModelError, match=r"circle: marts\.(a → marts\.b → marts\.a|b → marts\.a → marts\.b)"):
        load_models(tmp_path)


def test_a_model_that_reads_itself_is_refused(write_model: WriteModel, tmp_path: Path) -> None:
    write_model("SELECT s.a FROM marts.sample AS s")
    with pytest.raises(SqlModelError, match="circle"):
        load_models(tmp_path)


def test_a_table_that_nobody_knows_is_refused(write_model: WriteModel, tmp_path: Path) -> None:
    write_model("SELECT c.a FROM catalog.curse AS c")
    with pytest.raises(SqlModelError, match=r"sample\.sql:9: it reads catalog\.curse, .*"):
        load_models(tmp_path)


def test_the_view_of_runs_with_their_courses_is_known(write_model: WriteModel, tmp_path: Path) -> None:
    write_model("SELECT r.run_key AS a FROM catalog.run AS r")
    (model,) = load_models(tmp_path)
    check_columns([model])
    assert model.dependencies == ("catalog.run",)


@pytest.mark.parametrize("name", ["catalog/program", "catalog/run"])
def test_a_model_cannot_take_the_name_of_a_table_or_view_of_the_catalog(
    write_model: WriteModel, tmp_path: Path, name: str
) -> None:
    write_model("SELECT 1 AS a", name=name)
    with pytest.raises(SqlModelError, match="has a table catalog"):
        load_models(tmp_path)


def test_a_file_outside_a_schema_s_folder_is_refused(write_model: WriteModel, tmp_path: Path) -> None:
    write_model("SELECT 1 AS a").path.rename(tmp_path / "sample.sql")
    with pytest.raises(SqlModelError, match="the folder names the schema"):
        load_models(tmp_path)


@pytest.mark.parametrize(
    ("sql", "columns", "line", "told"),
    [
        ("SELECT p.title AS a,\n p.type\nFROM catalog.program AS p", "a", 10, "it selects type: describe that"),
        ("SELECT p.title AS a FROM catalog.program AS p", "a b", 8, "it declares b: select that"),
        ("SELECT p.title AS a, p.type AS a FROM catalog.program AS p", "a", 9, "it selects a twice"),
        ("SELECT 1 AS b", "a", 9, "it selects b: describe that under `columns`, or drop it; line 7: it declares a"),
        (
            "\n\nSELECT\n  p.tittle AS a FROM catalog.program AS p",
            "a",
            12,
            "it reads p.tittle, but catalog.program has no such column: did you mean title?",
        ),
        (
            "-- why\nSELECT\n  tittle AS a FROM catalog.program",
            "a",
            11,
            "it reads tittle, which none",
        ),
        (
            "SELECT o.key AS a FROM catalog.program AS p\nJOIN catalog.organization AS o ON o.id = p.key",
            "a",
            10,
            "it reads p.key, but catalog.program has no such column",
        ),
        ("WITH w AS (SELECT p.title FROM catalog.program AS p)\nSELECT w.b AS a FROM w", "a", 10, "it reads b, which"),
        ("SELECT * FROM catalog.organization", "id key", 10, "it selects name, active, uuid"),
        (
            "SELECT 1 AS a",
            "\n  a: {description: A., tests: [relationships: catalog.program.kye]}",
            7,
            "refers to catalog.program.kye",
        ),
    ],
)
def test_columns_that_do_not_agree_are_refused(
    write_model: WriteModel, sql: str, columns: str, line: int, told: str
) -> None:
    model = write_model(sql, columns)
    with pytest.raises(SqlModelError, match=rf"sample\.sql:{line}: ") as refusal:
        check_columns([model])
    assert told in str(refusal.value)
