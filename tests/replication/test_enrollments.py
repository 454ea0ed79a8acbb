"""The program enrollments that an LMS lists: loads, learners, what is gone, and seats that two programs claim."""

from uuid import UUID

import orjson
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from support.enrollments import Programs, run_key
from support.lms_enrollments import CONFLICTS, ENROLLMENTS, ROWS, Lms, Replica
from werkzeug import Response

from catalog_pipeline.database.engine import connected
from catalog_pipeline.enrollments.retiring import retire
from catalog_pipeline.errors import UsageError
from catalog_pipeline.learners.retirement import retired_forms, retirement_secret
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decompress


@pytest.fixture
def lms(httpserver: HTTPServer) -> Lms:
    return Lms(httpserver)


@pytest.fixture
def replica(programs: Programs, lms: Lms, engine: Engine, settings: Settings) -> Replica:
    return Replica(programs, lms, engine, settings)


def test_a_program_has_the_enrollments_that_the_lms_lists(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A1/ann": "enrolled", "B1": "pending"}, run1={"A1": "active", "B1": "inactive"})
    (load,) = replica.refresh()
    assert (load.program, load.outcome, load.detail) == (str(UUID(int=1)), "applied", None)
    assert replica.table(ENROLLMENTS) == [("A1", "ann", 1, "enrolled", False), ("B1", None, 1, "pending", False)]
    assert replica.table(ROWS) == [
        ("A1", 1, 1, "active", "active", False),
        ("B1", 1, 1, "inactive", "inactive", False),
    ]
    assert replica.table("SELECT enrollments_owner FROM catalog.program ORDER BY uuid") == [("lms",), ("here",)]
    assert replica.table("SELECT is_active, mode FROM catalog.course_enrollment ORDER BY learner_id") == [
        (True, "masters"),
        (False, "masters"),
    ]
    before = replica.table("SELECT count(*), max(id) FROM ops.change_event")
    (again,) = replica.refresh()
    assert (again.report.changed, again.report.documents) == (0, 0)
    assert replica.table("SELECT count(*), max(id) FROM ops.change_event") == before


def test_addresses_are_landed_nowhere(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A1/ann": "enrolled"})
    replica.refresh()
    ((payload,),) = replica.table("SELECT payload FROM landing.document WHERE source = 'enrollments'")
    assert b"secret" not in decompress(payload)
    assert b"A1" in decompress(payload)


def test_two_programs_claim_a_seat_and_it_does_not_matter_which_is_read_first(replica: Replica, lms: Lms) -> None:
    replica.add_third()
    for first, second, counted, reason in (
        ("enrolled", "enrolled", 1, "first_by_uuid"),
        ("canceled", "enrolled", 2, "enrolled_there"),
        ("pending", "suspended", 1, "enrolled_there"),
    ):
        key = f"{first}{second}"
        lms.has(1, {key: first}, run1={key: "active"})
        lms.has(2, {key: second}, run1={key: "active"})
        lms.has(3, {})
        replica.refresh()
        active = [(program, status, told) for who, program, _, status, told, gone in replica.table(ROWS) if who == key]
        assert active == [(n, "active" if n == counted else "inactive", "active") for n in (1, 2)]
        assert replica.table(CONFLICTS) == [(n, n == counted, reason) for n in (1, 2)]


def test_whoever_held_the_seat_before_the_refresh_counts(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A": "canceled"})
    lms.has(2, {"A": "suspended"}, run1={"A": "active"})
    replica.refresh()
    lms.has(1, {"A": "enrolled"}, run1={"A": "active"})
    replica.refresh()
    assert [row[1:4] for row in replica.table(ROWS)] == [(1, 1, "inactive"), (2, 1, "active")]
    assert replica.table(CONFLICTS) == [(1, False, "active_earlier"), (2, True, "active_earlier")]
    replica.refresh()
    assert replica.table(CONFLICTS) == [(1, False, "active_earlier"), (2, True, "active_earlier")]


def test_the_reason_stays_while_the_conflict_is_open_and_mended_it_is_cleared(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A": "enrolled"}, run1={"A": "active"})
    lms.has(2, {"A": "enrolled"}, run1={"A": "active"})
    replica.refresh()
    assert replica.table(CONFLICTS) == [(1, True, "first_by_uuid"), (2, False, "first_by_uuid")]
    lms.has(1, {"A": "ended"}, run1={"A": "active"})
    replica.refresh()
    assert replica.table(CONFLICTS) == [(1, True, "first_by_uuid"), (2, False, "first_by_uuid")]
    lms.has(1, {"A": "ended"}, run1={"A": "inactive"})
    replica.refresh()
    assert replica.table(CONFLICTS) == []
    assert [row[1:5] for row in replica.table(ROWS)] == [(1, 1, "inactive", "inactive"), (2, 1, "active", "active")]
    assert replica.table("SELECT count(*) FROM ops.enrollment_conflict WHERE cleared_at IS NOT NULL") == [(2,)]
    assert replica.table("SELECT is_active FROM catalog.course_enrollment") == [(True,)]


def test_a_seat_of_ours_stays_against_one_that_comes_and_the_lms_s_counts_against_ours(
    replica: Replica, lms: Lms
) -> None:
    replica.programs.write(2, {"A": "enrolled", "B": "enrolled"})
    replica.programs.write(2, {"A": "active"}, run=1)
    lms.has(1, {"A": "enrolled", "B": "enrolled"}, run1={"A": "active", "B": "active"})
    replica.refresh()
    assert [row[:4] for row in replica.table(ROWS)] == [
        ("A", 1, 1, "inactive"),
        ("A", 2, 1, "active"),
        ("B", 1, 1, "active"),
    ]
    assert replica.table(CONFLICTS) == [(1, False, "active_earlier"), (2, True, "active_earlier")]
    assert replica.programs.told(2, {"B": "active"}, run=1) == {"B": ("conflict", "active_elsewhere")}
    assert replica.programs.write(1, {"A": "ended"}, method="patch").refused.reason == "owned_elsewhere"  # pyright: ignore[reportOptionalMemberAccess]
    replica.programs.write(2, {"A": "inactive"}, run=1, method="patch")
    replica.refresh()
    assert replica.table(CONFLICTS) == []
    assert [row[:4] for row in replica.table(ROWS)][:2] == [("A", 1, 1, "active"), ("A", 2, 1, "inactive")]


def test_what_the_lms_no_longer_lists_is_missing_and_may_come_back(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A": "enrolled", "B": "enrolled"}, run1={"A": "active", "B": "active"}, run2={"A": "active"})
    replica.refresh()
    lms.has(1, {"B": "enrolled"}, run1={"B": "active"})
    del lms.seats[1, 2]
    replica.refresh()
    assert replica.table(ENROLLMENTS) == [("A", None, 1, "enrolled", True), ("B", None, 1, "enrolled", False)]
    assert replica.table(ROWS) == [
        ("A", 1, 1, "inactive", None, True),
        ("A", 1, 2, "inactive", None, True),
        ("B", 1, 1, "active", "active", False),
    ]
    lms.has(1, {"A": "enrolled", "B": "enrolled"}, run1={"A": "active", "B": "active"})
    replica.refresh()
    assert replica.table(ENROLLMENTS) == [("A", None, 1, "enrolled", False), ("B", None, 1, "enrolled", False)]
    assert replica.table(ROWS)[:2] == [("A", 1, 1, "active", "active", False), ("A", 1, 2, "inactive", None, True)]


def test_too_much_that_is_gone_is_held_back_until_it_is_accepted(replica: Replica, lms: Lms) -> None:
    replica.settings = replica.settings.model_copy(update={"removal_share": 0.2})
    keys = [f"K{n}" for n in range(20)]
    lms.has(1, dict.fromkeys(keys, "enrolled"), run1=dict.fromkeys(keys, "active"))
    replica.refresh()
    lms.has(1, {"K0": "ended"}, run1={"K0": "active"})
    (load,) = replica.refresh()
    assert (load.outcome, int(load.exit_code)) == ("held", 4)
    assert "--accept-removals" in str(load.detail)
    assert "K1" not in str(load.detail)
    assert len([row for row in replica.table(ROWS) if row[3] == "active"]) == 20
    assert replica.table(ENROLLMENTS)[0] == ("K0", None, 1, "ended", False)
    (load,) = replica.refresh(1, accept=True)
    assert load.outcome == "applied"
    assert len([row for row in replica.table(ROWS) if row[3] == "active"]) == 1
    lms.has(1, {}, run1={})
    (load,) = replica.refresh()
    assert load.outcome == "held"  # an empty list where something stood


def test_a_user_name_links_merges_and_transfers(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A": "enrolled", "B/ben": "enrolled", "C/cid": "enrolled"}, run1={"A": "active", "C": "active"})
    replica.refresh()
    lms.has(2, {"X/Ben": "enrolled"})
    lms.has(1, {"A/ann": "enrolled", "B/ben": "enrolled", "C/ann2": "enrolled"}, run1={"A": "active", "C": "active"})
    replica.refresh()
    found = replica.table(ENROLLMENTS)
    assert [row[:3] for row in found] == [("A", "ann", 1), ("B", "ben", 1), ("C", "ann2", 1), ("X", "ben", 2)]
    assert replica.table("SELECT count(*) FROM catalog.learner WHERE user_name = 'ben'") == [(1,)]
    lms.has(1, {"A": "enrolled", "B": "enrolled", "C": "enrolled"})  # blank: nobody is unlinked
    replica.refresh()
    assert [row[1] for row in replica.table(ENROLLMENTS)] == ["ann", "ben", "ann2", "ben"]


def test_one_user_with_two_keys_is_one_learner_and_two_keys_of_one_program_are_not(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A1/ann": "enrolled", "A2/ANN": "pending"}, run1={"A1": "active", "A2": "active"})
    replica.refresh()
    # Both keys are hers, and one enrollment has one key: the last row stands, as of a key that comes twice.
    assert replica.table(ENROLLMENTS) == [("A2", "ann", 1, "pending", False)]
    assert replica.rejects() == [
        (f"{run_key(1)} row 1", "student_key", "not_enrolled"),
        ("row 1", "student_key", "two_keys_in_program"),
    ]
    lms.has(1, {"A1/ann": "enrolled", "A2": "pending"}, run1={"A1": "active", "A2": "active"})
    lms.has(2, {"A3/ann": "enrolled"}, run1={"A3": "active"})
    replica.refresh()
    lms.has(2, {"A3/ann": "enrolled", "A4": "enrolled"}, run1={"A3": "active"})
    replica.refresh()
    lms.has(2, {"A3/ann": "enrolled", "A4/ann": "enrolled"}, run1={"A3": "active"})
    assert int(max(load.exit_code for load in replica.refresh())) == 3
    assert ("row 2", "username", "two_keys_in_program") in replica.rejects()  # its learner waits on
    lms.has(2, {"A3/ann": "enrolled"}, run1={"A3": "active"})
    replica.refresh()
    standing = [row[:3] for row in replica.table(ENROLLMENTS) if not row[4]]
    assert standing == [("A2", "ann", 1), ("A3", "ann", 2)]
    assert replica.table(CONFLICTS) == [(1, True, "active_earlier"), (2, False, "active_earlier")]


def test_a_learner_may_be_known_by_the_user_name_alone(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"/ann": "enrolled"})
    replica.refresh()
    assert replica.table(ENROLLMENTS) == [(None, "ann", 1, "enrolled", False)]
    lms.has(1, {"A1/ann": "enrolled"})
    replica.refresh()
    assert replica.table(ENROLLMENTS) == [("A1", "ann", 1, "enrolled", False)]
    assert replica.table("SELECT count(*) FROM catalog.learner") == [(1,)]


def test_of_a_key_that_is_listed_twice_the_last_row_stands(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"a1": "enrolled", " A1 ": "ended"}, run1={"A1": "active", "a1": "inactive"})
    (load,) = replica.refresh()
    assert replica.table(ENROLLMENTS) == [("a1", None, 1, "ended", False)]
    assert replica.table(ROWS) == [("a1", 1, 1, "inactive", "inactive", False)]
    assert load.report.counts["catalog.program_enrollment"]["duplicate"] == 1


def test_bad_rows_are_rejected_without_personal_data_and_what_stood_of_them_stays(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A1": "enrolled", "B1": "enrolled"}, run1={"A1": "active", "B1": "active"})
    replica.refresh()
    lms.has(
        1,
        {"A1": "withdrawn", "B1": "enrolled", "/": "enrolled", "X" * 256: "enrolled", "C1/a b": "enrolled"},
        run1={"A1": "active", "B1": "paused", "Nobody": "active"},
    )
    lms.enrolled[1] += ["text", {"student_key": "D1", "status": "enrolled", "curriculum_uuid": "x"}]
    (load,) = replica.refresh()
    assert (load.outcome, int(load.exit_code)) == ("applied", 3)
    assert replica.rejects() == [
        ("course-v1:GTx+C1+1T2026 row 2", "status", "unknown_status"),
        ("course-v1:GTx+C1+1T2026 row 3", "student_key", "not_enrolled"),
        ("row 1", "status", "unknown_status"),
        ("row 3", "student_key", "missing"),
        ("row 4", "student_key", "bad_key"),
        ("row 5", "username", "bad_user_name"),
        ("row 6", None, "wrong_shape"),
        ("row 7", "curriculum_uuid", "not_a_uuid"),
    ]
    told = str(replica.table("SELECT * FROM ops.rejected_record"))
    assert not any(personal in told for personal in ("A1", "B1", "a b", "XXX", "Nobody"))
    assert [row[3] for row in replica.table(ENROLLMENTS)] == ["enrolled", "enrolled"]
    assert [row[3:] for row in replica.table(ROWS)] == [("active", "active", False), ("active", "active", False)]


def test_pages_are_read_to_the_end_and_one_that_comes_twice_fails_the_program_alone(replica: Replica, lms: Lms) -> None:
    lms.pages = 2
    lms.has(1, {f"K{n}": "enrolled" for n in range(5)})
    lms.has(2, {"A": "enrolled"})
    replica.refresh()
    assert len(replica.table(ENROLLMENTS)) == 6
    endless = orjson.dumps({"next": "http://lms.example/?cursor=1", "previous": None, "results": []})
    lms.answer = lambda path: Response(endless) if UUID(int=1).hex[-4:] in path.split("/")[5][-4:] else None
    first, second = replica.refresh()
    assert (first.outcome, second.outcome) == ("failed", "applied")
    assert "read already" in str(first.detail)
    assert int(first.exit_code) == 5


def test_a_program_that_the_lms_does_not_know_has_no_load_and_keeps_its_owner(replica: Replica, lms: Lms) -> None:
    assert replica.refresh() == []
    assert replica.table("SELECT DISTINCT enrollments_owner FROM catalog.program") == [("here",)]
    lms.has(1, {"A": "enrolled"})
    assert [load.program for load in replica.refresh()] == [str(UUID(int=1))]
    del lms.enrolled[1]
    assert replica.refresh() == []
    assert replica.table("SELECT enrollments_owner FROM catalog.program ORDER BY uuid") == [("lms",), ("here",)]


def test_only_listed_programs_of_the_configured_types_are_read(replica: Replica, lms: Lms) -> None:
    replica.programs.run_sql("UPDATE catalog.program SET type = 'XSeries' WHERE uuid = :uuid", uuid=UUID(int=2))
    lms.has(1, {"A": "enrolled"})
    lms.has(2, {"A": "enrolled"})
    assert [load.program for load in replica.refresh()] == [str(UUID(int=1))]
    for number, why in ((2, "CATALOG_ENROLLMENT_PROGRAM_TYPES"), (9, "no such program")):
        with pytest.raises(UsageError, match=why):
            replica.refresh(number)
    replica.settings = replica.settings.model_copy(update={"enrollments": False})
    with pytest.raises(UsageError, match="CATALOG_ENROLLMENTS=on"):
        replica.refresh()


def test_a_program_without_an_organization_fails(replica: Replica, lms: Lms) -> None:
    replica.programs.run_sql("DELETE FROM catalog.program_organization")
    lms.has(1, {"A": "enrolled"})
    (load,) = replica.refresh()
    assert (load.outcome, int(load.exit_code)) == ("failed", 4)
    assert "program_without_organization" in str(load.detail)
    assert replica.table(ENROLLMENTS) == []


def test_three_programs_claim_a_seat_and_one_leaves(replica: Replica, lms: Lms) -> None:
    replica.add_third()
    for number in (1, 2, 3):
        lms.has(number, {"A": "enrolled"}, run1={"A": "active"})
    replica.refresh()
    assert replica.table(CONFLICTS) == [(1, True, "first_by_uuid")] + [(n, False, "first_by_uuid") for n in (2, 3)]
    lms.has(1, {"A": "enrolled"}, run1={"A": "inactive"})
    replica.refresh()
    assert replica.table(CONFLICTS) == [(2, True, "first_by_uuid"), (3, False, "first_by_uuid")]
    assert [row[3] for row in replica.table(ROWS)] == ["inactive", "active", "inactive"]


def test_two_curricula_of_one_program_claim_a_seat(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A": "enrolled"}, run1={"A": "active"})
    other = str(UUID(int=102))
    lms.enrolled[1].append({**lms.enrolled[1][0], "curriculum_uuid": other, "status": "ended"})
    lms.seats[1, 1].append({**lms.seats[1, 1][0], "curriculum_uuid": other})
    replica.refresh()
    assert replica.table(CONFLICTS) == [(1, True, "enrolled_there"), (1, False, "enrolled_there")]
    lms.seats[1, 1][0]["status"] = "inactive"
    replica.refresh()
    assert replica.table(CONFLICTS) == []
    assert sorted(row[3] for row in replica.table(ROWS)) == ["active", "inactive"]


def test_what_the_lms_says_of_a_retired_learner_is_landed_with_hashes(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"Key4711/annabel": "enrolled", "B1/bob": "enrolled"}, run1={"key4711": "active"})
    replica.refresh()
    retire(replica.engine, "user:annabel", replica.programs.asked())
    changed_at = "SELECT changed_at FROM landing.document"
    before = replica.programs.rows(changed_at)
    replica.refresh()
    assert replica.programs.rows(changed_at) == before
    lms.has(1, {"KEY4711/annabel": "ended", "B1/bob": "enrolled"}, run1={"key4711": "inactive"})
    replica.refresh()
    landed = [decompress(row["payload"]) for row in replica.programs.rows("SELECT payload FROM landing.document")]
    assert [word in text.lower() for text in landed for word in (b"key4711", b"annabel", b"bob")] == [0, 0, 1]
    assert replica.rejects() == [("row 1", "student_key", "retired")]
    assert [row[3] for row in replica.table(ROWS)] == ["active"]


def test_a_retired_learner_does_not_come_back_and_is_known_by_the_hash(replica: Replica, lms: Lms) -> None:
    lms.has(1, {"A1/ann": "enrolled", "B1": "enrolled"}, run1={"A1": "active", "B1": "active"})
    replica.refresh()
    secret = retirement_secret(replica.settings)
    key, name = retired_forms(secret, ["A1", "ann"])
    replica.programs.run_sql("UPDATE catalog.learner_key SET external_key = :key WHERE external_key = 'A1'", key=key)
    replica.programs.run_sql(
        "UPDATE catalog.learner SET user_name = :name, retired_at = now() WHERE user_name = 'ann'", name=name
    )
    lms.has(1, {"a1/ann": "ended", "B1": "ended", "C1/Ann": "enrolled"}, run1={"A1": "inactive", "B1": "active"})
    replica.refresh()
    assert replica.rejects() == [("row 1", "student_key", "retired"), ("row 3", "student_key", "retired")]
    assert [(row[0], row[3], row[4]) for row in replica.table(ENROLLMENTS)] == [
        ("B1", "ended", False),
        (key, "enrolled", False),
    ]
    assert [row[3] for row in replica.table(ROWS)] == ["active", "active"]
    ((payload,),) = replica.table("SELECT payload FROM landing.document WHERE source = 'enrollments'")
    assert not any(clear in decompress(payload).lower() for clear in (b'"a1"', b'"ann"'))
    with connected(replica.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM catalog.learner").scalar_one() == 2
