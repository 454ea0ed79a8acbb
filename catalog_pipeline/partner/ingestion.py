"""Ingests a partner feed: read it, validate it, plan it, then apply the plan; or only show the plan, as a dry run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from shlex import quote

import orjson
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database.engine import connected, unreachable
from catalog_pipeline.database.keys import folded
from catalog_pipeline.errors import (
    CatalogError,
    FeedFailedError,
    FeedRefusedError,
    SchemaVersionError,
    UnreachableError,
    UsageError,
)
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.loading.publication import publishing
from catalog_pipeline.partner.apply import apply_plan, keep_document, keep_plan, keep_refused
from catalog_pipeline.partner.columns import FeedName, RawFeed, ValidatedFeed
from catalog_pipeline.partner.configuration import PartnerRules, load_rules
from catalog_pipeline.partner.plan import SHOWN_OF_REJECTS, FeedPlan, make_plan
from catalog_pipeline.partner.reading import Limits, parse_feed
from catalog_pipeline.partner.report import FeedReport, planned_report, report
from catalog_pipeline.partner.standing import current_feed, read_reference
from catalog_pipeline.partner.validation import validate_feed
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decompress

Summarize = Callable[[Connection, FeedReport], object]
"""Tells people about a feed, in the transaction that keeps it, so that neither happens without the other."""


@dataclass(frozen=True)
class Options:
    """How a feed is ingested."""

    as_of: datetime | None = None
    """The clock of the decisions; now if it is not given."""
    dry_run: bool = False
    force: bool = False
    """Apply the feed even if the same bytes, or a newer feed, were applied before."""
    accept_removals: bool = False
    """Archive what it no longer lists, however much that is."""
    once: bool = False
    """Keep the feed as superseded if its bytes were decided before and others since, unless `force` says otherwise."""
    rows: frozenset[int] | None = None
    """Decide only these rows of the file, as a correction; all rows if it is not given."""
    shown: int | None = None
    """How many rows the report lists at most, without unchanged ones; all rows if it is not given."""


def ingest(
    engine: Engine,
    data: bytes,
    feed: FeedName,
    settings: Settings,
    options: Options | None = None,
    summarize: Summarize | None = None,
) -> FeedReport:
    """Ingest a feed's bytes; returns what became of it.

    Feeds of one source and type apply in the order in which they arrived: an older one than the last applied is
    planned and kept as superseded. The same bytes as that last one's are not decided again, unless rows were
    deferred. Raises FeedRefusedError, and keeps the feed as refused, when nothing can be read of it.
    """
    options = options or Options()
    rules = load_rules(settings.partner_rules)
    rules.check_scope(feed.source, feed.product_type)
    return _Ingestion(engine, data, feed, settings, options, rules, summarize).run()


@dataclass(frozen=True)
class _Ingestion:
    """One feed on its way into the catalog, with all that it needs there."""

    engine: Engine
    data: bytes
    feed: FeedName
    settings: Settings
    options: Options
    rules: PartnerRules
    summarize: Summarize | None

    def run(self) -> FeedReport:
        if not self.options.force and not self.options.dry_run and (known := self.known()):
            return known
        as_of = self.options.as_of or datetime.now(UTC)
        try:
            raw, validated = self.read()
        except FeedRefusedError as error:
            if not self.options.dry_run:
                self.keep_refused(as_of, str(error))
            raise
        if self.options.dry_run:
            return self.show(raw, validated, as_of)
        return self.apply(raw, validated, as_of)

    def known(self) -> FeedReport | None:
        """What became of the feed before, if the current feed has the same bytes and no row of it waits."""
        with connected(self.engine) as connection:
            known = _unchanged(connection, self.feed, self.rules)
            if known is None:
                return None
            # It has arrived again: what arrived in between is older than it.
            again = text("UPDATE ops.feed SET received_at = greatest(received_at, :at) WHERE id = :id")
            connection.execute(again, {"at": self.feed.received_at, "id": known})
            return replace(report(connection, known, self.options.shown), skipped=True)

    def read(self) -> tuple[RawFeed, ValidatedFeed]:
        """Read and validate the feed. Raises FeedRefusedError."""
        raw = parse_feed(self.data, self.feed.name, Limits.of(self.settings), self.feed.received_at)
        if self.options.rows is not None:
            raw = raw.with_only(self.options.rows)
        with connected(self.engine) as connection:
            reference = read_reference(connection)
        source, product_type = self.feed.source, self.feed.product_type
        validated = validate_feed(raw, product_type=product_type, source=source, rules=self.rules, reference=reference)
        # The wide columns of a large feed are not needed twice.
        slim = raw.frame[raw.frame.columns.intersection(["row", *SHOWN_OF_REJECTS])]
        return replace(raw, frame=slim.copy()), validated

    def plan(self, connection: Connection, raw: RawFeed, validated: ValidatedFeed, as_of: datetime) -> FeedPlan:
        """Plan the feed, and decide whether the plan may be applied."""
        # Between two statements a feed of a million rows is decided in frames, which takes its time.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
        plan = make_plan(connection, self.feed, raw, validated, as_of)
        if self.options.once and not self.options.force and (before := _decided_before(connection, self.feed)):
            return plan.decided("superseded", before)
        return decide(plan, self.settings, self.options)

    def show(self, raw: RawFeed, validated: ValidatedFeed, as_of: datetime) -> FeedReport:
        """Tell what would become of the feed; nothing is written."""
        with connected(self.engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
            plan = self.plan(connection, raw, validated, as_of)
            found = planned_report(connection, plan, self.options.shown)
            connection.rollback()
        return found

    def apply(self, raw: RawFeed, validated: ValidatedFeed, as_of: datetime) -> FeedReport:
        """Keep the feed, and apply it if it may be applied."""
        with publishing(self.engine, f"partner:{self.feed.source}/{self.feed.product_type}", as_of) as publication:
            publication.execute("SET LOCAL work_mem = '256MB'")
            connection, load = publication.connection, publication.report
            plan = self.plan(connection, raw, validated, as_of)
            load.documents, load.detail = 1, plan.detail
            load.outcome = "held" if plan.outcome == "held" else "applied"
            feed_id = keep_plan(connection, plan, keep_document(connection, self.feed, self.data), load.load_id)
            if plan.is_applied:
                apply_plan(publication, plan)
            if self.summarize:
                self.summarize(connection, report(connection, feed_id))
            return report(connection, feed_id, self.options.shown)

    def keep_refused(self, as_of: datetime, detail: str) -> None:
        """Keep the feed and why nothing could be read of it."""
        with connected(self.engine) as connection:
            document_id = keep_document(connection, self.feed, self.data)
            feed_id = keep_refused(connection, self.feed, document_id, as_of, detail)
            if self.summarize:
                self.summarize(connection, report(connection, feed_id))


def decide(plan: FeedPlan, settings: Settings, options: Options) -> FeedPlan:
    """Decide what is to become of a planned feed as a whole."""
    feed, current = plan.feed, plan.current
    missing, products = len(plan.missing), plan.standing_products
    if current is not None and feed.received_at < current.received_at and not options.force:
        return plan.decided(
            "superseded",
            f"{current.name}, which arrived later ({current.received_at:%Y-%m-%d %H:%M} UTC), was applied before."
            f" `{_command(feed, '--force')}` applies this one over it.",
        )
    if plan.corrects:
        return plan.decided("applied", "It corrects rows of the feed before; what it does not list stays.")
    if missing and plan.is_mostly_rejected(settings.reject_share):
        return plan.decided(
            "applied",
            f"Most of its rows are rejected: the {missing} products that it does not list were not archived.",
        )
    if missing > settings.removal_share * products and not options.accept_removals:
        return plan.decided(
            "held",
            f"It does not list {missing} of the {products} products of {feed.source}/{feed.product_type},"
            f" over the {settings.removal_share:.0%} of CATALOG_REMOVAL_SHARE: the feed is held back, nothing was"
            f" changed. If it is meant, `{_command(feed, '--accept-removals')}` applies it.",
        )
    return plan.decided("applied", archives=True)


def _unchanged(connection: Connection, feed: FeedName, rules: PartnerRules) -> int | None:
    """The current feed's id, where it is of all rows of these very bytes and nothing in it waits."""
    current = current_feed(connection, feed.source, feed.product_type)
    if current is None or current.corrects or current.sha256 != feed.sha256:
        return None
    query = text(f"SELECT {WAITS} FROM ops.feed f WHERE f.id = :id")
    waits = connection.execute(query, {"id": current.id, "codes": _codes(rules)}).scalar_one()
    return None if waits else current.id


