"""Seats and programs' runs as the database keeps them, whoever writes."""

import traceback
from itertools import product
from uuid import UUID

import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation
from sqlalchemy.exc import IntegrityError
from support.enrollments import CURRICULUM, Programs, run_key


@pytest.fixture
def seat(programs: Programs) -> dict[str, int]:
    """ann is in both programs, and has a seat in run 1; ids by name."""
    ids = {"learner": programs.insert("learner", user_name="ann")}
    for number in (1, 2):
        ids[f"in_{number}"] = programs.insert(
            "program_enrollment",
            learner_id=ids["learner"],
            program_id=programs.programs[number],
            curriculum_uuid=CURRICULUM[number],
            status="enrolled",
        )
    ids["seat"] = programs.insert("course_enrollment", learner_id=ids["learner"], course_run_id=programs.runs[1])
    return ids


def add_row(programs: Programs, seat: dict[str, int], program: int, status: str = "active") -> int:
    return programs.insert(
        "program_course_enrollment",
        program_enrollment_id=seat[f"in_{program}"],
        course_enrollment_id=seat["seat"],
        status=status,
    )


def is_active(programs: Programs) -> bool:
    (found,) = programs.rows("SELECT is_active FROM catalog.course_enrollment")
    return found["is_active"]


def test_a_second_active_row_on_a_seat_is_refused_by_every_way(programs: Programs, seat: dict[str, int]) -> None:
    add_row(programs, seat, 1)
    with pytest.raises(IntegrityError) as refused:
        add_row(programs, seat, 2)
    assert isinstance(refused.value.orig, UniqueViolation)
    other = add_row(programs, seat, 2, "inactive")
    with pytest.raises(IntegrityError):
        programs.run_sql("UPDATE catalog.program_course_enrollment SET status = 'active' WHERE id = :id", id=other)
    with pytest.raises(IntegrityError):
        programs.insert("course_enrollment", learner_id=seat["learner"], course_run_id=programs.runs[1])


def test_a_row_takes_the_learner_of_its_enrollment_and_joins_no_two_learners(
    programs: Programs, seat: dict[str, int]
) -> None:
    bob = programs.insert("learner", user_name="bob")
    of_bob = programs.insert("course_enrollment", learner_id=bob, course_run_id=programs.runs[1])
    for learner in (None, bob, seat["learner"]):
        with pytest.raises(IntegrityError) as refused:
            programs.insert(
                "program_course_enrollment",
                learner_id=learner,
                program_enrollment_id=seat["in_1"],
                course_enrollment_id=of_bob,
                status="active",
            )
        assert isinstance(refused.value.orig, ForeignKeyViolation)
    add_row(programs, seat, 1)
    assert programs.rows("SELECT learner_id FROM catalog.program_course_enrollment") == [
        {"learner_id": seat["learner"]}
    ]
    for table in ("program_enrollment", "course_enrollment"):
        with pytest.raises(IntegrityError):
            programs.run_sql(f"UPDATE catalog.{table} SET learner_id = :bob", bob=bob)
    (key,) = programs.rows(
        "INSERT INTO catalog.learner_key (learner_id, organization_id, external_key) VALUES (:bob, :org, 'b')"
        " RETURNING id",
        bob=bob,
        org=programs.organization,
    )
    with pytest.raises(IntegrityError):
        programs.run_sql("UPDATE catalog.program_enrollment SET learner_key_id = :id", id=key["id"])


@pytest.mark.parametrize(
    ("mode", "status"), list(product(["audit", "honor", "masters", "verified"], ["active", "inactive"]))
)
def test_a_seat_is_active_by_a_row_or_by_its_mode(
    programs: Programs, seat: dict[str, int], mode: str, status: str
) -> None:
    wanted = status == "active" or mode == "verified"
    row = add_row(programs, seat, 1, "inactive")
    programs.run_sql("UPDATE catalog.course_enrollment SET mode = :mode", mode=mode)
    programs.run_sql("UPDATE catalog.program_course_enrollment SET status = :status", status=status)
    assert is_active(programs) == wanted
    programs.run_sql("UPDATE catalog.course_enrollment SET is_active = NOT is_active")
    assert is_active(programs) == wanted
    programs.run_sql("DELETE FROM catalog.program_course_enrollment WHERE id = :id", id=row)
    assert is_active(programs) == (mode == "verified")


