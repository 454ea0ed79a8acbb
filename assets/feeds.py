"""Partner feeds: a partition for each file that arrived, and the night's job that ingests whatever waits."""

import time
from typing import Any

import dagster as dg
import pandas as pd
from dagster import AssetExecutionContext, AssetKey, MaterializeResult, OpExecutionContext
from sqlalchemy import Connection, text

from assets import groups
from assets.failures import failures_say_why
from assets.tables import column_schema, preview
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import CatalogError, ExitCode, FeedFailedError, FeedRefusedError
from catalog_pipeline.models.feed import FEED_COUNTS
from catalog_pipeline.partner.arrivals import accept
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.ingestion import Options, Summarize, ingest_waiting
from catalog_pipeline.partner.queue import ingest_arrival, set_aside, waiting
from catalog_pipeline.partner.report import FeedReport
from catalog_pipeline.partner.summary import summarizer
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase

FEEDS = dg.DynamicPartitionsDefinition(name="partner_feeds")
KEY = AssetKey(["feeds", "partner"])
SETTLING = 1.0
"""Seconds between two looks at the folder. A file that both find the same counts as finished."""
BAR = 40
"""Characters of the longest bar of a chart."""


class FeedConfig(dg.Config):
    """How to ingest a feed."""

    force: bool = False
    """Apply the feed although the same bytes, or a newer feed, were applied before."""
    accept_removals: bool = False
    """Archive what the feed no longer lists, however much that is. False: such a feed is held back."""


@dg.asset(
    key=KEY,
    partitions_def=FEEDS,
    deps=[["partner", "files"], ["catalog", "catalog_course"], ["catalog", "course_run"]],
    group_name=groups.FEEDS,
    owners=["team:data-engineering"],
    kinds={"postgres", "csv", "pandera"},
    code_version="1",
    metadata={"dagster/table_name": "ops.feed_row", "dagster/column_schema": column_schema("ops.feed_row")},
)
def partner_feed(
    context: AssetExecutionContext,
    config: FeedConfig,
    database: CatalogDatabase,
    settings: dg.ResourceParam[Settings],
) -> MaterializeResult:
    """A partner's feed, decided row by row and applied in one transaction. One older than the last writes nothing."""
    options = Options(force=config.force, accept_removals=config.accept_removals)
    with failures_say_why():
        report = ingest_arrival(database.engine, context.partition_key, settings, options, _summarize(settings))
    if report.outcome == "held":
        raise dg.Failure(report.detail, metadata={"exit_code": int(ExitCode.REFUSED)}, allow_retries=False)
    _log_written(context, database, report)
    return MaterializeResult(metadata=_metadata(report))


@dg.op(out=dg.Out(dg.Nothing))
@failures_say_why()
def ingest_waiting_feeds(
    context: OpExecutionContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]
) -> None:
    """Ingest the files that have arrived, oldest first, and decide anew the feeds whose rows wait for something."""
    first = accept(database.engine, settings, {})
    time.sleep(SETTLING if first.seen else 0)
    folder = accept(database.engine, settings, first.seen)
    with connected(database.engine) as connection:
        keys = [row.partition_key for row in waiting(connection)]
        aside = [f"{row['name']} is set aside: {row['detail']}" for row in set_aside(connection)]
    for warning in (*folder.warnings, *aside):
        context.log.warning(warning)
    context.instance.add_dynamic_partitions(str(FEEDS.name), keys)
    failures = list[CatalogError]()
    for key in keys:
        try:
            report = ingest_arrival(database.engine, key, settings, Options(), _summarize(settings))
        except (FeedRefusedError, FeedFailedError) as error:
            failures.append(error)
            continue
        if report.outcome == "held":
            failures.append(FeedRefusedError(f"{report.feed.name}: {report.detail}"))
            continue
        context.log_event(dg.AssetMaterialization(KEY, partition=key, metadata=_metadata(report)))
        _log_written(context, database, report)
    again = ingest_waiting(database.engine, settings, _summarize_changes(settings))
    for report in again.reports:
        _log_written(context, database, report)
    context.add_output_metadata({"ingested": len(keys) - len(failures), "decided_anew": len(again.reports)})
    _fail_for([*(FeedRefusedError(problem) for problem in folder.problems), *failures, *again.failures])


def _fail_for(failures: list[CatalogError]) -> None:
    """Fail the step with all that went wrong, when all other feeds are done."""
    if failures:
        code = min(failure.exit_code for failure in failures)
        told = "\n".join(str(failure) for failure in failures)
        raise dg.Failure(told, metadata={"exit_code": int(code)}, allow_retries=False)


@dg.job(description="Ingest the partner feeds that have arrived, and decide anew those whose rows wait for something.")
def ingest_feeds() -> None:
    ingest_waiting_feeds()


def _summarize(settings: Settings) -> Summarize:
    return summarizer(settings, load_rules(settings.partner_rules))


def _summarize_changes(settings: Settings) -> Summarize:
    """Send a mail only when a row that waited was decided: nobody wants the same mail every night."""
    summarize = _summarize(settings)

    def when_changed(connection: Connection, report: FeedReport) -> None:
        if any(report.counts[outcome] for outcome in ("new_product", "new_variant", "updated")):
            summarize(connection, report)

    return when_changed


def _metadata(report: FeedReport) -> dict[str, Any]:
    counts = report.counts
    errors = [
        {"row": str(row.row), "course": row.course_key, **vars(error)} for row in report.rows for error in row.errors
    ]
    return {
        "feed": report.feed.name,
        "outcome": report.outcome,
        **({"detail": report.detail} if report.detail else {}),
        "dagster/partition_row_count": counts["rows"],
        **{outcome: counts[outcome] for outcome in FEED_COUNTS},
        "outcomes": dg.MetadataValue.md(_chart(counts)),
        **({"rejects": preview(pd.DataFrame(errors))} if errors else {}),
    }


def _chart(counts: dict[str, int]) -> str:
    """The number of rows of each outcome as bars."""
    most = max(1, *(counts[outcome] for outcome in FEED_COUNTS))
    lines = [f"{name:12} {'█' * -(-BAR * counts[name] // most)} {counts[name]}" for name in FEED_COUNTS]
    return "```\n" + "\n".join(lines) + "\n```"


def _log_written(
    context: OpExecutionContext | AssetExecutionContext, database: CatalogDatabase, report: FeedReport
) -> None:
    """Log a materialization of the catalog's tables that a feed wrote."""
    with connected(database.engine) as connection:
        rows = connection.execute(
            text("""
                SELECT c.table_name, jsonb_object_agg(c.outcome, c.n) AS counts
                FROM ops.feed f JOIN ops.load_count c USING (load_id)
                WHERE f.id = :id AND c.table_name LIKE 'catalog.%' AND c.outcome IN ('created', 'updated', 'deleted')
                GROUP BY 1"""),
            {"id": report.feed_id},
        ).all()
    for row in rows if not report.skipped else []:
        key = row.table_name.split(".")
        context.log_event(
            dg.AssetMaterialization(key, description=f"Written by {report.feed.name}.", metadata=row.counts)
        )
