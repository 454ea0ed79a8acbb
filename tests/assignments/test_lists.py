"""Lists of assignments and single ones: what is derived, which match, in which order."""

from typing import Any
from uuid import UUID

import pytest
from support.assignments import COURSE, NOW, RUN, Budget, day

from catalog_pipeline.assignments.reading import Filters, Page, list_assignments, show_assignment
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row
from catalog_pipeline.errors import UsageError


def listed(budget: Budget, sort: str = "-recent_action_time", limit: int = 100, **filters: Any) -> Page:
    with connected(budget.engine) as connection:
        return list_assignments(connection, Filters(**filters), sort=sort, limit=limit)


def emails(page: Page) -> list[str]:
    return [one["learner_email"].partition("@")[0] for one in page.assignments]


def shown(budget: Budget, assignment: int) -> Row:
    (row,) = budget.rows("SELECT uuid FROM catalog.content_assignment WHERE id = :id", id=assignment)
    with connected(budget.engine) as connection:
        return show_assignment(connection, row["uuid"])


def act(budget: Budget, assignment: int, action_type: str, **values: Any) -> None:
    budget.insert("assignment_action", content_assignment_id=assignment, action_type=action_type, **values)


def test_what_learners_and_administrators_see_of_a_state(budget: Budget) -> None:
    notifying = budget.assign("notifying@acme.example")
    waiting = budget.assign("waiting@acme.example")
    act(budget, waiting, "notified", error_reason="email_error")
    act(budget, waiting, "notified", completed_at=NOW)
    failed = budget.assign("failed@acme.example")
    act(budget, failed, "notified", error_reason="email_error")
    accepted = budget.assign("accepted@acme.example", state="accepted")
    act(budget, accepted, "notified", error_reason="email_error")
    errored = budget.assign("errored@acme.example", state="errored")
    act(budget, errored, "redeemed", error_reason="enrollment_error")
    states = {one: shown(budget, one)["learner_state"] for one in (notifying, waiting, failed, accepted, errored)}
    assert list(states.values()) == ["notifying", "waiting", "failed", None, "failed"]
    assert shown(budget, failed)["error_reason"] == {"action_type": "notified", "error_reason": "email_error"}
    assert shown(budget, accepted)["error_reason"] is None
    assert shown(budget, errored)["error_reason"] == {"action_type": "redeemed", "error_reason": "enrollment_error"}
    assert listed(budget).learner_state_counts == [
        {"learner_state": "failed", "count": 2},
        {"learner_state": "notifying", "count": 1},
        {"learner_state": "waiting", "count": 1},
    ]


def test_the_recent_action_is_the_later_one_and_the_reminder_on_a_tie(budget: Budget) -> None:
    budget.assign("assigned@acme.example", allocated_at=day(2))
    tied = budget.assign("tied@acme.example")
    act(budget, tied, "reminded", completed_at=NOW)
    early = budget.assign("early@acme.example")
    act(budget, early, "reminded", completed_at=day(-1))
    act(budget, early, "reminded")
    assert shown(budget, tied)["recent_action"] == {"action_type": "reminded", "timestamp": NOW}
    assert shown(budget, early)["recent_action"] == {"action_type": "assigned", "timestamp": NOW}
    assert emails(listed(budget))[0] == "assigned"


def test_content_is_that_of_the_preferred_run_while_its_course_has_it(budget: Budget) -> None:
    course = budget.course(
        advertised_run_key="other", start=day(1), enroll_by=day(2), price=100, partners='[{"name": "Ünïversity"}]'
    )
    run = budget.run(course, start=day(3), price=200)
    assignment = budget.assign(preferred_course_run_key=RUN)
    assert (shown(budget, assignment)["content_status"], shown(budget, assignment)["content"]) == ("not_fetched", None)
    budget.rebuild()
    content = shown(budget, assignment)["content"]
    assert (content["run_key"], content["start"], content["enroll_by"], content["price"]) == (RUN, day(3), None, 200)
    budget.update("content_run", run, missing_since=NOW)
    content = shown(budget, assignment)["content"]
    assert (content["run_key"], content["start"], content["enroll_by"], content["price"]) == (
        "other",
        day(1),
        day(2),
        100,
    )
    assert content["partners"] == [{"name": "Ünïversity"}]
    budget.update("content_metadata", course, status="not_in_catalog", missing_since=NOW)
    assert shown(budget, assignment)["content_status"] == "not_in_catalog"