def test_a_seat_that_is_made_active_without_a_row_is_put_right(programs: Programs) -> None:
    learner = programs.insert("learner", user_name="ann")
    programs.insert("course_enrollment", learner_id=learner, course_run_id=programs.runs[1], is_active=True)
    assert not is_active(programs)


def test_a_seat_follows_a_row_that_is_given_to_another_one_and_an_enrollment_that_goes(
    programs: Programs, seat: dict[str, int]
) -> None:
    add_row(programs, seat, 1)
    other = programs.insert("course_enrollment", learner_id=seat["learner"], course_run_id=programs.runs[2])
    programs.run_sql("UPDATE catalog.program_course_enrollment SET course_enrollment_id = :other", other=other)
    active = "SELECT id FROM catalog.course_enrollment WHERE is_active"
    assert programs.rows(active) == [{"id": other}]
    programs.run_sql("DELETE FROM catalog.program_enrollment WHERE id = :id", id=seat["in_1"])
    assert programs.rows(active) == []


def test_a_status_knows_since_when_and_only_a_change_of_it_counts(programs: Programs, seat: dict[str, int]) -> None:
    add_row(programs, seat, 1)
    for table, status in (("program_enrollment", "ended"), ("program_course_enrollment", "inactive")):
        programs.run_sql(f"UPDATE catalog.{table} SET status_since = '2020-01-01Z'")
        programs.run_sql(f"UPDATE catalog.{table} SET missing_since = now()")
        since = f"SELECT DISTINCT status_since::date::text AS day FROM catalog.{table}"
        assert programs.rows(since) == [{"day": "2020-01-01"}]
        programs.run_sql(f"UPDATE catalog.{table} SET status = '{status}'")
        assert programs.rows(f"SELECT FROM catalog.{table} WHERE status_since < now() - interval '1 h'") == []


def test_statuses_are_words_of_the_field_and_names_and_keys_fold(programs: Programs, seat: dict[str, int]) -> None:
    with pytest.raises(IntegrityError) as refused:
        programs.run_sql("UPDATE catalog.program_enrollment SET status = 'withdrawn'")
    assert isinstance(refused.value.orig, CheckViolation)
    with pytest.raises(IntegrityError):
        programs.insert("learner", user_name="ANN")
    key = {"learner_id": seat["learner"], "organization_id": programs.organization}
    programs.insert("learner_key", **key, external_key="É1")
    with pytest.raises(IntegrityError):
        programs.insert("learner_key", **key, external_key="é1")


def test_events_of_enrollments_have_the_learner_as_key_and_nothing_personal(
    programs: Programs, seat: dict[str, int]
) -> None:
    programs.insert(
        "learner_key", learner_id=seat["learner"], organization_id=programs.organization, external_key="secret-7"
    )
    add_row(programs, seat, 1)
    found = programs.rows("""
        SELECT entity, key, e::text AS whole FROM ops.change_event e
        WHERE entity LIKE '%enrollment' OR entity LIKE 'learner%'""")
    assert {row["entity"] for row in found} == {
        *("learner", "learner_key", "program_enrollment", "course_enrollment", "program_course_enrollment")
    }
    assert {row["key"] for row in found} == {f"learner:{seat['learner']}"}
    for row in found:
        assert "secret-7" not in row["whole"]
        assert "ann" not in row["whole"]


