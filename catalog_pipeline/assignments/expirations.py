"""Rebuilds the expirations of assignments, all or just those that a change may have moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import events
from catalog_pipeline.database.bulk import analyze, create_staging
from catalog_pipeline.database.events import Cursor, Range
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, Publication, publishing
from catalog_pipeline.rules.expiration import COLUMNS, EXPIRATIONS, cause

SOURCE = "assignments:rebuild"
EVERYTHING: Final = "everything"
"""The scope of all assignments."""
PREFERRED = """
    CASE WHEN a.is_assigned_course_run OR a.parent_content_key IS NOT NULL THEN a.content_key
         ELSE nullif(a.preferred_course_run_key, '') END"""
"""SQL of the run whose dates count: an assigned run is its own."""
ASSIGNED = f"""
    SELECT a.id, a.state, a.allocated_at, a.content_metadata_id AS linked_metadata_id,
           a.content_run_id AS linked_run_id, a.credit_request_uuid IS NOT NULL AS is_requested,
           {folded(PREFERRED)} AS preferred_run_key, s.expiration AS subsidy_expires_at,
           CASE WHEN s.expiration IS NULL THEN s.expiration_raw END AS subsidy_raw,
           coalesce(m.id, r.content_metadata_id) AS content_metadata_id, r.id AS content_run_id,
           u.id AS advertised_run_id
    FROM {{scope}}
    LEFT JOIN catalog.access_policy p ON p.assignment_configuration_id = a.assignment_configuration_id
    LEFT JOIN catalog.subsidy s ON s.id = p.subsidy_id
    LEFT JOIN catalog.content_metadata m ON m.enterprise_catalog_id = p.enterprise_catalog_id
        AND {folded("m.content_key")} = {folded("coalesce(a.parent_content_key, a.content_key)")}
    LEFT JOIN catalog.content_run r ON r.enterprise_catalog_id = p.enterprise_catalog_id
        AND {folded("r.run_key")} = {folded(PREFERRED)}
    -- Only what cannot be read is asked of an advertised run: its dates are its course's.
    LEFT JOIN catalog.content_metadata c ON c.id = coalesce(m.id, r.content_metadata_id)
    LEFT JOIN catalog.content_run u ON u.enterprise_catalog_id = c.enterprise_catalog_id AND u.problems <> '[]'
        AND {folded("u.run_key")} = {folded("c.advertised_run_key")}"""
"""What the rule reads of each assignment in scope (SQL of a, the assignment). A policy has one configuration."""
LINK = """
    UPDATE catalog.content_assignment a SET content_metadata_id = s.content_metadata_id,
                                            content_run_id = s.content_run_id
    FROM computed s
    WHERE s.content_assignment_id = a.id AND (s.content_metadata_id, s.content_run_id)
                                             IS DISTINCT FROM (s.linked_metadata_id, s.linked_run_id)"""
OLD, NEW = (", ".join(f"{row}.{column}" for column in COLUMNS) for row in ("old", "new"))
CHANGED = f"""
    FROM computed new LEFT JOIN catalog.assignment_expiration old USING (content_assignment_id)
    WHERE old.content_assignment_id IS NULL OR ({OLD}) IS DISTINCT FROM ({NEW})"""
WRITE = f"""
    WITH written AS (
        MERGE INTO catalog.assignment_expiration t
        USING (SELECT new.*, old.expires_at AS old_expires_at, old.reason AS old_reason, {cause(folded)} AS cause
               {CHANGED}) AS new
        ON t.content_assignment_id = new.content_assignment_id
        WHEN MATCHED THEN UPDATE SET {", ".join(f"{column} = new.{column}" for column in COLUMNS)}, computed_at = now()
        WHEN NOT MATCHED THEN INSERT (content_assignment_id, {", ".join(COLUMNS)})
            VALUES (new.content_assignment_id, {NEW})
        RETURNING new.content_assignment_id, new.state, new.run_key, new.old_expires_at, new.old_reason,
                  new.expires_at, new.reason, new.cause),
    kept AS (
        INSERT INTO ops.expiration_change (content_assignment_id, state, run_key, old_expires_at, old_reason,
                                           new_expires_at, new_reason, cause, after_expiry)
        SELECT content_assignment_id, state, run_key, old_expires_at, old_reason, expires_at, reason,
               coalesce(:cause, cause), state = 'expired'
        FROM written WHERE (old_expires_at, old_reason) IS DISTINCT FROM (expires_at, reason)
        RETURNING old_reason)
    SELECT (SELECT count(*) FROM computed) AS looked_at,
           (SELECT count(*) FROM written WHERE old_reason IS NULL) AS created,
           (SELECT count(*) FROM written WHERE old_reason IS NOT NULL) AS updated,
           (SELECT count(*) FROM kept WHERE old_reason IS NOT NULL) AS moved"""
ALLOCATION = (
    *("allocated_at", "assignment_configuration_id", "content_key", "parent_content_key", "is_assigned_course_run"),
    *("preferred_course_run_key", "credit_request_uuid"),
)
"""The columns of an assignment that its expiration depends on."""
TOUCHED = f"""
    WITH event AS MATERIALIZED (
        SELECT e.entity, e.entity_id, e.key, e.actor, e."column", e.old, e.new FROM ops.column_change e
        WHERE {{new}} AND (
            e.entity IN ('content_metadata', 'content_run')
            OR e.entity = 'subsidy' AND e."column" IN ('expiration', 'expiration_raw')
            OR e.entity = 'access_policy'
               AND e."column" IN ('assignment_configuration_id', 'enterprise_catalog_id', 'subsidy_id')
            OR e.entity = 'content_assignment' AND (
               e."column" IN {ALLOCATION}
               -- What it was linked to was deleted.
               OR e."column" IN ('content_metadata_id', 'content_run_id') AND e.new = 'null'))),
    touched AS (SELECT DISTINCT entity, entity_id FROM event),
    -- Content that is new, or has another key: assignments may have waited for it.
    arrived AS (
        SELECT DISTINCT entity, {folded("key")} AS key FROM event WHERE "column" IN ('content_key', 'run_key')),
    configuration AS (
        SELECT (v.id #>> '{{{{}}}}')::bigint AS id FROM event CROSS JOIN LATERAL (VALUES (old), (new)) AS v (id)
        WHERE entity = 'access_policy' AND "column" = 'assignment_configuration_id'
        UNION SELECT p.assignment_configuration_id FROM catalog.access_policy p JOIN touched t
            ON t.entity = 'access_policy' AND t.entity_id = p.id
        UNION SELECT p.assignment_configuration_id FROM catalog.access_policy p JOIN touched t
            ON t.entity = 'subsidy' AND t.entity_id = p.subsidy_id)
    SELECT entity_id AS id FROM touched WHERE entity = 'content_assignment'
    UNION SELECT a.id FROM catalog.content_assignment a JOIN touched t
        ON t.entity = 'content_metadata' AND t.entity_id = a.content_metadata_id
    UNION SELECT a.id FROM catalog.content_assignment a JOIN touched t
        ON t.entity = 'content_run' AND t.entity_id = a.content_run_id
    -- A run's deadline may be the course's latest one, or the one of the course.
    UNION SELECT a.id FROM touched t JOIN catalog.content_run r ON t.entity = 'content_run' AND r.id = t.entity_id
        JOIN catalog.content_assignment a ON a.content_metadata_id = r.content_metadata_id
    UNION SELECT a.id FROM catalog.content_assignment a JOIN arrived n ON {folded("a.content_key")} = n.key
    UNION SELECT a.id FROM catalog.content_assignment a JOIN arrived n ON {folded("a.parent_content_key")} = n.key
        AND a.content_metadata_id IS NULL
    UNION SELECT a.id FROM catalog.content_assignment a JOIN arrived n
        ON {folded("a.preferred_course_run_key")} = n.key AND a.content_run_id IS NULL
    UNION SELECT a.id FROM catalog.content_assignment a JOIN configuration c ON c.id = a.assignment_configuration_id"""
"""The assignments that new change events may have moved (id). For {{new}} see `events.read`."""

LAST = f"SELECT cursor FROM ops.load WHERE source = '{SOURCE}' AND cursor IS NOT NULL ORDER BY id DESC LIMIT 1"
LATER = 2**62
"""A transaction that never comes: events of transactions that have not ended yet are read now, and again next time."""


@dataclass(frozen=True)
class Found:
    """The assignments that a query finds (id)."""

    query: str
    parameters: Mapping[str, Any]


Scope = Literal["everything"] | Range | Sequence[int] | Found
"""EVERYTHING, a range of change events, ids of assignments, or a query for them."""


@dataclass(frozen=True)
class Rebuilt:
    """How many expirations were written, how many of these moved (date or reason), how many stayed as they were."""

    rebuilt: int = 0
    moved: int = 0
    unchanged: int = 0


def rebuild(engine: Engine | Connection, scope: Scope, *, as_of: datetime, cause: str | None = None) -> Rebuilt:
    """Link the assignments in scope with the content that is held, and decide their expirations anew.

    Rows are written only where their result changes. With an engine it is a load of its own; with a connection it is a
    part of the caller's load, which holds ENTERPRISE_LOCK. What changed is found for each assignment (see
    `rules.expiration.cause`); `cause`, if given, is written instead.
    """
    if isinstance(engine, Connection):
        return _rebuild(engine, scope, as_of, cause)
    with publishing(engine, SOURCE, as_of, lock=ENTERPRISE_LOCK) as publication:
        if isinstance(scope, str):
            _remember(publication, events.now(publication.connection))
        return _rebuild(publication.connection, scope, as_of, cause, publication)


def rebuild_since_last(engine: Engine, *, as_of: datetime) -> Rebuilt:
    """Rebuild what changed since this function, or a rebuild of everything, was called last; as `rebuild` does.

    All is rebuilt where neither ever was, or where the database was restored since.
    """
    with publishing(engine, SOURCE, as_of, lock=ENTERPRISE_LOCK) as publication:
        connection = publication.connection
        last = Cursor.from_json(connection.execute(text(LAST)).scalar_one_or_none())
        stands = last and events.read(connection, last, "SELECT FROM ops.change_event e WHERE false AND {new}")
        _remember(publication, events.now(connection))
        scope = Range(last.xid, LATER) if last and stands else EVERYTHING
        return _rebuild(connection, scope, as_of, None, publication)


def compute(connection: Connection, scope: Scope, as_of: datetime) -> None:
    """Decide the expirations of the assignments in scope, and write nothing but temporary tables.

    They go with the transaction. `computed` has a row of `rules.expiration.EXPIRATIONS` for each assignment.
    """
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.computed, pg_temp.scope"))
    connection.execute(text("SET LOCAL work_mem = '64MB'"))  # a million rows are joined in memory
    source = "catalog.content_assignment a"
    if not isinstance(scope, str):
        _stage(connection, scope)
        source = "scope JOIN catalog.content_assignment a USING (id)"
    decided = EXPIRATIONS.format(assigned=ASSIGNED.format(scope=source))
    connection.execute(text(f"CREATE TEMP TABLE computed ON COMMIT DROP AS {decided}"), {"as_of": as_of})
    analyze(connection, "computed (content_assignment_id)")  # how many there are is enough


def differing(connection: Connection, as_of: datetime) -> int:
    """How many expirations are not what the rule says now. It writes nothing but temporary tables."""
    compute(connection, EVERYTHING, as_of)
    return connection.execute(text(f"SELECT count(*) {CHANGED}")).scalar_one()


def last_change(connection: Connection) -> int:
    """The id of the last change of an expiration."""
    return connection.execute(text("SELECT coalesce(max(id), 0) FROM ops.expiration_change")).scalar_one()


def causes(connection: Connection, after: int) -> list[Row]:
    """What has moved expirations after a change: cause, new_reason, and how many (expirations)."""
    return rows(
        connection,
        """SELECT cause, new_reason, count(*) AS expirations FROM ops.expiration_change
           WHERE id > :after AND old_reason IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",
        after=after,
    )


