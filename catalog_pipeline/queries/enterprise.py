"""What is replicated of enterprise catalogs: which there are, and what each says of one key."""

from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.models.content import ContentMetadata

CATALOG_COLUMNS = (
    *("uuid", "title", "customer_uuid", "found", "not_in_catalog", "runs", "fetched_at", "missing_since"),
    "last_outcome",
)

SURROGATES = ("id", "enterprise_catalog_id", "content_metadata_id", "listed_by_id")
"""Columns that say nothing to people."""
COLUMNS = tuple(ContentMetadata.__table__.columns.keys())


def list_catalogs(connection: Connection) -> list[Row]:
    """CATALOG_COLUMNS of each catalog; found, not_in_catalog and runs (without missing ones) are numbers of rows."""
    return rows(
        connection,
        """
        SELECT c.uuid, c.title, u.uuid AS customer_uuid, coalesce(m.found, 0) AS found,
               coalesce(m.not_in_catalog, 0) AS not_in_catalog, coalesce(r.runs, 0) AS runs,
               c.fetched_at, c.missing_since, c.last_outcome
        FROM catalog.enterprise_catalog c JOIN catalog.enterprise_customer u ON u.id = c.enterprise_customer_id
        LEFT JOIN (SELECT enterprise_catalog_id, count(*) FILTER (WHERE status = 'found') AS found,
                          count(*) FILTER (WHERE status = 'not_in_catalog') AS not_in_catalog
                   FROM catalog.content_metadata GROUP BY 1) m ON m.enterprise_catalog_id = c.id
        LEFT JOIN (SELECT enterprise_catalog_id, count(*) AS runs FROM catalog.content_run
                   WHERE missing_since IS NULL GROUP BY 1) r ON r.enterprise_catalog_id = c.id
        ORDER BY u.name, c.title, c.uuid""",
    )


def show_content(connection: Connection, key: str, catalog_uuid: UUID | None = None) -> list[Row]:
    """What each catalog, or the named one, says of the course, program or run of this key, with all its runs.

    The columns are null for a catalog that has only runs, and not their course. Raises UsageError where no catalog has
    the key.
    """
    content = rows(
        connection,
        f"""
        SELECT c.uuid AS catalog_uuid, m.* FROM catalog.content_metadata m
        JOIN catalog.enterprise_catalog c ON c.id = m.enterprise_catalog_id
        WHERE (CAST(:catalog AS uuid) IS NULL OR c.uuid = :catalog)
          AND ({folded("m.content_key")} = {WANTED} OR m.id IN (
              SELECT r.content_metadata_id FROM catalog.content_run r WHERE {folded("r.run_key")} = {WANTED}))
        ORDER BY c.uuid, m.content_key""",
        key=key,
        catalog=catalog_uuid,
    )
    runs = rows(
        connection,
        f"""
        SELECT c.uuid AS catalog_uuid, r.* FROM catalog.content_run r
        JOIN catalog.enterprise_catalog c ON c.id = r.enterprise_catalog_id
        WHERE (CAST(:catalog AS uuid) IS NULL OR c.uuid = :catalog)
          AND (r.content_metadata_id = ANY(:ids)
               OR r.content_metadata_id IS NULL
                  AND ({folded("r.run_key")} = {WANTED} OR {folded("r.parent_content_key")} = {WANTED}))
        ORDER BY c.uuid, r.start, r.run_key""",
        key=key,
        catalog=catalog_uuid,
        ids=[row["id"] for row in content],
    )
    held = {(row["catalog_uuid"], row["id"]): row for row in content}
    for run in runs:
        alone = {"catalog_uuid": run["catalog_uuid"], **dict.fromkeys(COLUMNS)}
        row = held.setdefault((run["catalog_uuid"], run["content_metadata_id"]), alone)
        row.setdefault("runs", []).append(_shown(run, without="catalog_uuid"))
    if not held:
        where = f"Catalog {catalog_uuid} has" if catalog_uuid else "No enterprise catalog has"
        raise UsageError(
            f"{where} {'no ' if catalog_uuid else ''}content with the key {key!r}; keys look like edX+DemoX, or"
            " course-v1:edX+DemoX+2026; those of programs are uuids."
        )
    return [_shown({"runs": [], **row}) for row in held.values()]


def _shown(row: Row, without: str = "") -> Row:
    return {name: value for name, value in row.items() if name not in (*SURROGATES, without)}
