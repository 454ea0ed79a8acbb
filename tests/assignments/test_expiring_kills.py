"""Expiring that is killed between any two statements, or done by two at once: each learner gets one mail."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from support.assignments import NOW, Budget, day
from support.killing import killed

from catalog_pipeline.assignments.expiring import expire
from catalog_pipeline.settings import Settings


def seen(budget: Budget) -> tuple[list[str], int, int, int]:
    """The states, and how many mails, actions and moves there are."""
    states = [row["state"] for row in budget.rows("SELECT state FROM catalog.content_assignment ORDER BY id")]
    tables = ("ops.outbox", "catalog.assignment_action", "ops.expiration_change")
    mails, actions, moves = (len(budget.rows(f"SELECT FROM {table}")) for table in tables)
    return states, mails, actions, moves


def test_expiring_that_is_killed_has_done_nothing_and_goes_on_next_time(budget: Budget, settings: Settings) -> None:
    budget.assign(allocated_at=day(-100))
    budget.assign("bob@acme.example", allocated_at=day(-100))
    before = seen(budget)
    at = 1
    while killed(budget.engine, at, partial(expire, budget.engine, settings, as_of=NOW)):
        assert seen(budget) == before
        at += 1
    assert at > 10
    assert seen(budget) == (["expired", "expired"], 2, 2, 2)


def test_two_that_expire_at_once_send_one_mail_each(budget: Budget, settings: Settings) -> None:
    for number in range(20):
        budget.assign(f"{number}@acme.example", allocated_at=day(-100))
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: expire(budget.engine, settings, as_of=NOW), range(3)))
    assert sum(one.counts["expired"] for one in done) == 20
    assert seen(budget)[1:3] == (20, 20)
