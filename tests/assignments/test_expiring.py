"""Assignments whose date has come expire: each once, with one mail, in order, and a bad one alone stays behind."""

from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text
from support.assignments import COURSE, NOW, RUN, Budget, day

from catalog_pipeline.assignments.expiring import Expiry, expire
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.settings import Settings

STATES = "SELECT learner_email, state, expired_at, expired_reason FROM catalog.content_assignment ORDER BY id"


@pytest.fixture
def run(budget: Budget, settings: Settings) -> partial[Expiry]:
    """Expires what is due at NOW."""
    return partial(expire, budget.engine, settings, as_of=NOW)


def test_allocated_assignments_whose_date_has_come_expire_with_one_mail_each(
    budget: Budget, run: partial[Expiry]
) -> None:
    budget.course(enroll_by=NOW)
    first = budget.assign(allocated_at=day(-2))
    budget.assign("bob@acme.example", allocated_at=day(-3))
    budget.assign("eve@acme.example", state="accepted")
    budget.assign("joe@acme.example", "Other+1")
    found = run()
    assert found.counts == {"expired": 2, "failed": 0, "skipped": 0}
    assert found.exit_code == ExitCode.DONE
    assert [(one.outcome, one.date, one.reason) for one in found.assignments] == [
        ("expired", NOW, "ENROLLMENT_DATE_PASSED")
    ] * 2
    states = budget.rows(STATES)
    assert [row["state"] for row in states] == ["expired", "expired", "accepted", "allocated"]
    assert (states[0]["expired_at"], states[0]["expired_reason"]) == (NOW, "ENROLLMENT_DATE_PASSED")
    sent = budget.rows(
        """SELECT o.kind, o.recipients, o.subject, a.action_type, a.completed_at FROM catalog.assignment_action a
           JOIN ops.outbox o ON o.id = a.outbox_id ORDER BY o.id"""
    )
    assert [row["recipients"] for row in sent] == [["bob@acme.example"], ["ann@acme.example"]], "in order"
    assert {(row["kind"], row["action_type"], row["completed_at"]) for row in sent} == {
        ("assignment_expired", "expired", None)
    }
    assert budget.expiration(first)["expires_at"] == NOW
    again = run()
    assert again.assignments == []
    assert len(budget.rows("SELECT FROM ops.outbox")) == 2


def test_a_dry_run_reports_the_same_and_writes_nothing(budget: Budget, run: partial[Expiry]) -> None:
    budget.course(enroll_by=NOW)
    budget.assign()
    planned = run(dry_run=True)
    for table in ("ops.outbox", "ops.load", "catalog.assignment_expiration", "catalog.assignment_action"):
        assert budget.rows(f"SELECT FROM {table}") == []
    assert budget.rows(STATES)[0]["state"] == "allocated"
    assert {**run().as_json(), "dry_run": True} == planned.as_json()


def test_the_date_is_decided_at_the_moment_it_expires_whatever_was_decided_before(
    budget: Budget, run: partial[Expiry]
) -> None:
    course = budget.course(enroll_by=NOW)
    assignment = budget.assign()
    budget.rebuild()
    budget.update("content_metadata", course, enroll_by=day(9))
    assert run().assignments == []
    assert budget.expiration(assignment)["expires_at"] == day(9)
    assert len(run(as_of=day(9)).assignments) == 1


def test_what_has_no_policy_is_skipped_and_what_is_owned_elsewhere_is_left_alone(
    budget: Budget, run: partial[Expiry]
) -> None:
    for options in ({"number": 8}, {"number": 9, "owner": "enterprise_access"}, {"number": 10, "active": False}):
        budget.assign(assignment_configuration_id=budget.configure(**options), allocated_at=day(-100))
    found = run()
    assert sorted(one.outcome for one in found.assignments) == ["owned_elsewhere", "skipped"]
    assert found.as_json()["due"] == 2
    assert {row["state"] for row in budget.rows(STATES)} == {"allocated"}
    assert budget.rows("SELECT FROM ops.outbox") == []


def test_a_bad_row_fails_alone(budget: Budget, run: partial[Expiry]) -> None:
    for email in ("ann@acme.example", "no address", "bob@acme.example", "hit@acme.example"):
        budget.assign(email, allocated_at=day(-100))
    with connected(budget.engine) as connection:
        connection.execute(
            text("""CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'This row is bad.'; END $$""")
        )
        connection.execute(
            text("""CREATE TRIGGER refuse BEFORE UPDATE OF state ON catalog.content_assignment FOR EACH ROW
                    WHEN (OLD.learner_email = 'hit@acme.example') EXECUTE FUNCTION public.refuse()""")
        )
    found = run()
    assert found.counts == {"expired": 2, "failed": 2, "skipped": 0}
    assert found.exit_code == ExitCode.SOME_ROWS_LEFT
    errors = [one.error for one in found.assignments if one.error]
    assert "This row is bad." in errors
    assert [row["state"] for row in budget.rows(STATES)] == ["expired", "allocated", "expired", "allocated"]
    assert len(budget.rows("SELECT FROM ops.outbox")) == 2
    assert len(budget.rows("SELECT FROM catalog.assignment_action")) == 2


def test_a_date_that_moves_to_the_future_revives_nothing_and_is_told(budget: Budget, run: partial[Expiry]) -> None:
    course = budget.course(enroll_by=NOW)
    budget.assign()
    assert run().revivable == []
    (row,) = budget.rows("SELECT uuid FROM catalog.content_assignment")
    budget.update("content_metadata", course, enroll_by=day(5))
    assert run().revivable == [row["uuid"]]
    assert budget.rows(STATES)[0]["state"] == "expired"


def test_a_request_expires_once_the_last_run_of_its_course_is_over(budget: Budget, run: partial[Expiry]) -> None:
    course = budget.course(enroll_by=day(-5))
    budget.run(course, enroll_by=day(-5))
    budget.run(course, "course-v1:AcmeX+LEAD10+last", enroll_by=day(3))
    budget.assign(preferred_course_run_key=RUN, credit_request_uuid=UUID(int=8))
    assert run().assignments == []
    (one,) = run(as_of=day(3)).assignments
    assert (one.outcome, one.date) == ("expired", day(-5))


def test_one_configuration_expires_alone(budget: Budget, run: partial[Expiry]) -> None:
    budget.course(enroll_by=NOW)
    budget.assign()
    budget.assign(content_key=COURSE, assignment_configuration_id=budget.configure(9), allocated_at=day(-100))
    assert run(configuration=UUID(int=9)).counts["skipped"] == 1
    assert run(configuration=UUID(int=4)).counts["expired"] == 1
    with pytest.raises(UsageError, match="no assignment configuration"):
        run(configuration=UUID(int=77))


def test_many_are_expired_together(budget: Budget, run: partial[Expiry]) -> None:
    with connected(budget.engine) as connection:
        connection.execute(
            text("""INSERT INTO catalog.content_assignment (assignment_configuration_id, learner_email, content_key,
                        content_quantity, allocated_at)
                    SELECT :configuration, n || '@acme.example', 'A+1', 0, :then FROM generate_series(1, 1100) n"""),
            {"configuration": budget.configuration, "then": day(-90)},
        )
        for bad in (7, 1007):
            wrong = "UPDATE catalog.content_assignment SET learner_email = 'no address' || id WHERE id = :id"
            connection.execute(text(wrong), {"id": bad})
    found = run()
    assert found.counts["failed"] == 2
    assert found.counts["expired"] == 1098
    assert len(budget.rows("SELECT FROM ops.outbox")) == 1098
