"""What the enterprise services no longer list: found before anything is written, held back where it is too much.

The table `leaving` (table_name, id, record_key, document_id) has the rows that will be marked as missing. What is held
back is not in it; its documents are in `left_pending`, and are decided again by the next load.
"""

from collections.abc import Mapping

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.settings import Settings

TABLES = {
    "catalog": "enterprise_catalog",
    "subsidy": "subsidy",
    "configuration": "assignment_configuration",
    "policy": "access_policy",
    "assignment": "content_assignment",
}
"""The table that the documents of each kind fill."""
REMOVAL_COUNTS = """
    SELECT count(*) FILTER (WHERE t.missing_since IS NULL) FROM catalog.{table} t
    JOIN landing.document d ON d.id = t.listed_by_id WHERE d.source = 'enterprise'"""


def find_removals(publication: Publication, settings: Settings, *, accept: bool) -> None:
    """Make `leaving` and `left_pending`. With `accept`, what the last load held back is not held again."""
    each = " UNION ALL ".join(
        f"""SELECT '{table}', t.id, t.uuid::text, p.id FROM catalog.{table} t JOIN pending p ON p.id = t.listed_by_id
            WHERE p.payload_hash IS NULL AND t.missing_since IS NULL
              AND NOT EXISTS (SELECT FROM staged_{kind} s WHERE s.uuid = t.uuid)"""
        for kind, table in TABLES.items()
    )
    publication.execute(
        "CREATE TEMP TABLE leaving (table_name text, id bigint, record_key text, document_id bigint) ON COMMIT DROP"
    )
    publication.execute(f"INSERT INTO leaving {each}")
    publication.execute("CREATE TEMP TABLE left_pending (id bigint) ON COMMIT DROP")
    analyze(publication.connection, "leaving")
    _hold_back(publication, settings, accept=accept)
    analyze(publication.connection, "leaving", "left_pending")


def mark_missing(publication: Publication) -> None:
    """Mark what is in `leaving`: it keeps what it held."""
    for table in TABLES.values():
        marked = publication.execute(f"""
            UPDATE catalog.{table} t SET missing_since = now()
            FROM leaving l WHERE l.table_name = '{table}' AND l.id = t.id AND t.missing_since IS NULL""")
        publication.count(f"catalog.{table}", {"updated": marked})


def _hold_back(publication: Publication, settings: Settings, *, accept: bool) -> None:
    """Take from `leaving` what is too much of a table, and what is all of a list."""
    source = publication.report.source
    too_many = {table: found for table in TABLES.values() if (found := _too_many(publication, settings, table))}
    publication.execute(
        """
        CREATE TEMP TABLE held ON COMMIT DROP AS
        SELECT l.* FROM leaving l JOIN landing.document d ON d.id = l.document_id
        WHERE NOT (:accept AND EXISTS (
            SELECT FROM ops.held_removal h JOIN ops.load o ON o.id = h.load_id
            WHERE o.source = :source AND (h.table_name, h.row_id) = (l.table_name, l.id)))
          AND (l.table_name = ANY(:too_many) OR NOT EXISTS (
            -- The whole list came back empty.
            SELECT FROM landing.document o WHERE (o.source, o.scope, o.kind) = (d.source, d.scope, d.kind)
               AND o.missing_since IS NULL))""",
        source=source,
        accept=accept,
        too_many=list(too_many),
    )
    publication.execute(
        "DELETE FROM ops.held_removal h USING ops.load l WHERE l.id = h.load_id AND l.source = :source", source=source
    )
    held = publication.execute(
        """INSERT INTO ops.held_removal (load_id, table_name, row_id, record_key, document_id)
           SELECT :load_id, table_name, id, record_key, document_id FROM held""",
        load_id=publication.report.load_id,
    )
    publication.execute("DELETE FROM leaving l USING held h WHERE (h.table_name, h.id) = (l.table_name, l.id)")
    publication.execute("INSERT INTO left_pending SELECT DISTINCT document_id FROM held")
    if held:
        publication.report.outcome = "held"
        publication.report.detail = _advice(too_many, held, settings)


def _too_many(publication: Publication, settings: Settings, table: str) -> str | None:
    """How many rows leave a table, in words, if more do than may; counted against what stood before the load."""
    gone = publication.scalar("SELECT count(*) FROM leaving WHERE table_name = :table", table=table)
    if gone <= settings.removal_floor:
        return None
    standing = publication.scalar(REMOVAL_COUNTS.format(table=table))
    return f"{gone} of the {standing} rows of catalog.{table}" if gone > settings.removal_share * standing else None


def _advice(too_many: Mapping[str, str], held: int, settings: Settings) -> str:
    why = (
        f"{', '.join(too_many.values())} that enterprise services listed are gone upstream, over the"
        f" {settings.removal_share:.0%} of CATALOG_REMOVAL_SHARE"
        if too_many
        else "An enterprise service answers an empty list where something stood"
    )
    return (
        f"{why}: {held} removals are held back and keep standing (ops.held_removal lists them); all else was published."
        " If upstream recovers, the next refresh sees it. If it is meant, run"
        " `catalog-pipeline refresh enterprise --accept-removals`."
    )
