"""The state of the catalog: rows, crawls, loads, pending documents, rejects and unsent mail."""

from dataclasses import asdict

from sqlalchemy import Connection, text

from catalog_pipeline.database import events
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.notifications import outbox

CATALOG_TABLES = "SELECT 'catalog.' || tablename AS name FROM pg_tables WHERE schemaname = 'catalog' ORDER BY 1"

LAST_CRAWLS = """
    WITH last AS (
        SELECT DISTINCT ON (source, kind, scope) * FROM landing.crawl ORDER BY source, kind, scope, id DESC)
    SELECT source, kind, count(*) AS lists,
           CASE WHEN bool_and(mode = 'full') THEN 'full' ELSE 'incremental' END AS mode,
           CASE WHEN bool_and(outcome = 'complete') THEN 'complete' ELSE 'incomplete' END AS outcome,
           max(finished_at) AS finished_at, sum(documents)::int AS documents, sum(created)::int AS created,
           sum(changed)::int AS changed, sum(missing)::int AS missing, min(watermark) AS watermark
    FROM last GROUP BY source, kind ORDER BY source, kind"""
"""The last crawls of each kind, added up where a kind has a list for each customer or catalog."""


def table_counts(connection: Connection) -> dict[str, int]:
    """Rows of each table of the schema `catalog`."""
    names = [row["name"] for row in rows(connection, CATALOG_TABLES)]
    query = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in names)
    return {row["name"]: row["n"] for row in rows(connection, query)}


def loaded_since(connection: Connection, load_id: int) -> dict[str, Row]:
    """Rows by table and outcome of all loads after `load_id`."""
    found = rows(
        connection,
        "SELECT table_name, jsonb_object_agg(outcome, n) AS counts FROM ("
        " SELECT table_name, outcome, sum(n) AS n FROM ops.load_count WHERE load_id > :load_id GROUP BY 1, 2"
        ") AS summed GROUP BY 1",
        load_id=load_id,
    )
    return {row["table_name"]: row["counts"] for row in found}


def association_outcomes(connection: Connection, load_id: int) -> dict[str, int]:
    """Number of runs by the outcome of their association in all loads after `load_id`; outcomes as in a plan."""
    found = rows(
        connection,
        """
        WITH written AS (
            SELECT e.entity, e.entity_id
            FROM ops.column_change e JOIN ops.load l ON e.xid = l.xid AND e.actor = 'load:' || l.id
            WHERE l.id > :load_id
              AND (e.entity = 'run_association' AND e."column" = 'catalog_course_id'
                   OR e.entity = 'catalog_course' AND e."column" = 'key' AND e.action = 'created'))
        SELECT CASE WHEN a.source = 'manual' THEN 'kept_manual'
                    WHEN w.entity_id IS NULL THEN 'already_linked'
                    WHEN a.source = 'key' AND c.listed_by_id IS NULL
                         AND EXISTS (SELECT FROM written m WHERE m.entity = 'catalog_course' AND m.entity_id = c.id)
                    THEN 'course_created'
                    ELSE 'linked_by_' || a.source END AS outcome, count(*) AS n
        FROM catalog.run_association a JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
        LEFT JOIN (SELECT DISTINCT entity_id FROM written WHERE entity = 'run_association') w ON w.entity_id = a.id
        GROUP BY 1
        UNION ALL
        SELECT rule, count(DISTINCT record_key) FROM ops.rejected_record
        WHERE cleared_at IS NULL AND rule IN ('ambiguous', 'invalid_key', 'not_a_course', 'case_collision')
          AND table_name IN ('catalog.run_association', 'catalog.course_run')
        GROUP BY 1 ORDER BY 2 DESC, 1""",
        load_id=load_id,
    )
    return {row["outcome"]: row["n"] for row in found}


def last_load(connection: Connection) -> int:
    """The id of the last load, 0 before the first."""
    return connection.execute(text("SELECT coalesce(max(id), 0) FROM ops.load")).scalar_one()


def status(connection: Connection) -> Row:
    """Row counts, last crawls and loads, and what waits: documents, events, rejects, held removals and mail."""
    return {
        "tables": table_counts(connection),
        "crawls": rows(connection, LAST_CRAWLS),
        "loads": rows(
            connection,
            "SELECT DISTINCT ON (source) source, outcome, detail, finished_at, documents, rejected_documents"
            " FROM ops.load ORDER BY source, id DESC",
        ),
        "pending": rows(
            connection,
            f"SELECT source, kind, count(*) AS documents FROM landing.document d WHERE {PENDING}"
            " GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        "waiting_events": asdict(events.waiting(connection)),
        "open_rejects": rows(
            connection,
            "SELECT table_name, rule, count(*) AS n FROM ops.rejected_record WHERE cleared_at IS NULL"
            " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        ),
        "held_removals": rows(
            connection,
            "SELECT l.source, h.table_name, count(*) AS rows, l.finished_at FROM ops.held_removal h"
            " JOIN ops.load l ON l.id = h.load_id GROUP BY 1, 2, 4 ORDER BY 1, 2",
        ),
        "mail": outbox.unsent(connection),
    }


def rejects(connection: Connection, *, source: str | None = None, rule: str | None = None) -> list[Row]:
    """The open rejects, newest first."""
    return rows(
        connection,
        """SELECT r.id, d.source, d.kind, d.key AS document_key, r.table_name,
                  coalesce(nullif(r.record_key, ''), d.key) AS record_key, r.column_name, r.rule,
                  r.value, r.message, r.rejected_at
           FROM ops.rejected_record r LEFT JOIN landing.document d ON d.id = r.document_id
           WHERE r.cleared_at IS NULL AND (CAST(:source AS text) IS NULL OR d.source = :source)
             AND (CAST(:rule AS text) IS NULL OR r.rule = :rule)
           ORDER BY r.id DESC""",
        source=source,
        rule=rule,
    )
