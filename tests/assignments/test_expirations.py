"""Expirations are rebuilt for what changed, written only where they differ, and each move is kept with its cause."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text
from support.assignments import COURSE, NOW, RUN, Budget, day

from catalog_pipeline.assignments.expirations import Rebuilt, differing, rebuild, rebuild_since_last
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Range

NINETY = timedelta(hours=90 * 24)


def test_without_policy_or_content_an_assignment_expires_ninety_days_after_it_was_allocated(
    budget: Budget,
) -> None:
    alone = budget.assign(assignment_configuration_id=budget.configure(9))
    waiting = budget.assign()
    assert budget.rebuild() == Rebuilt(rebuilt=2, moved=0, unchanged=0)
    for assignment in (alone, waiting):
        found = budget.expiration(assignment)
        assert (found["expires_at"], found["reason"]) == (NOW + NINETY, "NINETY_DAYS_PASSED")
        assert (found["deadline_from"], found["run_key"], found["problems"]) == ("none", None, [])


def test_an_assignment_gets_its_content_and_its_run_when_they_arrive_whatever_their_case(
    budget: Budget,
) -> None:
    course_based = budget.assign(content_key=COURSE.lower(), preferred_course_run_key=RUN.upper())
    run_based = budget.assign("bob@acme.example", RUN, parent_content_key=COURSE, is_assigned_course_run=True)
    budget.rebuild()
    begin = _now(budget)
    course = budget.course()
    run = budget.run(course, enroll_by=day(10))
    assert budget.rebuild(_since(budget, begin)).moved == 2
    for assignment in (course_based, run_based):
        (row,) = budget.rows("SELECT * FROM catalog.content_assignment WHERE id = :id", id=assignment)
        assert (row["content_metadata_id"], row["content_run_id"]) == (course, run)
        found = budget.expiration(assignment)
        assert (found["expires_at"], found["reason"]) == (day(10), "ENROLLMENT_DATE_PASSED")
        assert (found["deadline_from"], found["run_key"]) == ("preferred_run", RUN)
        assert found["content_hash"] == f"hash of {COURSE}"
        assert [move["cause"] for move in budget.moves(assignment)] == ["content"]


def test_a_run_that_left_its_course_gives_way_to_the_advertised_one(budget: Budget) -> None:
    course = budget.course(advertised_run_key="course-v1:AcmeX+LEAD10+2T2026", enroll_by=day(20))
    run = budget.run(course, enroll_by=day(10))
    assignment = budget.assign(preferred_course_run_key=RUN)
    budget.rebuild()
    budget.update("content_run", run, missing_since=NOW)
    budget.rebuild()
    found = budget.expiration(assignment)
    assert (found["deadline_from"], found["run_key"]) == ("fallback", "course-v1:AcmeX+LEAD10+2T2026")
    assert found["expires_at"] == day(20)
    (move,) = budget.moves(assignment)
    assert (move["old_expires_at"], move["new_expires_at"], move["cause"]) == (day(10), day(20), "content")


def test_a_run_without_a_course_keeps_its_deadline_when_the_catalog_no_longer_returns_it(budget: Budget) -> None:
    run = budget.run(None, enroll_by=day(10))
    assignment = budget.assign(content_key=RUN, parent_content_key=COURSE, is_assigned_course_run=True)
    budget.rebuild()
    budget.update("content_run", run, missing_since=NOW)
    budget.rebuild()
    found = budget.expiration(assignment)
    assert (found["deadline_from"], found["expires_at"]) == ("preferred_run", day(10))


def test_the_null_of_a_preferred_run_counts(budget: Budget) -> None:
    course = budget.course(advertised_run_key="other", enroll_by=day(20))
    budget.run(course)
    assignment = budget.assign(preferred_course_run_key=RUN)
    budget.rebuild()
    assert budget.expiration(assignment)["deadline_from"] == "preferred_run"
    assert budget.expiration(assignment)["reason"] == "NINETY_DAYS_PASSED"


def test_content_of_another_catalog_does_not_count(budget: Budget) -> None:
    other = budget.insert("enterprise_catalog", enterprise_customer_id=budget.customer, uuid=UUID(int=7))
    budget.course(enterprise_catalog_id=other, enroll_by=day(1))
    assignment = budget.assign()
    budget.rebuild()
    assert budget.expiration(assignment)["deadline_from"] == "none"
    budget.update("access_policy", budget.policy, enterprise_catalog_id=other)
    budget.rebuild()
    assert budget.expiration(assignment)["deadline_from"] == "advertised_run"


def test_a_request_is_answered_until_the_last_run_of_the_course_and_then_the_clock_moves_it(
    budget: Budget,
) -> None:
    course = budget.course(enroll_by=day(5))
    budget.run(course, enroll_by=day(5), problems="[]")
    budget.run(course, "course-v1:AcmeX+LEAD10+last", enroll_by=day(30))
    gone = budget.run(course, "course-v1:AcmeX+LEAD10+gone", enroll_by=day(60), missing_since=NOW)
    assert gone
    assignment = budget.assign(preferred_course_run_key=RUN, credit_request_uuid=UUID(int=8))
    budget.rebuild()
    found = budget.expiration(assignment)
    assert (found["deadline_from"], found["run_key"]) == ("latest_run", "course-v1:AcmeX+LEAD10+last")
    assert found["expires_at"] == day(30)
    budget.rebuild(as_of=day(30))
    assert budget.expiration(assignment)["deadline_from"] == "preferred_run"
    (move,) = budget.moves(assignment)
    assert (move["old_expires_at"], move["new_expires_at"], move["cause"]) == (day(30), day(5), "clock")


def test_dates_that_cannot_be_read_are_told_and_the_others_decide(budget: Budget) -> None:
    budget.update("subsidy", budget.subsidy, expiration_raw="31.12.2026")
    course = budget.course(advertised_run_key=RUN)
    budget.run(course, problems='[{"field": "enrollment_end", "raw": "soon"}]')
    by_course = budget.assign()
    by_run = budget.assign("bob@acme.example", preferred_course_run_key=RUN)
    requested = budget.assign("eve@acme.example", credit_request_uuid=UUID(int=8))
    budget.rebuild()
    for assignment in (by_course, by_run, requested):
        found = budget.expiration(assignment)
        assert found["problems"] == [
            {"field": "enrollment_end", "raw": "soon"},
            {"field": "subsidy_expiration", "raw": "31.12.2026"},
        ]
        assert found["reason"] == "NINETY_DAYS_PASSED"


def test_on_the_same_instant_the_subsidy_goes_first_then_the_deadline(budget: Budget) -> None:
    course = budget.course(enroll_by=NOW + NINETY)
    assignment = budget.assign()
    budget.rebuild()
    assert budget.expiration(assignment)["reason"] == "ENROLLMENT_DATE_PASSED"
    budget.update("subsidy", budget.subsidy, expiration=NOW + NINETY)
    budget.rebuild()
    assert budget.expiration(assignment)["reason"] == "SUBSIDY_EXPIRED"
    (move,) = budget.moves(assignment)
    assert (move["old_expires_at"], move["new_expires_at"], move["cause"]) == (NOW + NINETY, NOW + NINETY, "subsidy")
    assert course


def test_what_did_not_change_is_not_written(budget: Budget) -> None:
    budget.course(enroll_by=day(9))
    assignment = budget.assign()
    budget.rebuild()
    before = budget.expiration(assignment)
    assert budget.rebuild() == Rebuilt(rebuilt=0, moved=0, unchanged=1)
    assert budget.expiration(assignment) == before
    with connected(budget.engine) as connection:
        assert differing(connection, NOW) == 0


def test_an_expiration_that_psql_changed_is_found_and_put_right(budget: Budget) -> None:
    assignment = budget.assign()
    budget.rebuild()
    with connected(budget.engine) as connection:
        connection.execute(text("UPDATE catalog.assignment_expiration SET expires_at = now()"))
        assert differing(connection, NOW) == 1
    budget.rebuild()
    assert budget.expiration(assignment)["expires_at"] == NOW + NINETY
    assert budget.moves(assignment)[0]["cause"] == "rules"


def test_a_reallocation_moves_the_date_and_is_told_as_such(budget: Budget) -> None:
    assignment = budget.assign(state="expired", expired_at=NOW)
    budget.rebuild()
    begin = _now(budget)
    budget.update("content_assignment", assignment, allocated_at=day(3))
    assert budget.rebuild(_since(budget, begin)) == Rebuilt(rebuilt=1, moved=1, unchanged=0)
    (move,) = budget.moves(assignment)
    assert (move["new_expires_at"], move["cause"], move["after_expiry"]) == (day(3) + NINETY, "allocation", True)


@pytest.mark.parametrize(
    ("table", "changes", "touched"),
    [
        ("content_metadata", {"enroll_by": day(3)}, 2),
        ("content_run", {"enroll_by": day(3)}, 2),
        ("subsidy", {"expiration": day(3)}, 3),
        ("subsidy", {"current_balance": 5}, 0),
        ("access_policy", {"subsidy_id": None}, 3),
        ("access_policy", {"assignment_configuration_id": None}, 3),
        ("access_policy", {"display_name": "Budget"}, 0),
        ("content_assignment", {"preferred_course_run_key": None}, 1),
        ("content_assignment", {"content_title": "Renamed"}, 0),
        ("enterprise_customer", {"name": "Renamed"}, 0),
    ],
)
def test_just_the_assignments_that_a_change_may_have_moved_are_rebuilt(
    budget: Budget, table: str, changes: dict[str, object], touched: int
) -> None:
    course = budget.course()
    ids = {
        "content_metadata": course,
        "content_run": budget.run(course),
        "subsidy": budget.subsidy,
        "access_policy": budget.policy,
        "content_assignment": budget.assign(preferred_course_run_key=RUN),
        "enterprise_customer": budget.customer,
    }
    budget.assign("bob@acme.example")
    budget.assign("eve@acme.example", "Other+1")
    budget.assign("joe@acme.example", assignment_configuration_id=budget.configure(9))
    budget.rebuild()
    begin = _now(budget)
    budget.update(table, ids[table], **changes)
    rebuilt = budget.rebuild(_since(budget, begin))
    assert rebuilt.rebuilt + rebuilt.unchanged == touched
    with connected(budget.engine) as connection:
        assert differing(connection, NOW) == 0


def test_content_that_is_deleted_takes_its_deadline_along(budget: Budget) -> None:
    course = budget.course(enroll_by=day(3))
    assignment = budget.assign()
    budget.rebuild()
    begin = _now(budget)
    with connected(budget.engine) as connection:
        connection.execute(text("DELETE FROM catalog.content_metadata WHERE id = :id"), {"id": course})
    assert budget.rebuild(_since(budget, begin)).moved == 1
    assert budget.expiration(assignment)["deadline_from"] == "none"


def test_given_assignments_are_rebuilt_within_a_transaction_of_the_caller(budget: Budget) -> None:
    first, second = budget.assign(), budget.assign("bob@acme.example")
    with connected(budget.engine) as connection:
        assert rebuild(connection, [first, first], as_of=NOW).rebuilt == 1
        assert rebuild(connection, [first, second], as_of=NOW) == Rebuilt(rebuilt=1, moved=0, unchanged=1)
        assert rebuild(connection, [], as_of=NOW) == Rebuilt()


def test_a_rebuild_goes_on_where_the_last_one_ended(budget: Budget) -> None:
    course = budget.course()
    assignment = budget.assign()
    budget.assign("bob@acme.example", "Other+1")
    again = partial(rebuild_since_last, budget.engine, as_of=NOW)
    assert again() == Rebuilt(rebuilt=2, moved=0, unchanged=0)
    assert again().unchanged <= 2
    assert again() == Rebuilt()
    budget.update("content_metadata", course, enroll_by=day(3))
    budget.rebuild([])
    with budget.engine.connect() as slow, slow.begin():
        slow.execute(text("UPDATE catalog.subsidy SET title = 'slow'"))
        assert again() == Rebuilt(rebuilt=1, moved=1, unchanged=0), "though readers wait for the slow transaction"
    assert budget.expiration(assignment)["expires_at"] == day(3)
    with connected(budget.engine) as connection:
        connection.execute(text("UPDATE ops.load SET cursor = replace(cursor, 'history', 'of another server')"))
    assert again().unchanged == 2


def _now(budget: Budget) -> int:
    with connected(budget.engine) as connection:
        return events.now(connection).xid


def _since(budget: Budget, begin: int) -> Range:
    return Range(begin, _now(budget))