def write(connection: Connection, as_of: datetime, cause: str | None = None) -> tuple[Rebuilt, dict[str, int]]:
    """Write what `compute` decided where it differs; also returns the numbers of rows by outcome."""
    connection.execute(text(LINK))
    found = connection.execute(text(WRITE), {"as_of": as_of, "cause": cause}).one()
    unchanged = found.looked_at - found.created - found.updated
    counts = {"created": found.created, "updated": found.updated, "unchanged": unchanged}
    return Rebuilt(found.created + found.updated, found.moved, unchanged), counts


def _rebuild(
    connection: Connection, scope: Scope, as_of: datetime, cause: str | None, publication: Publication | None = None
) -> Rebuilt:
    compute(connection, scope, as_of)
    rebuilt, counts = write(connection, as_of, cause)
    if publication:
        publication.count("catalog.assignment_expiration", counts)
    return rebuilt


def _remember(publication: Publication, cursor: Cursor) -> None:
    """Keep with the load up to where it knows the change events."""
    publication.execute(
        "UPDATE ops.load SET cursor = :cursor WHERE id = :id", cursor=cursor.to_json(), id=publication.report.load_id
    )


def _stage(connection: Connection, scope: Range | Sequence[int] | Found) -> None:
    """The ids in scope, as the temporary table `scope`."""
    create_staging(connection, "scope", {"id": "bigint"})
    if isinstance(scope, Range):
        scope = Found(TOUCHED.format(new=Range.CONDITION), scope.parameters)
    elif not isinstance(scope, Found):
        scope = Found("SELECT DISTINCT unnest(CAST(:ids AS bigint[])) AS id", {"ids": list(scope)})
    connection.execute(text(f"INSERT INTO scope (id) SELECT id FROM ({scope.query}) AS found"), scope.parameters)
    analyze(connection, "scope")
