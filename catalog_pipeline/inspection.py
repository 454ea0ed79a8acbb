"""What a person asks of the catalog: status, one key, rejects, health. Reads only, and returns plain data."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database import events
from catalog_pipeline.database.engine import Server, connected, make_engine, server_version
from catalog_pipeline.database.schema import check_version
from catalog_pipeline.errors import CatalogError, UsageError
from catalog_pipeline.models import metadata
from catalog_pipeline.models.base import FOLD_COLLATION
from catalog_pipeline.notifications import outbox
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.upstreams import upstreams

Row = dict[str, Any]
CATALOG_TABLES = [name for name in metadata.tables if name.startswith("catalog.")]


def rows(connection: Connection, query: str, **parameters: Any) -> list[Row]:
    """The rows of a query, as dicts."""
    return [dict(row._mapping) for row in connection.execute(text(query), parameters)]


def table_counts(connection: Connection) -> dict[str, int]:
    """Rows of each table of the schema `catalog`."""
    query = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in CATALOG_TABLES)
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
    """Runs by what became of their association in all loads after `load_id`; named as in a plan."""
    found = rows(
        connection,
        """
        WITH written AS (
            SELECT e.entity, e.entity_id FROM ops.change_event e JOIN ops.load l ON e.actor = 'load:' || l.id
            WHERE l.id > :load_id AND e.entity IN ('run_association', 'catalog_course')
              AND (e.action = 'created' OR jsonb_exists(e.changes, 'catalog_course_id')))
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
    """Tables, crawls, loads, what is pending and rejected, and mail that is not sent."""
    return {
        "tables": table_counts(connection),
        "crawls": rows(
            connection,
            "SELECT DISTINCT ON (source, kind) source, kind, mode, outcome, finished_at, documents, created, changed,"
            " missing, watermark FROM landing.crawl ORDER BY source, kind, id DESC",
        ),
        "loads": rows(
            connection,
            "SELECT DISTINCT ON (source) source, outcome, detail, finished_at, documents, rejected_documents"
            " FROM ops.load ORDER BY source, id DESC",
        ),
        "pending": rows(
            connection,
            "SELECT source, kind, count(*) AS documents FROM landing.document"
            " WHERE payload_hash IS DISTINCT FROM settled_hash GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        "waiting_events": asdict(events.waiting(connection)),
        "open_rejects": rows(
            connection,
            "SELECT table_name, rule, count(*) AS n FROM ops.rejected_record WHERE cleared_at IS NULL"
            " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        ),
        "mail": outbox.unsent(connection),
    }


def rejects(connection: Connection, *, source: str | None = None, rule: str | None = None) -> list[Row]:
    """The open rejects, newest first."""
    return rows(
        connection,
        """SELECT r.id, d.source, d.kind, d.key AS document_key, r.table_name, r.record_key, r.column_name, r.rule,
                  r.value, r.message, r.rejected_at
           FROM ops.rejected_record r LEFT JOIN landing.document d ON d.id = r.document_id
           WHERE r.cleared_at IS NULL AND (CAST(:source AS text) IS NULL OR d.source = :source)
             AND (CAST(:rule AS text) IS NULL OR r.rule = :rule)
           ORDER BY r.id DESC""",
        source=source,
        rule=rule,
    )


def show(connection: Connection, key: str) -> Row:
    """What the catalog holds under a run's, course's, organization's key or a uuid. Raises UsageError if nothing."""
    folded = f"lower(CAST(:key AS text) COLLATE {FOLD_COLLATION})"
    run = rows(
        connection, f"SELECT * FROM catalog.run WHERE lower(run_key COLLATE {FOLD_COLLATION}) = {folded}", key=key
    )
    if run:
        return {"run": run[0]}
    course = rows(
        connection,
        f"""SELECT c.*, o.key AS organization_key FROM catalog.catalog_course c
            JOIN catalog.organization o ON o.id = c.organization_id
            WHERE lower(c.key COLLATE {FOLD_COLLATION}) = {folded} OR c.uuid::text = {folded}""",
        key=key,
    )
    if course:
        query = (
            'SELECT run_key, status, start, "end", price, association_source FROM catalog.run WHERE course_key = :key'
        )
        return {"course": course[0], "runs": rows(connection, f"{query} ORDER BY start, run_key", key=course[0]["key"])}
    organization = rows(
        connection,
        f"""SELECT * FROM catalog.organization
            WHERE lower(key COLLATE {FOLD_COLLATION}) = {folded} OR uuid::text = {folded}""",
        key=key,
    )
    if organization:
        query = "SELECT key, title, status FROM catalog.catalog_course WHERE organization_id = :id ORDER BY key"
        return {"organization": organization[0], "courses": rows(connection, query, id=organization[0]["id"])}
    raise UsageError(
        f"The catalog has no run, course or organization {key!r}; keys look like course-v1:edX+DemoX+2026."
    )


def history(connection: Connection, key: str) -> list[Row]:
    """What happened to a run, course, organization or program, oldest first. Raises UsageError if nothing did."""
    folded = f"lower(CAST(:key AS text) COLLATE {FOLD_COLLATION})"
    found = rows(
        connection,
        f"""WITH called AS (  -- it may have had another key before or after
                SELECT entity, entity_id FROM ops.change_event
                WHERE key IS NOT NULL AND lower(key COLLATE {FOLD_COLLATION}) = {folded}
                UNION
                SELECT 'run_association', a.id
                FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
                WHERE lower(r.run_key COLLATE {FOLD_COLLATION}) = {folded})
            SELECT at, actor, entity, action, changes FROM ops.change_event JOIN called USING (entity, entity_id)
            ORDER BY id""",
        key=key,
    )
    if not found:
        raise UsageError(f"Nothing is known to have happened to {key!r}; keys look like course-v1:edX+DemoX+2026.")
    return found


def document(connection: Connection, key: str) -> list[Row]:
    """The landed documents that are, or list, what has this key. Raises UsageError if there is none."""
    keys = {"course_run": "run_key", "catalog_course": "key", "organization": "key"}
    listing = " UNION ALL ".join(
        f"SELECT listed_by_id FROM catalog.{table} WHERE lower({column} COLLATE {FOLD_COLLATION})"
        f" = lower(CAST(:key AS text) COLLATE {FOLD_COLLATION})"
        for table, column in keys.items()
    )
    found = connection.execute(
        text(
            "SELECT source, kind, key, changed_at, missing_since, payload FROM landing.document"
            f" WHERE (key = :key AND kind <> 'feed') OR id IN ({listing}) ORDER BY id"
        ),
        {"key": key},
    ).all()
    if not found:
        raise UsageError(f"No upstream document is or lists {key!r}.")
    return [
        {**{k: v for k, v in row._mapping.items() if k != "payload"}, "document": decode(decompress(row.payload))}
        for row in found
    ]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    what: str
    ok: bool
    detail: str


def doctor(settings: Settings, server: Server) -> list[Finding]:
    """What is configured, reachable and migrated, and what to do about what is not."""
    where = server.display() if settings.database_url else f"embedded, in {settings.folder}"
    return [*_database(server, where), *_upstreams(settings)]


def _database(server: Server, where: str) -> list[Finding]:
    try:
        with connected(make_engine(server)) as connection:
            findings = [Finding("database", True, f"{where}, Postgres {server_version(connection)}")]
            try:
                check_version(connection)
            except CatalogError as error:
                return [*findings, Finding("schema", False, str(error))]
            pending = sum(row["documents"] for row in status(connection)["pending"])
            held = events.waiting(connection)
            return [
                *findings,
                Finding("schema", True, f"up to date; {pending} documents pending"),
                Finding("events", not held.too_long, str(held) if held.too_long else "none held back"),
            ]
    except (CatalogError, DBAPIError) as error:
        return [Finding("database", False, str(error))]


def _upstreams(settings: Settings) -> list[Finding]:
    findings = []
    with upstreams(settings) as found:
        for source in found.configured():
            client = found.client(source)
            listing = found.listings(source)[0]
            try:
                page = listing.read_page(client.get(listing.path, {**listing.params, "page": "1", "page_size": "1"}))
                shown = "the bundled sample" if settings.uses_sample else client.base_url
                findings.append(Finding(source, True, f"{shown}: {page.count} documents of kind {listing.kind}"))
            except CatalogError as error:
                findings.append(Finding(source, False, str(error)))
    return findings
