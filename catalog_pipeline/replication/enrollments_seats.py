# pyright: reportArgumentType=false
"""Writes a program's enrollments and rows, and settles each seat that they are on: one row of it counts at most.

The LMS may have a learner active in a run by several programs. Here one of them is, the others are inactive with the
`lms_status` active, and `ops.enrollment_conflict` tells of all of them.
"""

from datetime import datetime

import pyarrow as pa

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, read_frame
from catalog_pipeline.database.rows import rows
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.enrollment import ProgramEnrollment
from catalog_pipeline.models.vocabulary import UNPAID_MODES
from catalog_pipeline.replication.enrollments_reading import LmsProgram
from catalog_pipeline.replication.enrollments_staging import ENROLLMENTS, ROWS
from catalog_pipeline.rules.contested_seats import decide

GONE = """
    UPDATE catalog.program_enrollment e SET missing_since = now()
    FROM leaving l WHERE l.table_name = 'program_enrollment' AND l.id = e.id AND e.missing_since IS NULL"""
NEW_SEATS = """
    CREATE TEMP TABLE new_seat ON COMMIT DROP AS
    SELECT learner_id, course_run_id, nextval(pg_get_serial_sequence('catalog.course_enrollment', 'id')) AS id FROM (
        SELECT DISTINCT r.learner_id, r.course_run_id FROM resolved_row r
        WHERE NOT EXISTS (SELECT FROM catalog.course_enrollment s
                          WHERE (s.learner_id, s.course_run_id) = (r.learner_id, r.course_run_id))) AS without"""
ROWS_OF_PROGRAM = """
    CREATE TEMP TABLE seat_row ON COMMIT DROP AS
    SELECT coalesce(c.id, nextval(pg_get_serial_sequence('catalog.program_course_enrollment', 'id'))) AS id,
           c.id IS NULL AS is_new, coalesce(s.id, n.id) AS seat, r.learner_id, r.course_run_id,
           r.program_enrollment_id, true AS is_here, r.status AS lms_status,
           coalesce(r.course_staff, c.course_staff, false) AS course_staff, NULL::timestamptz AS missing_since
    FROM resolved_row r
    LEFT JOIN catalog.course_enrollment s
        ON (s.learner_id, s.course_run_id) = (r.learner_id, r.course_run_id)
    LEFT JOIN new_seat n ON (n.learner_id, n.course_run_id) = (r.learner_id, r.course_run_id)
    LEFT JOIN catalog.program_course_enrollment c
        ON (c.course_enrollment_id, c.program_enrollment_id) = (s.id, r.program_enrollment_id)
    UNION ALL
    -- What the document does not list is gone, or stands as it is: held back, rejected, missing already.
    SELECT c.id, false, s.id, s.learner_id, s.course_run_id, e.id, true,
           CASE WHEN l.id IS NULL THEN c.lms_status END, c.course_staff,
           CASE WHEN l.id IS NULL THEN c.missing_since ELSE now() END
    FROM catalog.program_enrollment e
    JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    LEFT JOIN leaving l ON l.table_name = 'program_course_enrollment' AND l.id = c.id
    WHERE e.program_id = :program
      AND NOT EXISTS (SELECT FROM resolved_row r
                      WHERE (r.program_enrollment_id, r.course_run_id) = (e.id, s.course_run_id))"""
ROWS_OF_OTHERS = """
    INSERT INTO seat_row
    SELECT c.id, false, c.course_enrollment_id, c.learner_id, s.course_run_id, c.program_enrollment_id, false,
           c.lms_status, c.course_staff, c.missing_since
    FROM (SELECT DISTINCT seat, course_run_id FROM seat_row WHERE NOT is_new OR seat NOT IN (SELECT id FROM new_seat)) s
    JOIN catalog.program_course_enrollment c ON c.course_enrollment_id = s.seat
    JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
    WHERE e.program_id <> :program"""
