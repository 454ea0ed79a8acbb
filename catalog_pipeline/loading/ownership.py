"""Keeps crawls from overwriting what the current partner feeds carry: each field of a row has one owner.

A feed carries COURSE_COLUMNS of the courses that it lists, and RUN_COLUMNS and the variant of their runs. It is
current until another whole feed of its source and type is applied.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from catalog_pipeline.database.keys import folded
from catalog_pipeline.models.fields import COURSE_FIELDS, RUN_FIELDS, carried_by_feeds

if TYPE_CHECKING:
    from catalog_pipeline.loading.publication import Publication

IN_USE = "d.source NOT IN (SELECT u.service FROM landing.upstream u WHERE u.off_since IS NOT NULL)"
"""SQL over d, a document: its upstream is configured. One that is not any more owns nothing that it listed."""
OWNED_BY_DISCOVERY = f"""
    EXISTS (SELECT FROM landing.document d WHERE d.id = r.listed_by_id AND d.source = 'discovery' AND {IN_USE})"""
"""SQL over r, a run: discovery lists it and is configured, so that others leave it as it is."""


def listing_in_use(row: str) -> str:
    """SQL of the id of the document that lists a row, null where its upstream is not configured any more."""
    return f"(SELECT d.id FROM landing.document d WHERE d.id = {row}.listed_by_id AND {IN_USE})"


COURSE_COLUMNS = carried_by_feeds(COURSE_FIELDS)
RUN_COLUMNS = carried_by_feeds(RUN_FIELDS)
CURRENT_FEEDS = """
    (SELECT id FROM (
        SELECT id, corrects, max(id) FILTER (WHERE NOT corrects) OVER (PARTITION BY source, product_type) AS whole
        FROM ops.feed WHERE outcome = 'applied') feed
     WHERE id >= coalesce(whole, 0))"""
"""SQL of the current feeds' ids: of each source and type the last whole feed that was applied, and the feeds that
corrected some of its rows since."""


def settle_configured(publication: Publication, configured: Collection[str]) -> None:
    """Let ownership pass on from services that are not configured any more, and back to this load's own services.

    The LMS's documents of runs that lost their owner become pending, and so do all documents of a source whose service
    returns.
    """
    source = publication.report.source
    gone = publication.execute(
        "UPDATE landing.upstream SET off_since = now() WHERE off_since IS NULL AND service <> ALL(:configured)",
        configured=list(configured),
    )
    if gone:
        publication.execute(f"""
            UPDATE landing.document d SET settled_rules = NULL
            FROM catalog.course_run r JOIN landing.document o ON o.id = r.listed_by_id
            JOIN landing.upstream u ON u.service = o.source AND u.off_since = now()
            WHERE d.source = 'lms' AND o.source <> 'lms' AND {folded("d.key")} = {folded("r.run_key")}
              AND d.missing_since IS NULL""")
    from catalog_pipeline.sources.upstreams import services_of  # what only asks who owns a field needs no sources

    returned = publication.execute(
        """UPDATE landing.upstream SET off_since = NULL
           WHERE service = ANY(:own) AND service = ANY(:configured) AND off_since IS NOT NULL""",
        own=list(services_of(source)),
        configured=list(configured),
    )
    if returned:
        publication.execute("UPDATE landing.document SET settled_rules = NULL WHERE source = :source", source=source)


def stage_carried(publication: Publication) -> None:
    """Make `carried_run` and `carried_course`: the ids of what the current feeds carry."""
    for table, column in (("carried_run", "course_run_id"), ("carried_course", "catalog_course_id")):
        publication.execute(f"""
            CREATE TEMP TABLE {table} ON COMMIT DROP AS SELECT DISTINCT r.{column} AS id
            FROM ops.feed_row r JOIN {CURRENT_FEEDS} f ON f.id = r.feed_id WHERE r.{column} IS NOT NULL""")


def keep_carried_runs(publication: Publication) -> None:
    """Give the resolved runs the values that feeds carry.

    Also makes `taken_over`. A run that a feed made has no uuid. When a run of this load names the variant of such a
    run, it takes the place of that run: `id` is the run of this load, `made_id` the one that the feed made.
    """
    publication.execute("""
        CREATE TEMP TABLE taken_over ON COMMIT DROP AS
        SELECT DISTINCT ON (v.variant_id) n.id, m.id AS made_id
        FROM resolved_course_run n JOIN catalog.course_variant v ON v.variant_id = n.variant_id
        JOIN catalog.course_run m ON m.id = v.course_run_id
        WHERE m.uuid IS NULL AND m.listed_by_id IS NULL
          AND NOT EXISTS (SELECT FROM resolved_course_run w WHERE w.id = m.id)
          AND NOT EXISTS (SELECT FROM carried_run c WHERE c.id = n.id)
        ORDER BY v.variant_id, n.start DESC NULLS LAST, n.run_key""")
    publication.execute("""
        INSERT INTO carried_run SELECT o.id FROM taken_over o JOIN carried_run c ON c.id = o.made_id""")
    publication.execute(f"""
        UPDATE resolved_course_run r SET {_assignments(RUN_COLUMNS)}, variant_id = coalesce(v.variant_id, r.variant_id)
        FROM carried_run c LEFT JOIN taken_over o ON o.id = c.id
        JOIN catalog.course_run t ON t.id = coalesce(o.made_id, c.id)
        LEFT JOIN catalog.course_variant v ON v.course_run_id = t.id
        WHERE r.id = c.id""")


def hand_over_made_runs(publication: Publication) -> None:
    """Give each run in `taken_over` the variant and the feed row of the run that a feed made, and archive that one."""
    publication.execute("DELETE FROM catalog.course_variant v USING taken_over o WHERE v.course_run_id = o.id")
    moved = publication.execute("""
        UPDATE catalog.course_variant v SET course_run_id = o.id FROM taken_over o WHERE v.course_run_id = o.made_id""")
    publication.count("catalog.course_variant", {"updated": moved})
    archived = publication.execute("""
        UPDATE catalog.course_run r SET status = 'archived', superseded_by_id = o.id, missing_since = now()
        FROM taken_over o WHERE r.id = o.made_id""")
    publication.count("catalog.course_run", {"updated": archived})
    publication.execute(f"""
        UPDATE ops.feed_row r SET course_run_id = o.id FROM taken_over o, {CURRENT_FEEDS} f
        WHERE r.course_run_id = o.made_id AND r.feed_id = f.id""")


def keep_carried_courses(publication: Publication) -> None:
    """Give the resolved courses the values that feeds carry."""
    publication.execute(f"""
        UPDATE resolved_catalog_course r SET {_assignments(COURSE_COLUMNS)}
        FROM carried_course c JOIN catalog.catalog_course t ON t.id = c.id WHERE r.id = c.id""")


def release_carried(publication: Publication, table: str) -> None:
    """Take from `leaving` the rows of course_run or catalog_course that feeds carry; from now on feeds own them."""
    carried = {"course_run": "carried_run", "catalog_course": "carried_course"}[table]
    publication.execute(f"""
        WITH released AS (
            DELETE FROM leaving WHERE table_name = '{table}' AND id IN (SELECT id FROM {carried}) RETURNING id)
        UPDATE catalog.{table} t SET listed_by_id = NULL FROM released r WHERE r.id = t.id""")


def _assignments(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}" = t."{column}"' for column in columns)
