"""Writes a planned feed into the catalog, and keeps it: its bytes, its outcome, and the decision of each row."""

from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import Connection, Table, text

from catalog_pipeline.database.bulk import analyze, copy_frame, merge
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.course_status import settle_course_statuses
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.course import CatalogCourse
from catalog_pipeline.models.run import CourseRun, CourseVariant
from catalog_pipeline.partner.plan import FeedName, Plan
from catalog_pipeline.partner.staging import TOLD_COLUMNS, TOLD_ROWS
from catalog_pipeline.rules import VERSION
from catalog_pipeline.rules.run_values import RUN_VALUES
from catalog_pipeline.sources.documents import compress

SOURCE = "partner"
COURSE_COLUMNS = [
    *("organization_id", "course_code", "key", "title", "short_description", "full_description", "topic", "language"),
    *("course_type", "product_source", "product_status", "external_identifier", "partner_attributes"),
    *("dropped_since", "missing_since", "listed_by_id"),
]
RUN_KEY_COLUMNS = ["run_key", "key_org", "key_course", "key_run"]
RUN_COLUMNS = [*(name for name in RUN_VALUES if name != "variant_id"), "missing_since", "listed_by_id"]


def apply_plan(publication: Publication, plan: Plan) -> None:
    """Write what was planned in this transaction, and that the courses which `plan` archives are dropped."""
    _write_courses(publication)
    _write_runs(publication, plan)
    _write_associations(publication)
    _write_variants(publication)
    if plan.counts["archived"]:
        dropped = publication.execute(
            "UPDATE catalog.catalog_course c SET dropped_since = :as_of FROM missing_course m WHERE m.id = c.id",
            as_of=publication.as_of,
        )
        publication.count("catalog.catalog_course", {"updated": dropped})
    if publication.report.changed:
        settle_course_statuses(publication)


def _write_courses(publication: Publication) -> None:
    if not publication.scalar("SELECT EXISTS (SELECT FROM planned_course WHERE changes IS NOT NULL)"):
        return
    # A product number that one course gives up for another is free before it is taken.
    publication.execute("""
        UPDATE catalog.catalog_course t SET external_identifier = NULL
        FROM planned_course n, planned_course w
        WHERE n.id = t.id AND w.id <> t.id AND w.external_identifier = t.external_identifier
          AND n.external_identifier IS DISTINCT FROM t.external_identifier
          AND (w.product_source, w.course_type) = (t.product_source, t.course_type)""")
    table = cast(Table, CatalogCourse.__table__)
    changed = "(SELECT * FROM planned_course WHERE changes IS NOT NULL)"
    counts = merge(publication.connection, table, changed, COURSE_COLUMNS, insert_only=["status"])
    publication.count("catalog.catalog_course", counts)


def _write_runs(publication: Publication, plan: Plan) -> None:
    table = cast(Table, CourseRun.__table__)
    counts = merge(publication.connection, table, "planned_run", RUN_COLUMNS, insert_only=RUN_KEY_COLUMNS)
    left = {outcome: plan.counts[outcome] for outcome in ("rejected", "deferred")}
    unchanged = counts["unchanged"] + plan.unchanged_runs
    publication.count("catalog.course_run", {**counts, **left, "unchanged": unchanged})


def _write_associations(publication: Publication) -> None:
    created = publication.execute("""
        INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
        SELECT r.id, c.id, 'key', format('A feed made the run for %s.', c.key)
        FROM planned_run r JOIN planned_course c ON c.course = r.course
        WHERE r.is_new""")
    publication.count("catalog.run_association", {"created": created})


def _write_variants(publication: Publication) -> None:
    variants = """
        (SELECT r.id AS course_run_id, r.variant_id, c.product_source
         FROM planned_run r JOIN planned_course c ON c.course = r.course WHERE r.variant_id IS NOT NULL)"""
    columns = ["course_run_id", "variant_id", "product_source"]
    table = cast(Table, CourseVariant.__table__)
    counts = merge(publication.connection, table, variants, columns, on="course_run_id")
    publication.count("catalog.course_variant", counts)


def keep_document(connection: Connection, feed: FeedName, data: bytes) -> int:
    """Keep a feed's bytes, once; returns the document's id."""
    names = {"scope": f"{feed.source}/{feed.product_type}", "key": feed.sha256}
    return connection.execute(
        text("""
            INSERT INTO landing.document
                (source, scope, kind, key, payload, payload_hash, settled_hash, settled_rules)
            VALUES (:source, :scope, 'feed', :key, :payload, decode(:key, 'hex'), decode(:key, 'hex'), :version)
            ON CONFLICT (source, scope, kind, key) DO UPDATE SET changed_at = landing.document.changed_at
            RETURNING id"""),
        {**names, "source": SOURCE, "payload": compress(data), "version": VERSION},
    ).scalar_one()


