"""Why an assignment expires when it does, in dates, in a sentence, and as the command prints it."""

import json

import pytest
from sqlalchemy import text
from support.assignments import NOW, RUN, Budget, day
from support.command import Command

from catalog_pipeline.assignments.expiring import expire
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row
from catalog_pipeline.errors import UsageError
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.settings import Settings


def uuid_of(budget: Budget, assignment: int) -> str:
    (row,) = budget.rows("SELECT uuid::text FROM catalog.content_assignment WHERE id = :id", id=assignment)
    return row["uuid"]


def explained(budget: Budget, assignment: int) -> Row:
    with connected(budget.engine) as connection:
        return explain(connection, uuid_of(budget, assignment))


def test_the_candidates_their_raw_dates_and_what_moved_the_date_are_told(budget: Budget, settings: Settings) -> None:
    budget.update("subsidy", budget.subsidy, expiration=day(30), expiration_raw="2026-07-01T12:00:00Z")
    course = budget.course()
    run = budget.run(
        course,
        enroll_by=day(9),
        enrollment_end_raw="2026-06-20T12:00:00Z",
        upgrade_deadline_raw="2026-06-10T14:00:00+02:00",
    )
    assignment = budget.assign(preferred_course_run_key=RUN)
    assert explained(budget, assignment)["candidates"] == []
    assert "not decided yet" in explained(budget, assignment)["because"]
    budget.rebuild()
    budget.update("content_run", run, enroll_by=NOW, upgrade_deadline_raw="2026-06-01T12:00:00Z")
    expire(budget.engine, settings, as_of=NOW)
    found = explained(budget, assignment)
    assert found["candidates"] == [
        {"reason": "SUBSIDY_EXPIRED", "date": day(30), "raw": "2026-07-01T12:00:00Z"},
        {"reason": "ENROLLMENT_DATE_PASSED", "date": NOW, "raw": "2026-06-01T12:00:00Z"},
        {"reason": "NINETY_DAYS_PASSED", "date": day(90), "raw": None},
    ]
    assert found["because"] == (
        f"It expires at 2026-06-01 12:00 UTC: the enrollment deadline of its run {RUN}."
        " It expired at 2026-06-01 12:00 UTC."
    )
    assert [(move["old_expires_at"], move["new_expires_at"], move["cause"]) for move in found["moves"]] == [
        (None, day(9), "allocation"),
        (day(9), NOW, "content"),
    ]
    assert [(mail["kind"], mail["state"]) for mail in found["mails"]] == [("assignment_expired", "waiting")]
    assert found["content"]["run_key"] == RUN


def test_a_date_that_cannot_be_read_is_said_in_the_sentence(budget: Budget) -> None:
    budget.update("subsidy", budget.subsidy, expiration_raw="soon")
    assignment = budget.assign(state="accepted")
    budget.rebuild()
    assert explained(budget, assignment)["because"] == (
        "It expires at 2026-08-30 12:00 UTC: it was allocated at 2026-06-01 12:00, ninety days before."
        " But it is accepted, and only allocated ones expire."
        " The date subsidy_expiration cannot be read and does not count: 'soon'."
    )


def test_an_unknown_assignment_is_told(budget: Budget) -> None:
    with pytest.raises(UsageError, match="There is no assignment"), connected(budget.engine) as connection:
        explain(connection, "00000000-0000-0000-0000-000000000000")


def test_the_command_rebuilds_lists_shows_explains_and_expires(budget: Budget, command: Command) -> None:
    course = budget.course(advertised_run_key=RUN, enroll_by=day(-1))
    budget.assign(allocated_at=day(-2))
    assignment = budget.assign("bob@acme.example", "Other+1")
    assert command.json("assignments", "rebuild") == {"rebuilt": 2, "moved": 0, "unchanged": 0}
    budget.update("content_metadata", course, enroll_by=day(-3))
    assert command.json("assignments", "rebuild") == {"rebuilt": 1, "moved": 1, "unchanged": 0}
    assert command.json("assignments", "rebuild", "--full") == {"rebuilt": 0, "moved": 0, "unchanged": 2}
    page = command.json("assignments", "list", "--state", "allocated", "--sort", "expiration", "--limit", "1")
    assert (page["count"], page["assignments"][0]["expiration"]["reason"]) == (2, "ENROLLMENT_DATE_PASSED")
    uuid = uuid_of(budget, assignment)
    assert command.json("assignments", "show", uuid)["content_status"] == "not_fetched"
    assert "ninety days before" in command("explain", uuid).stdout
    planned = command.json("assignments", "expire", "--as-of", "2026-06-01", "--dry-run")
    assert (planned["due"], planned["expired"], planned["dry_run"]) == (1, 1, True)
    done = command.json("assignments", "expire", "--as-of", "2026-06-01T00:00:00Z")
    assert json.dumps({**done, "dry_run": True}) == json.dumps(planned)
    assert "Bob" not in command("assignments", "list").stdout
    for wrong in (("show", "1"), ("list", "--sort", "x"), ("list", "--state", "x"), ("expire", "--as-of", "soon")):
        assert "error" in command("assignments", *wrong, status=2).stderr.lower()


def test_a_bad_address_leaves_the_row_and_the_exit_status_says_so(budget: Budget, command: Command) -> None:
    budget.assign("nobody")
    with connected(budget.engine) as connection:
        connection.execute(text("UPDATE catalog.content_assignment SET allocated_at = '2020-01-01Z'"))
    assert command.json("assignments", "expire", status=3)["failed"] == 1
