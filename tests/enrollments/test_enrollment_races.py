"""Many sessions enroll the same learners in the same runs at once, some are killed, and no seat is ever active twice.

The suite races for some seconds. `RACE_SECONDS=300 RACE_SESSIONS=64 pytest tests/enrollments/test_enrollment_races.py`
does so for longer.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from support.enrollments import Programs, run_key

from catalog_pipeline.database.engine import Server, make_engine
from catalog_pipeline.enrollments.cancelling import cancel
from catalog_pipeline.enrollments.linking import LinkOptions, link_file
from catalog_pipeline.enrollments.moving import Move, move
from catalog_pipeline.enrollments.requests import make_items
from catalog_pipeline.enrollments.writing import Request, write
from catalog_pipeline.folders import make_private

SECONDS, SESSIONS = float(os.environ.get("RACE_SECONDS", "6")), int(os.environ.get("RACE_SESSIONS", "12"))
LEARNERS, PROGRAMS, RUNS = [f"k{number}" for number in range(6)], (1, 2, 3, 4), (1, 2)
BY_SQL = """
    UPDATE catalog.program_course_enrollment c SET status = :status
    FROM catalog.learner_key k WHERE k.learner_id = c.learner_id AND k.external_key = :key
      AND c.program_enrollment_id = (SELECT min(e.id) FROM catalog.program_enrollment e
                                     JOIN catalog.program p ON p.id = e.program_id
                                     WHERE e.learner_id = k.learner_id AND p.uuid = :program)"""
SEAT_BY_SQL = """
    UPDATE catalog.course_enrollment s SET mode = :mode FROM catalog.learner_key k
    WHERE k.learner_id = s.learner_id AND k.external_key = :key"""
KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' ORDER BY random() LIMIT 1"""
TWICE_ACTIVE = """
    SELECT learner_id, s.course_run_id FROM catalog.program_course_enrollment c
    JOIN catalog.course_enrollment s USING (learner_id) WHERE s.id = c.course_enrollment_id AND c.status = 'active'
    GROUP BY 1, 2 HAVING count(*) > 1"""
NOT_FOLLOWING = """
    SELECT s.id FROM catalog.course_enrollment s
    LEFT JOIN catalog.program_course_enrollment c ON c.course_enrollment_id = s.id AND c.status = 'active'
    WHERE s.is_active <> (s.mode NOT IN ('audit', 'honor', 'masters') OR c.id IS NOT NULL)"""
STATUSES = """
    SELECT e.entity_id AS id, e.changes->'status'->>0 AS before, e.changes->'status'->>1 AS after
    FROM ops.change_event e WHERE entity = 'program_course_enrollment' AND e.changes ? 'status' ORDER BY e.id"""


