"""What upstream no longer lists: found before places are settled, held back where it is too much, else archived.

A removal is a row of the catalog whose document this load decides, and which no document lists any more. The table
`leaving` has those that will be archived. What is held back is not in it, so that every later step finds it standing.
"""

from dataclasses import dataclass

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import release_carried
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.replication.guard import Guarded, hold_back
from catalog_pipeline.replication.rejected import stage_names_in_rejected
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.listing import Source


@dataclass(frozen=True)
class Removable:
    """A table whose rows are archived when upstream no longer lists them."""

    key: str
    """What names a row, as SQL over t."""
    archive: str
    """What archiving sets."""
    listing: str = "true"
    """Which of the staged rows list a row, as SQL over s."""


TABLES = {
    "organization": Removable("t.key", "missing_since = now()", listing="s.listed"),
    "catalog_course": Removable("t.key", "missing_since = now()"),
    "course_run": Removable("t.run_key", "missing_since = now(), status = 'archived'"),
    "program": Removable("t.uuid::text", "missing_since = now(), status = 'archived'"),
}

STANDING = """
    SELECT count(*) FROM catalog.{table} t JOIN landing.document d ON d.id = t.listed_by_id
    WHERE d.source = :source AND t.missing_since IS NULL"""


def leaves(row: str, table: str) -> str:
    """SQL of whether a row of a table will be archived by this load."""
    return f"EXISTS (SELECT FROM leaving l WHERE l.table_name = '{table}' AND l.id = {row}.id)"


def find_removals(publication: Publication, source: Source, settings: Settings, *, accept: bool) -> None:
    """Make `leaving`, the rows to archive, and `left_pending`, the documents that this load must not settle.

    `leaving` has table_name, id, record_key, folded, uuid, document_id; `left_pending` has id. With `accept`, what the
    last load held back is not held again. If anything is held, `ops.held_removal` lists it, and the report says so.
    """
    publication.execute("""
        CREATE TEMP TABLE leaving (table_name text, id bigint, record_key text, folded text, uuid text,
                                   document_id bigint) ON COMMIT DROP""")
    publication.execute("CREATE TEMP TABLE left_pending (id bigint) ON COMMIT DROP")
    for table, removable in TABLES.items():
        _find_leaving(publication, table, removable)
    analyze(publication.connection, "leaving")
    _keep_what_rejected_documents_list(publication, source)
    hold_back(publication, _guarded(source.SOURCE), settings, accept=accept)
    for table in ("course_run", "catalog_course"):
        release_carried(publication, table)
    analyze(publication.connection, "leaving", "left_pending")


def archive_removals(publication: Publication) -> None:
    """Archive the rows in `leaving`, but for those that a new course took over."""
    for table, removable in TABLES.items():
        archived = publication.execute(f"""
            UPDATE catalog.{table} t SET {removable.archive}
            WHERE {leaves("t", table)} AND NOT EXISTS (SELECT FROM resolved_{table} n WHERE n.id = t.id)""")
        publication.count(f"catalog.{table}", {"updated": archived})
    _reopen_runs_of_the_lms(publication)


def _find_leaving(publication: Publication, table: str, removable: Removable) -> None:
    """Add to `leaving` the rows of a table that no staged row means, by its uuid or else its key."""
    publication.execute(f"""
        INSERT INTO leaving
        SELECT '{table}', t.id, {removable.key}, {folded(removable.key)}, t.uuid::text, t.listed_by_id
        FROM catalog.{table} t
        -- What a rejected document listed before stays as it is.
        JOIN pending p ON p.id = t.listed_by_id AND NOT p.rejected
        WHERE t.missing_since IS NULL
          AND NOT EXISTS (SELECT FROM staged_{table} s WHERE s.uuid = t.uuid AND {removable.listing})
          AND NOT EXISTS (
              SELECT FROM staged_{table} s WHERE s.folded = {folded(removable.key)} AND {removable.listing}
              -- A row that has the uuid of another one means that one.
              AND NOT EXISTS (SELECT FROM catalog.{table} u WHERE u.uuid = s.uuid))""")


def _keep_what_rejected_documents_list(publication: Publication, source: Source) -> None:
    """Take from `leaving` what a rejected document lists; the documents that listed it before stay pending."""
    if not publication.scalar("SELECT count(*) FROM leaving"):
        return
    stage_names_in_rejected(publication, source)
    publication.execute("""
        WITH kept AS (
            DELETE FROM leaving WHERE (table_name, id) IN (
                SELECT l.table_name, l.id FROM leaving l CROSS JOIN LATERAL (VALUES (l.folded), (l.uuid)) name (value)
                JOIN named_in_rejected n ON n.table_name = l.table_name AND n.folded = name.value)
            RETURNING document_id)
        INSERT INTO left_pending SELECT DISTINCT document_id FROM kept""")


def _guarded(source: str) -> Guarded:
    return Guarded(
        standing={table: STANDING.format(table=table) for table in TABLES},
        parameters={"source": source},
        gone=f"that {source} listed",
        empty=f"{source} answers an empty list where something stood",
        accept=f"catalog-pipeline refresh {source} --accept-removals",
    )


def _reopen_runs_of_the_lms(publication: Publication) -> None:
    """Make the LMS's documents pending of runs that discovery no longer lists: from now on the LMS may own them."""
    publication.execute(
        f"""
        UPDATE landing.document d SET settled_rules = NULL
        FROM leaving g JOIN catalog.course_run r ON r.id = g.id
        WHERE g.table_name = 'course_run' AND r.missing_since IS NOT NULL
          AND d.source = 'lms' AND {folded("d.key")} = {folded("r.run_key")} AND d.missing_since IS NULL
          AND d.source <> :source""",
        source=publication.report.source,
    )
