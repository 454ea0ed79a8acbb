"""Expirations are rebuilt for what changed, written only where they differ, and each move is kept with its cause."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from support.assignments import COURSE, NOW, RUN, Enterprise, day

from catalog_pipeline.assignments.expirations import Rebuilt, differing, rebuild
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Range

NINETY = timedelta(hours=90 * 24)


def test_without_policy_or_content_an_assignment_expires_ninety_days_after_it_was_allocated(
    enterprise: Enterprise,
) -> None:
    alone = enterprise.assign(assignment_configuration_id=enterprise.configure(9))
    waiting = enterprise.assign()
    assert enterprise.rebuild() == Rebuilt(rebuilt=2, moved=0, unchanged=0)
    for assignment in (alone, waiting):
        found = enterprise.expiration(assignment)
        assert (found["expires_at"], found["reason"]) == (NOW + NINETY, "NINETY_DAYS_PASSED")
        assert (found["deadline_from"], found["run_key"], found["problems"]) == ("none", None, [])


def test_an_assignment_gets_its_content_and_its_run_when_they_arrive_whatever_their_case(
    enterprise: Enterprise,
) -> None:
    course_based = enterprise.assign(content_key=COURSE.lower(), preferred_course_run_key=RUN.upper())
    run_based = enterprise.assign("bob@acme.example", RUN, parent_content_key=COURSE, is_assigned_course_run=True)
    enterprise.rebuild()
    begin = _now(enterprise)
    course = enterprise.course()
    run = enterprise.run(course, enroll_by=day(10))
    assert enterprise.rebuild(_since(enterprise, begin)).moved == 2
    for assignment in (course_based, run_based):
        (row,) = enterprise.rows("SELECT * FROM catalog.content_assignment WHERE id = :id", id=assignment)
        assert (row["content_metadata_id"], row["content_run_id"]) == (course, run)
        found = enterprise.expiration(assignment)
        assert (found["expires_at"], found["reason"]) == (day(10), "ENROLLMENT_DATE_PASSED")
        assert (found["deadline_from"], found["run_key"]) == ("preferred_run", RUN)
        assert found["content_hash"] == f"hash of {COURSE}"
        assert [move["cause"] for move in enterprise.moves(assignment)] == ["content"]


def test_a_run_that_left_its_course_gives_way_to_the_advertised_one(enterprise: Enterprise) -> None:
    course = enterprise.course(advertised_run_key="course-v1:AcmeX+LEAD10+2T2026", enroll_by=day(20))
    run = enterprise.run(course, enroll_by=day(10))
    assignment = enterprise.assign(preferred_course_run_key=RUN)
    enterprise.rebuild()
    enterprise.update("content_run", run, missing_since=NOW)
    enterprise.rebuild()
    found = enterprise.expiration(assignment)
    assert (found["deadline_from"], found["run_key"]) == ("fallback", "course-v1:AcmeX+LEAD10+2T2026")
    assert found["expires_at"] == day(20)
    (move,) = enterprise.moves(assignment)
    assert (move["old_expires_at"], move["new_expires_at"], move["cause"]) == (day(10), day(20), "content")


def test_the_null_of_a_preferred_run_counts(enterprise: Enterprise) -> None:
    course = enterprise.course(advertised_run_key="other", enroll_by=day(20))
    enterprise.run(course)
    assignment = enterprise.assign(preferred_course_run_key=RUN)
    enterprise.rebuild()
    assert enterprise.expiration(assignment)["deadline_from"] == "preferred_run"
    assert enterprise.expiration(assignment)["reason"] == "NINETY_DAYS_PASSED"


def test_content_of_another_catalog_does_not_count(enterprise: Enterprise) -> None:
    other = enterprise.insert("enterprise_catalog", enterprise_customer_id=enterprise.customer, uuid=UUID(int=7))
    enterprise.course(enterprise_catalog_id=other, enroll_by=day(1))
    assignment = enterprise.assign()
    enterprise.rebuild()
    assert enterprise.expiration(assignment)["deadline_from"] == "none"
    enterprise.update("access_policy", enterprise.policy, enterprise_catalog_id=other)
    enterprise.rebuild()
    assert enterprise.expiration(assignment)["deadline_from"] == "advertised_run"


def test_a_request_is_answered_until_the_last_run_of_the_course_and_then_the_clock_moves_it(
    enterprise: Enterprise,
) -> None:
    course = enterprise.course(enroll_by=day(5))
    enterprise.run(course, enroll_by=day(5), problems="[]")
    enterprise.run(course, "course-v1:AcmeX+LEAD10+last", enroll_by=day(30))
    gone = enterprise.run(course, "course-v1:AcmeX+LEAD10+gone", enroll_by=day(60), missing_since=NOW)
    assert gone
    assignment = enterprise.assign(preferred_course_run_key=RUN, credit_request_uuid=UUID(int=8))
    enterprise.rebuild()
    found = enterprise.expiration(assignment)
    assert (found["deadline_from"], found["run_key"]) == ("latest_run", "course-v1:AcmeX+LEAD10+last")
    assert found["expires_at"] == day(30)
    enterprise.rebuild(as_of=day(30))
    assert enterprise.expiration(assignment)["deadline_from"] == "preferred_run"
    (move,) = enterprise.moves(assignment)
    assert (move["old_expires_at"], move["new_expires_at"], move["cause"]) == (day(30), day(5), "clock")


def test_dates_that_cannot_be_read_are_told_and_the_others_decide(enterprise: Enterprise) -> None:
    enterprise.update("subsidy", enterprise.subsidy, expiration_raw="31.12.2026")
    course = enterprise.course(advertised_run_key=RUN)
    enterprise.run(course, problems='[{"field": "enrollment_end", "raw": "soon"}]')
    by_course = enterprise.assign()
    by_run = enterprise.assign("bob@acme.example", preferred_course_run_key=RUN)
    requested = enterprise.assign("eve@acme.example", credit_request_uuid=UUID(int=8))
    enterprise.rebuild()
    for assignment in (by_course, by_run, requested):
        found = enterprise.expiration(assignment)
        assert found["problems"] == [
            {"field": "enrollment_end", "raw": "soon"},
            {"field": "subsidy_expiration", "raw": "31.12.2026"},
        ]
        assert found["reason"] == "NINETY_DAYS_PASSED"


def test_on_the_same_instant_the_subsidy_goes_first_then_the_deadline(enterprise: Enterprise) -> None:
    course = enterprise.course(enroll_by=NOW + NINETY)
    assignment = enterprise.assign()
    enterprise.rebuild()
    assert enterprise.expiration(assignment)["reason"] == "ENROLLMENT_DATE_PASSED"
    enterprise.update("subsidy", enterprise.subsidy, expiration=NOW + NINETY)
    enterprise.rebuild()
    assert enterprise.expiration(assignment)["reason"] == "SUBSIDY_EXPIRED"
    (move,) = enterprise.moves(assignment)
    assert (move["old_expires_at"], move["new_expires_at"], move["cause"]) == (NOW + NINETY, NOW + NINETY, "subsidy")
    assert course


def test_what_did_not_change_is_not_written(enterprise: Enterprise) -> None:
    enterprise.course(enroll_by=day(9))
    assignment = enterprise.assign()
    enterprise.rebuild()
    before = enterprise.expiration(assignment)
    assert enterprise.rebuild() == Rebuilt(rebuilt=0, moved=0, unchanged=1)
    assert enterprise.expiration(assignment) == before
    with connected(enterprise.engine) as connection:
        assert differing(connection, NOW) == 0


def test_an_expiration_that_psql_changed_is_found_and_put_right(enterprise: Enterprise) -> None:
    assignment = enterprise.assign()
    enterprise.rebuild()
    with connected(enterprise.engine) as connection:
        connection.execute(text("UPDATE catalog.assignment_expiration SET expires_at = now()"))
        assert differing(connection, NOW) == 1
    enterprise.rebuild()
    assert enterprise.expiration(assignment)["expires_at"] == NOW + NINETY
    assert enterprise.moves(assignment)[0]["cause"] == "rules"


def test_a_reallocation_moves_the_date_and_is_told_as_such(enterprise: Enterprise) -> None:
    assignment = enterprise.assign(state="expired", expired_at=NOW)
    enterprise.rebuild()
    begin = _now(enterprise)
    enterprise.update("content_assignment", assignment, allocated_at=day(3))
    assert enterprise.rebuild(_since(enterprise, begin)) == Rebuilt(rebuilt=1, moved=1, unchanged=0)
    (move,) = enterprise.moves(assignment)
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
    enterprise: Enterprise, table: str, changes: dict[str, object], touched: int
) -> None:
    course = enterprise.course()
    ids = {
        "content_metadata": course,
        "content_run": enterprise.run(course),
        "subsidy": enterprise.subsidy,
        "access_policy": enterprise.policy,
        "content_assignment": enterprise.assign(preferred_course_run_key=RUN),
        "enterprise_customer": enterprise.customer,
    }
    enterprise.assign("bob@acme.example")
    enterprise.assign("eve@acme.example", "Other+1")
    enterprise.assign("joe@acme.example", assignment_configuration_id=enterprise.configure(9))
    enterprise.rebuild()
    begin = _now(enterprise)
    enterprise.update(table, ids[table], **changes)
    rebuilt = enterprise.rebuild(_since(enterprise, begin))
    assert rebuilt.rebuilt + rebuilt.unchanged == touched
    with connected(enterprise.engine) as connection:
        assert differing(connection, NOW) == 0


def test_content_that_is_deleted_takes_its_deadline_along(enterprise: Enterprise) -> None:
    course = enterprise.course(enroll_by=day(3))
    assignment = enterprise.assign()
    enterprise.rebuild()
    begin = _now(enterprise)
    with connected(enterprise.engine) as connection:
        connection.execute(text("DELETE FROM catalog.content_metadata WHERE id = :id"), {"id": course})
    assert enterprise.rebuild(_since(enterprise, begin)).moved == 1
    assert enterprise.expiration(assignment)["deadline_from"] == "none"


def test_given_assignments_are_rebuilt_within_a_transaction_of_the_caller(enterprise: Enterprise) -> None:
    first, second = enterprise.assign(), enterprise.assign("bob@acme.example")
    with connected(enterprise.engine) as connection:
        assert rebuild(connection, [first, first], as_of=NOW).rebuilt == 1
        assert rebuild(connection, [first, second], as_of=NOW) == Rebuilt(rebuilt=1, moved=0, unchanged=1)
        assert rebuild(connection, [], as_of=NOW) == Rebuilt()


def _now(enterprise: Enterprise) -> int:
    with connected(enterprise.engine) as connection:
        return events.now(connection).xid


def _since(enterprise: Enterprise, begin: int) -> Range:
    return Range(begin, _now(enterprise))
