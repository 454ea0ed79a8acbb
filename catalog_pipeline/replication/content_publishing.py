"""Writes what is pending of a catalog's content to `catalog.content_metadata` and `catalog.content_run`."""

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.content import ContentMetadata, ContentRun
from catalog_pipeline.replication.content_reading import LIVE, Content, ContentCatalog
from catalog_pipeline.replication.content_removals import find_removals, mark_gone
from catalog_pipeline.replication.content_staging import RUN_CONFLICT, stage_content
from catalog_pipeline.rules import VERSION
from catalog_pipeline.settings import Settings

SHARED = ("enterprise_catalog_id", "start", "end", "enrollment_start", "enroll_by", "price", "currency", "price_from")
CONTENT_COLUMNS = (
    *("content_key", "content_uuid", "content_type", "title", "course_type", "product_source", "advertised_run_key"),
    *("partners", "image_url", "listed", "status", "content_hash", "listed_by_id", "missing_since", *SHARED),
)
RUN_COLUMNS = (
    *("content_metadata_id", "run_key", "parent_content_key", "run_uuid", "status", "pacing", "weeks_to_complete"),
    *("restriction_type", "start_raw", "end_raw", "enrollment_start_raw", "enrollment_end_raw"),
    *("upgrade_deadline_raw", "problems", "listed_by_id", "missing_since", *SHARED),
)


def publish_content(publication: Publication, settings: Settings, content: Content, *, accept: bool) -> None:
    """Decide and publish the pending documents of a catalog, of which `crawled_content` and `asked` tell the reading.

    Raises LoadRefusedError when too many are bad.
    """
    catalog = content.catalog
    publication.execute("SET LOCAL default_statistics_target = 10")  # as other loads do: only sizes are needed
    analyze(publication.connection, "crawled_content", "asked")
    stage_content(publication, content, settings.reject_share)
    find_removals(publication, settings, catalog.id, accept=accept, is_guarded=content.whole)
    if publication.report.documents:
        _merge_content(publication, content)
        _merge_runs(publication, catalog.id)
        mark_gone(publication)
        _settle(publication)
    _add_keys_alone(publication, catalog)
    _link_runs(publication, catalog.id)
    if content.whole:
        _set_listed(publication, catalog.id)
        _record_outcome(publication, catalog.id)
    else:
        _refresh_age(publication, catalog.id)


def _merge_content(publication: Publication, content: Content) -> None:
    publication.execute(
        f"""
        CREATE TEMP TABLE resolved_content_metadata ON COMMIT DROP AS
        SELECT DISTINCT ON (s.folded) {_columns("s", CONTENT_COLUMNS, _OF_CONTENT)},
               CAST(:catalog_id AS bigint) AS enterprise_catalog_id, 'found' AS status,
               NULL::timestamptz AS missing_since, now() AS fetched_at, s.document_id AS listed_by_id,
               encode(p.payload_hash, 'hex') AS content_hash, coalesce(s.partners, '[]') AS partners,
               CASE WHEN :whole THEN coalesce(c.listed, false) ELSE coalesce(m.listed, false) END AS listed,
               coalesce(m.id, nextval(pg_get_serial_sequence('catalog.content_metadata', 'id'))) AS id
        FROM staged_content_metadata s JOIN pending p ON p.id = s.document_id
        LEFT JOIN crawled_content c ON c.folded = s.folded
        LEFT JOIN catalog.content_metadata m
            ON m.enterprise_catalog_id = :catalog_id AND {folded("m.content_key")} = s.folded
        ORDER BY s.folded, s.document_id""",
        catalog_id=content.catalog.id,
        whole=content.whole,
    )
    publication.merge(ContentMetadata, "resolved_content_metadata", CONTENT_COLUMNS, not_compared=("fetched_at",))


_OF_CONTENT = {
    *("enterprise_catalog_id", "status", "missing_since", "listed_by_id", "content_hash", "partners", "listed"),
}
_OF_RUN = {"enterprise_catalog_id", "content_metadata_id", "listed_by_id", "missing_since"}


def _columns(alias: str, columns: tuple[str, ...], derived: set[str]) -> str:
    """The columns that a staging table has itself, as SQL."""
    return ", ".join(f'{alias}."{column}"' for column in columns if column not in derived)


