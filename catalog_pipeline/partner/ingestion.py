"""Ingests a partner feed: read, validate, plan and apply, in one transaction; or shows the plan, as a dry run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.bulk import read_frame
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.keys import folded
from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.loading.publication import publishing
from catalog_pipeline.partner.apply import apply_plan, keep_document, keep_feed
from catalog_pipeline.partner.columns import RawFeed, Reference, ValidatedFeed
from catalog_pipeline.partner.configuration import PartnerRules, load_rules
from catalog_pipeline.partner.plan import SHOWN_OF_REJECTS, FeedName, Plan, make_plan
from catalog_pipeline.partner.reading import Limits, parse_feed
from catalog_pipeline.partner.report import Report, planned_report, report
from catalog_pipeline.partner.validation import validate_feed
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decompress

Summarize = Callable[[Connection, Report], object]
"""What is told of a feed, in the transaction that keeps it: so neither is without the other."""


@dataclass(frozen=True)
class Options:
    """How a feed is ingested."""

    as_of: datetime | None = None
    """The only clock of the decisions; now where it is not given."""
    dry_run: bool = False
    force: bool = False
    """Apply it although the same bytes, or a newer feed, were applied before."""
    accept_removals: bool = False
    """Archive what it no longer lists, however much that is."""
    rows: frozenset[int] | None = None
    """Decide just these rows of the file, as a correction of its others; all where it is not given."""
    shown: int | None = None
    """The most rows that the report tells of, then without unchanged ones; all where it is not given."""


def ingest(
    engine: Engine,
    data: bytes,
    feed: FeedName,
    settings: Settings,
    options: Options | None = None,
    summarize: Summarize | None = None,
) -> Report:
    """Ingest a feed's bytes; returns what became of it, as `partner_report` tells.

    Feeds of one source and type apply in the order in which they arrived: an older one than the last applied is
    planned and kept as superseded. The same bytes as that last one's are not decided again, unless rows were
    deferred. Raises FeedRefusedError, and keeps the feed as refused, when nothing can be read of it.
    """
    options = options or Options()
    rules = load_rules(settings.partner_rules)
    rules.check_scope(feed.source, feed.product_type)
    with connected(engine) as connection:
        known = None if options.force or options.dry_run else _unchanged(connection, feed, rules)
        if known is not None:
            # It has arrived again: what arrived in between is older than it.
            again = text("UPDATE ops.feed SET received_at = greatest(received_at, :at) WHERE id = :id")
            connection.execute(again, {"at": feed.received_at, "id": known})
            return {**report(connection, known, options.shown), "skipped": True}
    as_of = options.as_of or datetime.now(UTC)
    try:
        raw, validated = _read(engine, data, feed, settings, rules, options.rows)
    except FeedRefusedError as error:
        if not options.dry_run:
            _keep_refused(engine, data, feed, as_of, str(error), summarize)
        raise
    if options.dry_run:
        return _dry_run(engine, feed, raw, validated, as_of, settings, options)
    return _apply(engine, data, feed, raw, validated, as_of, settings, options, summarize)


def _read(
    engine: Engine,
    data: bytes,
    feed: FeedName,
    settings: Settings,
    rules: PartnerRules,
    rows: frozenset[int] | None,
) -> tuple[RawFeed, ValidatedFeed]:
    raw = parse_feed(data, feed.name, Limits.of(settings), feed.received_at)
    if rows is not None:
        raw = raw.with_only(rows)
    with connected(engine) as connection:
        reference = read_reference(connection)
    validated = validate_feed(raw, product_type=feed.product_type, source=feed.source, rules=rules, reference=reference)
    # The wide columns of a large feed are not needed twice.
    slim = raw.frame[raw.frame.columns.intersection(["row", *SHOWN_OF_REJECTS])]
    return replace(raw, frame=slim.copy()), validated


def read_reference(connection: Connection) -> Reference:
    """What the catalog knows that a feed may name: organizations, subjects and levels."""

    def known(query: str) -> Any:
        return read_frame(connection, query, {"name": pa.large_string()})["name"]

    return Reference(
        organizations=known("SELECT key FROM catalog.organization"),
        subjects=known("SELECT DISTINCT topic FROM catalog.catalog_course WHERE topic IS NOT NULL"),
        levels=known(
            "SELECT DISTINCT partner_attributes ->> 'course_level' FROM catalog.catalog_course"
            " WHERE partner_attributes ? 'course_level'"
        ),
    )


def _dry_run(
    engine: Engine,
    feed: FeedName,
    raw: RawFeed,
    validated: ValidatedFeed,
    as_of: datetime,
    settings: Settings,
    options: Options,
) -> Report:
    with connected(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        verdict = _decide(connection, feed, raw, validated, as_of, settings, options)
        found = planned_report(
            connection, feed, verdict.plan, verdict.outcome, verdict.detail, _warnings(raw), options.shown
        )
        connection.rollback()
    return found


def _apply(
    engine: Engine,
    data: bytes,
    feed: FeedName,
    raw: RawFeed,
    validated: ValidatedFeed,
    as_of: datetime,
    settings: Settings,
    options: Options,
    summarize: Summarize | None,
) -> Report:
    with publishing(engine, f"partner:{feed.source}/{feed.product_type}", as_of) as publication:
        publication.execute("SET LOCAL work_mem = '256MB'")
        publication.report.documents = 1
        connection = publication.connection
        verdict = _decide(connection, feed, raw, validated, as_of, settings, options)
        publication.report.outcome = "held" if verdict.outcome == "held" else "applied"
        publication.report.detail = verdict.detail
        feed_id = keep_feed(
            connection,
            feed,
            keep_document(connection, feed, data),
            as_of=as_of,
            outcome=verdict.outcome,
            detail=verdict.detail,
            warnings=_warnings(raw),
            plan=verdict.plan,
            load_id=publication.report.load_id,
            before_id=verdict.last.id if verdict.last else None,
            corrects=raw.corrects,
        )
        if verdict.outcome == "applied":
            apply_plan(publication, verdict.plan)
        if summarize:
            summarize(connection, report(connection, feed_id))
        return report(connection, feed_id, options.shown)


@dataclass(frozen=True)
class Verdict:
    """What is to become of a feed as a whole."""

    outcome: str
    detail: str | None
    plan: Plan
    last: Any
    """The feed that is current so far, if any."""


def _decide(
    connection: Connection,
    feed: FeedName,
    raw: RawFeed,
    validated: ValidatedFeed,
    as_of: datetime,
    settings: Settings,
    options: Options,
) -> Verdict:
    """Plan a feed, and decide whether the plan may be applied."""
    # Between two statements a feed of a million rows is decided in frames, which takes its time.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
    plan = make_plan(connection, feed, raw, validated, as_of)
    last = last_applied(connection, feed.source, feed.product_type)
    if last is not None and feed.received_at < last.received_at and not options.force:
        detail = (
            f"{last.name}, which arrived later ({last.received_at:%Y-%m-%d %H:%M} UTC), was applied before."
            " Use --force to apply this one over it."
        )
        return Verdict("superseded", detail, plan, last)
    if raw.corrects:
        return Verdict("applied", "It corrects rows of the feed before; what it does not list stays.", plan, last)
    if plan.missing and plan.is_mostly_rejected(settings.reject_share):
        detail = f"Most of its rows are rejected: the {plan.missing} products that it does not list were not archived."
        return Verdict("applied", detail, plan, last)
    if plan.missing > settings.removal_share * plan.standing and not options.accept_removals:
        detail = (
            f"It does not list {plan.missing} of the {plan.standing} products of {feed.source}/{feed.product_type},"
            f" over the {settings.removal_share:.0%} of CATALOG_REMOVAL_SHARE: the feed is held back, nothing was"
            " changed. If it is meant, ingest it with --accept-removals."
        )
        return Verdict("held", detail, plan, last)
    return Verdict("applied", None, plan.archiving(), last)


def last_applied(connection: Connection, source: str, product_type: str) -> Any:
    """The feed that is current: of this source and type the last applied one, as a row of ops.feed; else None."""
    return connection.execute(
        text(
            "SELECT * FROM ops.feed WHERE source = :source AND product_type = :product_type AND outcome = 'applied'"
            " ORDER BY id DESC LIMIT 1"
        ),
        {"source": source, "product_type": product_type},
    ).one_or_none()


def _unchanged(connection: Connection, feed: FeedName, rules: PartnerRules) -> int | None:
    """The current feed's id, where it is of all rows of these very bytes and nothing in it waits."""
    last = last_applied(connection, feed.source, feed.product_type)
    if last is None or last.corrects or last.sha256 != feed.sha256:
        return None
    query = text(f"SELECT {WAITS} FROM ops.feed f WHERE f.id = :id")
    waits = connection.execute(query, {"id": last.id, "codes": _codes(rules)}).scalar_one()
    return None if waits else last.id


