"""The marts about enrollments: counts of each day out of the history, and the courses that programs share."""

from datetime import UTC, date, datetime
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from support.enrollments import CURRICULUM, Programs, run_key

from catalog_pipeline.database.engine import connected
from catalog_pipeline.settings import Settings
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import build, run_tests

MODELS = {model.name: model for model in load_models()}
MAY = [date(2026, 5, day) for day in range(1, 9)]


@pytest.fixture
def programs(server_engine: Engine, settings: Settings) -> Programs:
    """Two programs that share a course, in a database of the test's own."""
    return Programs(server_engine, settings)


def at(programs: Programs, day: date, *statements: str, hour: int = 12) -> None:
    """Do something on a day: what it changes is told as of then."""
    (last,) = programs.rows("SELECT coalesce(max(id), 0) AS id FROM ops.change_event")
    for statement in statements:
        programs.run_sql(statement)
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    programs.run_sql("UPDATE ops.change_event SET at = :at WHERE id > :last", at=moment, last=last["id"])


def built(programs: Programs, first: date, last: date) -> None:
    with connected(programs.engine) as connection:
        build(connection, MODELS["program_enrollment_daily"], (first, last))
        assert all(result.passed for result in run_tests(connection, MODELS["program_enrollment_daily"]))


def counts(programs: Programs, day: date) -> dict[str, int]:
    """Numbers by program, run and status, such as `1/C1 active` or `2 enrolled`."""
    found = programs.rows(
        """SELECT right(program_uuid::text, 1) || coalesce('/' || substr(run_key, 15, 2), '') || ' ' || status AS what,
                  n
           FROM marts.program_enrollment_daily WHERE day = :day""",
        day=day,
    )
    return {row["what"]: row["n"] for row in found}


def enrolled(programs: Programs) -> str:
    """SQL that enrolls two learners in program 1, one of them active in run 1."""
    return f"""
        WITH l AS (INSERT INTO catalog.learner (user_name) VALUES ('a'), ('b') RETURNING id, user_name),
        e AS (INSERT INTO catalog.program_enrollment (learner_id, program_id, curriculum_uuid, status)
              SELECT id, {programs.programs[1]}, '{CURRICULUM[1]}', 'enrolled' FROM l RETURNING id, learner_id),
        s AS (INSERT INTO catalog.course_enrollment (learner_id, course_run_id)
              SELECT id, {programs.runs[1]} FROM l WHERE user_name = 'a' RETURNING id, learner_id)
        INSERT INTO catalog.program_course_enrollment
            (learner_id, program_enrollment_id, course_enrollment_id, status)
        SELECT e.learner_id, e.id, s.id, 'active' FROM e JOIN s USING (learner_id)"""


def test_each_day_counts_what_was_so_at_its_end(programs: Programs) -> None:
    at(programs, MAY[1], enrolled(programs))
    at(programs, MAY[2], "UPDATE catalog.program_enrollment SET status = 'canceled'", hour=23)
    at(programs, MAY[3], "UPDATE catalog.program_course_enrollment SET status = 'inactive'", hour=0)
    at(
        programs,
        MAY[5],
        "DELETE FROM catalog.program_course_enrollment",
        "DELETE FROM catalog.program_enrollment",
        "DELETE FROM catalog.course_enrollment",
    )
    built(programs, MAY[0], MAY[6])
    assert [counts(programs, day) for day in MAY[:7]] == [
        {},
        {"1 enrolled": 2, "1/C1 active": 1},
        {"1 canceled": 2, "1/C1 active": 1},
        {"1 canceled": 2, "1/C1 inactive": 1},
        {"1 canceled": 2, "1/C1 inactive": 1},
        {},
        {},
    ]


def test_a_day_is_built_alike_alone_again_and_in_a_range(programs: Programs) -> None:
    random = Random(1)
    at(programs, MAY[0], enrolled(programs))
    for day in MAY[1:7]:
        status = random.choice(["enrolled", "pending", "ended"])
        row = random.choice(["active", "inactive"])
        at(
            programs,
            day,
            f"UPDATE catalog.program_enrollment SET status = '{status}'"
            " WHERE id = (SELECT min(id) FROM catalog.program_enrollment)",
            f"UPDATE catalog.program_course_enrollment SET status = '{row}'",
        )
    built(programs, MAY[0], MAY[7])
    together = [counts(programs, day) for day in MAY]
    for day in reversed(MAY):
        built(programs, day, day)
    assert [counts(programs, day) for day in MAY] == together
    assert together[-1] == counts(programs, MAY[7])


def test_the_rows_of_a_learner_who_was_merged_stay_counted(programs: Programs) -> None:
    at(programs, MAY[1], enrolled(programs))
    at(
        programs,
        MAY[3],
        "UPDATE catalog.program_course_enrollment SET status = 'inactive'",
        f"""WITH n AS (INSERT INTO catalog.learner DEFAULT VALUES RETURNING id)
            INSERT INTO catalog.course_enrollment (learner_id, course_run_id) SELECT id, {programs.runs[1]} FROM n""",
        """SET CONSTRAINTS ALL DEFERRED;
           UPDATE catalog.program_enrollment SET learner_id = (SELECT max(id) FROM catalog.learner)
           WHERE id IN (SELECT program_enrollment_id FROM catalog.program_course_enrollment);
           UPDATE catalog.program_course_enrollment SET learner_id = (SELECT max(id) FROM catalog.learner),
               course_enrollment_id = (SELECT max(id) FROM catalog.course_enrollment)""",
        "DELETE FROM catalog.course_enrollment"
        " WHERE id NOT IN (SELECT course_enrollment_id FROM catalog.program_course_enrollment)",
    )
    built(programs, MAY[1], MAY[4])
    assert [counts(programs, day)["1 enrolled"] for day in MAY[1:5]] == [2] * 4
    assert [counts(programs, day).get("1/C1 active") for day in MAY[1:5]] == [1, 1, None, None]


def shared(programs: Programs) -> list[tuple[Any, ...]]:
    with connected(programs.engine) as connection:
        build(connection, MODELS["shared_course"])
        assert all(result.passed for result in run_tests(connection, MODELS["shared_course"]))
    found = programs.rows("SELECT * FROM marts.shared_course ORDER BY run_key, program_uuid")
    return [tuple(row.values()) for row in found]


def test_a_shared_course_tells_who_holds_the_seats_and_who_would_be_refused(programs: Programs) -> None:
    for program in (1, 2):
        programs.write(program, {"A1": "enrolled", "A2": "pending", "A3": "enrolled"})
    programs.write(1, {"A1": "active", "A2": "active", "A3": "inactive"}, run=1)
    programs.write(1, {"A1": "active"}, run=2)
    first, second = ((run_key(1), "GTx+C1", UUID(int=number), f"Masters {number}", 2) for number in (1, 2))
    assert shared(programs) == [(*first, 2, 1, 0), (*second, 0, 0, 2)]
    programs.write(2, {"A2": "ended"}, method="patch")
    programs.write(2, {"A3": "active"}, run=1)
    assert shared(programs) == [(*first, 2, 1, 1), (*second, 1, 0, 1)]
