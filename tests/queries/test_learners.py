"""What happened to a learner, and why each enrollment is so; nobody is named."""

import json
from pathlib import Path

import pytest
from support.command import Command
from support.enrollments import Programs, run_key

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row
from catalog_pipeline.enrollments.linking import LinkOptions, link_file
from catalog_pipeline.errors import UsageError
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.queries.history import history


def told(programs: Programs, learner: int) -> list[tuple[str, str, str | None, str | None]]:
    """Entity, action, number of the program, number of the run: of each event."""
    with connected(programs.engine) as connection:
        return [
            (
                event["entity"],
                event["action"],
                event["program"] and event["program"].split()[1],
                event["run"] and event["run"][15],
            )
            for event in history(connection, f"Learner:{learner}")
        ]


def learner_of(programs: Programs, key: str) -> int:
    return programs.rows("SELECT learner_id AS id FROM catalog.learner_key WHERE external_key = :key", key=key)[0]["id"]


@pytest.fixture
def two(programs: Programs) -> Programs:
    """A1 is active in run 1 by program 1; B1 is enrolled in program 2, and inactive in the run."""
    for program, key, status in ((1, "A1", "active"), (2, "B1", "inactive")):
        programs.write(program, {key: "enrolled"})
        programs.write(program, {key: status}, run=1)
    return programs


def link(programs: Programs, folder: Path, **names: str) -> None:
    file = folder / "links.jsonl"
    lines = [{"external_key": key, "user_name": name, "organization": "GTx"} for key, name in names.items()]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    link_file(programs.engine, file, LinkOptions(), programs.asked())


def test_the_history_of_a_learner_tells_programs_and_runs(two: Programs) -> None:
    learner = learner_of(two, "A1")
    assert sorted(told(two, learner), key=str) == sorted(
        [
            ("learner", "created", None, None),
            ("learner_key", "created", None, None),
            ("program_enrollment", "created", "1", None),
            ("course_enrollment", "created", None, "1"),
            ("program_course_enrollment", "created", "1", "1"),
        ],
        key=str,
    )


def test_after_a_merge_the_user_has_the_history_of_both_and_who_is_gone_keeps_the_past(
    two: Programs, tmp_path: Path
) -> None:
    user, gone = learner_of(two, "A1"), learner_of(two, "B1")
    link(two, tmp_path, A1="ann", B1="ann")
    two.write(2, {"B1": "ended"}, method="patch")
    assert ("program_enrollment", "created", "2", None) in told(two, user)
    assert ("program_enrollment", "updated", "2", None) in told(two, user)
    assert told(two, user).count(("learner", "created", None, None)) == 1
    past = told(two, gone)
    assert ("program_enrollment", "created", "2", None) in past
    assert ("program_enrollment", "updated", "2", None) not in past
    assert past[-1] == ("learner", "deleted", None, None)


def test_no_event_tells_a_name_or_a_key(two: Programs, tmp_path: Path) -> None:
    link(two, tmp_path, A1="annabel")
    with connected(two.engine) as connection:
        events = history(connection, f"learner:{learner_of(two, 'A1')}")
    assert {tuple(change) for event in events for name, change in event["changes"].items() if name in PERSONAL} == {()}
    assert "annabel" not in json.dumps(events, default=str)


PERSONAL = ("user_name", "external_key")


def test_an_unknown_learner_has_no_history_and_nothing_to_explain(programs: Programs) -> None:
    with connected(programs.engine) as connection:
        for ask in (history, explain):
            with pytest.raises(UsageError, match="no learner 17"):
                ask(connection, "learner:17")


def explained(programs: Programs, learner: int) -> Row:
    with connected(programs.engine) as connection:
        return explain(connection, f"learner:{learner}")


def test_it_is_explained_who_holds_a_seat(two: Programs, tmp_path: Path) -> None:
    link(two, tmp_path, A1="ann", B1="ann")
    found = explained(two, learner_of(two, "A1"))
    assert found["learner"]["linked"] is True
    assert [(row["status"], row["by"]) for row in found["program_enrollments"]] == [("enrolled", "cli:ann")] * 2
    first, second = found["course_enrollments"]
    assert (first["run"], first["status"], first["via"]) == (run_key(1), "active", "program")
    assert first["because"].startswith("It holds the seat")
    assert [row["by"] for row in found["course_enrollments"]] == ["cli:ann"] * 2
    assert (second["status"], "Masters 1" in second["because"]) == ("inactive", True)
    (seat,) = found["seats"]
    assert (seat["is_active"], "Masters 1" in seat["because"]) == (True, True)


def test_it_is_explained_why_a_seat_is_active_without_a_program(two: Programs) -> None:
    two.run_sql("UPDATE catalog.course_enrollment SET mode = 'verified'; DELETE FROM catalog.program_course")
    two.write(1, {"A1": "inactive"}, run=1, method="patch")
    found = explained(two, learner_of(two, "A1"))
    assert [row["because"] for row in found["seats"]] == ["Its mode is a paid one."]
    (row,) = found["course_enrollments"]
    assert (row["because"], row["via"]) == ("Nobody holds the seat.", "no longer")


def test_a_row_that_the_lms_has_active_elsewhere_is_explained_by_the_reason(two: Programs, tmp_path: Path) -> None:
    link(two, tmp_path, A1="ann", B1="ann")
    two.run_sql("""
        INSERT INTO ops.enrollment_conflict
            (learner_id, course_run_id, program_id, curriculum_uuid, since, counted, reason)
        SELECT e.learner_id, s.course_run_id, e.program_id, e.curriculum_uuid, now(), c.status = 'active',
               'active_earlier'
        FROM catalog.program_course_enrollment c JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
        JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id""")
    rows = explained(two, learner_of(two, "A1"))["course_enrollments"]
    assert [row["because"].split(": ")[-1] for row in rows] == ["it held the seat earlier (active_earlier)."] * 2
    assert "counts" in rows[1]["because"]


def test_the_commands_print_both(two: Programs, command: Command) -> None:
    learner = learner_of(two, "A1")
    printed = command("history", f"learner:{learner}").stdout
    assert "status: nothing → active" in printed
    assert run_key(1) in printed
    assert "Masters 1" in command("explain", f"learner:{learner}").stdout
