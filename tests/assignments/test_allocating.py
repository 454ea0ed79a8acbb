"""Allocation: who gets an assignment, who had one, what it costs, and what a refusal leaves behind."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from support.assignments import COURSE, DAY, NOW, RUN, Budget

from catalog_pipeline.assignments.allocation import Allocation, Request, allocate
from catalog_pipeline.errors import UsageError
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import Upstreams

POLICY = UUID(int=5)
ASSIGNMENTS = """
    SELECT learner_email, lms_user_id, content_key, parent_content_key, is_assigned_course_run,
           preferred_course_run_key, content_title, content_quantity, state, allocated_at, cancelled_at, expired_at
    FROM catalog.content_assignment ORDER BY lower(learner_email)"""


@pytest.fixture
def course(budget: Budget) -> int:
    """A course of 2,600 dollars with a run, read just now."""
    course = budget.course(
        price=Decimal(2_600), price_from="fixed", advertised_run_key=RUN, title="Leading", fetched_at=NOW
    )
    budget.run(course, price=Decimal(1_999), price_from="fixed", enroll_by=NOW + 20 * DAY, fetched_at=NOW)
    budget.update("subsidy", budget.subsidy, current_balance=10_000_000)
    return course


@pytest.fixture
def upstreams(settings: Settings) -> Upstreams:
    """No upstream: what is held must do."""
    return Upstreams(settings, {}, None)


def allocated(
    engine: Engine, upstreams: Upstreams, *emails: str, content: str = COURSE, cents: int = 260_000, **options: Any
) -> Allocation:
    request = Request(POLICY, content, cents, emails, options.pop("admin", None))
    return allocate(engine, upstreams, request, as_of=options.pop("as_of", NOW), actor="cli:ann", **options)


def sizes(done: Allocation) -> tuple[int, int, int]:
    return len(done.created), len(done.updated), len(done.no_change)


def mails(budget: Budget) -> list[tuple[str, str]]:
    found = budget.rows("SELECT kind, recipients[1] AS email FROM ops.outbox ORDER BY lower(recipients[1])")
    return [(row["kind"], row["email"]) for row in found]


def test_each_learner_gets_an_assignment_with_an_expiration_and_a_mail(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    budget.insert("enterprise_learner", enterprise_customer_id=budget.customer, lms_user_id=7, email="Ann@Acme.example")
    done = allocated(engine, upstreams, "ann@acme.example", "Bob@acme.example", "BOB@acme.example")
    assert (done.outcome, sizes(done)) == ("allocated", (2, 0, 0))
    ann, bob = budget.rows(ASSIGNMENTS)
    assert ann == {
        **dict.fromkeys(("parent_content_key", "cancelled_at", "expired_at")),
        "learner_email": "ann@acme.example",
        "lms_user_id": 7,
        "content_key": COURSE,
        "is_assigned_course_run": False,
        "preferred_course_run_key": RUN,
        "content_title": "Leading",
        "content_quantity": -260_000,
        "state": "allocated",
        "allocated_at": NOW,
    }
    assert (bob["learner_email"], bob["lms_user_id"]) == ("Bob@acme.example", None)
    assert mails(budget) == [
        ("assignment_created", "ann@acme.example"),
        ("assignment_created", "Bob@acme.example"),
    ]
    expirations = budget.rows("SELECT expires_at, reason FROM catalog.assignment_expiration")
    assert expirations == [{"expires_at": NOW + 20 * DAY, "reason": "ENROLLMENT_DATE_PASSED"}] * 2
    actions = budget.rows("SELECT action_type, completed_at, outbox_id FROM catalog.assignment_action ORDER BY id")
    assert [(row["action_type"], row["completed_at"]) for row in actions] == [("notified", None)] * 2
    assert all(row["outbox_id"] for row in actions)


def test_a_run_is_assigned_with_its_course_and_its_own_price(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    assert allocated(engine, upstreams, "a@b.example", content=RUN.upper(), cents=260_000).reason == (
        "price_out_of_range"
    )
    allocated(engine, upstreams, "a@b.example", content=RUN.upper(), cents=199_900)
    (row,) = budget.rows(ASSIGNMENTS)
    assert (row["content_key"], row["parent_content_key"], row["is_assigned_course_run"]) == (RUN, COURSE, True)
    assert row["preferred_course_run_key"] == RUN


def test_who_has_the_content_already_is_left_alone_and_costs_nothing(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    allocated(engine, upstreams, "a@b.example")
    budget.update("subsidy", budget.subsidy, current_balance=520_000)
    done = allocated(engine, upstreams, "A@B.example", "c@b.example", as_of=NOW + DAY)
    assert sizes(done) == (1, 0, 1)
    first, _ = budget.rows(ASSIGNMENTS)
    assert first["allocated_at"] == NOW
    assert len(mails(budget)) == 2


@pytest.mark.parametrize("state", ["cancelled", "errored", "expired", "reversed"])
def test_what_ended_is_allocated_again(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams, state: str
) -> None:
    times: dict[str, Any] = {
        "cancelled_at": NOW,
        "expired_at": NOW,
        "errored_at": NOW,
        "reversed_at": NOW,
        "accepted_at": NOW,
    }
    budget.assign("a@b.example", state=state, expired_reason="NINETY_DAYS_PASSED", content_title="Old", **times)
    done = allocated(engine, upstreams, "A@b.example", cents=250_000, as_of=NOW + DAY)
    assert sizes(done) == (0, 1, 0)
    (row,) = budget.rows(f"SELECT *, expired_reason FROM ({ASSIGNMENTS}) a, catalog.content_assignment")
    assert (row["state"], row["allocated_at"], row["content_quantity"], row["content_title"]) == (
        *("allocated", NOW + DAY, -250_000),
        "Leading",
    )
    assert [row[name] for name in (*times, "expired_reason")] == [None] * 6
    assert mails(budget) == [("assignment_created", "a@b.example")]


def test_a_retired_address_of_a_known_learner_is_restored(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    of = {"enterprise_customer_id": budget.customer}
    budget.insert("enterprise_learner", **of, lms_user_id=7, email="ann@acme.example")
    budget.assign("retired_user0123456789abcdef@retired.invalid", state="expired", lms_user_id=7)
    assert sizes(allocated(engine, upstreams, "Ann@acme.example")) == (0, 1, 0)
    (row,) = budget.rows(ASSIGNMENTS)
    assert (row["learner_email"], row["state"]) == ("Ann@acme.example", "allocated")
    assert mails(budget) == [("assignment_created", "Ann@acme.example")]


def test_a_learner_with_two_rows_gets_the_one_that_knows_the_learner(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    of = {"enterprise_customer_id": budget.customer}
    budget.insert("enterprise_learner", **of, lms_user_id=7, email="ann@acme.example")
    budget.assign("ann@acme.example", state="cancelled")
    budget.assign("retired_user0123456789abcdef@retired.invalid", state="expired", lms_user_id=7)
    assert sizes(allocated(engine, upstreams, "ann@acme.example")) == (0, 1, 0)
    assert [row["state"] for row in budget.rows(ASSIGNMENTS)] == ["cancelled", "allocated"]


def test_another_advertised_run_refreshes_what_is_allocated_without_a_mail(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    allocated(engine, upstreams, "a@b.example")
    budget.update("content_metadata", course, advertised_run_key=f"{RUN}a")
    assert sizes(allocated(engine, upstreams, "a@b.example", cents=270_000, as_of=NOW + DAY)) == (0, 1, 0)
    (row,) = budget.rows(ASSIGNMENTS)
    assert (row["preferred_course_run_key"], row["content_quantity"], row["allocated_at"]) == (
        *(f"{RUN}a", -260_000),
        NOW,
    )
    assert len(mails(budget)) == 1


def test_what_is_accepted_stays_as_it_is(engine: Engine, budget: Budget, course: int, upstreams: Upstreams) -> None:
    budget.assign("a@b.example", state="accepted", preferred_course_run_key="course-v1:A+B+old")
    assert sizes(allocated(engine, upstreams, "a@b.example")) == (0, 0, 1)


def test_a_refusal_changes_nothing(engine: Engine, budget: Budget, course: int, upstreams: Upstreams) -> None:
    budget.update("subsidy", budget.subsidy, current_balance=519_999)
    done = allocated(engine, upstreams, "a@b.example", "c@b.example")
    assert (done.outcome, done.reason, done.exit_code) == ("refused", "not_enough_value_in_subsidy", 4)
    assert (budget.rows(ASSIGNMENTS), mails(budget)) == ([], [])


def test_assignments_of_enterprise_access_are_not_ours_to_make(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    budget.update("assignment_configuration", budget.configuration, owner="enterprise_access")
    assert allocated(engine, upstreams, "a@b.example").reason == "owned_elsewhere"


def test_a_dry_run_says_the_same_and_writes_nothing(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    assert sizes(allocated(engine, upstreams, "a@b.example", dry_run=True)) == (1, 0, 0)
    assert (budget.rows(ASSIGNMENTS), mails(budget)) == ([], [])
    assert budget.rows("SELECT * FROM ops.load") == []


@pytest.mark.parametrize(
    ("emails", "cents", "said"),
    [
        (["a@b.example", "nobody", "c d@e.example"], 1, "'nobody', 'c d@e.example'"),
        (["Ann <a@b.example>"], 1, "Ann <a@b.example>"),
        ([], 1, "Name the learners"),
        (["a@b.example"], -1, "-1 US cents"),
    ],
)
def test_a_wrong_request_names_all_that_is_wrong(
    engine: Engine, budget: Budget, upstreams: Upstreams, emails: Sequence[str], cents: int, said: str
) -> None:
    with pytest.raises(UsageError, match=said.replace("(", "\\(")):
        allocated(engine, upstreams, *emails, cents=cents)


def test_two_at_once_end_as_one_after_the_other(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    budget.update("subsidy", budget.subsidy, current_balance=260_000)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda email: allocated(engine, upstreams, email), ["a@b.example", "c@b.example"]))
    assert sorted(one.outcome for one in done) == ["allocated", "refused"]
    assert len(budget.rows(ASSIGNMENTS)) == len(mails(budget)) == 1


def test_the_same_request_twice_at_once_makes_one_assignment(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda email: allocated(engine, upstreams, email), ["a@b.example", "A@b.example"]))
    assert sorted(sizes(one) for one in done) == [(0, 0, 1), (1, 0, 0)]
    assert len(mails(budget)) == 1


def test_ten_thousand_learners_are_one_allocation(
    engine: Engine, budget: Budget, course: int, upstreams: Upstreams
) -> None:
    budget.update("subsidy", budget.subsidy, current_balance=10**12)
    emails = [f"learner{number}@acme.example" for number in range(10_000)]
    assert sizes(allocated(engine, upstreams, *emails)) == (10_000, 0, 0)
    assert budget.rows("SELECT count(*) AS n, count(DISTINCT recipients) AS m FROM ops.outbox") == [
        {"n": 10_000, "m": 10_000}
    ]
