"""The marts about history, feeds and doubtful courses, and the questions of an analyst that the docs answer."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import build

DOCUMENT = (Path(__file__).parents[2] / "docs" / "analyst.md").read_text()
QUESTIONS = re.findall(
    r"\*\*(.*?)\*\*\n\n```sql\n(.*?)```", DOCUMENT.split("<!-- questions -->")[1].split("<!-- end -->")[0], re.DOTALL
)
VARIANT = UUID("905a8934-dfc5-5ce9-a08e-f8b56d2c7537")
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def ask(server_engine: Engine) -> Ask:
    """The rows of a query, after the statements before it, each committed by itself. The models are built first."""
    with connected(server_engine) as connection:
        for model in load_models():
            build(connection, model)

    def rows(*statements: str) -> list[tuple[Any, ...]]:
        for statement in statements[:-1]:
            with connected(server_engine) as connection:
                connection.execute(text(statement))
        with connected(server_engine) as connection:
            return [tuple(row) for row in connection.execute(text(statements[-1]))]

    return rows


ORGANIZATION = "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A')"


def course(code: str, title: str = "t") -> str:
    return (
        "INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)"
        f" SELECT id, '{code}', 'A+{code}', '{title}' FROM catalog.organization"
    )


RUN = (
    "INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, start, price, currency)"
    " VALUES ('course-v1:A+1+r', 'A', '1', 'r', 'old', 'reviewed', '2026-03-01T00:00Z', 100, 'USD')"
)


def associate(code: str) -> str:
    return (
        "INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)"
        " SELECT r.id, c.id, 'manual', 'x' FROM catalog.course_run r, catalog.catalog_course c"
        f" WHERE c.course_code = '{code}'"
    )


def test_each_version_of_a_run_has_its_title_price_and_course(ask: Ask) -> None:
    versions = ask(
        ORGANIZATION,
        course("1"),
        course("2"),
        RUN,
        associate("1"),
        "UPDATE catalog.course_run SET title = 'new', price = NULL",
        "UPDATE catalog.run_association SET catalog_course_id = c.id FROM catalog.catalog_course c WHERE key = 'A+2'",
        "DELETE FROM catalog.run_association",
        "SELECT title, price, course_key FROM marts.run_history ORDER BY valid_from",
    )
    assert versions == [
        ("old", 100, None),
        ("old", 100, "A+1"),
        ("new", None, "A+1"),
        ("new", None, "A+2"),
        ("new", None, None),
    ]
    assert ask("DELETE FROM catalog.course_run", "SELECT count(*) FROM marts.run_history WHERE valid_to IS NULL") == [
        (0,)
    ]


def test_slippage_counts_from_the_first_date_that_was_known(ask: Ask) -> None:
    moves = [f"UPDATE catalog.course_run SET start = {start}" for start in ("NULL", "'2026-03-11Z'", "'2026-03-03Z'")]
    slipped = "SELECT first_start, start, start_moves, start_days, end_moves FROM marts.schedule_slippage"
    assert ask(RUN, "UPDATE catalog.course_run SET \"end\" = '2026-05-01Z'", slipped) == []
    ((first, now, start_moves, start_days, end_moves),) = ask(*moves, slipped)
    assert (f"{first:%d}", f"{now:%d}", start_moves, start_days, end_moves) == ("01", "03", 2, 2, 0)


def test_a_change_is_told_with_who_made_it_and_both_values(ask: Ask) -> None:
    change = ask(
        RUN,
        "UPDATE catalog.course_run SET price = 120",
        "SELECT changed_by, key, column_name, old_value, new_value FROM marts.catalog_change WHERE action = 'updated'",
    )
    assert change == [("sql:postgres", "course-v1:A+1+r", "price", "100.00", "120.00")]


def test_courses_that_differ_by_case_and_punctuation_alone_are_candidates_for_one(ask: Ask) -> None:
    pairs = ask(
        ORGANIZATION,
        course("CS101", "Introduction to Databases"),
        course("CS-101", "Other"),
        course("XX", "introduction, to databases!"),
        course("YY", "Unlike"),
        "SELECT course_key, other_course_key, same FROM marts.duplicate_course_candidate ORDER BY same",
    )
    assert pairs == [("A+CS101", "A+CS-101", "code"), ("A+CS101", "A+XX", "title")]


def feed(name: str, outcome: str = "applied", corrects: bool = False, counts: str = "{}") -> str:
    return (
        "INSERT INTO ops.feed (name, source, product_type, sha256, received_at, as_of, ingested_at, outcome, corrects,"
        " counts, warnings, archived, reactivated)"
        f" VALUES ('{name}', '2u', 'x', '{name}', now(), now(), '2026-03-01T23:30-05:00', '{outcome}', {corrects},"
        f" '{counts}', '[]', '[]', '[]')"
    )


def row(name: str, variant: str, outcome: str = "rejected") -> str:
    return (
        "INSERT INTO ops.feed_row (feed_id, row, outcome, reason, variant_id, is_future_variant)"
        f" SELECT id, 2, '{outcome}', 'why', '{variant}', false FROM ops.feed WHERE name = '{name}'"
    )


def test_variants_of_the_current_feed_that_have_no_run_are_told(ask: Ask) -> None:
    without = "SELECT variant_id, reason FROM marts.variant_without_run ORDER BY variant_id"
    steps = [feed("old"), row("old", "gone"), feed("new"), row("new", str(VARIANT).upper()), feed("fix", corrects=True)]
    assert ask(*steps, row("fix", "no uuid"), without) == [(str(VARIANT).upper(), "why"), ("no uuid", "why")]
    variant = (
        f"INSERT INTO catalog.course_variant (variant_id, course_run_id) SELECT '{VARIANT}', id FROM catalog.course_run"
    )
    assert ask(RUN, variant, without) == [("no uuid", "why")]


def test_accepted_rows_are_counted_by_day_in_utc_and_only_of_applied_feeds(ask: Ask) -> None:
    counted = ask(
        feed("a", counts='{"updated": 3, "rejected": 1}'),
        feed("b", counts='{"updated": 1}'),
        feed("c", outcome="held", counts='{"updated": 100}'),
        "SELECT day::text, outcome, feeds, rows, share FROM marts.feed_acceptance WHERE rows > 0 ORDER BY outcome",
    )
    assert [(*left, float(share)) for *left, share in counted] == [
        ("2026-03-02", "rejected", 2, 1, 0.2),
        ("2026-03-02", "updated", 2, 4, 0.8),
    ]


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize("query", [query for _, query in QUESTIONS], ids=[question for question, _ in QUESTIONS])
def test_every_question_of_an_analyst_is_answered(marts_of_models: Connection, query: str) -> None:
    assert list(marts_of_models.execute(text(query)).keys())


@pytest.fixture
def marts_of_models(connection: Connection) -> Connection:
    for model in load_models():
        build(connection, model)
    return connection