def test_an_error_of_the_database_tells_no_key_of_a_learner(programs: Programs, seat: dict[str, int]) -> None:
    key = {"learner_id": seat["learner"], "organization_id": programs.organization, "external_key": "secret-7"}
    programs.insert("learner_key", **key)
    with pytest.raises(IntegrityError) as refused:
        programs.insert("learner_key", **key)
    told = "".join(traceback.format_exception(refused.value))
    assert "learner_key_organization_id_external_key_key" in told
    assert "secret-7" not in told


def program_runs(programs: Programs, number: int) -> list[tuple[str, str, list[int]]]:
    found = programs.rows(
        "SELECT run_key, via, path FROM catalog.program_run WHERE program_uuid = :uuid ORDER BY run_key",
        uuid=UUID(int=number),
    )
    return [(row["run_key"], row["via"], [uuid.int for uuid in row["path"]]) for row in found]


def include(programs: Programs, curriculum: int, child: int, position: int = 1) -> None:
    programs.run_sql(
        """INSERT INTO catalog.curriculum_program (curriculum_id, program_id, position)
           SELECT c.id, :child, :position FROM catalog.curriculum c WHERE c.uuid = :uuid""",
        uuid=UUID(int=curriculum),
        child=programs.programs[child],
        position=position,
    )


def test_a_program_has_runs_of_its_courses_of_all_active_curricula_and_of_their_children(programs: Programs) -> None:
    programs.add_run(4)
    programs.add_run(5)
    programs.add_program(3, [], curricula=[UUID(int=301), UUID(int=302), UUID(int=303)])
    for curriculum, course, active in ((301, 4, True), (302, 5, False)):
        programs.run_sql(
            """INSERT INTO catalog.curriculum_course (curriculum_id, catalog_course_id, position)
               SELECT c.id, :course, 1 FROM catalog.curriculum c WHERE c.uuid = :uuid""",
            course=programs.courses[course],
            uuid=UUID(int=curriculum),
        )
        programs.run_sql(
            "UPDATE catalog.curriculum SET is_active = :active WHERE uuid = :uuid",
            active=active,
            uuid=UUID(int=curriculum),
        )
    include(programs, 303, 1)
    include(programs, CURRICULUM[1].int, 2)
    include(programs, CURRICULUM[2].int, 3)  # a cycle
    assert program_runs(programs, 3) == [
        (run_key(1), "child", [3, 303, 1]),
        (run_key(2), "child", [3, 303, 1]),
        (run_key(3), "child", [3, 303, 1, 101, 2]),
        (run_key(4), "curriculum", [3, 301]),
    ]
    assert program_runs(programs, 1)[0] == (run_key(1), "program", [1])
    assert [run for run, _, _ in program_runs(programs, 2)] == [run_key(number) for number in (1, 2, 3, 4)]


def test_of_ways_of_one_length_the_first_by_position_stands(programs: Programs) -> None:
    programs.add_program(3, [], curricula=[UUID(int=301)])
    include(programs, 301, 1, position=2)
    include(programs, 301, 2, position=1)
    assert program_runs(programs, 3)[0] == (run_key(1), "child", [3, 301, 2])


def test_programs_that_all_include_one_another_are_walked_in_no_time(programs: Programs) -> None:
    for number in range(3, 19):
        programs.add_program(number, curricula=[UUID(int=1000 + number)])
    programs.run_sql("""
        INSERT INTO catalog.curriculum_program (curriculum_id, program_id, position)
        SELECT c.id, p.id, p.id FROM catalog.curriculum c, catalog.program p WHERE p.id <> c.program_id""")
    programs.run_sql("SET LOCAL statement_timeout = '5s'; SELECT count(*) FROM catalog.program_run")
    assert len(program_runs(programs, 18)) == 3


def test_a_course_brings_the_runs_that_are_associated_whatever_their_keys_say(programs: Programs) -> None:
    run = programs.insert("course_run", run_key="course-v1:Else+X9+1", title="x", status="archived")
    programs.insert("run_association", course_run_id=run, catalog_course_id=programs.courses[3])
    assert [one for one, _, _ in program_runs(programs, 2)] == ["course-v1:Else+X9+1", run_key(1), run_key(3)]
