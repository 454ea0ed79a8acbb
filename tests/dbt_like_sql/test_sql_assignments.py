"""The marts of enterprise content, assignments and budgets: their rows, and that no address is in them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.assignments import COURSE, NOW, RUN, Budget, day

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import build, run_tests

NAMES = ("assignment_deadlines", "budgets", "content_changes", "expirations_moved")
MODELS = {model.name: model for model in load_models() if model.name in NAMES}


@pytest.fixture
def budget(server_engine: Engine) -> Budget:
    """A budget in a database of the test's own, with the marts built."""
    with connected(server_engine) as connection:
        for model in MODELS.values():
            build(connection, model)
    return Budget(server_engine)


@pytest.fixture
def mart(budget: Budget) -> Callable[..., list[Row]]:
    """The rows of a mart at NOW; its tests hold."""

    def read(name: str, order: str = "1") -> list[Row]:
        with connected(budget.engine) as connection:
            connection.execute(text("SELECT set_config('catalog.as_of', :now, true)"), {"now": NOW.isoformat()})
            assert all(result.failing_rows == 0 for result in run_tests(connection, MODELS[name]))
            return rows(connection, f"SELECT * FROM marts.{name} ORDER BY {order}")

    return read


def test_deadlines_are_those_of_live_assignments(budget: Budget, mart: Callable[..., list[Row]]) -> None:
    course = budget.course()
    budget.run(course, enroll_by=day(2.5))
    budget.assign(preferred_course_run_key=RUN)
    budget.assign("bob@acme.example", "Gone+1", state="accepted", content_title="As it was")
    budget.assign("eve@acme.example", state="cancelled")
    budget.assign("joe@acme.example", assignment_configuration_id=budget.configure(9))
    budget.assign("gone@acme.example", missing_since=NOW)
    budget.rebuild()
    first, second, third = mart("assignment_deadlines", "days_left, title")
    assert (first["title"], first["run_key"], first["days_left"]) == (f"About {COURSE}", RUN, 2.5)
    assert (first["reason"], first["deadline_from"]) == ("ENROLLMENT_DATE_PASSED", "preferred_run")
    assert (second["title"], second["state"], second["deadline_from"]) == ("As it was", "accepted", "none")
    assert (third["catalog_uuid"], third["days_left"]) == (None, 90)


def test_changes_of_content_tell_how_many_learners_they_concern(budget: Budget, mart: Callable[..., list[Row]]) -> None:
    course = budget.course(enroll_by=day(1))
    run = budget.run(course, parent_content_key=COURSE)
    budget.assign(preferred_course_run_key=RUN)
    budget.assign("bob@acme.example")
    budget.assign("eve@acme.example", state="expired")
    budget.rebuild()
    budget.update("content_metadata", course, enroll_by=day(2), content_hash="new")
    budget.update("content_run", run, status="archived")
    alone = budget.run(None, "course-v1:Other+1+r", parent_content_key="Other+1")
    budget.update("content_run", alone, status="published")
    shown = [
        {name: row[name] for name in ("content_key", "run_key", "column_name", "new_value", "live_assignments")}
        for row in mart("content_changes", "changed_at")
    ]
    assert [tuple(row.values()) for row in shown] == [
        (COURSE, None, "enroll_by", "2026-06-03T12:00:00+00:00", 2),
        (COURSE, RUN, "status", "archived", 1),
        ("Other+1", "course-v1:Other+1+r", "status", "published", 0),
    ]


def test_moves_of_dates_are_told_with_their_cause(budget: Budget, mart: Callable[..., list[Row]]) -> None:
    course = budget.course(enroll_by=day(2), advertised_run_key=RUN)
    budget.assign()
    budget.rebuild()
    assert mart("expirations_moved") == []
    budget.update("content_metadata", course, enroll_by=day(1), content_hash="new")
    budget.rebuild()
    (move,) = mart("expirations_moved")
    assert (move["days_moved"], move["cause"], move["after_expiry"], move["run_key"]) == (-1, "content", False, RUN)


def test_budgets_say_what_may_still_be_allocated(budget: Budget, mart: Callable[..., list[Row]]) -> None:
    budget.assign()
    budget.assign("bob@acme.example", state="accepted")
    (row,) = mart("budgets")
    assert (row["balance"], row["allocated"], row["spent"], row["remaining"]) == (1_000_000, 260_000, None, 740_000)
    budget.update("access_policy", budget.policy, spent=100_000, spend_limit=500_000)
    (row,) = mart("budgets")
    assert (row["spend_limit"], row["remaining"]) == (500_000, 140_000)


@pytest.mark.parametrize("name", NAMES)
def test_no_mart_has_an_address(budget: Budget, mart: Callable[..., list[Row]], name: str) -> None:
    course = budget.course(enroll_by=day(2))
    assignment = budget.assign()
    budget.rebuild()
    budget.update("content_metadata", course, enroll_by=day(1))
    budget.update("content_assignment", assignment, learner_email="bob@acme.example")
    budget.rebuild()
    found: list[dict[str, Any]] = mart(name)
    assert found
    assert "@" not in str(found)
