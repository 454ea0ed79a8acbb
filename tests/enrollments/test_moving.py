"""Moving seats between programs, and leaving a program."""

from typing import Any
from uuid import UUID

import pytest
from support.enrollments import CURRICULUM, Programs, run_key

from catalog_pipeline.enrollments.cancelling import cancel
from catalog_pipeline.enrollments.changing import Changed
from catalog_pipeline.enrollments.moving import Move, move
from catalog_pipeline.errors import UsageError

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
def enrolled(programs: Programs) -> Programs:
    """ann is in both programs; her seat in run 1 is program 1's."""
    for program in (1, 2):
        programs.write(program, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    return programs


def moved(programs: Programs, **how: Any) -> Changed:
    dry_run = how.pop("dry_run", False)
    wish = Move(**{"learner": "ann", "from_program": ONE, "to_program": TWO, "run": run_key(1), **how})
    return move(programs.engine, wish, programs.asked(dry_run=dry_run))


def told(changed: Changed) -> list[tuple[Any, ...]]:
    return [(change.table, change.program.int, change.run, change.before, change.after) for change in changed.changes]


def reason(changed: Changed) -> str | None:
    assert not changed.applied
    assert changed.exit_code == (4 if changed.refused else 0)
    return changed.refused and changed.refused.reason


ROW = "program_course_enrollment"


def test_a_seat_moves_at_once_and_the_history_has_both_halves_in_one_transaction(enrolled: Programs) -> None:
    changes = [(ROW, 1, run_key(1), "active", "inactive"), (ROW, 2, run_key(1), None, "active")]
    assert told(moved(enrolled, dry_run=True)) == changes
    assert enrolled.active() == [("ann", "1/1")]
    assert told(moved(enrolled)) == changes
    assert enrolled.active() == [("ann", "2/1")]
    seat = enrolled.rows("SELECT changes->'is_active' AS told FROM ops.change_event WHERE entity = 'course_enrollment'")
    assert seat == [{"told": [None, True]}]
    events = enrolled.rows("""
        SELECT action, actor FROM ops.change_event
        WHERE entity = 'program_course_enrollment' AND xid = (SELECT max(xid) FROM ops.load) ORDER BY id""")
    assert [(event["action"], event["actor"]) for event in events] == [("updated", "cli:ann"), ("created", "cli:ann")]
    assert reason(moved(enrolled)) is None
    assert moved(enrolled).as_json() == {"dry_run": False, "applied": False, "changes": [], "refused": None}


def test_a_seat_moves_back_to_the_row_that_is_there(enrolled: Programs) -> None:
    moved(enrolled)
    back = moved(enrolled, from_program=TWO, to_program=ONE)
    assert told(back) == [(ROW, 2, run_key(1), "active", "inactive"), (ROW, 1, run_key(1), "inactive", "active")]
    assert enrolled.active() == [("ann", "1/1")]


def test_moves_that_cannot_be_are_refused_with_a_reason(enrolled: Programs) -> None:
    assert reason(moved(enrolled, to_program=ONE)) == "same_program"
    assert reason(moved(enrolled, from_program=TWO, to_program=ONE)) == "not_active_there"
    assert reason(moved(enrolled, run=run_key(2))) == "not_active_there"
    enrolled.write(1, {"ann": "active"}, run=2)
    refused = moved(enrolled, run=None).refused
    assert refused is not None
    assert refused.reason == "run_not_in_program"
    assert run_key(2) in refused.message
    assert run_key(1) not in refused.message
    enrolled.write(2, {"ann": "ended"}, method="put")
    assert reason(moved(enrolled)) == "not_enrolled"
    enrolled.run_sql("UPDATE catalog.learner SET retired_at = now()")
    assert reason(moved(enrolled)) == "retired"
    enrolled.run_sql("UPDATE catalog.program SET enrollments_owner = 'lms' WHERE uuid = :uuid", uuid=TWO)
    assert reason(moved(enrolled)) == "owned_elsewhere"
    assert enrolled.active() == [("ann", "1/1"), ("ann", "1/2")]


def test_all_runs_move_or_none(programs: Programs) -> None:
    programs.add_program(3, [1, 2, 3], curricula=[CURRICULUM[1]])
    programs.write(1, {"ann": "enrolled"})
    for run in (1, 2):
        programs.write(1, {"ann": "active"}, run=run)
    assert reason(moved(programs, run=None, to_program=THREE)) == "not_enrolled"
    changed = moved(programs, run=None, to_program=THREE, enroll=True)
    assert told(changed) == [
        (ROW, 1, run_key(1), "active", "inactive"),
        (ROW, 1, run_key(2), "active", "inactive"),
        ("program_enrollment", 3, None, None, "enrolled"),
        (ROW, 3, run_key(1), None, "active"),
        (ROW, 3, run_key(2), None, "active"),
    ]
    assert programs.active() == [("ann", "3/1"), ("ann", "3/2")]
    assert reason(moved(programs, run=None, to_program=THREE)) is None


def test_enrolling_needs_a_curriculum_and_sets_an_enrollment_that_ended(enrolled: Programs) -> None:
    enrolled.write(2, {"ann": "canceled"}, method="put")
    assert told(moved(enrolled, enroll=True))[1] == ("program_enrollment", 2, None, "canceled", "enrolled")
    for number, curricula in ((3, [UUID(int=301), UUID(int=302)]), (4, [])):
        enrolled.add_program(number, [1], curricula=curricula)
        there = {"from_program": TWO, "to_program": UUID(int=number), "enroll": True}
        assert reason(moved(enrolled, **there)) == "curriculum_missing"
    unknown = {"from_program": TWO, "to_program": THREE, "enroll": True, "curriculum": UUID(int=9)}
    assert reason(moved(enrolled, **unknown)) == "curriculum_unknown"
    assert moved(enrolled, **{**unknown, "curriculum": UUID(int=302)}).applied
    found = enrolled.rows(
        "SELECT curriculum_uuid, learner_key_id FROM catalog.program_enrollment WHERE program_id = :id",
        id=enrolled.programs[3],
    )
    assert [(row["curriculum_uuid"].int, row["learner_key_id"] is not None) for row in found] == [(302, True)]


def test_canceling_tells_which_seats_stay_or_takes_them_along(enrolled: Programs) -> None:
    asked = enrolled.asked()
    canceled = cancel(enrolled.engine, "ann", ONE, asked)
    assert told(canceled) == [("program_enrollment", 1, None, "enrolled", "canceled")]
    assert canceled.staying is not None
    assert [seat["run"] for seat in canceled.staying] == [run_key(1)]
    assert enrolled.active() == [("ann", "1/1")]
    again = cancel(enrolled.engine, "ann", ONE, asked, cascade=True)
    assert told(again) == [(ROW, 1, run_key(1), "active", "inactive")]
    assert again.staying == []
    nothing = cancel(enrolled.engine, "ann", ONE, asked, cascade=True)
    assert (nothing.applied, nothing.exit_code) == (False, 0)
    assert reason(cancel(enrolled.engine, "ann", ONE, asked, curriculum=CURRICULUM[2])) == "not_enrolled"
    enrolled.run_sql("UPDATE catalog.program SET enrollments_owner = 'lms' WHERE uuid = :uuid", uuid=TWO)
    assert reason(cancel(enrolled.engine, "ann", TWO, asked)) == "owned_elsewhere"


def test_a_learner_is_named_in_four_ways_and_a_bare_key_is_of_the_program(enrolled: Programs) -> None:
    other = enrolled.insert("organization", key="MITx", name="MIT")
    eve = enrolled.insert("learner", user_name="Eve")
    enrolled.insert("learner_key", learner_id=eve, organization_id=other, external_key="ANN")
    (ann,) = enrolled.rows("SELECT learner_id AS id FROM catalog.learner_key WHERE external_key = 'ann'")
    for learner in (f"id:{ann['id']}", "key:gtx:ANN", " Ann "):
        assert moved(enrolled, learner=learner, dry_run=True).applied
    assert reason(moved(enrolled, learner="user:EVE")) == "not_active_there"
    for nobody in ("id:99", "id:x", "user:", "key:GTx:", "bob", "a\0", "\ud800", "id:" + "9" * 30):
        with pytest.raises(UsageError, match="no such learner"):
            moved(enrolled, learner=nobody)
    with pytest.raises(UsageError, match="no organization"):
        moved(enrolled, learner="key:Nobody:ann")