def _decided_before(connection: Connection, feed: FeedName) -> str | None:
    """Why a file is not news: these bytes were decided before, and not applied, or others were applied since."""
    found = connection.execute(text(DECIDED_BEFORE), vars(feed)).one_or_none()
    if found is None:
        return None
    return (
        f"The same bytes were decided before, on {found.ingested_at:%Y-%m-%d at %H:%M} UTC (feed {found.id}), and"
        f" newer ones were applied. If they are meant, `{_command(feed, '--force')}` applies them."
    )


def _command(feed: FeedName, option: str) -> str:
    """The command that ingests the feed's file with an option."""
    scope = f"--source {feed.source} --product-type {feed.product_type}"
    return f"catalog-pipeline partner ingest {quote(feed.name)} {scope} {option}"


DECIDED_BEFORE = """
    SELECT id, ingested_at FROM (
        SELECT coalesce(max(id) FILTER (WHERE NOT corrects), min(id)) AS id FROM ops.feed
        WHERE (sha256, source, product_type) = (:sha256, :source, :product_type)) AS last
    JOIN ops.feed b USING (id)
    WHERE b.outcome = 'superseded' OR EXISTS (
        SELECT FROM ops.feed n WHERE n.id > b.id AND n.outcome = 'applied' AND n.sha256 <> b.sha256
           AND (n.source, n.product_type) = (b.source, b.product_type))"""
