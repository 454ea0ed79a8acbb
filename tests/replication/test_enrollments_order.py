"""Whatever the LMS lists, and in whatever order its programs are read: one row of each seat counts, the same one."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from support.databases import Databases
from support.enrollments import Programs
from support.lms_enrollments import ROWS, Lms, Replica

from catalog_pipeline.database.engine import make_engine
from catalog_pipeline.loading.checks import CHECKS
from catalog_pipeline.replication import enrollments
from catalog_pipeline.settings import Settings

STATUSES = ["enrolled", "pending", "suspended", "canceled", "ended"]
NAMES = ("one_active_a_run", "is_active_follows", "enrollments_have_learners")
OPEN = """
    SELECT k.external_key, o.course_run_id, p.uuid::text, o.counted, o.reason
    FROM ops.enrollment_conflict o JOIN catalog.program p ON p.id = o.program_id
    JOIN catalog.learner_key k ON k.learner_id = o.learner_id WHERE o.cleared_at IS NULL ORDER BY 1, 2, 3"""
NOBODY_COUNTS = """
    SELECT course_enrollment_id FROM catalog.program_course_enrollment WHERE lms_status = 'active'
    GROUP BY 1 HAVING count(*) FILTER (WHERE status = 'active') <> 1"""


def let_time_pass(random: Random, lms: Lms) -> None:
    """Let the LMS list something else of each of three programs."""
    for program in (1, 2, 3):
        enrolled = {key: random.choice(STATUSES) for key in "ABCD" if random.random() < 0.9}
        seats = {
            f"run{run}": {
                key: random.choice(["active", "active", "inactive"]) for key in enrolled if random.random() < 0.8
            }
            for run in (1, 2)
        }
        lms.has(program, enrolled, **seats)


@contextmanager
def new_replica(databases: Databases, settings: Settings, lms: Lms) -> Iterator[Replica]:
    """A database of its own with three programs."""
    with databases.copied() as server:
        engine = make_engine(server)
        replica = Replica(Programs(engine, settings), lms, engine, settings)
        replica.add_third()
        yield replica
        engine.dispose()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_loads_decides_nothing(
    seed: int, databases: Databases, settings: Settings, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, lms, find = Random(seed), Lms(httpserver), enrollments.find_programs
    broken = [check.query for check in CHECKS if check.name in NAMES]
    with new_replica(databases, settings, lms) as forwards, new_replica(databases, settings, lms) as backwards:
        for _ in range(4):
            let_time_pass(random, lms)
            told: list[Any] = []
            for replica, step in ((forwards, 1), (backwards, -1)):
                monkeypatch.setattr(enrollments, "find_programs", lambda *asked, by=step: find(*asked)[::by])
                assert {load.outcome for load in replica.refresh()} == {"applied"}
                told.append((replica.table(ROWS), replica.table(OPEN)))
                assert [replica.table(query) for query in broken] == [[(0,)]] * len(NAMES)
                assert replica.table(NOBODY_COUNTS) == []
            assert told[0] == told[1]
