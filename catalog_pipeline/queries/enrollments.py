"""What is asked of enrollments: the seats that the LMS has active in several programs."""

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows

CONFLICTS = """
    SELECT o.learner_id, r.run_key AS run,
           json_agg(json_build_object('program', p.uuid, 'since', o.since, 'counted', o.counted)
                     ORDER BY o.counted DESC, p.uuid, o.curriculum_uuid) AS programs,
           min(o.reason) AS reason
    FROM ops.enrollment_conflict o
    JOIN catalog.program p ON p.id = o.program_id JOIN catalog.course_run r ON r.id = o.course_run_id
    WHERE o.cleared_at IS NULL
    GROUP BY o.learner_id, r.run_key ORDER BY o.learner_id, r.run_key"""
TITLES = """
    SELECT uuid::text AS uuid, title FROM catalog.program
    WHERE id IN (SELECT program_id FROM ops.enrollment_conflict)"""


def open_conflicts(connection: Connection) -> list[Row]:
    """learner_id, run, programs (program, since, counted; the one that counts first) and reason of each open one."""
    return rows(connection, CONFLICTS)


def titles(connection: Connection) -> dict[str, str]:
    """The titles of the programs that ever were in a conflict, by uuid."""
    return {row["uuid"]: row["title"] for row in rows(connection, TITLES)}
