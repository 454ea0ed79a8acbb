"""What the enterprise services no longer list: found before anything is written, held back where it is too much.

The table `leaving` (table_name, id, record_key, document_id) has the rows that will be marked as missing. What is held
back is not in it; its documents are in `left_pending`, and are decided again by the next load.
"""

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.replication.guard import Guarded, hold_back
from catalog_pipeline.settings import Settings

TABLES = {
    "catalog": "enterprise_catalog",
    "subsidy": "subsidy",
    "configuration": "assignment_configuration",
    "policy": "access_policy",
    "assignment": "content_assignment",
}
"""The table that the documents of each kind fill."""
STANDING = """
    SELECT count(*) FROM catalog.{table} t JOIN landing.document d ON d.id = t.listed_by_id
    WHERE d.source = 'enterprise' AND t.missing_since IS NULL"""
GUARDED = Guarded(
    standing={table: STANDING.format(table=table) for table in TABLES.values()},
    gone="that enterprise services listed",
    empty="An enterprise service answers an empty list where something stood",
    accept="catalog-pipeline refresh enterprise --accept-removals",
)


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
    hold_back(publication, GUARDED, settings, accept=accept)
    analyze(publication.connection, "leaving", "left_pending")


def mark_missing(publication: Publication) -> None:
    """Mark what is in `leaving`: it keeps what it held."""
    for table in TABLES.values():
        marked = publication.execute(f"""
            UPDATE catalog.{table} t SET missing_since = now()
            FROM leaving l WHERE l.table_name = '{table}' AND l.id = t.id AND t.missing_since IS NULL""")
        publication.count(f"catalog.{table}", {"updated": marked})