def keep_feed(
    connection: Connection,
    feed: FeedName,
    document_id: int,
    *,
    as_of: datetime,
    outcome: str,
    detail: str | None = None,
    warnings: list[dict[str, Any]] | None = None,
    plan: Plan | None = None,
    load_id: int | None = None,
    before_id: int | None = None,
    corrects: bool = False,
) -> int:
    """Keep what became of a feed, and where it was planned, of its rows; returns the feed's id.

    `before_id` is the feed that was current so far, if any.
    """
    applied = outcome == "applied"
    products = plan is not None and applied
    feed_id = connection.execute(
        text(f"""
            INSERT INTO ops.feed (name, source, product_type, sha256, received_at, as_of, outcome, corrects, detail,
                                  counts, warnings, archived, reactivated, document_id, load_id)
            VALUES (:name, :source, :product_type, :sha256, :received_at, :as_of, :outcome, :corrects, :detail,
                    CAST(:counts AS jsonb), CAST(:warnings AS jsonb),
                    {ARCHIVED if products and plan and plan.counts["archived"] else "'[]'"},
                    {REACTIVATED if products else "'[]'"}, :document_id, :load_id)
            RETURNING id"""),
        {
            **vars(feed),
            "as_of": as_of,
            "outcome": outcome,
            "corrects": corrects,
            "detail": detail,
            "counts": orjson.dumps(plan.counts if plan else {}).decode(),
            "warnings": orjson.dumps(warnings or []).decode(),
            "document_id": document_id,
            "load_id": load_id,
        },
    ).scalar_one()
    if plan:
        keep_rows(connection, plan, feed_id, before_id=before_id, carrying=applied)
    return feed_id


ARCHIVED = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object('course_key', key, 'title', title, 'external_identifier',
            external_identifier, 'reason', 'The feed no longer lists the product.') ORDER BY key), '[]')
     FROM missing_course)"""
REACTIVATED = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object('course_key', key, 'title', title, 'external_identifier',
            external_identifier, 'reason', 'The feed lists the archived product again.') ORDER BY key), '[]')
     FROM planned_course WHERE reactivated)"""


def keep_rows(
    connection: Connection,
    plan: Plan,
    feed_id: int,
    table: str = "ops.feed_row",
    *,
    before_id: int | None = None,
    carrying: bool = False,
) -> None:
    """Keep the decision of each row of a feed, before it is applied, in a table as `ops.feed_row`.

    With `carrying`, also the course and the run whose fields the row carries from now on.
    """
    carried = {"catalog_course_id": "course", "course_run_id": "run"} if carrying else {}
    unchanged = plan.unchanged.rename(columns={column: name for name, column in carried.items()})
    told = [name for name in TOLD_COLUMNS if name != "changes"]
    copy_frame(connection, table, unchanged[[*told, *carried]].assign(feed_id=feed_id))
    if carrying:
        _stage_still_carried(connection, before_id)
    ids = ", ".join(f"coalesce(t.{name}, s.{name})" for name in carried)
    connection.execute(
        text(f"""
            INSERT INTO {table} (feed_id, {", ".join([*TOLD_COLUMNS, *carried])})
            SELECT :feed_id, {", ".join(f"t.{name}" for name in TOLD_COLUMNS)} {", " + ids if carrying else ""}
            FROM ({TOLD_ROWS}) AS t {"LEFT JOIN still_carried s ON s.row = t.row" if carrying else ""}"""),
        {"feed_id": feed_id},
    )


def _stage_still_carried(connection: Connection, before_id: int | None) -> None:
    """A row that is rejected or deferred goes on carrying what its course and variant did in the feed before."""
    connection.execute(
        text(f"""
            CREATE TEMP TABLE left_row ON COMMIT DROP AS
            SELECT p.row, {folded("p.course_key")} AS folded, p.variant_id FROM planned_row p
            WHERE p.outcome IN ('rejected', 'deferred') AND CAST(:before_id AS bigint) IS NOT NULL"""),
        {"before_id": before_id},
    )
    connection.execute(
        text(f"""
            CREATE TEMP TABLE carried_before ON COMMIT DROP AS
            SELECT {folded("course_key")} AS folded, variant_id, catalog_course_id, course_run_id FROM ops.feed_row
            WHERE feed_id IN (
                    -- The feed before, and if that only corrected, what it corrected.
                    SELECT f.id FROM ops.feed b JOIN ops.feed f USING (source, product_type)
                    WHERE b.id = :before_id AND f.outcome = 'applied' AND f.id <= b.id AND f.id >= coalesce((
                        SELECT max(w.id) FROM ops.feed w WHERE w.outcome = 'applied' AND NOT w.corrects
                        AND w.id <= b.id AND (w.source, w.product_type) = (b.source, b.product_type)), 0))
              AND catalog_course_id IS NOT NULL AND EXISTS (SELECT FROM left_row)"""),
        {"before_id": before_id},
    )
    analyze(connection, "left_row", "carried_before")
    connection.execute(
        text("""
            CREATE TEMP TABLE still_carried ON COMMIT DROP AS
            SELECT l.row, max(b.catalog_course_id) AS catalog_course_id,
                   max(b.course_run_id) FILTER (WHERE b.variant_id = l.variant_id) AS course_run_id
            FROM left_row l JOIN carried_before b ON b.folded = l.folded GROUP BY l.row""")
    )
