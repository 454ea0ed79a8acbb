"""Expiring that is killed between any two statements, or done by two at once: each learner gets one mail."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from support.assignments import NOW, Budget, day
from support.killing import killed

from catalog_pipeline.assignments import expiring
from catalog_pipeline.assignments.expiring import expire
from catalog_pipeline.settings import Settings


def seen(budget: Budget) -> tuple[list[str], int, int, int]:
    """The states, and how many mails, actions and moves there are."""
    states = [row["state"] for row in budget.rows("SELECT state FROM catalog.content_assignment ORDER BY id")]
    tables = ("ops.outbox", "catalog.assignment_action", "ops.expiration_change")
    mails, actions, moves = (len(budget.rows(f"SELECT FROM {table}")) for table in tables)
    return states, mails, actions, moves


def test_expiring_that_is_killed_has_done_whole_assignments_and_goes_on_next_time(
    budget: Budget, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "LOAD", 1)
    for email in ("ann@acme.example", "bob@acme.example"):
        budget.assign(email, allocated_at=day(-100))
    at, partly = 1, set[int]()
    while killed(budget.engine, at, partial(expire, budget.engine, settings, as_of=NOW)):
        states, mails, actions, _ = seen(budget)
        assert states.count("expired") == mails == actions
        partly.add(mails)
        at += 1
    assert partly >= {0, 1}
    assert seen(budget) == (["expired", "expired"], 2, 2, 2)


def test_two_that_expire_at_once_send_one_mail_each(budget: Budget, settings: Settings) -> None:
    for number in range(20):
        budget.assign(f"{number}@acme.example", allocated_at=day(-100))
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: expire(budget.engine, settings, as_of=NOW), range(3)))
    assert sum(one.counts["expired"] for one in done) == 20
    assert seen(budget)[1:3] == (20, 20)
