"""What stands of the learners whom a request names: who they are, and which of their enrollments is meant."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, read_frame
from catalog_pipeline.database.keys import folded
from catalog_pipeline.enrollments.programs import Program, Run
from catalog_pipeline.enrollments.requests import Item
from catalog_pipeline.learners.retirement import retired_forms

ASKED = {
    "position": "int",
    "external_key": "text",
    "retired": "text",
    "status": "text",
    "curriculum": "uuid",
    "course_staff": "boolean",
}
CURRENT_FIRST = "array_position(ARRAY['enrolled', 'pending'], e.status)"
MEANT = f"""e.curriculum_uuid IS NOT DISTINCT FROM w.curriculum DESC, coalesce(c.status = 'active', false) DESC,
             c.id IS NOT NULL DESC, {CURRENT_FIRST} NULLS LAST, e.created_at, e.curriculum_uuid"""
"""Which of a learner's enrollments in a program is meant, over w (curriculum), e and c (its row on the run)."""

STANDING = f"""
    CREATE TEMP TABLE standing ON COMMIT DROP AS
    WITH known AS (
        SELECT DISTINCT ON (w.position) w.position, k.id AS learner_key, l.id AS learner,
               l.retired_at IS NOT NULL AS is_retired
        FROM asked w CROSS JOIN LATERAL unnest(ARRAY[{folded("w.external_key")}, w.retired]) AS form
        JOIN catalog.learner_key k ON k.organization_id = :organization AND {folded("k.external_key")} = form
        JOIN catalog.learner l ON l.id = k.learner_id ORDER BY w.position, l.retired_at NULLS LAST),
    seat AS MATERIALIZED (
        SELECT known.position, s.id AS seat, c.id, c.program_enrollment_id, c.status, c.status_since
        FROM known JOIN catalog.course_enrollment s ON s.learner_id = known.learner AND s.course_run_id = :run
        LEFT JOIN catalog.program_course_enrollment c ON c.course_enrollment_id = s.id),
    meant AS (
        SELECT DISTINCT ON (w.position) w.position, e.id AS enrollment, e.curriculum_uuid, e.status, e.status_since,
               c.id AS row, c.status AS row_status, c.status_since AS row_since
        FROM asked w JOIN known USING (position)
        JOIN catalog.program_enrollment e ON e.learner_id = known.learner AND e.program_id = :program
        LEFT JOIN seat c ON c.position = w.position AND c.program_enrollment_id = e.id
        ORDER BY w.position, {MEANT})
    SELECT w.position, known.learner, known.learner_key, coalesce(known.is_retired, false) AS is_retired,
           m.enrollment, m.curriculum_uuid AS curriculum, m.status, m.status_since,
           s.seat, m.row, m.row_status, m.row_since,
           h.program_enrollment_id AS holder, h.status_since AS holder_since
    FROM asked w
    LEFT JOIN known USING (position)
    LEFT JOIN meant m USING (position)
    LEFT JOIN (SELECT DISTINCT position, seat FROM seat) s USING (position)
    LEFT JOIN seat h ON h.position = w.position AND h.status = 'active' AND h.id IS DISTINCT FROM m.row"""
READ = """
    SELECT s.position, s.learner, s.is_retired, s.enrollment, s.curriculum, s.status, s.status_since::text,
           s.row, s.row_status, s.row_since::text, s.holder IS NOT NULL,
           s.holder_since::text, h.curriculum_uuid, h.status, p.uuid, p.title, p.enrollments_owner,
           EXISTS (SELECT FROM catalog.program_course_enrollment c
                   WHERE c.program_enrollment_id = s.enrollment AND c.status = 'active')
    FROM standing s
    LEFT JOIN catalog.program_enrollment h ON h.id = s.holder
    LEFT JOIN catalog.program p ON p.id = h.program_id
    ORDER BY s.position"""
NUMBER, WORD, FLAG = pa.int64(), pa.large_string(), pa.bool_()
COLUMNS = {
    "position": NUMBER,
    "learner": NUMBER,
    "is_retired": FLAG,
    "enrollment": NUMBER,
    "curriculum": WORD,
    "status": WORD,
    "status_since": WORD,
    "row": NUMBER,
    "row_status": WORD,
    "row_since": WORD,
    "is_held": FLAG,
    "holder_since": WORD,
    "holder_curriculum": WORD,
    "holder_status": WORD,
    "holder_program": WORD,
    "holder_title": WORD,
    "holder_owner": WORD,
    "has_active_rows": FLAG,
}


def stage(connection: Connection, items: Sequence[Item], secret: bytes) -> None:
    """Make the table `asked`, with a row for each item, by its position from 0."""
    create_staging(connection, "asked", ASKED)
    keys = [item.key for item in items]
    frame = pd.DataFrame(
        {
            "position": range(len(items)),
            "external_key": pd.Series(keys, dtype="str"),
            "retired": pd.Series(retired_forms(secret, keys), dtype="str"),
            "status": pd.Series([item.status for item in items], dtype="str"),
            "curriculum": pd.Series(
                [item.curriculum_uuid and str(item.curriculum_uuid) for item in items], dtype="str"
            ),
            "course_staff": pd.Series([item.course_staff for item in items], dtype="boolean"),
        }
    )
    copy_frame(connection, "asked", frame)
    analyze(connection, "asked")


def read_standing(connection: Connection, program: Program, run: Run | None) -> pd.DataFrame:
    """Make the table `standing`, and read it: a row for each item of `asked`, in their order (`COLUMNS`)."""
    names = {"program": program.id, "organization": program.organization_id, "run": run and run.id}
    connection.execute(text(STANDING), names)
    analyze(connection, "standing")
    return read_frame(connection, READ, COLUMNS).drop(columns="position")
