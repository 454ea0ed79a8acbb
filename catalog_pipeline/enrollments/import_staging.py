"""Stages a file of enrollments, looks up what it names, and reads what stands of the learners whom it names."""

from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, read_frame
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.learners.retirement import stage_retired
from catalog_pipeline.rules.enrollment_import import CourseRow, Enrollment, Line, Program, Seat, Standing

STAGING = {
    "row": "bigint",
    **dict.fromkeys(("program_uuid", "curriculum_uuid"), "uuid"),
    **dict.fromkeys(("student_key", "status", "run_key", "course_status", "mode", "user_name"), "text"),
    "course_staff": "boolean",
}
FOUND = (
    f"""
    CREATE TEMP TABLE import_found ON COMMIT DROP AS
    SELECT i.*, p.id AS program_id, p.enrollments_owner AS owner, r.id AS run_id, o.organization_id,
           {folded("i.student_key")} AS key, {folded("i.user_name")} AS name
    FROM import_row i
    LEFT JOIN catalog.program p ON p.uuid = i.program_uuid
    LEFT JOIN catalog.course_run r ON {folded("r.run_key")} = {folded("i.run_key")}
    LEFT JOIN LATERAL (SELECT organization_id FROM catalog.program_organization
                       WHERE program_id = p.id ORDER BY position LIMIT 1) o ON true""",
    """
    CREATE TEMP TABLE import_program_run ON COMMIT DROP AS
    SELECT program_id, course_run_id FROM catalog.program_run
    WHERE program_id IN (SELECT program_id FROM import_found)""",
)
WRONG = """
    SELECT row, rule, "column" FROM (
        SELECT f.row, w.* FROM import_found f
        CROSS JOIN LATERAL (VALUES
            (f.program_id IS NULL, 'unknown_program', 'program_uuid', 1),
            (f.run_key IS NOT NULL AND f.run_id IS NULL, 'unknown_run', 'run_key', 2),
            (f.program_id IS NOT NULL AND f.organization_id IS NULL, 'program_without_organization', 'program_uuid', 3),
            (EXISTS (SELECT FROM retired_text r WHERE r.organization_id = f.organization_id AND r.folded = f.key),
             'retired', 'student_key', 4),
            (EXISTS (SELECT FROM retired_text r WHERE r.organization_id IS NULL AND r.folded = f.name),
             'retired', 'user_name', 5),
            (f.owner = 'lms', 'owned_elsewhere', 'program_uuid', 6)
        ) AS w (holds, rule, "column", place)
        WHERE w.holds) AS wrong
    ORDER BY row, place"""

# Whom a line names: by the key, else, where it has none, by the user name.
WHO = f"""
    CREATE TEMP TABLE import_who ON COMMIT DROP AS
    SELECT f.row, k.id AS learner_key_id, coalesce(k.learner_id, u.id) AS learner_id
    FROM import_found f
    LEFT JOIN catalog.learner_key k
        ON k.organization_id = f.organization_id AND {folded("k.external_key")} = f.key
    LEFT JOIN catalog.learner u ON f.key IS NULL AND {folded("u.user_name")} = f.name
    WHERE NOT EXISTS (SELECT FROM import_rejected x WHERE x.row = f.row)"""
LINES = """
    SELECT f.row, w.learner_id, w.learner_key_id, f.organization_id, coalesce(f.key, f.name) AS called,
           f.key IS NOT NULL AS has_key, f.program_id, f.curriculum_uuid, f.status, f.run_id,
           EXISTS (SELECT FROM import_program_run p WHERE (p.program_id, p.course_run_id) = (f.program_id, f.run_id)),
           f.course_status, f.course_staff, f.mode
    FROM import_found f JOIN import_who w USING (row) ORDER BY f.row"""
NUMBER, WORD, FLAG = pa.int64(), pa.large_string(), pa.bool_()
LINE_TYPES = {
    "row": NUMBER,
    "learner_id": NUMBER,
    "learner_key_id": NUMBER,
    "organization_id": NUMBER,
    "called": WORD,
    "has_key": FLAG,
    "program_id": NUMBER,
    "curriculum": WORD,
    "status": WORD,
    "run": NUMBER,
    "in_program": FLAG,
    "course_status": WORD,
    "course_staff": FLAG,
    "mode": WORD,
}
PROGRAMS = """
    SELECT p.id, p.title || ' (' || p.uuid || ')' AS name,
           coalesce(array_agg(c.uuid::text) FILTER (WHERE c.id IS NOT NULL), '{}') AS listed,
           CASE WHEN count(*) FILTER (WHERE c.is_active) = 1 THEN min(c.uuid::text) FILTER (WHERE c.is_active) END
               AS default
    FROM catalog.program p LEFT JOIN catalog.curriculum c ON c.program_id = p.id
    WHERE p.id IN (SELECT program_id FROM import_found) GROUP BY p.id"""
