"""Reading one model's file: what is accepted, and what a person is told where it is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_like_sql.model import SqlModel, SqlModelError, read_model

HEAD = "description: A sample.\nowner: analysts\nmaterialized: view\n"
COLUMNS = "columns: {a: {description: The a.}}\n"
VALID = f"/*\n{HEAD}{COLUMNS}*/\nSELECT 1 AS a;\n"


def read(folder: Path, content: str, name: str = "marts/sample.sql") -> SqlModel:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return read_model(path)


def test_a_valid_file_gives_its_names_its_query_and_what_the_front_matter_says(tmp_path: Path) -> None:
    model = read(
        tmp_path,
        "/*\ndescription: |-\n  Two\n  lines.\nowner: analysts\nmaterialized: table\nkey: [a, b]\ncolumns:\n"
        "  a:\n    description: The a.\n    tests: [not_null, unique]\n"
        "  b:\n    description: The b.\n    tests: [accepted_values: [x, 1, true], "
        "relationships: catalog.program.uuid]\n"
        "*/\n-- why\nSELECT 1 AS a, 'x' AS b;\n",
    )
    assert (model.schema, model.name, model.full_name) == ("marts", "sample", "marts.sample")
    assert model.sql == "-- why\nSELECT 1 AS a, 'x' AS b"
    assert (model.description, model.owner, model.materialized) == ("Two\nlines.", "analysts", "table")
    assert model.key == ("a", "b")
    assert model.columns["a"].tests.not_null
    assert model.columns["a"].tests.unique
    assert model.columns["b"].tests.accepted_values == ("x", 1, True)
    assert model.columns["b"].tests.relationships == "catalog.program.uuid"


def test_a_key_of_one_column_needs_no_brackets(tmp_path: Path) -> None:
    assert read(tmp_path, f"/*\n{HEAD}key: a\n{COLUMNS}*/ SELECT 1 AS a").key == ("a",)


@pytest.mark.parametrize(
    ("front_matter", "told"),
    [
        (HEAD + COLUMNS + "colour: red\n", "colour: unknown key"),
        (COLUMNS, "owner: Field required"),
        (HEAD.replace("A sample.", "''") + COLUMNS, "description: String should have at least 1 character"),
        (HEAD.replace("view", "cube") + COLUMNS, "materialized: Input should be 'view' or 'table'"),
        (HEAD.replace("view", "table") + COLUMNS, "a table needs a key"),
        (HEAD + COLUMNS + "key: [b]\n", "the key's b is missing under `columns`"),
        (HEAD + COLUMNS + "key: [a, a]\n", "the key names a column twice"),
        (HEAD + "columns: {}\n", "columns: Dictionary should have at least 1 item"),
        (HEAD + "columns: {a: {}}\n", "columns.a.description: Field required"),
        (HEAD + "columns: {a: {description: A., tests: [notnull]}}\n", "columns.a.tests.notnull: unknown key"),
        (HEAD + "columns: {a: {description: A., tests: not_null}}\n", "columns.a.tests: must be a list"),
        (
            HEAD + "columns: {a: {description: A., tests: [accepted_values: []]}}\n",
            "accepted_values: Tuple should have",
        ),
        (HEAD + "columns: {a: {description: A., tests: [relationships: b]}}\n", "relationships: String should match"),
        (HEAD + "columns: [\n", "no valid YAML"),
        (HEAD + COLUMNS + "# /* nested\n", "holds a second /*"),
        ("just words\n", "Input should be"),
    ],
)
def test_front_matter_that_is_wrong_is_refused_with_its_place_and_its_fault(
    tmp_path: Path, front_matter: str, told: str
) -> None:
    with pytest.raises(SqlModelError) as refusal:
        read(tmp_path, f"/*\n{front_matter}*/\nSELECT 1 AS a;\n")
    assert told in str(refusal.value)
    assert str(refusal.value).startswith(str(tmp_path / "marts" / "sample.sql"))


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "it holds 0 statements"),
        ("SELECT 1 AS a; SELECT 2 AS a;", "it holds 2 statements"),
        ("SELECT 1 AS a; -- after the end", "nothing after its semicolon"),
        ("SELECT FROM WHERE", "it does not parse"),
        ("SELECT '{{ ref }}' AS a FROM {{ ref('b') }}", "it does not parse"),
        ("DELETE FROM catalog.program", "it is no SELECT but DELETE"),
        ("CREATE TABLE marts.b AS SELECT 1 AS a", "it is no SELECT but CREATE"),
        ("VACUUM", "it is no SELECT"),
        ("WITH gone AS (DELETE FROM catalog.program RETURNING *) SELECT * FROM gone", "take out the DELETE"),
        ("SELECT 1 AS a INTO marts.b", "take out the INTO"),
        ("SELECT p.uuid AS a FROM catalog.program AS p FOR UPDATE", "take out the LOCK"),
        ("SELECT p.uuid AS a FROM program AS p", "it reads program: say of which schema"),
    ],
)
def test_anything_but_one_query_that_only_reads_is_refused(tmp_path: Path, sql: str, told: str) -> None:
    with pytest.raises(SqlModelError, match=r"sample\.sql:[78]: ") as refusal:
        read(tmp_path, f"/*\n{HEAD}{COLUMNS}*/\n{sql}\n")
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            f"\n\n/*\n{HEAD}columns:\n  a:\n    description: A.\n    tests: [unique, notnull]\n*/",
            "10: the front matter",
        ),
        (f"/*\n{HEAD}{COLUMNS}\ncolour: red\n*/", "7: the front matter is not valid: colour: unknown key"),
        (
            "/*\ndescription: A.\nmaterialized: cube\ncolumns: {a: {}}\n*/",
            "1: the front matter is not valid: owner: Field required; line 3: materialized: Input should be"
            " 'view' or 'table'; line 4: columns.a.description: Field required",
        ),
        (f"/*\n{HEAD}columns:\n  a: {{description: [}}\n*/", "6: the front matter is no valid YAML, correct it"),
        (f"/*\n{HEAD}{COLUMNS}*/\n\n-- why\nSELECT 1 AS a,\n  FROM AS b", "10: it does not parse near 'AS'"),
        (f"/*\n{HEAD}{COLUMNS}*/\nSELECT p.uuid AS a\nFROM program AS p", "8: it reads program: say of which"),
        (f"/*\n{HEAD}{COLUMNS}*/\nSELECT 1 AS a;\n\nSELECT 2", "9: it holds 2 statements"),
    ],
)
def test_the_line_of_what_is_wrong_is_named(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(SqlModelError) as refusal:
        read(tmp_path, content)
    assert f"sample.sql:{told}" in str(refusal.value)


def test_a_file_without_front_matter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SqlModelError, match="it has no front matter"):
        read(tmp_path, "-- a comment\nSELECT 1 AS a;\n")


@pytest.mark.parametrize("name", ["marts/Sample.sql", "marts/a-b.sql", "1st/sample.sql", f"marts/{'a' * 64}.sql"])
def test_a_file_or_folder_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SqlModelError, match="rename it"):
        read(tmp_path, VALID, name)


def test_the_code_version_stays_with_layout_and_comments_and_changes_with_the_query(
    write_model: Callable[..., SqlModel],
) -> None:
    version = write_model("SELECT p.title AS a FROM catalog.program AS p").code_version
    assert write_model("select p.title as a -- why\n\nfrom catalog.program as p;").code_version == version
    assert write_model("SELECT p.type AS a FROM catalog.program AS p").code_version != version
