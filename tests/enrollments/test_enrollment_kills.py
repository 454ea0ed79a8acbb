"""The verbs of enrollments, killed between any two statements: all of it was done, or nothing."""

from collections.abc import Callable
from uuid import UUID

import pytest
from support.enrollments import Programs, run_key
from support.killing import killed

from catalog_pipeline.enrollments.moving import Move, move

ONE, TWO = UUID(int=1), UUID(int=2)
WRITTEN = """
    SELECT (SELECT count(*) FROM catalog.learner) AS learners, (SELECT count(*) FROM catalog.learner_key) AS keys,
           (SELECT count(*) FROM ops.load) AS loads, (SELECT count(*) FROM ops.change_event) AS events,
           (SELECT string_agg(status || status_since, ',' ORDER BY id) FROM catalog.program_enrollment) AS enrollments,
           (SELECT string_agg(status || status_since, ',' ORDER BY id) FROM catalog.program_course_enrollment) AS rows,
           (SELECT string_agg(mode || is_active, ',' ORDER BY id) FROM catalog.course_enrollment) AS seats"""
VERBS: dict[str, Callable[[Programs], object]] = {
    "seat": lambda programs: programs.write(1, {"ann": "inactive", "bob": "active"}, run=1, method="put"),
    "move": lambda programs: move(programs.engine, Move("ann", ONE, TWO, run_key(1), enroll=True), programs.asked()),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_verb_that_is_killed_left_nothing(programs: Programs, verb: Callable[[Programs], object]) -> None:
    programs.write(1, {"ann": "enrolled", "bob": "enrolled"})
    programs.write(1, {"ann": "active"}, run=1)
    before, at = programs.rows(WRITTEN), 1
    while killed(programs.engine, at, lambda: verb(programs)):
        assert programs.rows(WRITTEN) == before
        at += 1
    assert at > 10
    after = programs.rows(WRITTEN)
    assert after != before
    assert after[0]["loads"] == before[0]["loads"] + 1