def _codes(rules: PartnerRules) -> str:
    """The partners' names of organizations, by source, as JSON."""
    return orjson.dumps(rules.organization_codes).decode()


WRITING = ("new_product", "new_variant", "updated", "archived", "reactivated")
KEY_MEANT = "coalesce(CAST(:codes AS jsonb) -> f.source ->> (e ->> 'value'), e ->> 'value')"
WAITS = f"""
    ((f.counts ->> 'deferred')::int > 0 OR EXISTS (
        SELECT FROM ops.feed_row r CROSS JOIN LATERAL jsonb_array_elements(r.errors) e
        JOIN catalog.organization o ON {folded("o.key")} = {folded(KEY_MEANT)}
        WHERE r.feed_id = f.id AND r.outcome = 'rejected' AND e ->> 'code' = 'MISSING_ORGANIZATION'))"""
"""Of a feed f: whether it has rows that may be decided otherwise now; deferred, or of an organization that came."""


def _warnings(raw: RawFeed) -> list[dict[str, Any]]:
    message = "No column of a feed has this name; it is ignored."
    unknown = [{"code": "UNKNOWN_COLUMN", "column": column, "message": message} for column in raw.unknown]
    whole = raw.warnings.loc[raw.warnings["row"].isna(), ["code", "column", "message"]].astype(object)
    return unknown + whole.where(whole.notna(), None).to_dict("records")


