"""Learners, their enrollments in programs and runs, and the curricula that say which runs a program has.

The tables are written out in `enrollments.sql`, the view in `program_run.sql`.
"""

from pathlib import Path

from alembic import op

from catalog_pipeline.database.seats import install_enrollment_triggers
from catalog_pipeline.database.triggers import execute, track

revision = "0014_enrollments"
down_revision = "0013_retention"
branch_labels = None
depends_on = None

TABLES, VIEW = (Path(__file__).with_name(name) for name in ("enrollments.sql", "program_run.sql"))
OWNER = (
    "ALTER TABLE catalog.program ADD COLUMN enrollments_owner text DEFAULT 'here' NOT NULL",
    """ALTER TABLE catalog.program ADD CONSTRAINT program_enrollments_owner_check
       CHECK (enrollments_owner IN ('here', 'lms'))""",
    "COMMENT ON COLUMN catalog.program.enrollments_owner IS"
    " 'Who keeps its enrollments: here, or lms, which we then only read.'",
    "ALTER TABLE catalog.program ADD COLUMN enrollments_adopted_at timestamptz",
    "COMMENT ON COLUMN catalog.program.enrollments_adopted_at IS"
    " 'When its enrollments were taken over from the LMS, which is no longer read for it.'",
)
FIRST_EVENT = (
    # As marts.first_event(), for the same reasons.
    """CREATE FUNCTION marts.first_enrollment_event() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
       DECLARE
           first_day date := (SELECT min(day) FROM marts.days() AS days (day));
           frozen date := (SELECT max(before_day) FROM ops.history_archive);
           until timestamptz := (first_day + 1)::timestamp AT TIME ZONE 'UTC';
       BEGIN
           IF first_day < frozen THEN
               RAISE EXCEPTION 'The history before % is archived: snapshots of days before it are not built again.',
                   frozen;
           END IF;
           RETURN (
               SELECT min(e.id + 0) FROM ops.change_event e
               WHERE e.at >= until AND e.at <= now()
                 AND e.entity IN ('program_enrollment', 'course_enrollment', 'program_course_enrollment'));
       END $$""",
    """COMMENT ON FUNCTION marts.first_enrollment_event() IS
       'Of the change events of enrollments, the first after the end of the first of marts.days().'""",
)
LEARNER = "'learner:' || {row}.learner_id"
PROGRAM = "(SELECT p.uuid::text FROM catalog.program p WHERE p.id = {row}.program_id)"
CURRICULUM = (
    "(SELECT p.uuid::text FROM catalog.curriculum c JOIN catalog.program p ON p.id = c.program_id"
    " WHERE c.id = {row}.curriculum_id)"
)


def upgrade() -> None:
    connection = op.get_bind()
    execute(connection, [TABLES.read_text(), *OWNER, VIEW.read_text()])
    track(connection, "catalog.program", key="{row}.uuid::text")
    track(connection, "catalog.learner", key="'learner:' || {row}.id", personal=("user_name",))
    track(connection, "catalog.learner_key", key=LEARNER, personal=("external_key",))
    track(connection, "catalog.program_enrollment", key=LEARNER, left_out=("status_since",))
    track(connection, "catalog.course_enrollment", key=LEARNER)
    track(connection, "catalog.program_course_enrollment", key=LEARNER, left_out=("learner_id", "status_since"))
    for table in ("program_organization", "curriculum"):
        track(connection, f"catalog.{table}", key=PROGRAM)
    for table in ("curriculum_course", "curriculum_program"):
        track(connection, f"catalog.{table}", key=CURRICULUM)
    install_enrollment_triggers(connection)
    execute(connection, FIRST_EVENT)
