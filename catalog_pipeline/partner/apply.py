"""Writes a planned feed into the catalog, and keeps it: its bytes, its outcome, and what was decided of each row."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import Connection, Table, text

from catalog_pipeline.database.bulk import copy_frame, copy_rows, create_staging, merge
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.course import CatalogCourse
from catalog_pipeline.models.fields import COURSE_FIELDS, LISTED, RUN_FIELDS, written_by
from catalog_pipeline.models.run import CourseRun, CourseVariant
from catalog_pipeline.partner.columns import FeedName
from catalog_pipeline.partner.plan import FeedPlan
from catalog_pipeline.partner.staging import (
    CHANGED_COURSES,
    CHANGED_RUNS,
    COURSES_OF_RUNS,
    GIVEN_UP_NUMBERS,
    MISSING,
    STILL_CARRIED,
    TOLD_COLUMNS,
    TOLD_ROWS,
    stage_still_carried,
)
from catalog_pipeline.rules import VERSION
from catalog_pipeline.sources.documents import compress

SOURCE = "partner"
COURSE_COLUMNS = [
    *("organization_id", "course_code", "key", *written_by(COURSE_FIELDS, "feed")),
    *("dropped_since", *LISTED),
]
RUN_KEY_COLUMNS = ["run_key", "key_org", "key_course", "key_run"]
RUN_COLUMNS = [*written_by(RUN_FIELDS, "feed"), *LISTED]


def apply_plan(publication: Publication, plan: FeedPlan) -> None:
    """Write a plan into the catalog. It must have been made in this transaction."""
    _write_courses(publication)
    _write_runs(publication, plan)
    _write_associations(publication)
    _write_variants(publication)
    if plan.counts["archived"]:
        dropped = publication.execute(
            f"UPDATE catalog.catalog_course c SET dropped_since = :as_of FROM {MISSING} m WHERE m.id = c.id",
            as_of=publication.as_of,
        )
        publication.count("catalog.catalog_course", {"updated": dropped})


def _write_courses(publication: Publication) -> None:
    if not publication.scalar(f"SELECT EXISTS (SELECT FROM {CHANGED_COURSES} c)"):
        return
    # A product number that one course gives up for another is free before it is taken.
    given_up = publication.scalar(f"""
        WITH given_up AS (
            UPDATE catalog.catalog_course t SET external_identifier = NULL FROM {GIVEN_UP_NUMBERS} g WHERE g.id = t.id
            RETURNING g.is_archived)
        SELECT count(*) FROM given_up WHERE is_archived""")
    publication.count("catalog.catalog_course", {"updated": given_up})
    table = cast(Table, CatalogCourse.__table__)
    counts = merge(publication.connection, table, CHANGED_COURSES, COURSE_COLUMNS)
    publication.count("catalog.catalog_course", counts)


def _write_runs(publication: Publication, plan: FeedPlan) -> None:
    table = cast(Table, CourseRun.__table__)
    counts = merge(publication.connection, table, CHANGED_RUNS, RUN_COLUMNS, insert_only=RUN_KEY_COLUMNS)
    left = {outcome: plan.counts[outcome] for outcome in ("rejected", "deferred")}
    unchanged = counts["unchanged"] + plan.unchanged_runs
    publication.count("catalog.course_run", {**counts, **left, "unchanged": unchanged})


def _write_associations(publication: Publication) -> None:
    created = publication.execute(f"""
        INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
        SELECT course_run_id, catalog_course_id, 'feed', format('A feed made the run for %s.', course_key)
        FROM {COURSES_OF_RUNS} r WHERE is_new""")
    publication.count("catalog.run_association", {"created": created})


def _write_variants(publication: Publication) -> None:
    columns = ["course_run_id", "variant_id", "product_source"]
    variants = f"(SELECT {', '.join(columns)} FROM {COURSES_OF_RUNS} r WHERE variant_id IS NOT NULL)"
    table = cast(Table, CourseVariant.__table__)
    counts = merge(publication.connection, table, variants, columns, on="course_run_id")
    publication.count("catalog.course_variant", counts)


def keep_document(connection: Connection, feed: FeedName, data: bytes) -> int:
    """Keep a feed's bytes, once; returns the document's id."""
    scope = f"{feed.source}/{feed.product_type}"
    keep_documents(connection, [(scope, feed.sha256, data)])
    return connection.execute(
        text("SELECT id FROM landing.document WHERE (source, scope, kind, key) = (:source, :scope, 'feed', :key)"),
        {"source": SOURCE, "scope": scope, "key": feed.sha256},
    ).scalar_one()


def keep_documents(connection: Connection, documents: Iterable[tuple[str, str, bytes]]) -> None:
    """Keep the bytes of feeds, each once: scope, SHA-256 and bytes."""
    create_staging(connection, "fed_document", FED_DOCUMENT)
    rows = ((scope, sha256, compress(data)) for scope, sha256, data in documents)
    copy_rows(connection, "fed_document", FED_DOCUMENT, rows)
    connection.execute(
        text("""
            INSERT INTO landing.document
                (source, scope, kind, key, payload, payload_hash, settled_hash, settled_rules)
            SELECT DISTINCT ON (scope, key)
                   :source, scope, 'feed', key, payload, decode(key, 'hex'), decode(key, 'hex'), :version
            FROM fed_document ON CONFLICT (source, scope, kind, key) DO UPDATE SET payload = EXCLUDED.payload
            WHERE document.payload = '' -- they were removed; where they were not, the row is locked all the same"""),
        {"source": SOURCE, "version": VERSION},
    )


FED_DOCUMENT = {"scope": "text", "key": "text", "payload": "bytea"}


def keep_plan(connection: Connection, plan: FeedPlan, document_id: int, load_id: int) -> int:
    """Keep what became of a planned feed, and of its rows, before the plan is applied; returns the feed's id."""
    feed_id = _keep_feed(
        connection,
        plan.feed,
        as_of=plan.as_of,
        outcome=plan.outcome,
        detail=plan.detail,
        document_id=document_id,
        corrects=plan.corrects,
        counts=plan.counts,
        warnings=plan.warnings,
        archived=plan.archived_products,
        reactivated=plan.reactivated_products,
        missing=plan.missing_products,
        load_id=load_id,
    )
    _keep_rows(connection, plan, feed_id)
    return feed_id


