"""When assignments expire: decided anew where something changed, and done on the day."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pandas as pd
from dagster import AssetExecutionContext, MaterializeResult

from assets import groups
from assets.catalog import CAUSE_TAG, OWNERS
from assets.failures import failures_say_why
from assets.tables import column_schema, preview, table_row_counts
from catalog_pipeline.assignments.expirations import EVERYTHING, causes, differing, last_change, rebuild
from catalog_pipeline.assignments.expiring import expire
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Range
from catalog_pipeline.loading.checks import Check, CheckResult, keep_results
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase

EXPIRATION = dg.AssetKey(["catalog", "assignment_expiration"])
HAS_ONE = Check(
    "assignment_expiration",
    "every_assignment_has_an_expiration",
    "It is decided for each assignment, whatever its state, when it expires.",
    """SELECT count(*) FROM catalog.content_assignment a
       WHERE NOT EXISTS (SELECT FROM catalog.assignment_expiration e WHERE e.content_assignment_id = a.id)""",
)
FOLLOWS = "expirations_follow_content"


class RebuildConfig(dg.Config):
    """Which expirations to rebuild: all, or those that a range of change events may have moved."""

    after: int | None = None
    """The first transaction of the range."""
    upto: int | None = None
    """The first transaction behind the range."""


@dg.asset(
    key=EXPIRATION,
    deps=[["catalog", "content_metadata"], ["catalog", "content_run"]],
    # The sensor requests a range once. A conflict with somebody who writes the same rows must not fail it for a day.
    retry_policy=dg.RetryPolicy(max_retries=3, delay=1, backoff=dg.Backoff.EXPONENTIAL),
    group_name=groups.EXPIRATIONS,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    metadata={
        "dagster/table_name": "catalog.assignment_expiration",
        "dagster/column_schema": column_schema("catalog.assignment_expiration"),
    },
)
def assignment_expiration(
    context: AssetExecutionContext, config: RebuildConfig, database: CatalogDatabase
) -> MaterializeResult:
    """When each assignment expires, and why: as its content, its subsidy and its allocation say now.

    All are decided again, or just those that a range of change events may have moved. Only what differs is written.
    """
    begin = datetime.now(UTC)
    with failures_say_why():
        with connected(database.engine) as connection:
            last = last_change(connection)
        if config.after is not None and config.upto is not None:
            rebuilt = rebuild(database.engine, Range(config.after, config.upto), as_of=begin)
        else:
            rebuilt = rebuild(database.engine, EVERYTHING, as_of=begin)
        with connected(database.engine) as connection:
            rows = table_row_counts(connection)["catalog.assignment_expiration"]
            moved = causes(connection, last)
    return MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            **vars(rebuilt),
            **({"cause": context.run.tags[CAUSE_TAG]} if CAUSE_TAG in context.run.tags else {}),
            **({"moved_by": preview(pd.DataFrame(moved))} if moved else {}),
            "seconds": round((datetime.now(UTC) - begin).total_seconds(), 3),
        }
    )


@dg.multi_asset_check(
    name="expiration_checks",
    specs=[
        dg.AssetCheckSpec(
            FOLLOWS,
            asset=EXPIRATION,
            description="Each expiration is what the rule makes of the content, subsidy and allocation that stand.",
        ),
        dg.AssetCheckSpec(HAS_ONE.name, asset=EXPIRATION, description=HAS_ONE.description),
    ],
)
def expiration_checks(database: CatalogDatabase) -> Iterator[dg.AssetCheckResult]:
    """Whether expirations are complete, and up to date with all that they follow from."""
    with failures_say_why(), connected(database.engine) as connection:
        differ = differing(connection, datetime.now(UTC))
        keep_results(connection, [CheckResult("catalog.assignment_expiration", FOLLOWS, differ)])
        lack = HAS_ONE.run(connection)
    for name, at_fault in ((FOLLOWS, differ), (HAS_ONE.name, lack)):
        hint = {} if at_fault == 0 else {"next": "`catalog-pipeline assignments rebuild --full` decides all again."}
        yield dg.AssetCheckResult(
            passed=at_fault == 0,
            asset_key=EXPIRATION,
            check_name=name,
            metadata={"rows_at_fault": at_fault, **{key: dg.MetadataValue.md(text) for key, text in hint.items()}},
        )


@dg.asset(
    key=["assignments", "expired"],
    deps=[EXPIRATION],
    group_name=groups.EXPIRING,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    metadata={
        "dagster/table_name": "catalog.content_assignment",
        "dagster/column_schema": column_schema("catalog.content_assignment"),
    },
)
def expired_assignments(database: CatalogDatabase, settings: dg.ResourceParam[Settings]) -> MaterializeResult:
    """Allocated assignments whose date has come are expired, with a mail to each learner.

    One that fails stays allocated, and is tried again the next time.
    """
    with failures_say_why():
        expiry = expire(database.engine, settings, as_of=datetime.now(UTC))
    done = pd.DataFrame(
        [(one.uuid, one.outcome, one.date, one.reason) for one in expiry.assignments],
        columns=["uuid", "outcome", "date", "reason"],
    )
    return MaterializeResult(
        metadata={
            "due": len(expiry.assignments),
            **expiry.counts,
            "revivable": len(expiry.revivable),
            **({"assignments": preview(done)} if len(done) else {}),
        }
    )
