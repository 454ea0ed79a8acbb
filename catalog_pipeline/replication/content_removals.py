"""What a catalog no longer has: found before anything is written, held back where it is too much.

The table `leaving` (table_name, id, record_key, document_id) has what will be marked as gone. What is held back is not
in it; its documents are in `left_pending`, and are decided again by the next load.
"""

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.settings import Settings

LEAVING = f"""
    CREATE TEMP TABLE leaving ON COMMIT DROP AS
    SELECT 'content_metadata' AS table_name, m.id, m.content_key AS record_key, p.id AS document_id
    FROM catalog.content_metadata m JOIN pending p ON p.id = m.listed_by_id
    WHERE m.enterprise_catalog_id = :catalog_id AND m.missing_since IS NULL AND p.payload_hash IS NULL
      AND NOT EXISTS (SELECT FROM staged_content_metadata s WHERE s.folded = {folded("m.content_key")})
    UNION ALL
    SELECT 'content_run', r.id, r.run_key, p.id
    FROM catalog.content_run r
    -- What a rejected document had before stays as it is.
    JOIN pending p ON p.id = r.listed_by_id AND NOT p.rejected
    JOIN landing.document d ON d.id = p.id
    WHERE r.enterprise_catalog_id = :catalog_id AND r.missing_since IS NULL
      -- A course that is gone keeps the runs it held; a run's own document does not.
      AND (p.payload_hash IS NOT NULL OR {folded("d.key")} = {folded("r.run_key")})
      AND NOT EXISTS (SELECT FROM staged_content_run s WHERE s.folded = {folded("r.run_key")})"""


def find_removals(
    publication: Publication, settings: Settings, catalog_id: int, *, accept: bool, guarded: bool = True
) -> None:
    """Make `leaving` and `left_pending`. With `accept`, what the last load held back is not held again."""
    publication.execute(LEAVING, catalog_id=catalog_id)
    publication.execute("CREATE TEMP TABLE left_pending (id bigint) ON COMMIT DROP")
    analyze(publication.connection, "leaving")
    if guarded:
        _hold_back(publication, settings, catalog_id, accept=accept)


def mark_gone(publication: Publication) -> None:
    """Mark what is in `leaving`: it keeps what it held."""
    content = publication.execute(
        """UPDATE catalog.content_metadata m
           SET status = 'not_in_catalog', missing_since = now(), listed = false, fetched_at = now()
           FROM leaving l WHERE l.table_name = 'content_metadata' AND l.id = m.id"""
    )
    runs = publication.execute(
        """UPDATE catalog.content_run r SET missing_since = now(), fetched_at = now()
           FROM leaving l WHERE l.table_name = 'content_run' AND l.id = r.id"""
    )
    publication.count("catalog.content_metadata", {"updated": content})
    publication.count("catalog.content_run", {"updated": runs})


def _hold_back(publication: Publication, settings: Settings, catalog_id: int, *, accept: bool) -> None:
    """Take from `leaving` what is too much of a table or all of the list, with what the same documents drop."""
    source = publication.report.source
    publication.execute(
        """CREATE TEMP TABLE accepted ON COMMIT DROP AS
           SELECT h.table_name, h.row_id FROM ops.held_removal h JOIN ops.load l ON l.id = h.load_id
           WHERE l.source = :source AND :accept""",
        source=source,
        accept=accept,
    )
    too_many = {table: found for table in TABLES if (found := _too_many(publication, settings, catalog_id, table))}
    publication.execute(
        """CREATE TEMP TABLE held ON COMMIT DROP AS
           WITH unaccepted AS (
               SELECT l.* FROM leaving l
               WHERE NOT EXISTS (SELECT FROM accepted a WHERE (a.table_name, a.row_id) = (l.table_name, l.id)))
           SELECT u.* FROM unaccepted u
           WHERE u.document_id IN (SELECT document_id FROM unaccepted WHERE table_name = ANY(:too_many))
              -- The catalog has nothing at all any more.
              OR NOT EXISTS (SELECT FROM crawled_content)""",
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
        publication.report.detail = _advice(source, held, list(too_many.values()), settings)


TABLES = ("content_metadata", "content_run")


def _too_many(publication: Publication, settings: Settings, catalog_id: int, table: str) -> str | None:
    """How many rows leave a table, in words, if more do than may; counted against what stood before the load."""
    gone = publication.scalar("SELECT count(*) FROM leaving WHERE table_name = :table", table=table)
    if gone <= settings.removal_floor:
        return None
    standing = publication.scalar(
        f"SELECT count(*) FROM catalog.{table} WHERE enterprise_catalog_id = :catalog_id AND missing_since IS NULL",
        catalog_id=catalog_id,
    )
    return f"{gone} of the {standing} rows of catalog.{table}" if gone > settings.removal_share * standing else None


def _advice(source: str, held: int, too_many: list[str], settings: Settings) -> str:
    uuid = source.partition(":")[2]
    why = (
        f"{', '.join(too_many)} of catalog {uuid} are gone upstream, over the {settings.removal_share:.0%} of"
        " CATALOG_REMOVAL_SHARE"
        if too_many
        else f"Catalog {uuid} is empty, where something stood"
    )
    return (
        f"{why}: {held} removals are held back and keep standing (ops.held_removal lists them); all else was published."
        " If upstream recovers, the next refresh sees it. If it is meant, run"
        f" `catalog-pipeline refresh enterprise --catalog {uuid} --accept-removals`."
    )