CLAIMS = """
    CREATE TEMP TABLE claim ON COMMIT DROP AS
    SELECT t.id, t.seat, p.enrollments_owner = 'here' AND p.id <> :program AS is_ours, o.reason AS kept_reason,
           coalesce(c.status = 'active' AND c.status_since < :refresh_began, false) AS held_earlier,
           e.status, p.uuid::text AS program, e.curriculum_uuid::text AS curriculum,
           count(*) OVER (PARTITION BY t.seat) > 1 AS is_contested
    FROM seat_row t
    JOIN catalog.program_enrollment e ON e.id = t.program_enrollment_id
    JOIN catalog.program p ON p.id = e.program_id
    LEFT JOIN catalog.program_course_enrollment c ON c.id = t.id
    LEFT JOIN ops.enrollment_conflict o
        ON (o.learner_id, o.course_run_id, o.program_id, o.curriculum_uuid)
         = (t.learner_id, t.course_run_id, p.id, e.curriculum_uuid)
        -- It counted before this refresh, in a conflict that was open then.
        AND o.counted AND greatest(o.since, o.found_at) < :refresh_began
        AND coalesce(o.cleared_at, 'infinity') >= :refresh_began
    WHERE CASE WHEN p.enrollments_owner = 'here' AND p.id <> :program THEN c.status = 'active'
               ELSE t.lms_status = 'active' AND t.missing_since IS NULL END"""
CONTESTED = """
    SELECT id, seat, is_ours, kept_reason, held_earlier, status, program, curriculum FROM claim WHERE is_contested"""
CONTESTED_TYPES = {
    "id": pa.int64(),
    "seat": pa.int64(),
    "is_ours": pa.bool_(),
    "kept_reason": pa.large_string(),
    "held_earlier": pa.bool_(),
    "status": pa.large_string(),
    "program": pa.large_string(),
    "curriculum": pa.large_string(),
}
FINAL = """
    CREATE TEMP TABLE final_row ON COMMIT DROP AS
    SELECT t.*, CASE WHEN m.id IS NOT NULL AND coalesce(d.counts, true) THEN 'active' ELSE 'inactive' END AS status
    FROM seat_row t LEFT JOIN claim m USING (id) LEFT JOIN decided d USING (id)"""
# A seat's active row gives way before another one takes its place.
GIVE_WAY = """
    UPDATE catalog.program_course_enrollment c
    SET status = 'inactive', lms_status = f.lms_status, course_staff = f.course_staff, missing_since = f.missing_since
    FROM final_row f WHERE f.id = c.id AND NOT f.is_new AND c.status = 'active' AND f.status = 'inactive'"""
TAKE_SEATS = f"""
    UPDATE catalog.course_enrollment s SET mode = 'masters'
    FROM final_row f LEFT JOIN catalog.program_course_enrollment c ON c.id = f.id
    WHERE s.id = f.seat AND f.status = 'active' AND c.status IS DISTINCT FROM 'active'
      AND s.mode <> 'masters' AND s.mode IN {UNPAID_MODES}"""
# In one statement, so that a seat is never seen active without its row: a trigger would put that right, at a price.
ADD = """
    WITH made AS (
        INSERT INTO catalog.course_enrollment (id, learner_id, course_run_id, is_active) OVERRIDING SYSTEM VALUE
        SELECT n.id, n.learner_id, n.course_run_id,
               EXISTS (SELECT FROM final_row f WHERE f.seat = n.id AND f.status = 'active')
        FROM new_seat n RETURNING 1),
    added AS (
        INSERT INTO catalog.program_course_enrollment
            (id, learner_id, program_enrollment_id, course_enrollment_id, status, lms_status, course_staff)
        OVERRIDING SYSTEM VALUE
        SELECT id, learner_id, program_enrollment_id, seat, status, lms_status, course_staff
        FROM final_row WHERE is_new RETURNING 1)
    SELECT (SELECT count(*) FROM made) AS seats, (SELECT count(*) FROM added) AS rows"""
CHANGE = """
    UPDATE catalog.program_course_enrollment c
    SET status = f.status, lms_status = f.lms_status, course_staff = f.course_staff, missing_since = f.missing_since
    FROM final_row f
    WHERE f.id = c.id AND NOT f.is_new AND (c.status, c.lms_status, c.course_staff, c.missing_since)
          IS DISTINCT FROM (f.status, f.lms_status, f.course_staff, f.missing_since)"""