def test_an_assignment_is_shown_with_all_that_is_known_of_it(budget: Budget) -> None:
    assignment = budget.assign(lms_user_id=7)
    act(budget, assignment, "notified", completed_at=NOW)
    before = shown(budget, assignment)
    assert before["expiration"] is None
    budget.rebuild()
    found = shown(budget, assignment)
    assert found["assignment_configuration"] == UUID(int=4)
    assert found["owner"] == "here"
    assert found["earliest_possible_expiration"] == {"date": day(90), "reason": "NINETY_DAYS_PASSED"}
    assert found["expiration"]["deadline_from"] == "none"
    assert [action["action_type"] for action in found["actions"]] == ["notified"]
    assert set(found["actions"][0]) == {"created", "modified", "uuid", "action_type", "completed_at", "error_reason"}
    with pytest.raises(UsageError, match="There is no assignment"), connected(budget.engine) as connection:
        show_assignment(connection, UUID(int=0))


@pytest.fixture
def several(budget: Budget) -> Budget:
    """Three assignments that differ in all that a list is sorted and searched by."""
    course = budget.course(title="Leading Change", start=day(5), enroll_by=day(4), partners='[{"name": "Acme U"}]')
    other = budget.course("BetaX+Two", title="abacus", start=day(2), enroll_by=day(9), partners="[]")
    assert course < other
    budget.assign("ann@acme.example", content_quantity=-100, lms_user_id=1, content_title="Copied")
    budget.assign("Bob@acme.example", "BetaX+Two", content_quantity=-300, allocated_at=day(1))
    budget.assign("eve@acme.example", "Gone+1", content_quantity=-200, state="expired", allocated_at=day(-1))
    budget.rebuild()
    return budget


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("recent_action_time", ["eve", "ann", "Bob"]),
        ("-content_quantity", ["ann", "eve", "Bob"]),
        ("learner_state", ["ann", "Bob", "eve"]),
        ("title", ["Bob", "ann", "eve"]),
        ("start", ["Bob", "ann", "eve"]),
        ("-enroll_by", ["Bob", "ann", "eve"]),
        ("expiration", ["ann", "Bob", "eve"]),
    ],
)
def test_a_list_is_sorted_both_ways(several: Budget, sort: str, expected: list[str]) -> None:
    assert emails(listed(several, sort)) == expected
    assert len(listed(several, sort.removeprefix("-") if sort.startswith("-") else f"-{sort}").assignments) == 3


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"configuration": UUID(int=4)}, {"ann", "Bob", "eve"}),
        ({"states": ["expired", "accepted"]}, {"eve"}),
        ({"learner_states": ["notifying"]}, {"ann", "Bob"}),
        ({"email": "BOB@acme.example"}, {"Bob"}),
        ({"learner": 1}, {"ann"}),
        ({"content": COURSE.lower()}, {"ann"}),
        ({"search": "LEADING"}, {"ann"}),
        ({"search": "copied"}, {"ann"}),
        ({"search": "acme u"}, {"ann"}),
        ({"search": "bob@"}, {"Bob"}),
        ({"search": "gone+"}, {"eve"}),
        ({"search": "100%"}, set()),
        ({"search": "acme.example", "states": ["allocated"]}, {"ann", "Bob"}),
    ],
)
def test_a_list_has_what_matches_all_filters(several: Budget, filters: dict[str, Any], expected: set[str]) -> None:
    page = listed(several, **filters)
    assert set(emails(page)) == expected
    assert page.count == len(expected)


def test_a_page_counts_all_that_match(several: Budget) -> None:
    page = listed(several, limit=1)
    assert (page.count, len(page.assignments)) == (3, 1)
    assert sum(row["count"] for row in page.learner_state_counts) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": ["open"]},
        {"learner_states": ["allocated"]},
        {"sort": "price"},
        {"sort": "--title"},
        {"configuration": UUID(int=9)},
    ],
)
def test_a_filter_or_sort_that_there_is_not_is_refused(budget: Budget, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"there are|There is no"):
        listed(budget, **wrong)