def _keep_refused(
    engine: Engine, data: bytes, feed: FeedName, as_of: datetime, detail: str, summarize: Summarize | None
) -> None:
    with connected(engine) as connection:
        document_id = keep_document(connection, feed, data)
        feed_id = keep_feed(connection, feed, document_id, as_of=as_of, outcome="refused", detail=detail)
        if summarize:
            summarize(connection, report(connection, feed_id))


def ingest_waiting(
    engine: Engine, settings: Settings, summarize: Summarize | None = None, as_of: datetime | None = None
) -> list[Report]:
    """Decide anew the current feeds that have rows in waiting: what these waited for may have come to pass.

    A feed that others correct is not applied over them: of it, and of them, just the rows that wait are decided. One
    for which nothing has come to pass is not kept a second time.
    """
    rules = load_rules(settings.partner_rules)
    with connected(engine) as connection:
        waiting = connection.execute(text(WAITING), {"codes": _codes(rules)}).all()
    done = []
    for row in waiting:
        if row.source not in rules.sources or row.product_type not in rules.course_types or row.rows == []:
            continue  # the rules no longer know such feeds, or others have put these rows right
        feed = FeedName(row.name, row.source, row.product_type, row.sha256, row.last_received_at)
        data = decompress(row.payload)
        options = Options(as_of, rows=None if row.rows is None else frozenset(row.rows))
        planned = ingest(engine, data, feed, settings, replace(options, dry_run=True))["counts"]
        if planned["rejected"] != row.rejected or any(planned[outcome] for outcome in WRITING):
            done.append(ingest(engine, data, feed, settings, options, summarize))
    return done


WAITING_ROWS = f"""
    SELECT array_agg(r.row ORDER BY r.row) AS rows, count(*) FILTER (WHERE r.outcome = 'rejected') AS rejected
    FROM ops.feed_row r
    WHERE r.feed_id = f.id
      AND (r.outcome = 'deferred'
           OR r.outcome = 'rejected' AND r.errors @> '[{{"code": "MISSING_ORGANIZATION"}}]')
      AND NOT EXISTS (
          SELECT FROM ops.feed_row l WHERE l.feed_id IN (
              SELECT n.id FROM ops.feed n JOIN {CURRENT_FEEDS} c USING (id)
              WHERE (n.source, n.product_type) = (f.source, f.product_type) AND n.id > f.id)
            AND {folded("l.course_key")} = {folded("r.course_key")}
            AND l.variant_id IS NOT DISTINCT FROM r.variant_id)"""
"""Of a feed f: the rows that may be decided otherwise now, and that no feed which corrects it speaks of."""
WAITING = f"""
    SELECT f.*, d.payload,
           CASE WHEN is_corrected OR f.corrects THEN coalesce(w.rows, '{{}}') END AS rows,
           CASE WHEN is_corrected OR f.corrects THEN w.rejected ELSE (f.counts ->> 'rejected')::int END AS rejected
    FROM (SELECT f.*, max(id) OVER scope > id AS is_corrected, max(received_at) OVER scope AS last_received_at
          FROM ops.feed f JOIN {CURRENT_FEEDS} c USING (id) WINDOW scope AS (PARTITION BY source, product_type)) f
    JOIN landing.document d ON d.id = f.document_id
    CROSS JOIN LATERAL ({WAITING_ROWS}) w
    WHERE {WAITS}
    ORDER BY f.source, f.product_type, f.id"""
"""The current feeds that have rows in waiting; with those rows, where just they may be decided."""
