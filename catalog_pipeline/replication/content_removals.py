"""What a catalog no longer has: found before anything is written, held back where it is too much.

The table `leaving` (table_name, id, record_key, document_id) has what will be marked as gone. What is held back is not
in it; its documents are in `left_pending`, and are decided again by the next load.
"""

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.replication.guard import Guarded, hold_back
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

STANDING = """
    SELECT count(*) FROM catalog.{table} WHERE enterprise_catalog_id = :catalog_id AND missing_since IS NULL"""


def find_removals(
    publication: Publication, settings: Settings, catalog_id: int, *, accept: bool, is_guarded: bool = True
) -> None:
    """Make `leaving` and `left_pending`. With `accept`, what the last load held back is not held again."""
    publication.execute(LEAVING, catalog_id=catalog_id)
    publication.execute("CREATE TEMP TABLE left_pending (id bigint) ON COMMIT DROP")
    analyze(publication.connection, "leaving")
    if is_guarded:
        guarded = _guarded(publication.report.source, catalog_id)
        hold_back(publication, guarded, settings, accept=accept)


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


def _guarded(source: str, catalog_id: int) -> Guarded:
    uuid = source.partition(":")[2]
    return Guarded(
        standing={table: STANDING.format(table=table) for table in ("content_metadata", "content_run")},
        parameters={"catalog_id": catalog_id},
        gone=f"of catalog {uuid}",
        empty=f"Catalog {uuid} is empty, where something stood",
        emptied="NOT EXISTS (SELECT FROM crawled_content)",
        accept=f"catalog-pipeline refresh enterprise --catalog {uuid} --accept-removals",
    )