TOLD = """
    CREATE TEMP TABLE told ON COMMIT DROP AS
    SELECT f.learner_id, f.course_run_id, e.program_id, e.curriculum_uuid, c.status_since AS since,
           d.counts AS counted, d.reason
    FROM decided d JOIN final_row f USING (id)
    JOIN catalog.program_course_enrollment c ON c.id = f.id
    JOIN catalog.program_enrollment e ON e.id = f.program_enrollment_id"""
CLEAR = """
    UPDATE ops.enrollment_conflict o SET cleared_at = now()
    WHERE o.cleared_at IS NULL
      AND EXISTS (SELECT FROM seat_row t WHERE (t.learner_id, t.course_run_id) = (o.learner_id, o.course_run_id))
      AND NOT EXISTS (SELECT FROM told t WHERE (t.learner_id, t.course_run_id, t.program_id, t.curriculum_uuid)
                                             = (o.learner_id, o.course_run_id, o.program_id, o.curriculum_uuid))"""
# Loads of one refresh may clear a conflict and find it again: it was open all along.
REOPEN = """
    UPDATE ops.enrollment_conflict o SET cleared_at = NULL FROM told t
    WHERE (t.learner_id, t.course_run_id, t.program_id, t.curriculum_uuid)
        = (o.learner_id, o.course_run_id, o.program_id, o.curriculum_uuid)
      AND o.cleared_at >= :refresh_began"""
TELL = """
    INSERT INTO ops.enrollment_conflict AS o
        (learner_id, course_run_id, program_id, curriculum_uuid, since, counted, reason)
    SELECT learner_id, course_run_id, program_id, curriculum_uuid, since, counted, reason FROM told
    ON CONFLICT (learner_id, course_run_id, program_id, curriculum_uuid) WHERE cleared_at IS NULL DO UPDATE
    SET since = excluded.since, counted = excluded.counted, reason = excluded.reason
    WHERE (o.since, o.counted, o.reason) IS DISTINCT FROM (excluded.since, excluded.counted, excluded.reason)"""
ENROLLMENT_COLUMNS = ("learner_id", "learner_key_id", "program_id", "curriculum_uuid", "status", "missing_since")


def write(publication: Publication, program: LmsProgram, refresh_began: datetime) -> None:
    """Write what `resolve` and `find_removals` found, and settle the seats of all rows of the program.

    A row that held its seat before `refresh_began` held it earlier. What stands is written only where it differs.
    """
    publication.merge(ProgramEnrollment, "resolved_enrollment", ENROLLMENT_COLUMNS)
    publication.count(ENROLLMENTS, {"updated": publication.execute(GONE)})
    publication.execute(NEW_SEATS)
    analyze(publication.connection, "new_seat")
    publication.execute(ROWS_OF_PROGRAM, program=program.id)
    analyze(publication.connection, "seat_row")
    publication.execute(ROWS_OF_OTHERS, program=program.id)
    publication.execute(CLAIMS, program=program.id, refresh_began=refresh_began)
    _decide(publication)
    publication.execute(FINAL)
    analyze(publication.connection, "final_row")
    _write_rows(publication)
    _tell_conflicts(publication, refresh_began)


def _decide(publication: Publication) -> None:
    """Make `decided` (id, counts, reason), of the rows on seats that several claim."""
    create_staging(publication.connection, "decided", {"id": "bigint", "counts": "boolean", "reason": "text"})
    claims = read_frame(publication.connection, CONTESTED, CONTESTED_TYPES)
    if len(claims):
        decided = decide(claims).assign(id=claims["id"])
        copy_frame(publication.connection, "decided", decided[["id", "counts", "reason"]])


def _write_rows(publication: Publication) -> None:
    publication.count("catalog.course_enrollment", {"updated": publication.execute(TAKE_SEATS)})
    updated = publication.execute(GIVE_WAY)
    (made,) = rows(publication.connection, ADD)
    updated += publication.execute(CHANGE)
    unchanged = publication.scalar("SELECT count(*) FROM final_row WHERE is_here") - made["rows"] - updated
    publication.count("catalog.course_enrollment", {"created": made["seats"]})
    publication.count(ROWS, {"created": made["rows"], "updated": updated, "unchanged": max(0, unchanged)})


def _tell_conflicts(publication: Publication, refresh_began: datetime) -> None:
    publication.execute(TOLD)
    publication.execute(CLEAR)
    publication.execute(REOPEN, refresh_began=refresh_began)
    publication.execute(TELL)
