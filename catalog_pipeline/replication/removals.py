"""Archives what upstream no longer lists, unless that is too much: then the load is held."""

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import release_carried
from catalog_pipeline.loading.publication import LoadHeldError, Publication

GONE = """
    t.missing_since IS NULL
    -- What a rejected document listed before stays as it is.
    AND t.listed_by_id IN (SELECT p.id FROM pending p WHERE NOT p.rejected)
    AND NOT EXISTS (SELECT FROM resolved_{table} n WHERE n.id = t.id)"""
"""SQL over t, a row of {table}: its document is decided by this load, and lists it no more (or is itself missing)."""

ARCHIVES = {
    "organization": "missing_since = now()",
    "catalog_course": "missing_since = now()",
    "course_run": "missing_since = now(), status = 'archived'",
    "program": "missing_since = now(), status = 'archived'",
}
"""What archiving sets, by table."""


def archive_missing(publication: Publication, removal_share: float) -> None:
    """Archive the rows that no document lists any more.

    Raises LoadHeldError when they are more than `removal_share` of a table's rows that the source owns.
    """
    release_carried(publication, GONE)
    for table in ARCHIVES:
        _find_gone(publication, table, removal_share)
    for table, assignments in ARCHIVES.items():
        archived = publication.execute(
            f"UPDATE catalog.{table} t SET {assignments} FROM gone_{table} g WHERE g.id = t.id"
        )
        publication.count(f"catalog.{table}", {"updated": archived})
    _reopen_runs_of_the_lms(publication)


def _find_gone(publication: Publication, table: str, removal_share: float) -> None:
    """Make `gone_<table>`, the ids of the rows to archive. Raises LoadHeldError when there are too many."""
    source = publication.report.source
    publication.execute(
        f"CREATE TEMP TABLE gone_{table} ON COMMIT DROP AS"
        f" SELECT t.id FROM catalog.{table} t WHERE {GONE.format(table=table)}"
    )
    gone = publication.scalar(f"SELECT count(*) FROM gone_{table}")
    standing = publication.scalar(
        f"""SELECT count(*) FROM catalog.{table} t JOIN landing.document d ON d.id = t.listed_by_id
            WHERE d.source = :source AND t.missing_since IS NULL""",
        source=source,
    )
    if gone > removal_share * standing:
        raise LoadHeldError(
            f"{gone} of the {standing} rows of catalog.{table} that {source} owns are gone upstream, over"
            f" the {removal_share:.0%} of CATALOG_REMOVAL_SHARE: the load is held back, nothing was changed."
            " If it is meant, run `catalog-pipeline refresh --accept-removals`."
        )


def _reopen_runs_of_the_lms(publication: Publication) -> None:
    """Make the LMS's documents pending of runs that discovery no longer lists: from now on the LMS may own them."""
    publication.execute(
        f"""
        UPDATE landing.document d SET settled_rules = NULL
        FROM gone_course_run g JOIN catalog.course_run r ON r.id = g.id
        WHERE d.source = 'lms' AND {folded("d.key")} = {folded("r.run_key")} AND d.missing_since IS NULL
          AND d.source <> :source""",
        source=publication.report.source,
    )
