"""Takes over the enrollments of a program from the LMS, for good."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.publication import ENROLLMENT_LOCK, publishing

SOURCE = "enrollments:adopt"
FIND = """
    SELECT p.id, (SELECT count(*) FROM catalog.program_enrollment e WHERE e.program_id = p.id) AS enrollments
    FROM catalog.program p WHERE p.uuid = :uuid"""
ADOPT = """
    UPDATE catalog.program SET enrollments_owner = 'here', enrollments_adopted_at = now()
    WHERE id = :id AND enrollments_adopted_at IS NULL"""
RELEASE = {
    "catalog.program_enrollment": """
        UPDATE catalog.program_enrollment SET missing_since = NULL
        WHERE program_id = :id AND missing_since IS NOT NULL""",
    "catalog.program_course_enrollment": """
        UPDATE catalog.program_course_enrollment c SET lms_status = NULL, missing_since = NULL
        FROM catalog.program_enrollment e
        WHERE e.id = c.program_enrollment_id AND e.program_id = :id
          AND (c.lms_status IS NOT NULL OR c.missing_since IS NOT NULL)""",
}
"""The rows stand for themselves from now on."""
FORGET = "DELETE FROM landing.document WHERE source = 'enrollments' AND key = :uuid"
"""Documents hold names and keys that nobody would clear."""
CLEAR = """
    WITH given_up AS (
        UPDATE ops.enrollment_conflict SET cleared_at = now()
        WHERE program_id = :id AND NOT counted AND cleared_at IS NULL RETURNING id, learner_id, course_run_id)
    UPDATE ops.enrollment_conflict o SET cleared_at = now() FROM given_up g
    WHERE (o.learner_id, o.course_run_id) = (g.learner_id, g.course_run_id) AND o.cleared_at IS NULL
      AND o.id NOT IN (SELECT id FROM given_up) AND NOT EXISTS (
          SELECT FROM ops.enrollment_conflict x
          WHERE (x.learner_id, x.course_run_id) = (o.learner_id, o.course_run_id) AND x.cleared_at IS NULL
            AND x.id <> o.id AND x.id NOT IN (SELECT id FROM given_up))"""
"""A row of the program that does not count claims its seat no more; one conflict row alone is none."""


@dataclass(frozen=True)
class Adopted:
    """A program whose enrollments are ours, and how many these are."""

    program: str
    enrollments: int


def adopt(engine: Engine, program: UUID, *, actor: str) -> Adopted:
    """Make a program's enrollments ours: they are no longer read from the LMS, and verbs may change them.

    What is ours already stays so. Raises UsageError where the program is not known.
    """
    uuid = str(program)
    with publishing(engine, SOURCE, datetime.now(UTC), actor, lock=ENROLLMENT_LOCK) as publication:
        found = rows(publication.connection, FIND, uuid=uuid)
        if not found:
            raise UsageError(f"There is no program {uuid}.")
        (row,) = found
        adopted = publication.execute(ADOPT, id=row["id"])
        publication.count("catalog.program", {"updated": adopted})
        for table, statement in RELEASE.items():
            publication.count(table, {"updated": publication.execute(statement, id=row["id"])})
        publication.execute(CLEAR, id=row["id"])
        publication.execute(FORGET, uuid=uuid)
        return Adopted(uuid, row["enrollments"])
