"""The verbs that write to learners, killed between any two statements: all of it was done, or nothing."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from support.assignments import COURSE, NOW, RUN, Budget, day
from support.killing import killed

from catalog_pipeline.assignments.acknowledging import acknowledge
from catalog_pipeline.assignments.allocation import Request, allocate
from catalog_pipeline.assignments.cancelling import cancel
from catalog_pipeline.assignments.nudging import Ask, nudge_all
from catalog_pipeline.assignments.privacy import clear_personal_data
from catalog_pipeline.assignments.reminding import remind
from catalog_pipeline.rules.content_rules import EXECUTIVE_EDUCATION
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import Upstreams

ANN = "ann@acme.example"
TABLES = ("catalog.content_assignment", "catalog.assignment_action", "catalog.assignment_expiration", "ops.outbox")
TABLES += ("ops.change_event", "ops.expiration_change", "ops.load")


def uuids(budget: Budget) -> list[UUID]:
    return [row["uuid"] for row in budget.rows("SELECT uuid FROM catalog.content_assignment")]


def allocating(budget: Budget, settings: Settings) -> Callable[[], object]:
    budget.assign(ANN, state="cancelled")
    request = Request(UUID(int=5), COURSE, 260_000, [ANN, "bob@acme.example"])
    return partial(allocate, budget.engine, Upstreams(settings, {}, None), request, as_of=NOW, actor="cli:ann")


def reminding(budget: Budget, settings: Settings) -> Callable[[], object]:
    budget.assign(ANN)
    return partial(remind, budget.engine, uuids(budget), as_of=NOW, settings=settings, actor="cli:ann")


def cancelling(budget: Budget, settings: Settings) -> Callable[[], object]:
    budget.assign(ANN)
    return partial(cancel, budget.engine, uuids(budget), as_of=NOW, settings=settings, actor="cli:ann")


def nudging(budget: Budget, settings: Settings) -> Callable[[], object]:
    budget.assign(ANN, state="accepted", preferred_course_run_key=RUN)
    budget.rebuild()
    return partial(nudge_all, budget.engine, Ask(30, NOW, settings, "cli:ann"))


def acknowledging(budget: Budget, settings: Settings) -> Callable[[], object]:
    budget.assign(ANN, state="expired", expired_at=day(-1), lms_user_id=7)
    of = {"of": UUID(int=4), "learner": 7}
    return partial(acknowledge, budget.engine, uuids(budget), **of, as_of=NOW, actor="cli:ann")


def clearing(budget: Budget, settings: Settings) -> Callable[[], object]:
    expired = budget.assign(ANN, state="expired", expired_at=day(-1), expired_reason="NINETY_DAYS_PASSED")
    budget.insert("assignment_action", content_assignment_id=expired, action_type="expired", completed_at=NOW)
    return partial(clear_personal_data, budget.engine, as_of=NOW, actor="cli:ann")


def seen(budget: Budget) -> dict[str, list[dict[str, Any]]]:
    return {table: budget.rows(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}


@pytest.mark.parametrize("verb", [allocating, reminding, cancelling, nudging, acknowledging, clearing])
def test_a_verb_that_is_killed_has_done_nothing_and_does_all_the_next_time(
    budget: Budget, settings: Settings, verb: Callable[[Budget, Settings], Callable[[], object]]
) -> None:
    course = budget.course(course_type=EXECUTIVE_EDUCATION, price=Decimal(2_600), price_from="fixed", fetched_at=NOW)
    budget.run(course, start=day(30), fetched_at=NOW)
    work = verb(budget, settings)
    before, at = seen(budget), 1
    while killed(budget.engine, at, work):
        assert seen(budget) == before
        at += 1
    assert at > 10
    after = seen(budget)
    assert after["catalog.assignment_action"] != before["catalog.assignment_action"] or verb is clearing
    assert len(after["ops.load"]) == len(before["ops.load"]) + 1
