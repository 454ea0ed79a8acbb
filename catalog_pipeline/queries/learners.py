"""What happened to a learner's enrollments, and why each is as it is. Names and keys are told by neither."""

import re
from collections.abc import Sequence

from sqlalchemy import Connection

from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.models.vocabulary import UNPAID_MODES

KEY = re.compile(r"\s*learner:([0-9]{1,18})\s*", re.IGNORECASE)
"""The key of a learner's events."""

# What came from another learner, by a link, has its history from before; of what went to another, the rest is his.
MINE = f"""
    SELECT entity, entity_id, true AS is_here FROM (
        SELECT 'learner' AS entity, id AS entity_id FROM catalog.learner WHERE id = :learner
        UNION ALL SELECT 'learner_key', id FROM catalog.learner_key WHERE learner_id = :learner
        UNION ALL SELECT 'program_enrollment', id FROM catalog.program_enrollment WHERE learner_id = :learner
        UNION ALL SELECT 'course_enrollment', id FROM catalog.course_enrollment WHERE learner_id = :learner
        UNION ALL SELECT 'program_course_enrollment', id FROM catalog.program_course_enrollment
                  WHERE learner_id = :learner) AS here
    UNION
    SELECT entity, entity_id, false FROM ops.change_event e
    WHERE {folded("e.key")} = :key"""
# A learner who is made without a name is an event without columns.
EVENTS = """
    SELECT v.id, v.at, v.actor, v.login, v.entity, v.entity_id, v.action,
           coalesce(jsonb_object_agg(e."column", CASE WHEN e.old IS NULL THEN '[]'
                                                      ELSE jsonb_build_array(e.old, e.new) END)
                    FILTER (WHERE e."column" IS NOT NULL), '{}') AS changes
    FROM (SELECT entity, entity_id, bool_or(is_here) AS is_here
          FROM unnest(CAST(:entities AS text[]), CAST(:ids AS bigint[]), CAST(:here AS boolean[]))
               AS given (entity, entity_id, is_here)
          GROUP BY entity, entity_id) AS wanted
    JOIN ops.change_event v USING (entity, entity_id)
    LEFT JOIN ops.column_change e ON e.id = v.id
    WHERE wanted.is_here OR v.key = :key
    GROUP BY v.id, v.at, v.actor, v.login, v.entity, v.entity_id, v.action ORDER BY v.id"""
PROGRAMS = "SELECT id, title || ' (' || uuid || ')' AS name FROM catalog.program WHERE id = ANY (:ids)"
RUNS = "SELECT id, run_key AS name FROM catalog.course_run WHERE id = ANY (:ids)"

LEARNER = """
    SELECT l.id AS learner_id, l.user_name IS NOT NULL AS linked, l.retired_at,
           (SELECT count(*) FROM catalog.learner_key k WHERE k.learner_id = l.id) AS keys
    FROM catalog.learner l WHERE l.id = :learner"""
BY = """
    (SELECT change.actor FROM ops.column_change AS change
     WHERE change.entity = '{entity}' AND change.entity_id = {row}.id AND change."column" = 'status'
     ORDER BY change.id DESC LIMIT 1)"""
PROGRAM_ENROLLMENTS = f"""
    SELECT p.title || ' (' || p.uuid || ')' AS program, e.curriculum_uuid AS curriculum, e.status,
           e.status_since AS since, {BY.format(entity="program_enrollment", row="e")} AS by,
           CASE WHEN e.missing_since IS NOT NULL
                THEN format('The LMS has not listed it since %s.', to_char(e.missing_since, 'YYYY-MM-DD HH24:MI'))
                WHEN p.enrollments_owner = 'lms' THEN 'The LMS keeps it, and says so.'
                WHEN e.learner_key_id IS NULL THEN 'It was set here, for the user name.'
                ELSE 'It was set here, for a key of the program''s organization.' END AS because
    FROM catalog.program_enrollment e JOIN catalog.program p ON p.id = e.program_id
    WHERE e.learner_id = :learner ORDER BY p.uuid, e.curriculum_uuid"""
REASON = """
    CASE o.reason WHEN 'active_earlier' THEN 'it held the seat earlier'
                  WHEN 'enrolled_there' THEN 'the learner''s status in that program goes first'
                  ELSE 'its program has the lowest uuid' END || format(' (%s)', o.reason)"""
