"""Assignments from a file: judged row by row, written in one transaction, and only where they differ."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.enterprise import Acme, assignment, json_lines, uuid_of

from catalog_pipeline.assignments.importing import import_assignments
from catalog_pipeline.enterprise.report import ImportReport
from catalog_pipeline.errors import ExitCode, UsageError

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def imported(acme: Acme, tmp_path: Path) -> Any:
    def do(*records: Any, dry_run: bool = False) -> ImportReport:
        file = json_lines(tmp_path / "assignments.jsonl", *records)
        return import_assignments(acme.engine, file, actor="cli:ann", as_of=AS_OF, dry_run=dry_run)

    return do


def outcomes(report: ImportReport) -> list[str]:
    return [row.outcome for row in report.rows]


def rules(report: ImportReport) -> list[list[tuple[str, str | None]]]:
    return [[(error.rule, error.column) for error in row.errors] for row in report.rows]


def test_an_assignment_is_written_with_its_actions_and_the_same_file_again_writes_nothing(
    acme: Acme, imported: Any
) -> None:
    actions = [
        {"uuid": uuid_of("linked"), "action_type": "learner_linked", "completed_at": "2026-01-05T10:00:01Z",
         "error_reason": None, "created": "2026-01-05T10:00:00.5Z"},
        {"uuid": uuid_of("failed"), "action_type": "notified", "completed_at": None, "error_reason": "email_error",
         "created": "2026-01-05T10:00:02Z"},
    ]  # fmt: skip
    record = assignment(
        "ann",
        actions=actions,
        learner_email="Ann@Example.org",
        parent_content_key="AcmeX+LEAD10",
        content_key="course-v1:AcmeX+LEAD10+1T2026",
        lms_user_id=7,
        credit_request_uuid=uuid_of("request"),
    )
    report = imported(record)
    assert report.as_json()["counts"] == {"rows": 1, "created": 1, "updated": 0, "unchanged": 0, "rejected": 0}
    assert report.as_json()["rows"] == [{"row": 1, "uuid": uuid_of("ann"), "outcome": "created", "errors": []}]
    row = acme.assignment("ann")
    assert row["learner_email"] == "Ann@Example.org"
    assert (row["state"], row["content_quantity"], row["is_assigned_course_run"]) == ("allocated", -10_000, True)
    assert (row["allocated_at"], row["allocated_at_from"]) == (datetime(2026, 1, 5, 10, tzinfo=UTC), "recent_action")
    assert str(row["credit_request_uuid"]) == uuid_of("request")
    stored = acme.rows(
        "SELECT action_type, completed_at, error_reason, created_at FROM catalog.assignment_action ORDER BY created_at"
    )
    assert [(action["action_type"], action["error_reason"]) for action in stored] == [
        ("learner_linked", None),
        ("notified", "email_error"),
    ]
    assert stored[0]["created_at"] == datetime(2026, 1, 5, 10, 0, 0, 500_000, tzinfo=UTC)
    before = acme.versions()
    assert outcomes(imported(record)) == ["unchanged"]
    assert acme.versions() == before


def test_an_absent_field_keeps_what_stands_and_a_null_clears_it(acme: Acme, imported: Any) -> None:
    imported(assignment("ann", content_title="Lead", transaction_uuid=uuid_of("t"), state="accepted"))
    part = {
        "uuid": uuid_of("ann"),
        "assignment_configuration": uuid_of("configuration"),
        "learner_email": "ann@example.org",
        "content_key": "AcmeX+LEAD10",
    }
    assert outcomes(imported(part)) == ["unchanged"]
    assert outcomes(imported({**part, "content_title": None, "state": None, "content_quantity": None})) == ["updated"]
    row = acme.assignment("ann")
    assert (row["content_title"], str(row["transaction_uuid"])) == (None, uuid_of("t"))
    assert (row["state"], row["content_quantity"]) == ("accepted", -10_000)


def test_a_row_is_found_by_its_uuid_else_by_the_address_else_by_the_learners_id(acme: Acme, imported: Any) -> None:
    imported(assignment("ann", lms_user_id=7))
    without = {name: value for name, value in assignment("ann").items() if name != "uuid"}
    by_address = imported({**without, "learner_email": "ANN@example.ORG", "content_title": "By address"})
    assert (by_address.rows[0].outcome, by_address.rows[0].uuid) == ("updated", uuid_of("ann"))
    by_learner = imported({**without, "learner_email": "new@example.org", "lms_user_id": 7})
    assert (by_learner.rows[0].outcome, by_learner.rows[0].uuid) == ("updated", uuid_of("ann"))
    by_uuid = imported(assignment("ann", learner_email="newer@example.org"))
    assert outcomes(by_uuid) == ["updated"]
    row = acme.assignment("ann")
    assert (row["learner_email"], row["lms_user_id"], row["content_title"]) == ("newer@example.org", 7, "By address")


def test_every_wrong_row_is_rejected_with_its_reason_and_keeps_no_other_from_being_written(imported: Any) -> None:
    report = imported(
        "[1]",
        "",
        "no json",
        {"uuid": "x"},
        assignment("a", learner_email="ann at example"),
        assignment("b", allocated_at="2026-01-05", cancelled_at="yesterday"),
        assignment("c", content_quantity=5),
        assignment("d", content_quantity="-5"),
        assignment("e", state="lost"),
        assignment("f", assignment_configuration=uuid_of("other")),
        assignment("g", actions=[{"action_type": "danced"}]),
        assignment("h", actions={}),
        assignment("i"),
    )
    assert [row.row for row in report.rows] == [1, *range(3, 14)]
    assert rules(report) == [
        [("not_an_object", None)],
        [("not_an_object", None)],
        [("missing", "assignment_configuration"), ("missing", "content_key"), ("missing", "learner_email"),
         ("not_a_uuid", "uuid")],
        [("not_an_email", "learner_email")],
        [("not_an_instant", "allocated_at"), ("not_an_instant", "cancelled_at")],
        [("not_a_number", "content_quantity")],
        [("not_a_number", "content_quantity")],
        [("unknown_state", "state")],
        [("unknown_configuration", "assignment_configuration")],
        [("unknown_value", "actions.action_type")],
        [("not_a_list", "actions")],
        [],
    ]  # fmt: skip
    assert report.exit_code == ExitCode.SOME_ROWS_LEFT
    assert report.counts["created"] == 1


def test_an_allocation_so_late_that_it_has_no_ninetieth_day_is_no_instant(imported: Any) -> None:
    late = "9999-12-01T00:00:00Z"
    report = imported(
        assignment("a", allocated_at=late),
        assignment("b", recent_action=None, actions=[{"action_type": "notified", "created": late}]),
    )
    assert rules(report) == [[("not_an_instant", "allocated_at")], []]


def test_of_two_rows_of_one_assignment_the_later_is_a_duplicate_that_names_the_earlier(imported: Any) -> None:
    report = imported(
        assignment("ann", lms_user_id=7),
        assignment("bob", learner_email="Ann@example.org"),
        assignment("carl", lms_user_id=7),
        assignment("ann", content_key="Other+Course"),
        assignment("ann", uuid=None, content_key="Other+Course"),
    )
    assert rules(report) == [
        [],
        [("duplicate", "learner_email")],
        [("duplicate", "lms_user_id")],
        [("duplicate", "uuid")],
        [],
    ]
    assert [row.errors[0].message for row in report.rows[1:4]] == [
        "Row 1 has the same configuration, learner_email and content_key.",
        "Row 1 has the same configuration, lms_user_id and content_key.",
        "Row 1 has the same uuid.",
    ]


def test_a_row_that_would_take_the_address_of_another_assignment_is_a_duplicate(imported: Any) -> None:
    imported(assignment("ann"), assignment("bob"))
    report = imported(assignment("ann", learner_email="bob@example.org"))
    assert rules(report) == [[("duplicate", "learner_email")]]
    assert uuid_of("bob") in report.rows[0].errors[0].message


def test_an_action_belongs_to_one_assignment(imported: Any) -> None:
    action = {"uuid": uuid_of("action"), "action_type": "notified", "created": "2026-01-05T10:00:00Z"}
    report = imported(assignment("ann", actions=[action]), assignment("bob", actions=[action]))
    assert rules(report) == [[], [("duplicate", "actions.uuid")]]
    assert rules(imported(assignment("bob", actions=[action]))) == [[("duplicate", "actions.uuid")]]


def test_an_action_without_a_uuid_is_known_by_its_kind_and_instant(acme: Acme, imported: Any) -> None:
    actions = [
        {"action_type": "reminded", "completed_at": "2026-01-07T00:00:00Z"},
        {"action_type": "reminded", "completed_at": "2026-01-09T00:00:00Z"},
    ]
    imported(assignment("ann", actions=actions))
    assert outcomes(imported(assignment("ann", actions=actions))) == ["unchanged"]
    assert len(acme.rows("SELECT FROM catalog.assignment_action")) == 2


def test_any_state_is_inserted_but_changes_only_as_states_may(acme: Acme, imported: Any) -> None:
    states = ("allocated", "accepted", "cancelled", "expired", "errored", "reversed")
    assert outcomes(imported(*(assignment(state, state=state) for state in states))) == ["created"] * 6
    report = imported(assignment("accepted", state="cancelled"), assignment("accepted", state="expired"))
    assert rules(report)[0] == [("transition_not_allowed", "state")]
    assert "from accepted to cancelled" in report.rows[0].errors[0].message
    assert outcomes(imported(assignment("allocated", state="cancelled"))) == ["updated"]
    assert acme.assignment("allocated")["state"] == "cancelled"


def test_when_an_assignment_came_into_its_state_is_taken_from_its_actions(acme: Acme, imported: Any) -> None:
    expired = {"action_type": "expired", "completed_at": "2026-02-01T00:00:00Z", "created": "2026-02-01T00:00:00Z"}
    imported(assignment("ann", state="expired", actions=[expired]))
    assert acme.assignment("ann")["expired_at"] == datetime(2026, 2, 1, tzinfo=UTC)
    imported(assignment("ann", expired_at="2026-02-02T00:00:00+01:00"))
    assert acme.assignment("ann")["expired_at"] == datetime(2026, 2, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "instant", "origin"),
    [
        ({"allocated_at": "2026-01-01T00:00:00Z"}, datetime(2026, 1, 1, tzinfo=UTC), "given"),
        ({}, datetime(2026, 1, 5, 10, tzinfo=UTC), "recent_action"),
        (
            {
                "recent_action": {"action_type": "reminded", "timestamp": "2026-02-05T10:00:00Z"},
                "earliest_possible_expiration": {"date": "2026-04-10T00:00:00Z", "reason": "NINETY_DAYS_PASSED"},
            },
            datetime(2026, 1, 10, tzinfo=UTC),
            "expiration",
        ),
        (
            {
                "recent_action": None,
                "earliest_possible_expiration": {"date": "in May", "reason": "SUBSIDY_EXPIRED"},
                "actions": [
                    {"action_type": "notified", "created": "2026-01-09T00:00:00Z"},
                    {"action_type": "learner_linked", "created": "2026-01-08T00:00:00Z"},
                ],
            },
            datetime(2026, 1, 8, tzinfo=UTC),
            "first_action",
        ),
        ({"recent_action": None}, AS_OF, "first_seen"),
    ],
)
def test_when_it_was_allocated_is_given_or_else_found(
    acme: Acme, imported: Any, fields: dict[str, Any], instant: datetime, origin: str
) -> None:
    imported(assignment("ann", **fields))
    row = acme.assignment("ann")
    assert (row["allocated_at"], row["allocated_at_from"]) == (instant, origin)


def test_a_first_action_does_not_move_an_allocation_whose_instant_is_known(acme: Acme, imported: Any) -> None:
    imported(assignment("ann", allocated_at="2026-02-01T00:00:00Z"))
    late = {"recent_action": None, "actions": [{"action_type": "notified", "created": "2026-01-09T00:00:00Z"}]}
    imported(assignment("ann", **late))
    row = acme.assignment("ann")
    assert (row["allocated_at"], row["allocated_at_from"]) == (datetime(2026, 2, 1, tzinfo=UTC), "given")


def test_the_assignments_of_enterprise_access_are_not_imported(acme: Acme, imported: Any) -> None:
    acme.add_configuration("theirs", "enterprise_access")
    report = imported(assignment("ann", assignment_configuration=uuid_of("theirs")))
    assert rules(report) == [[("owned_elsewhere", "assignment_configuration")]]
    assert acme.rows("SELECT FROM catalog.content_assignment") == []


def test_a_known_learner_gives_the_assignment_its_id(acme: Acme, imported: Any) -> None:
    acme.execute(
        "INSERT INTO catalog.enterprise_learner (enterprise_customer_id, lms_user_id, email)"
        " SELECT id, 42, 'Ann@Example.org' FROM catalog.enterprise_customer"
    )
    imported(assignment("ann", lms_user_id=None))
    assert acme.assignment("ann")["lms_user_id"] == 42
    assert outcomes(imported(assignment("ann", lms_user_id=None))) == ["unchanged"]


def test_an_address_that_was_cleared_does_not_come_back_with_an_old_file(acme: Acme, imported: Any) -> None:
    imported(assignment("ann", state="expired"))
    acme.execute("UPDATE catalog.content_assignment SET learner_email = 'retired_user1@retired.invalid'")
    assert outcomes(imported(assignment("ann", state="expired"))) == ["unchanged"]
    imported(assignment("ann", state="allocated"))
    assert acme.assignment("ann")["learner_email"] == "ann@example.org"


def test_a_dry_run_reports_the_same_and_writes_nothing(acme: Acme, imported: Any) -> None:
    records = (assignment("ann"), assignment("bob", state="lost"), "x")
    planned = imported(*records, dry_run=True)
    assert acme.rows("SELECT FROM catalog.content_assignment") == []
    assert acme.rows("SELECT FROM ops.load") == []
    assert planned == imported(*records)
    (load,) = acme.rows("SELECT source, outcome FROM ops.load")
    assert load == {"source": "assignments:import", "outcome": "applied"}
    counts = acme.rows("SELECT table_name, outcome, n FROM ops.load_count ORDER BY outcome")
    assert [(count["outcome"], count["n"]) for count in counts] == [("created", 1), ("rejected", 2)]


def test_csv_has_the_same_columns_and_its_rows_count_from_the_header(acme: Acme, tmp_path: Path) -> None:
    file = tmp_path / "assignments.CSV"
    names = ["assignment_configuration", "learner_email", "content_key", "content_quantity", "state", "actions"]
    names += ["is_assigned_course_run", "lms_user_id", "content_title"]
    actions = json.dumps([{"action_type": "notified", "completed_at": "2026-01-06T00:00:00Z"}])
    common = [uuid_of("configuration")]
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        csv.writer(opened).writerows([
            names,
            [*common, "ann@example.org", "A+B", "-500", "", actions, "TRUE", "12", "Two\nlines"],
            [*common, "bob@example.org", "A+B", "some", "allocated", "[", "", "", ""],
            [*common, "", "A+B"],
            [*common, "carl@example.org", "A+B", *[""] * 7],
        ])  # fmt: skip
    report = import_assignments(acme.engine, file, actor="cli:ann", as_of=AS_OF)
    assert [row.row for row in report.rows] == [2, 4, 5, 6]
    assert rules(report) == [
        [],
        [("not_a_list", "actions"), ("not_a_number", "content_quantity")],
        [("missing", "learner_email")],
        [("not_an_object", None)],
    ]
    (row,) = acme.rows("SELECT * FROM catalog.content_assignment")
    assert (row["content_quantity"], row["is_assigned_course_run"], row["lms_user_id"]) == (-500, True, 12)
    assert (row["state"], row["content_title"]) == ("allocated", "Two\nlines")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_is_read_as_windows_writes_it(acme: Acme, tmp_path: Path, suffix: str, encoding: str) -> None:
    names = ["assignment_configuration", "learner_email", "content_key"]
    rows = [[uuid_of("configuration"), f"{name}@example.org", "A+1"] for name in ("ann", "bob")]
    lines = [",".join(row) for row in (names, *rows)]
    if suffix == "jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    file = tmp_path / f"assignments.{suffix}"
    file.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    assert outcomes(import_assignments(acme.engine, file, actor="cli:ann", as_of=AS_OF)) == ["created"] * 2
    file.write_bytes(file.read_bytes()[:-1] if encoding == "utf-16" else b"\xff\xfe" + b"x" * 3)
    with pytest.raises(UsageError, match=r"cannot be read: .* is needed"):
        import_assignments(acme.engine, file, actor="cli:ann")


def test_no_line_of_json_is_guessed_to_be_in_another_encoding(acme: Acme, tmp_path: Path) -> None:
    file = tmp_path / "assignments.jsonl"
    file.write_bytes(json.dumps(assignment("ann")).encode("utf-16-le"))
    (row,) = import_assignments(acme.engine, file, actor="cli:ann").rows
    assert [error.rule for error in row.errors] == ["not_an_object"]


def test_columns_that_mean_nothing_and_such_as_lack_are_told(acme: Acme, tmp_path: Path) -> None:
    def warnings(header: str) -> list[str]:
        file = tmp_path / "assignments.csv"
        file.write_text(header + "\n")
        return list(import_assignments(acme.engine, file, actor="cli:ann").warnings)

    needed = "assignment_configuration,learner_email,content_key"
    shown = "created,modified,learner_state,error_reason,recent_action,earliest_possible_expiration,actions"
    assert warnings(f"{needed},uuid,state,allocated_at,credit_request_uuid,{shown}") == []
    assert warnings(f"{needed},stat") == ["No field of an assignment is called 'stat': not read."]
    lacking, _ = warnings(needed.replace(",", ";"))
    assert "assignments.csv has no column assignment_configuration, learner_email, content_key" in lacking


def test_a_file_that_cannot_be_read_is_a_wrong_request(acme: Acme, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl cannot be read: No such file"):
        import_assignments(acme.engine, tmp_path / "none.jsonl", actor="cli:ann")
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"learner_email\n\xff\n")
    with pytest.raises(UsageError, match="A CSV file in UTF-8 is needed"):
        import_assignments(acme.engine, broken, actor="cli:ann")


def test_the_expirations_of_what_changed_are_rebuilt_with_it(acme: Acme, imported: Any) -> None:
    imported(assignment("ann"), assignment("bob"))
    expirations = """SELECT e.expires_at FROM catalog.assignment_expiration e
                     JOIN catalog.content_assignment a ON a.id = e.content_assignment_id ORDER BY a.learner_email"""
    first, second = acme.rows(expirations)
    assert first == second == {"expires_at": datetime(2026, 4, 5, 10, tzinfo=UTC)}
    imported(assignment("ann", allocated_at="2026-02-01T00:00:00Z"), assignment("bob"))
    assert acme.rows(expirations) == [{"expires_at": datetime(2026, 5, 2, tzinfo=UTC)}, second]