class Session:
    """Somebody who does one thing after the other, on a connection of his own."""

    def __init__(self, programs: Programs, server: Server, number: int) -> None:
        self.programs, self.random = programs, Random(number)
        self.engine: Engine = make_engine(server)
        self.file = programs.settings.folder / f"links-{number}.csv"
        self.told: Counter[str] = Counter()

    def run(self, until: Event) -> Counter[str]:
        """Act until it is time."""
        acts: list[Callable[[], str]] = [*[self.enroll] * 6, *[self.move] * 2, self.cancel, self.link, self.by_sql]
        while not until.is_set():
            try:
                self.told[self.random.choice(acts)()] += 1
            except OperationalError as error:  # it was killed, or found its connection dead
                if getattr(error.orig, "sqlstate", None) not in ("57P01", None):
                    raise
                self.told["killed"] += 1
        self.engine.dispose()
        return self.told

    def enroll(self) -> str:
        chosen = self.random.sample(LEARNERS, self.random.randint(1, 4))
        items = [{"student_key": key, "status": self.random.choice(["active", "active", "inactive"])} for key in chosen]
        run = run_key(self.random.choice(RUNS))
        program, method = UUID(int=self.random.choice(PROGRAMS)), self.random.choice(["post", "patch", "put"])
        answers = write(self.engine, Request(program, method, make_items(items), run), self.programs.asked())
        assert list(answers.results) == chosen
        for result in answers.results.values():
            self.told[result["status"]] += 1
            if result["status"] == "conflict":
                assert result["detail"]["reason"] in ("exists", "active_elsewhere")
                assert result["detail"]["since"] is not None
        return "batches"

    def move(self) -> str:
        source, target = self.random.sample(PROGRAMS, 2)
        run = self.random.choice([None, run_key(self.random.choice(RUNS))])
        wish = Move(self.random.choice(LEARNERS), UUID(int=source), UUID(int=target), run)
        return "moved" if move(self.engine, wish, self.programs.asked()).applied else "not moved"

    def link(self) -> str:
        user = f"user{self.random.randrange(8)}"
        self.file.write_text(f"external_key,user_name\n{self.random.choice(LEARNERS)},{user}\n")
        (row,) = link_file(self.engine, self.file, LinkOptions("GTx"), self.programs.asked()).rows
        return row["outcome"]

    def cancel(self) -> str:
        program, cascade = UUID(int=self.random.choice(PROGRAMS)), self.random.random() < 0.5
        learner = self.random.choice(LEARNERS)
        cancel(self.engine, learner, program, self.programs.asked(), cascade=cascade)
        return "canceled"

    def by_sql(self) -> str:
        values = {
            "key": self.random.choice(LEARNERS),
            "program": UUID(int=self.random.choice(PROGRAMS)),
            "status": self.random.choice(["active", "inactive"]),
            "mode": self.random.choice(["audit", "masters", "verified"]),
        }
        statement = self.random.choice([BY_SQL, SEAT_BY_SQL])
        try:
            with self.engine.begin() as connection:
                connection.execute(text(statement), values)
        except IntegrityError:
            return "refused by the database"
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "40P01":
                raise
            return "deadlock of psql"
        return "written by psql"


@pytest.fixture
def crowded(programs: Programs) -> Programs:
    """Six learners, enrolled in four programs that all have the runs 1 and 2."""
    for number in (3, 4):
        programs.add_program(number, [1, 2], curricula=[UUID(int=100 + number)])
    programs.insert(
        "program_course", program_id=programs.programs[2], catalog_course_id=programs.courses[2], position=3
    )
    for number in PROGRAMS:
        programs.write(number, dict.fromkeys(LEARNERS, "enrolled"))
    return programs


def test_no_seat_is_ever_active_twice_whoever_writes_and_whoever_is_killed(crowded: Programs, server: Server) -> None:
    make_private(crowded.settings.folder)
    until = Event()
    sessions = [Session(crowded, server, number) for number in range(SESSIONS)]
    with ThreadPoolExecutor(SESSIONS) as pool:
        running = [pool.submit(session.run, until) for session in sessions]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not any(one.done() for one in running):
            time.sleep(0.2)
            crowded.run_sql(KILL)
            assert crowded.rows(TWICE_ACTIVE) == []
            assert crowded.rows(NOT_FOLLOWING) == []
        until.set()
        told = sum((one.result() for one in running), Counter[str]())
    assert min(told[outcome] for outcome in ("batches", "active", "conflict", "killed")) > 0, told
    assert crowded.rows(TWICE_ACTIVE) == crowded.rows(NOT_FOLLOWING) == []
    tell_one_story(crowded)


def tell_one_story(programs: Programs) -> None:
    """Each row's history goes from one status to the next, and ends with what it has."""
    last: dict[int, str] = {}
    for event in programs.rows(STATUSES):
        assert event["before"] == last.get(event["id"])
        assert event["after"] != event["before"]
        last[event["id"]] = event["after"]
    assert last == {
        row["id"]: row["status"] for row in programs.rows("SELECT * FROM catalog.program_course_enrollment")
    }