CLAIM_RUNS = f"""
    CREATE TEMP TABLE claimed_run ON COMMIT DROP AS
    WITH claims AS (
        SELECT s.ctid AS staged, s.folded, s.run_key, s.document_id, s.nested, s.parent_content_key AS course
        FROM staged_content_run s
        UNION ALL
        -- A course that is not decided now, or is held back, has it in its document.
        SELECT NULL, {folded("r.run_key")}, r.run_key, o.id, true, r.parent_content_key
        FROM catalog.content_run r JOIN landing.document o ON o.id = r.listed_by_id
        WHERE r.enterprise_catalog_id = :catalog_id AND r.missing_since IS NULL
          AND {folded("o.key")} <> {folded("r.run_key")}
          AND CASE WHEN EXISTS (SELECT FROM left_pending l WHERE l.id = o.id) THEN true
                   ELSE o.missing_since IS NULL
                        AND NOT EXISTS (SELECT FROM pending p WHERE p.id = o.id AND NOT p.rejected) END)
    SELECT *, row_number() OVER best AS place, first_value(course) OVER best AS winner,
           first_value(document_id) OVER best AS winning_document
    FROM claims WHERE folded IN (SELECT folded FROM staged_content_run)
    WINDOW best AS (
        PARTITION BY folded
        ORDER BY nested DESC, starts_with(folded, 'course-v1:' || {folded("course")} || '+') DESC NULLS LAST,
                 {folded("course")}, document_id, staged)"""
"""Which document has each run: its course's goes before its own; of several courses the one that the run's key names,
else the first by key."""


def _merge_runs(publication: Publication, catalog_id: int) -> None:
    """Merge the runs, each as the first document that claims it has it."""
    publication.execute(CLAIM_RUNS, catalog_id=catalog_id)
    analyze(publication.connection, "claimed_run")
    publication.execute(
        f"""
        CREATE TEMP TABLE resolved_content_run ON COMMIT DROP AS
        SELECT {_columns("s", RUN_COLUMNS, _OF_RUN)},
               CAST(:catalog_id AS bigint) AS enterprise_catalog_id, m.id AS content_metadata_id,
               NULL::timestamptz AS missing_since, now() AS fetched_at, s.document_id AS listed_by_id,
               coalesce(r.id, nextval(pg_get_serial_sequence('catalog.content_run', 'id'))) AS id
        FROM claimed_run c JOIN staged_content_run s ON s.ctid = c.staged
        LEFT JOIN catalog.content_run r ON r.enterprise_catalog_id = :catalog_id AND {folded("r.run_key")} = s.folded
        LEFT JOIN catalog.content_metadata m ON m.enterprise_catalog_id = :catalog_id
            AND {folded("m.content_key")} = {folded("s.parent_content_key")}
        WHERE c.place = 1""",
        catalog_id=catalog_id,
    )
    publication.merge(ContentRun, "resolved_content_run", RUN_COLUMNS, not_compared=("fetched_at",))
    publication.reject(
        "catalog.content_run",
        f"""SELECT DISTINCT document_id, run_key AS record_key, 'parent_content_key' AS column_name,
                   '{RUN_CONFLICT}' AS rule, course AS value,
                   format('%s lists this run, too, and goes first: the run is its, and not one of %s.', winner, course)
                       AS message
            FROM claimed_run WHERE nested AND document_id <> winning_document""",
    )


def _settle(publication: Publication) -> None:
    """Record that the pending documents are decided: published or rejected. Those in `left_pending` are not."""
    publication.execute(
        """UPDATE landing.document d SET settled_hash = p.payload_hash, settled_rules = :version
           FROM pending p WHERE p.id = d.id AND p.id NOT IN (SELECT id FROM left_pending)""",
        version=VERSION,
    )