"""SQL: when a feed's bytes were last decided as a whole, if that was superseded, then or since. Of a correction the
first time counts: the night decides some of its rows again."""


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
"""SQL: whether a feed f has rows that may be decided differently now. These are deferred rows, and rows that were
rejected for an organization which the catalog has by now."""


@dataclass
class DecidedAnew:
    """The feeds that were decided again because rows of them waited."""

    reports: list[FeedReport] = field(default_factory=list)
    """Of the feeds for which something had changed."""
    failures: list[CatalogError] = field(default_factory=list)
    """Of the feeds that failed, each by itself; they name the file."""


def ingest_waiting(
    engine: Engine, settings: Settings, summarize: Summarize | None = None, as_of: datetime | None = None
) -> DecidedAnew:
    """Decide again the current feeds that have waiting rows: what these rows wait for may be there now.

    Of a feed that other feeds correct, and of those, only the waiting rows are decided, so that no correction is
    undone. A feed for which nothing has changed is not kept a second time. One that fails does not stop the others.
    """
    rules = load_rules(settings.partner_rules)
    with connected(engine) as connection:
        waiting = connection.execute(text(WAITING), {"codes": _codes(rules)}).all()
    done = DecidedAnew()
    for row in waiting:
        if row.source not in rules.sources or row.product_type not in rules.course_types or row.rows == []:
            continue  # the rules no longer know such feeds, or others have put these rows right
        feed = FeedName(row.name, row.source, row.product_type, row.sha256, row.last_received_at)
        options = Options(as_of, rows=None if row.rows is None else frozenset(row.rows))
        try:
            data = decompress(row.payload)
            planned = ingest(engine, data, feed, settings, replace(options, dry_run=True)).counts
            if planned["rejected"] != row.rejected or any(planned[outcome] for outcome in WRITING):
                done.reports.append(ingest(engine, data, feed, settings, options, summarize))
        except FeedRefusedError as error:
            done.failures.append(error)
        except Exception as error:  # a mistake of ours, which must not stop the other partners' feeds
            if general := error_of_all_feeds(engine, error):
                raise general from error
            name = f"{row.source}/{row.product_type}/{row.name}"
            what = f"{name} was to be decided again, and failed: {describe(error)} It is tried again every night."
            done.failures.append(FeedFailedError(what))
    return done


def error_of_all_feeds(engine: Engine, error: Exception) -> CatalogError | None:
    """The error to end all ingestion with, where it is not the feed's own: every other feed would meet it, too."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in SERVER_STOPS:
        return unreachable(engine.url.render_as_string(hide_password=True), error)
    return error if isinstance(error, (UnreachableError, UsageError, SchemaVersionError)) else None


SERVER_STOPS = ("57P01", "57P03")
"""SQLSTATEs with which a server that is stopped or started ends a session: admin_shutdown, cannot_connect_now."""


def describe(error: Exception) -> str:
    """Type and message of an error nobody expected, as text that Postgres can keep."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = f"{type(cause).__name__}: {cause}".strip().replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    said = said if len(said) <= LONGEST_ERROR else f"{said[:LONGEST_ERROR]}…"
    return said if said.endswith((".", "…")) else f"{said}."


LONGEST_ERROR = 2_000
"""Characters that are kept of an error's message."""


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
"""SQL: the rows of a feed f that may be decided differently now, and that no later correction of it lists."""
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
"""SQL: the current feeds that have waiting rows, and these rows if only they may be decided again."""