def keep_refused(connection: Connection, feed: FeedName, document_id: int, as_of: datetime, detail: str) -> int:
    """Keep that nothing could be read of a feed, and why (`detail`); returns the feed's id."""
    return _keep_feed(connection, feed, as_of=as_of, outcome="refused", detail=detail, document_id=document_id)


JSON_COLUMNS: dict[str, Any] = {"counts": {}, "warnings": [], "archived": [], "reactivated": [], "missing": []}
"""Of `ops.feed`, with what a feed has in them of which nothing was read."""


def _keep_feed(connection: Connection, feed: FeedName, **columns: Any) -> int:
    """Insert a row of `ops.feed`."""
    documents = {name: orjson.dumps(columns.get(name, nothing)).decode() for name, nothing in JSON_COLUMNS.items()}
    values = {**vars(feed), "corrects": False, "load_id": None, **columns, **documents}
    places = [f"CAST(:{name} AS jsonb)" if name in JSON_COLUMNS else f":{name}" for name in values]
    return connection.execute(
        text(f"INSERT INTO ops.feed ({', '.join(values)}) VALUES ({', '.join(places)}) RETURNING id"), values
    ).scalar_one()


def _keep_rows(connection: Connection, plan: FeedPlan, feed_id: int) -> None:
    """Keep what was decided of each row; where the feed is applied, also the course and run whose fields it carries."""
    told = [*(name for name in TOLD_COLUMNS if name != "changes"), "said"]
    carried = {"course": "catalog_course_id", "run": "course_run_id"} if plan.is_applied else {}
    unchanged = plan.unchanged.rename(columns=carried)
    copy_frame(connection, "ops.feed_row", unchanged[[*told, *carried.values()]].assign(feed_id=feed_id))
    if carried:
        stage_still_carried(connection, plan.current)
    kept = [*TOLD_COLUMNS, "said"]
    columns = ", ".join([*kept, *carried.values()])
    values = ", ".join(
        [*(f"t.{name}" for name in kept), *(f"coalesce(t.{name}, s.{name})" for name in carried.values())]
    )
    connection.execute(
        text(f"""
            INSERT INTO ops.feed_row (feed_id, {columns})
            SELECT :feed_id, {values}
            FROM ({TOLD_ROWS}) AS t {f"LEFT JOIN {STILL_CARRIED} s ON s.row = t.row" if carried else ""}"""),
        {"feed_id": feed_id},
    )
