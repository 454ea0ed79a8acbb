"""The verbs of the SQL models, as an analyst runs them."""

import pytest
from support.command import Command

from catalog_pipeline.errors import UsageError
from dbt_like_sql.project import load_models, select

MODELS = load_models()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["run_facts"], {"run_facts"}),
        (["marts.run_facts", "catalog_change"], {"run_facts", "catalog_change"}),
        (["run_availability+"], {"run_availability", "run_calendar"}),
        (["+catalog_overview"], {"advertised_run", "catalog_overview"}),
        (["+advertised_run+"], {"advertised_run", "catalog_overview"}),
        (None, {model.name for model in MODELS}),
    ],
)
def test_models_are_selected_with_what_they_read_or_what_reads_them(
    wanted: list[str] | None, expected: set[str]
) -> None:
    selected = select(MODELS, wanted)
    assert {model.name for model in selected} == expected
    assert list(selected) == [model for model in MODELS if model in selected]


def test_a_name_that_no_model_has_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'run_fact' is no model; did you mean run_facts\?"):
        select(MODELS, ["run_fact+"])


def test_an_analyst_builds_tests_and_prunes_models(command: Command) -> None:
    built = command.json("marts", "build", "--select", "run_availability+")
    assert [one["model"] for one in built["models"]] == ["marts.run_availability", "marts.run_calendar"]
    insert = """INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
                VALUES ('course-v1:A+1+r', 'A', '1', 'r', 't', 'published')"""
    command("psql", "-c", insert)
    assert "run_calendar" in command("marts", "test", "--select", "run_calendar").stdout
    command("psql", "-c", "CREATE OR REPLACE VIEW marts.run_availability AS SELECT run_key, 'Never' AS availability"
            " FROM catalog.course_run")  # fmt: skip
    failed = command("marts", "test", "--select", "run_calendar", status=3).stdout
    assert "Rows of marts.run_calendar that fail availability_accepted_values" in failed
    assert "Never" in failed
    command("psql", "-c", "CREATE VIEW marts.deleted AS SELECT 1 AS a")
    listed = command("marts", "list").stdout
    assert "No model makes the view marts.deleted any more" in listed
    assert not [line for line in listed.splitlines() if line.startswith("marts.") and line.rstrip().endswith(".")]
    assert "marts.deleted is dropped" in command("marts", "build", "--prune", "--select", "run_facts").stdout
    assert command.json("marts", "list")["surplus"] == []
    assert "restriction_type" in command("marts", "show", "run_facts").stdout


def test_what_is_not_built_yet_is_told_in_one_line_with_the_command_that_builds_it(command: Command) -> None:
    told = command("marts", "test", "--select", "run_facts", status=1).stderr
    assert "marts.run_facts was not built yet: run `catalog-pipeline marts build --select run_facts` first" in told
    told = command("marts", "build", "--select", "run_calendar", status=1).stderr
    assert "run_calendar.sql" in told
    assert 'relation "marts.run_availability" does not exist' in told
    for asked in (told, command("marts", "show", "nothing", status=2).stderr):
        assert "Traceback" not in asked


def test_what_still_has_a_reader_is_not_dropped(command: Command) -> None:
    command("psql", "-c", "CREATE VIEW marts.deleted AS SELECT 1 AS a")
    command("psql", "-c", "CREATE VIEW public.reader AS SELECT a FROM marts.deleted")
    told = command("marts", "build", "--prune", "--select", "run_facts", status=2).stderr
    assert "view reader depends on view marts.deleted" in told
