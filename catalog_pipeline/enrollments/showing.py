"""What is known of one learner: the keys, the enrollments in programs and in their runs, and the seats."""

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows

LEARNER = """
    SELECT id AS learner_id, user_name IS NOT NULL AS linked, retired_at, user_name
    FROM catalog.learner WHERE id = :learner"""
KEYS = """
    SELECT o.key AS organization, k.external_key FROM catalog.learner_key k
    JOIN catalog.organization o ON o.id = k.organization_id WHERE k.learner_id = :learner ORDER BY k.id"""
PROGRAM_ENROLLMENTS = """
    SELECT e.id, p.uuid AS program, e.curriculum_uuid AS curriculum, e.status, e.status_since AS since
    FROM catalog.program_enrollment e JOIN catalog.program p ON p.id = e.program_id
    WHERE e.learner_id = :learner ORDER BY p.uuid, e.curriculum_uuid"""
COURSE_ROWS = """
    SELECT c.program_enrollment_id, c.id, r.run_key AS run, c.status, c.status_since AS since, c.course_staff
    FROM catalog.program_course_enrollment c
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id
    WHERE c.learner_id = :learner ORDER BY r.run_key"""
SEATS = """
    SELECT s.id, r.run_key AS run, s.is_active, s.mode FROM catalog.course_enrollment s
    JOIN catalog.course_run r ON r.id = s.course_run_id WHERE s.learner_id = :learner ORDER BY r.run_key"""


def show_learner(connection: Connection, learner: int, *, personal: bool = False) -> Row:
    """What is known of a learner: learner_id, linked, retired_at, user_name, keys, program_enrollments (each with its
    course_enrollments), course_enrollments (the seats). Name and keys are null unless `personal`.
    """
    (found,) = rows(connection, LEARNER, learner=learner)
    keys = rows(connection, KEYS, learner=learner)
    if not personal:
        found["user_name"] = None
        keys = [{**key, "external_key": None} for key in keys]
    enrollments = {
        row["id"]: {**row, "course_enrollments": []} for row in rows(connection, PROGRAM_ENROLLMENTS, learner=learner)
    }
    for row in rows(connection, COURSE_ROWS, learner=learner):
        enrollments[row.pop("program_enrollment_id")]["course_enrollments"].append(row)
    return {
        **found,
        "keys": keys,
        "program_enrollments": list(enrollments.values()),
        "course_enrollments": rows(connection, SEATS, learner=learner),
    }