ENROLLMENTS = """
    SELECT e.id, e.learner_id, e.learner_key_id, e.program_id, e.curriculum_uuid, e.status
    FROM catalog.program_enrollment e
    WHERE e.learner_id IN (SELECT learner_id FROM import_who)
      AND e.program_id IN (SELECT program_id FROM import_found)
    ORDER BY e.created_at, e.curriculum_uuid"""
ENROLLMENT_TYPES = {
    "id": NUMBER,
    "learner": NUMBER,
    "key": NUMBER,
    "program": NUMBER,
    "curriculum": WORD,
    "status": WORD,
}
SEATS = """
    SELECT s.id, s.learner_id, s.course_run_id, s.mode FROM catalog.course_enrollment s
    WHERE s.learner_id IN (SELECT learner_id FROM import_who)
      AND s.course_run_id IN (SELECT run_id FROM import_found)"""
SEAT_TYPES = {"id": NUMBER, "learner": NUMBER, "run": NUMBER, "mode": WORD}
COURSE_ROWS = """
    SELECT c.id, c.program_enrollment_id, c.learner_id, s.course_run_id, c.status, c.course_staff,
           CASE WHEN c.status = 'active' THEN p.title || ' (' || p.uuid || ')' END
    FROM catalog.program_course_enrollment c
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
    JOIN catalog.program p ON p.id = e.program_id
    WHERE s.learner_id IN (SELECT learner_id FROM import_who)
      AND s.course_run_id IN (SELECT run_id FROM import_found)"""
COURSE_ROW_TYPES = {
    "id": NUMBER,
    "enrollment": NUMBER,
    "learner": NUMBER,
    "run": NUMBER,
    "status": WORD,
    "course_staff": FLAG,
    "name": WORD,
}


def stage(connection: Connection, frame: pd.DataFrame, secret: bytes) -> list[Row]:
    """Make `import_row`, and `import_found` with the ids of what it names. Returns what is wrong: row, rule, column."""
    create_staging(connection, "import_row", STAGING)
    copy_frame(connection, "import_row", frame)
    analyze(connection, "import_row")
    for statement in FOUND:
        connection.execute(text(statement))
    analyze(connection, "import_found", "import_program_run")
    stage_retired(
        connection,
        secret,
        "SELECT organization_id, key AS folded FROM import_found WHERE organization_id IS NOT NULL"
        " UNION SELECT NULL, name FROM import_found",
    )
    return rows(connection, WRONG)


def read_lines(connection: Connection, links: set[int]) -> list[Line]:
    """The lines that are not in `import_rejected`, in the order of the file. `links`: those that link a key."""
    connection.execute(text("DROP TABLE IF EXISTS import_who"))
    connection.execute(text(WHO))
    analyze(connection, "import_who")
    programs = {
        row["id"]: Program(row["id"], row["name"], frozenset(row["listed"]), row["default"])
        for row in rows(connection, PROGRAMS)
    }
    return [
        Line(
            row=one["row"],
            learner=_learner(one),
            key=_key(one),
            program=programs[one["program_id"]],
            curriculum=one["curriculum"],
            status=one["status"],
            run=one["run"],
            in_program=one["in_program"],
            course_status=one["course_status"],
            course_staff=one["course_staff"],
            mode=one["mode"],
            links=one["row"] in links,
        )
        for one in _records(connection, LINES, LINE_TYPES)
    ]


def _learner(one: Row) -> Hashable:
    """The learner's id, or what tells one new learner from another."""
    return one["learner_id"] or (one["organization_id"] if one["has_key"] else None, one["called"])


def _key(one: Row) -> Hashable | None:
    if not one["has_key"]:
        return None
    return one["learner_key_id"] or (one["organization_id"], one["called"])


def read_standing(connection: Connection) -> Standing:
    """What stands of the learners in `import_who`."""
    enrollments: dict[int, Enrollment] = {}
    standing = Standing()
    for one in _records(connection, ENROLLMENTS, ENROLLMENT_TYPES):
        enrollments[one["id"]] = Enrollment(**one)
        standing.enrollments[one["learner"], one["program"]].append(enrollments[one["id"]])
    for one in _records(connection, SEATS, SEAT_TYPES):
        standing.seats[one["learner"], one["run"]] = Seat(**one)
    for one in _records(connection, COURSE_ROWS, COURSE_ROW_TYPES):
        row = CourseRow(one["id"], one["status"], one["course_staff"])
        if one["enrollment"] in enrollments:
            enrollments[one["enrollment"]].rows[one["run"]] = row
        if row.status == "active":
            seat = standing.seats[one["learner"], one["run"]]
            seat.holder, seat.holder_name = row, one["name"]
    return standing


def _records(connection: Connection, query: str, types: dict[str, pa.DataType]) -> Iterator[dict[str, Any]]:
    """The rows of a query, with None for null."""
    frame = read_frame(connection, query, types).astype(object)
    frame = frame.where(frame.notna(), None)
    for values in frame.itertuples(index=False, name=None):
        yield dict(zip(types, values, strict=True))