COURSE_ROWS = f"""
    SELECT r.run_key AS run, p.title || ' (' || p.uuid || ')' AS program, c.status, c.status_since AS since,
           {BY.format(entity="program_course_enrollment", row="c")} AS by,
           CASE WHEN c.status = 'active' AND o.reason IS NOT NULL
                THEN format('Of those that the LMS has active, it counts: %s.', {REASON})
                WHEN c.status = 'active' THEN 'It holds the seat: no other program''s row may be active.'
                WHEN c.missing_since IS NOT NULL
                THEN format('The LMS has not listed it since %s.', to_char(c.missing_since, 'YYYY-MM-DD HH24:MI'))
                WHEN o.reason IS NOT NULL
                THEN format('The LMS has it active, but %s counts: %s.', h.name, {REASON})
                WHEN h.name IS NOT NULL
                THEN format('%s holds the seat since %s.', h.name, to_char(h.since, 'YYYY-MM-DD HH24:MI'))
                ELSE 'Nobody holds the seat.' END AS because,
           coalesce((SELECT v.via FROM catalog.program_run v
                     WHERE v.program_id = e.program_id AND v.course_run_id = r.id), 'no longer') AS via
    FROM catalog.program_course_enrollment c
    JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
    JOIN catalog.program p ON p.id = e.program_id
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id
    LEFT JOIN LATERAL (
        SELECT q.title || ' (' || q.uuid || ')' AS name, x.status_since AS since
        FROM catalog.program_course_enrollment x
        JOIN catalog.program_enrollment f ON f.id = x.program_enrollment_id
        JOIN catalog.program q ON q.id = f.program_id
        WHERE x.course_enrollment_id = s.id AND x.status = 'active') AS h ON true
    LEFT JOIN ops.enrollment_conflict o
        ON (o.learner_id, o.course_run_id, o.program_id, o.curriculum_uuid)
         = (c.learner_id, r.id, e.program_id, e.curriculum_uuid) AND o.cleared_at IS NULL
    WHERE c.learner_id = :learner ORDER BY r.run_key, p.uuid"""
SEATS = f"""
    SELECT r.run_key AS run, s.is_active, s.mode,
           CASE WHEN h.name IS NOT NULL THEN format('%s has it active.', h.name)
                WHEN s.mode NOT IN {UNPAID_MODES} THEN 'Its mode is a paid one.'
                ELSE 'No program has it active, and its mode is not a paid one.' END AS because
    FROM catalog.course_enrollment s
    JOIN catalog.course_run r ON r.id = s.course_run_id
    LEFT JOIN LATERAL (
        SELECT q.title || ' (' || q.uuid || ')' AS name FROM catalog.program_course_enrollment x
        JOIN catalog.program_enrollment f ON f.id = x.program_enrollment_id
        JOIN catalog.program q ON q.id = f.program_id
        WHERE x.course_enrollment_id = s.id AND x.status = 'active') AS h ON true
    WHERE s.learner_id = :learner ORDER BY r.run_key"""


def learner_of(key: str) -> int | None:
    """The id in a key such as learner:17; None where it is the key of something else."""
    found = KEY.fullmatch(key)
    return int(found[1]) if found else None


def learner_history(connection: Connection, learner: int) -> list[Row]:
    """What happened to a learner's rows, oldest first: at, actor, login, entity, action, program, run, changes.

    Raises UsageError where nothing ever happened to such a learner.
    """
    key = f"learner:{learner}"
    mine = rows(connection, MINE, learner=learner, key=key)
    events = rows(
        connection,
        EVENTS,
        entities=[row["entity"] for row in mine],
        ids=[row["entity_id"] for row in mine],
        here=[row["is_here"] for row in mine],
        key=key,
    )
    if not events:
        raise UsageError(f"There is no learner {learner}, and there was none.")
    return _with_names(connection, events)


def _with_names(connection: Connection, events: Sequence[Row]) -> list[Row]:
    """The events with the program and the run that each is about, as its row says."""
    values = {
        (event["entity"], event["entity_id"], column): change[1] or change[0]
        for event in events
        for column, change in event["changes"].items()
        if column.endswith("_id") and change
    }
    programs = _names(connection, PROGRAMS, [value for place, value in values.items() if place[2] == "program_id"])
    runs = _names(connection, RUNS, [value for place, value in values.items() if place[2] == "course_run_id"])
    told = []
    for event in events:
        row = event["entity"], event["entity_id"]
        enrollment = values.get((*row, "program_enrollment_id"))
        seat = values.get((*row, "course_enrollment_id"))
        program = values.get((*row, "program_id")) or values.get(("program_enrollment", enrollment, "program_id"))
        run = values.get((*row, "course_run_id")) or values.get(("course_enrollment", seat, "course_run_id"))
        shown = {name: event[name] for name in ("at", "actor", "login", "entity", "action")}
        told.append({**shown, "program": programs.get(program), "run": runs.get(run), "changes": event["changes"]})
    return told


def _names(connection: Connection, query: str, ids: Sequence[int]) -> dict[int | None, str]:
    return {row["id"]: row["name"] for row in rows(connection, query, ids=list(set(ids)))}


def explain_learner(connection: Connection, learner: int) -> Row:
    """Why a learner's enrollments and seats are as they are. Raises UsageError where there is no such learner."""
    found = rows(connection, LEARNER, learner=learner)
    if not found:
        raise UsageError(f"There is no learner {learner}; `catalog-pipeline history learner:{learner}` may tell why.")
    return {
        "learner": found[0],
        "program_enrollments": rows(connection, PROGRAM_ENROLLMENTS, learner=learner),
        "course_enrollments": rows(connection, COURSE_ROWS, learner=learner),
        "seats": rows(connection, SEATS, learner=learner),
    }
