"""A refresh of enrollments that is killed between any two statements: nothing is half written, nothing is lost."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from support.enrollments import Programs
from support.killing import killed
from support.lms_enrollments import CONFLICTS, ENROLLMENTS, ROWS, Lms, Replica

from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.settings import Settings

STEP = 13
HALF = """
    SELECT (SELECT count(*) FROM catalog.course_enrollment s WHERE is_active <> EXISTS (
                SELECT FROM catalog.program_course_enrollment c
                WHERE c.course_enrollment_id = s.id AND c.status = 'active')) AS seats,
           (SELECT count(*) FROM catalog.program_course_enrollment WHERE lms_status = 'active' AND status <> 'active'
               AND course_enrollment_id NOT IN (SELECT course_enrollment_id FROM catalog.program_course_enrollment
                                                WHERE status = 'active')) AS claims"""


def before(lms: Lms) -> None:
    lms.has(1, {"A/ann": "enrolled", "B": "enrolled"}, run1={"A": "active", "B": "active"}, run2={"A": "active"})
    lms.has(2, {"A": "ended", "X/xia": "enrolled"}, run1={"A": "active", "X": "active"})


def after(lms: Lms) -> None:
    lms.has(1, {"A/ann": "enrolled", "B/bob": "pending", "C": "ended"}, run1={"A": "active", "C": "active"}, run2={})
    lms.has(2, {"A": "enrolled", "Y/xia": "enrolled"}, run1={"A": "active", "Y": "inactive"})


def seen(replica: Replica) -> list[list[tuple[Any, ...]]]:
    """What readers see of the enrollments."""
    return [replica.table(query) for query in (ENROLLMENTS, ROWS, CONFLICTS)]


@pytest.mark.parametrize("first", [1, 7])
def test_a_refresh_that_is_killed_between_any_two_statements_is_healed_by_the_next(
    programs: Programs, engine: Engine, settings: Settings, httpserver: HTTPServer, first: int
) -> None:
    lms = Lms(httpserver)
    replica = Replica(programs, lms, engine, settings)
    states, lists = {}, {"before": before, "after": after}
    for name in ("before", "after", "before", "after", "before"):  # each as it is after the other one
        lists[name](lms)
        replica.refresh()
        states[name] = seen(replica)
    at, coming = first, "after"
    lists[coming](lms)
    while killed(engine, at, replica.refresh):
        assert replica.table(HALF) == [(0, 0)]
        replica.refresh()
        assert seen(replica) == states[coming]
        assert replica.table(f"SELECT count(*) FROM landing.document d WHERE {PENDING}") == [(0,)]
        at, coming = at + STEP, "before" if coming == "after" else "after"
        lists[coming](lms)
    assert at > 100
