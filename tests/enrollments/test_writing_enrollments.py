"""Batches of enrollments: who gets in, who is told no, and what is written."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from support.enrollments import CURRICULUM, Programs, run_key

from catalog_pipeline.enrollments.requests import make_items
from catalog_pipeline.enrollments.writing import Request, write
from catalog_pipeline.errors import UsageError

OK = ("active", None)


def test_the_story_of_the_requirement_second_program_is_refused_with_the_first_named(programs: Programs) -> None:
    for program in (1, 2):
        assert programs.told(program, {"ann": "enrolled"}) == {"ann": ("enrolled", None)}
    assert programs.told(1, {"ann": "active"}, run=1) == {"ann": OK}
    answers = programs.write(2, {"ann": "active"}, run=1)
    (learner,) = programs.rows("SELECT id FROM catalog.learner")
    assert (answers.overall, answers.exit_code) == ("failed", 3)
    result = answers.results["ann"]
    assert result["status"] == "conflict"
    detail = result["detail"]
    assert (detail["reason"], detail["program"], detail["program_title"]) == (
        "active_elsewhere",
        str(UUID(int=1)),
        "Masters 1",
    )
    assert (detail["curriculum_uuid"], detail["run"], detail["runs"]) == (str(CURRICULUM[1]), run_key(1), None)
    assert detail["since"] is not None
    assert detail["free_by"] == (
        f"enrollments move id:{learner['id']} --run {run_key(1)} --from {UUID(int=1)} --to {UUID(int=2)}"
    )
    assert "Masters 1" in detail["message"]
    assert "enrolled" in detail["message"]
    assert programs.told(1, {"ann": "inactive"}, run=1, method="patch") == {"ann": ("inactive", None)}
    assert programs.told(2, {"ann": "active"}, run=1, method="post") == {"ann": OK}
    assert programs.active() == [("ann", "2/1")]


def test_a_program_makes_sets_and_refuses_by_the_method(programs: Programs) -> None:
    assert programs.told(1, {"a": "enrolled", "b": "pending"}) == {"a": ("enrolled", None), "b": ("pending", None)}
    assert programs.told(1, {"a": "ended"}) == {"a": ("conflict", "exists")}
    assert programs.told(1, {"a": "ended", "c": "enrolled"}, method="patch") == {
        "a": ("ended", None),
        "c": ("not-in-program", "not_enrolled"),
    }
    assert programs.told(1, {"a": "suspended", "c": "enrolled"}, method="put") == {
        "a": ("suspended", None),
        "c": ("enrolled", None),
    }
    assert programs.told(1, {"a": "withdrawn", "b": "active"}, method="put") == {
        "a": ("invalid-status", "unknown_status"),
        "b": ("invalid-status", "unknown_status"),
    }
    statuses = programs.rows("SELECT status FROM catalog.program_enrollment ORDER BY id")
    assert [row["status"] for row in statuses] == ["suspended", "pending", "enrolled"]


def test_absent_here_and_active_elsewhere_the_first_rules_go_first(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    assert programs.told(2, {"ann": "active"}, run=1) == {"ann": ("not-in-program", "not_enrolled")}
    programs.write(2, {"ann": "enrolled"})
    assert programs.told(2, {"ann": "active"}, run=1, method="patch") == {"ann": ("not-found", "no_row")}
    assert programs.told(1, {"ann": "active"}, run=1) == {"ann": ("conflict", "exists")}


def test_an_inactive_row_of_another_program_leaves_the_seat_as_it_is(programs: Programs) -> None:
    for program in (1, 2):
        programs.write(program, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    before = programs.rows("SELECT is_active, mode, updated_at FROM catalog.course_enrollment")
    assert programs.told(2, {"ann": "inactive"}, run=1) == {"ann": ("inactive", None)}
    assert programs.rows("SELECT is_active, mode, updated_at FROM catalog.course_enrollment") == before
    for method in ("patch", "put"):
        assert programs.told(2, {"ann": "active"}, run=1, method=method) == {"ann": ("conflict", "active_elsewhere")}
    programs.write(1, {"ann": "inactive"}, run=1, method="patch")
    programs.write(2, {"ann": "active"}, run=1, method="patch")
    assert programs.told(1, {"ann": "active"}, run=1, method="patch") == {"ann": ("conflict", "active_elsewhere")}
    assert programs.active() == [("ann", "2/1")]


def test_an_inactive_row_on_a_verified_seat_leaves_activity_and_mode(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    programs.run_sql("UPDATE catalog.course_enrollment SET mode = 'verified'")
    assert programs.told(1, {"ann": "inactive"}, run=1, method="put") == {"ann": ("inactive", None)}
    assert programs.rows("SELECT is_active, mode FROM catalog.course_enrollment") == [
        {"is_active": True, "mode": "verified"}
    ]


def test_a_free_seat_becomes_the_programs_a_paid_one_keeps_its_mode(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled", "bob": "enrolled"})
    for key, mode in (("ann", "audit"), ("bob", "verified")):
        programs.run_sql(
            "INSERT INTO catalog.course_enrollment (learner_id, course_run_id, mode)"
            " SELECT learner_id, :run, :mode FROM catalog.learner_key WHERE external_key = :key",
            run=programs.runs[1],
            mode=mode,
            key=key,
        )
    programs.write(1, {"ann": "active", "bob": "active"}, run=1)
    seats = programs.rows("SELECT mode, is_active FROM catalog.course_enrollment ORDER BY learner_id")
    assert [tuple(seat.values()) for seat in seats] == [("masters", True), ("verified", True)]


def test_a_canceled_enrollment_with_an_active_row_holds_the_seat_and_says_so(programs: Programs) -> None:
    for program in (1, 2):
        programs.write(program, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    canceled = programs.write(1, {"ann": "canceled"}, method="put").results["ann"]
    assert (canceled["status"], canceled["detail"]["reason"]) == ("canceled", "seats_kept")
    assert canceled["detail"]["runs"] == [run_key(1)]
    result = programs.write(2, {"ann": "active"}, run=1).results["ann"]
    assert (result["status"], result["detail"]["reason"]) == ("conflict", "active_elsewhere")
    assert "canceled" in result["detail"]["message"]


@pytest.mark.parametrize("status", ["canceled", "ended", "suspended"])
def test_active_in_an_enrollment_that_is_not_current_is_done_and_told(programs: Programs, status: str) -> None:
    programs.write(1, {"ann": status})
    assert programs.told(1, {"ann": "active"}, run=1) == {"ann": ("active", "enrollment_not_current")}
    assert programs.active() == [("ann", "1/1")]


def test_keys_that_come_twice_are_answered_once_as_first_sent_and_not_applied(programs: Programs) -> None:
    sent = [{"student_key": key, "status": "enrolled"} for key in (" a", "A", "a", "b", "c")]
    assert programs.told(1, sent) == {
        " a": ("duplicated", "repeated"),
        "b": ("enrolled", None),
        "c": ("enrolled", None),
    }
    programs.run_sql("""
        UPDATE catalog.program_enrollment e SET learner_key_id = NULL FROM catalog.learner_key k
        WHERE k.id = e.learner_key_id AND k.external_key = 'c'""")
    programs.run_sql("UPDATE catalog.learner_key SET learner_id = (SELECT min(id) FROM catalog.learner)")
    assert programs.told(1, {"b": "ended", "c": "ended", "d": "pending"}, method="put") == {
        "b": ("duplicated", "repeated"),
        "c": ("duplicated", "repeated"),
        "d": ("pending", None),
    }


def test_a_key_is_cut_folded_and_answered_as_sent(programs: Programs) -> None:
    programs.write(1, {" Ann\t": "enrolled"})
    assert programs.rows("SELECT external_key FROM catalog.learner_key") == [{"external_key": "Ann"}]
    assert programs.told(1, {"aNN ": "ended"}, method="patch") == {"aNN ": ("ended", None)}


def test_another_curriculum_sets_the_status_and_keeps_the_curriculum(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled"})
    other = UUID(int=900)
    sent = [{"student_key": "ann", "status": "ended", "curriculum_uuid": str(other)}]
    assert programs.told(1, sent) == {"ann": ("conflict", "exists")}
    for method in ("patch", "put"):
        assert programs.told(1, sent, method=method) == {"ann": ("ended", "other_curriculum")}
    found = programs.rows("SELECT curriculum_uuid, status FROM catalog.program_enrollment")
    assert found == [{"curriculum_uuid": CURRICULUM[1], "status": "ended"}]


def test_the_curriculum_is_the_only_active_one_or_must_be_named(programs: Programs) -> None:
    programs.add_program(3, [1], curricula=[UUID(int=301), UUID(int=302)])
    assert programs.told(3, {"ann": "enrolled"}) == {"ann": ("illegal-operation", "curriculum_missing")}
    sent = [{"student_key": "ann", "status": "enrolled", "curriculum_uuid": str(UUID(int=number))} for number in [900]]
    assert programs.told(3, sent) == {"ann": ("illegal-operation", "curriculum_unknown")}
    programs.run_sql("UPDATE catalog.curriculum SET is_active = false WHERE uuid = :uuid", uuid=UUID(int=301))
    inactive = [{"student_key": "bob", "status": "enrolled", "curriculum_uuid": str(UUID(int=301))}]
    assert programs.told(3, inactive) == {"bob": ("enrolled", None)}
    assert programs.told(3, {"ann": "enrolled"}) == {"ann": ("enrolled", None)}
    programs.add_program(4, [1])
    assert programs.told(4, {"ann": "enrolled"}) == {"ann": ("illegal-operation", "curriculum_missing")}
    assert programs.told(4, sent) == {"ann": ("enrolled", None)}


def test_of_several_curricula_of_a_learner_the_one_meant_is_found(programs: Programs) -> None:
    one, two, three = (UUID(int=number) for number in (301, 302, 303))
    programs.add_program(3, [1, 2], curricula=[one, two, three])
    programs.write(3, [{"student_key": "ann", "status": "ended", "curriculum_uuid": str(one)}])
    (learner,) = programs.rows("SELECT learner_id, learner_key_id, program_id FROM catalog.program_enrollment")
    for uuid, status in ((two, "pending"), (three, "enrolled")):
        programs.insert("program_enrollment", **learner, curriculum_uuid=uuid, status=status)

    def row_of(run: int) -> UUID:
        (found,) = programs.rows(
            """SELECT e.curriculum_uuid FROM catalog.program_course_enrollment c
               JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
               JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id WHERE s.course_run_id = :run""",
            run=programs.runs[run],
        )
        return found["curriculum_uuid"]

    programs.write(3, {"ann": "active"}, run=1)
    assert row_of(1) == three
    named = [{"student_key": "ann", "status": "active", "curriculum_uuid": str(two)}]
    assert programs.told(3, named, run=1) == {"ann": ("conflict", "active_elsewhere")}
    programs.write(3, named, run=2)
    assert row_of(2) == two
    assert programs.told(3, {"ann": "inactive"}, run=2, method="patch") == {"ann": ("inactive", None)}
    assert row_of(2) == two


def test_a_status_that_stands_writes_nothing(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    events = "SELECT count(*) FROM ops.change_event"
    before = programs.rows(events)
    assert programs.told(1, {"ann": "enrolled"}, method="put") == {"ann": ("enrolled", None)}
    assert programs.told(1, {"ann": "active"}, run=1, method="put") == {"ann": ("active", None)}
    assert programs.rows(events) == before


def test_two_runs_of_a_course_may_both_be_active(programs: Programs) -> None:
    run = programs.insert("course_run", run_key="course-v1:GTx+C1+2T2026", title="C1")
    programs.insert("run_association", course_run_id=run, catalog_course_id=programs.courses[1])
    programs.write(1, {"ann": "enrolled"})
    programs.write(2, {"ann": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    request = Request(UUID(int=2), "post", make_items([{"student_key": "ann", "status": "active"}]))
    answers = write(programs.engine, replace(request, run="Course-V1:gtx+c1+2t2026"), programs.asked())
    assert (answers.run, answers.overall) == ("course-v1:GTx+C1+2T2026", "ok")


def test_a_run_that_left_the_program_only_lets_go(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled", "bob": "enrolled", "eve": "enrolled"})
    programs.write(1, {"ann": "active", "bob": "inactive"}, run=2)
    programs.run_sql("DELETE FROM catalog.program_course WHERE catalog_course_id = :id", id=programs.courses[2])
    left = ("illegal-operation", "run_not_in_program")
    assert programs.told(1, {"ann": "inactive", "bob": "active", "eve": "inactive"}, run=2, method="put") == {
        "ann": ("inactive", None),
        "bob": left,
        "eve": left,
    }
    answers = programs.write(2, {"ann": "active"}, run=2)
    assert (answers.overall, answers.exit_code) == ("refused", 4)
    assert answers.refused is not None
    assert answers.refused.reason == "run_not_in_program"


def test_staff_is_set_only_where_it_is_said(programs: Programs) -> None:
    programs.write(1, {"ann": "enrolled"})
    for said, becomes in ((None, False), (True, True), (None, True), (False, False)):
        programs.write(1, [{"student_key": "ann", "status": "active", "course_staff": said}], run=1, method="put")
        assert programs.rows("SELECT course_staff FROM catalog.program_course_enrollment") == [
            {"course_staff": becomes}
        ]


def test_a_batch_that_cannot_be_is_refused_whole_and_writes_nothing(programs: Programs) -> None:
    small = programs.settings.model_copy(update={"enrollment_batch": 1})
    items = make_items([{"student_key": key, "status": "enrolled"} for key in "ab"])
    request = Request(UUID(int=1), "post", items)
    answers = write(programs.engine, request, replace(programs.asked(), settings=small))
    assert answers.refused is not None
    assert answers.refused.reason == "too_many"
    assert "2 learners" in answers.refused.message
    assert "1 are taken" in answers.refused.message
    programs.run_sql("UPDATE catalog.program SET enrollments_owner = 'lms' WHERE uuid = :uuid", uuid=UUID(int=1))
    programs.run_sql("DELETE FROM catalog.program_organization WHERE program_id = :id", id=programs.programs[2])
    for program, reason in ((1, "owned_elsewhere"), (2, "program_without_organization")):
        answers = programs.write(program, {"ann": "enrolled"})
        assert answers.refused is not None
        assert (answers.refused.reason, answers.results, answers.exit_code) == (reason, {}, 4)
    assert programs.rows("SELECT FROM catalog.learner") == []
    with pytest.raises(UsageError, match="no program"):
        programs.write(9, {"ann": "enrolled"})
    with pytest.raises(UsageError, match="no run"):
        programs.write(1, {"ann": "active"}, run=9)


def test_an_empty_batch_is_empty(programs: Programs) -> None:
    answers = programs.write(1, [])
    assert (answers.overall, answers.exit_code, answers.results) == ("empty", 0, {})


def test_a_dry_run_answers_the_same_and_writes_nothing(programs: Programs) -> None:
    tried = programs.write(1, {"a": "enrolled", "b": "x"}, dry_run=True)
    assert (tried.overall, programs.rows("SELECT FROM catalog.learner")) == ("mixed", [])
    assert programs.rows("SELECT FROM ops.load") == []
    assert programs.write(1, {"a": "enrolled", "b": "x"}).results == tried.results


def test_what_psql_writes_meanwhile_wins_and_is_told(programs: Programs) -> None:
    for program in (1, 2):
        programs.write(program, {"ann": "enrolled"})
    with programs.engine.connect() as other:
        transaction = other.begin()
        other.execute(
            text("""
            WITH seat AS (INSERT INTO catalog.course_enrollment (learner_id, course_run_id)
                          SELECT id, :run FROM catalog.learner RETURNING id)
            INSERT INTO catalog.program_course_enrollment (program_enrollment_id, course_enrollment_id, status)
            SELECT e.id, seat.id, 'active' FROM seat, catalog.program_enrollment e WHERE program_id = :program"""),
            {"run": programs.runs[1], "program": programs.programs[1]},
        )
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(programs.told, 2, {"ann": "active"}, run=1)
            while not programs.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                time.sleep(0.01)
            transaction.commit()
            assert answer.result() == {"ann": ("conflict", "active_elsewhere")}
    assert programs.active() == [("ann", "1/1")]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ({}, "no list"),
        ([1], "item 1: it is no object"),
        ([{"status": "enrolled"}], "item 1: student_key is missing"),
        ([{"student_key": "a", "status": "x"}, {"student_key": " \t", "status": "x"}], "item 2: student_key is blank"),
        ([{"student_key": 7, "status": "x"}], "student_key is no text"),
        ([{"student_key": "x" * 256, "status": "x"}], "256 characters"),
        ([{"student_key": "a\0", "status": "x"}], "no text may have"),
        ([{"student_key": "a\ud800", "status": "x"}], "no text may have"),
        ([{"student_key": "a"}], "status is missing"),
        ([{"student_key": "a", "status": "x", "curriculum_uuid": "7"}], "curriculum_uuid is no uuid"),
        ([{"student_key": "a", "status": "x", "course_staff": "yes"}], "course_staff is neither"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_by_position(documents: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_items(documents)


def test_other_members_of_an_item_are_ignored_and_a_status_of_any_kind_is_answered(programs: Programs) -> None:
    statuses = [5, [], "x\ud800", "\0", "enrolled ", "ENROLLED", "é"]
    sent = [
        {"student_key": f"k{number}", "status": status, "email": "a@b.example"}
        for number, status in enumerate(statuses)
    ]
    answers = programs.told(1, sent)
    assert (len(answers), set(answers.values())) == (7, {("invalid-status", "unknown_status")})