def _add_keys_alone(publication: Publication, catalog: ContentCatalog) -> None:
    """Keep the keys that were asked for and of which nothing is held, so that it is known that they were asked for.

    Of a run and its course, both asked for, the course is kept. A key that turns out to be a run's is dropped again.
    """
    created = publication.execute(
        f"""
        INSERT INTO catalog.content_metadata (enterprise_catalog_id, content_key, status, listed, missing_since)
        SELECT DISTINCT ON (a.folded) :catalog_id, a.key, 'not_in_catalog', false, now() FROM asked a
        WHERE NOT EXISTS (SELECT FROM crawled_content c WHERE c.folded = a.folded)
          AND NOT EXISTS (SELECT FROM catalog.content_metadata m
                          WHERE m.enterprise_catalog_id = :catalog_id AND {folded("m.content_key")} = a.folded)
          AND NOT EXISTS (SELECT FROM catalog.content_run r
                          WHERE r.enterprise_catalog_id = :catalog_id AND {folded("r.run_key")} = a.folded)
          AND NOT EXISTS (
              SELECT FROM catalog.content_assignment c
              JOIN catalog.access_policy p ON p.assignment_configuration_id = c.assignment_configuration_id
              WHERE p.catalog_uuid = :uuid AND c.state = ANY(:live) AND {folded("c.content_key")} = a.folded
                AND c.parent_content_key IS NOT NULL)
          AND length(a.key) BETWEEN 1 AND 255
        ORDER BY a.folded""",
        catalog_id=catalog.id,
        uuid=catalog.uuid,
        live=list(LIVE),
    )
    deleted = publication.execute(
        f"""
        DELETE FROM catalog.content_metadata m
        WHERE m.enterprise_catalog_id = :catalog_id AND m.content_type IS NULL AND EXISTS (
            SELECT FROM catalog.content_run r WHERE r.enterprise_catalog_id = :catalog_id
               AND {folded("r.run_key")} = {folded("m.content_key")} AND r.missing_since IS NULL)""",
        catalog_id=catalog.id,
    )
    publication.count("catalog.content_metadata", {"created": created, "deleted": deleted})


def _link_runs(publication: Publication, catalog_id: int) -> None:
    """Give the runs that came before their course their course."""
    linked = publication.execute(
        f"""
        UPDATE catalog.content_run r SET content_metadata_id = m.id FROM catalog.content_metadata m
        WHERE r.enterprise_catalog_id = :catalog_id AND m.enterprise_catalog_id = :catalog_id
          AND r.content_metadata_id IS NULL AND {folded("m.content_key")} = {folded("r.parent_content_key")}""",
        catalog_id=catalog_id,
    )
    publication.count("catalog.content_run", {"updated": linked})


def _set_listed(publication: Publication, catalog_id: int) -> None:
    """Say of rows whose document is as it was whether the list has them."""
    updated = publication.execute(
        f"""
        UPDATE catalog.content_metadata m SET listed = c.listed, fetched_at = now() FROM crawled_content c
        WHERE m.enterprise_catalog_id = :catalog_id AND c.folded = {folded("m.content_key")}
          AND m.missing_since IS NULL AND m.listed <> c.listed""",
        catalog_id=catalog_id,
    )
    publication.count("catalog.content_metadata", {"updated": updated})


def _record_outcome(publication: Publication, catalog_id: int) -> None:
    report = publication.report
    publication.execute(
        """UPDATE catalog.enterprise_catalog SET last_outcome = :outcome, last_detail = :detail,
                  fetched_at = CASE WHEN :outcome = 'applied' THEN now() ELSE fetched_at END
           WHERE id = :id""",
        outcome=report.outcome,
        detail=report.detail,
        id=catalog_id,
    )


def _refresh_age(publication: Publication, catalog_id: int) -> None:
    """Let the rows that were asked for be as old as this reading, changed or not."""
    read = f"""m.enterprise_catalog_id = :catalog_id AND {folded("m.content_key")} IN (
        SELECT folded FROM asked UNION ALL SELECT folded FROM crawled_content)"""
    publication.execute(
        f"UPDATE catalog.content_metadata m SET fetched_at = now() WHERE {read} AND m.fetched_at < now()",
        catalog_id=catalog_id,
    )
    publication.execute(
        f"""UPDATE catalog.content_run r SET fetched_at = now()
            WHERE r.enterprise_catalog_id = :catalog_id AND r.missing_since IS NULL AND r.fetched_at < now()
              AND ({folded("r.run_key")} IN (SELECT folded FROM asked UNION ALL SELECT folded FROM crawled_content)
                   OR r.content_metadata_id IN (SELECT m.id FROM catalog.content_metadata m WHERE {read}))""",
        catalog_id=catalog_id,
    )
