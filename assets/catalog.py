"""The catalog's tables: published from landed documents, in one transaction for each source."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
from dagster import AssetExecutionContext, AssetKey, MaterializeResult

from assets import groups
from assets.failures import failures_say_why
from assets.tables import column_schema, preview, rejects_preview, table_metadata
from catalog_pipeline.associations.planning import EVERY_RUN, NEW_IN_RANGE, associate
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Range
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.loading.checks import DOCUMENTS_VALID
from catalog_pipeline.loading.go_live import publish_due_runs
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.replication.publishing import publish
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources import discovery, lms
from resources.database import CatalogDatabase

OWNERS = ["team:data-engineering"]
CAUSE_TAG = "catalog/cause"
"""The tag that says in words why a sensor started the run."""
LANDED = AssetKey(["landing", "discovery"])
TABLES = {
    "organization": "Who offers courses: one row per organization key.",
    "catalog_course": "The conceptual courses that runs are runs of.",
    "course_run": "Course runs, with schedule, price and status.",
    "course_variant": "Partner variants: one run each.",
    "program": "Bundles of courses, with their status.",
    "program_course": "The courses of each program, in order.",
    "program_organization": "The organizations that author each program, in order.",
    "curriculum": "The curricula of each program.",
    "curriculum_course": "The courses of each curriculum, in order.",
    "curriculum_program": "The programs that each curriculum includes, in order.",
}


class PublishConfig(dg.Config):
    """How to publish."""

    accept_removals: bool = False
    """Archive what the last load held back and upstream still does not list. Whatever else is too much is held back."""


class AssociateConfig(dg.Config):
    """Which runs to associate: all, or those that appeared in a range of change events."""

    after: int | None = None
    """The first transaction of the range."""
    upto: int | None = None
    """The first transaction behind the range."""


def _spec(table: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["catalog", table],
        deps=[LANDED],
        description=description,
        group_name=groups.DISCOVERY,
        owners=OWNERS,
        kinds={"postgres", "pandera"},
        code_version="1",
        metadata={"dagster/table_name": f"catalog.{table}", "dagster/column_schema": column_schema(f"catalog.{table}")},
    )


@dg.multi_asset(
    name="publish_discovery",
    specs=[_spec(table, description) for table, description in TABLES.items()],
    check_specs=[
        dg.AssetCheckSpec(
            DOCUMENTS_VALID.name, asset=["catalog", DOCUMENTS_VALID.table], description=DOCUMENTS_VALID.description
        )
    ],
    can_subset=False,  # one transaction fills them all
)
def publish_discovery(
    context: AssetExecutionContext,
    config: PublishConfig,
    database: CatalogDatabase,
    settings: dg.ResourceParam[Settings],
) -> Iterator[MaterializeResult]:
    """Decide the pending discovery documents, and publish them."""
    with failures_say_why():
        report = publish(database.engine, discovery, settings, accept_removals=config.accept_removals)
    metadata = table_metadata(database.engine, report)
    for table in TABLES:
        checks = [_documents_valid(database)] if table == "catalog_course" else []
        name = f"catalog.{table}"
        yield MaterializeResult(
            asset_key=["catalog", table],
            metadata={**metadata[name], **rejects_preview(database.engine, name)},
            check_results=checks,
        )
    _log_written(context, {"catalog.run_association": metadata["catalog.run_association"]}, report)
    _fail_if_held(report)


@dg.asset(
    key=["lms", "lms_runs"],
    deps=[["landing", "lms"]],
    group_name=groups.LMS,
    owners=OWNERS,
    kinds={"postgres", "pandera"},
    code_version="1",
    metadata={
        "dagster/table_name": "catalog.course_run",
        "dagster/column_schema": column_schema("catalog.course_run"),
    },
)
def publish_lms(
    context: AssetExecutionContext,
    config: PublishConfig,
    database: CatalogDatabase,
    settings: dg.ResourceParam[Settings],
) -> MaterializeResult:
    """The runs that the LMS lists and discovery does not, with courses and organizations made from their keys."""
    with failures_say_why():
        report = publish(database.engine, lms, settings, accept_removals=config.accept_removals)
    metadata = table_metadata(database.engine, report)
    _log_written(context, {name: values for name, values in metadata.items() if report.counts.get(name)}, report)
    _fail_if_held(report)
    return MaterializeResult(
        metadata={**metadata["catalog.course_run"], **rejects_preview(database.engine, "catalog.course_run")}
    )


@dg.asset(
    key=["go_live", "due_runs"],
    # All that write the status of a run.
    deps=[["catalog", "course_run"], ["lms", "lms_runs"], ["feeds", "partner"]],
    group_name=groups.GO_LIVE,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    metadata={
        "dagster/table_name": "catalog.course_run",
        "dagster/column_schema": column_schema("catalog.course_run"),
    },
)
def go_live(context: AssetExecutionContext, database: CatalogDatabase) -> MaterializeResult:
    """Reviewed runs whose day of publication has come are published, where no discovery says their status.

    Runs of the same courses whose enrollment has passed are unpublished, if one that is open remains.
    """
    with failures_say_why():
        report = publish_due_runs(database.engine)
    metadata = table_metadata(database.engine, report)
    _log_written(context, {name: values for name, values in metadata.items() if report.counts.get(name)}, report)
    told = {"detail": report.detail} if report.detail else {}
    return MaterializeResult(metadata={**metadata["catalog.course_run"], **told})


@dg.asset(
    key=["catalog", "run_association"],
    # All that bring runs and courses.
    deps=[["catalog", "course_run"], ["catalog", "catalog_course"], ["lms", "lms_runs"], ["feeds", "partner"]],
    # The sensor requests a range once. A conflict with somebody who writes the same rows must not fail it for a day.
    retry_policy=dg.RetryPolicy(max_retries=3, delay=1, backoff=dg.Backoff.EXPONENTIAL),
    group_name=groups.ASSOCIATIONS,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    metadata={
        "dagster/table_name": "catalog.run_association",
        "dagster/column_schema": column_schema("catalog.run_association"),
    },
)
def run_association(
    context: AssetExecutionContext, config: AssociateConfig, database: CatalogDatabase
) -> MaterializeResult:
    """The course of each run: as a person says, else as discovery lists it, else as a feed does, else as its key tells.

    Loads associate their own runs; this plans all of them again, or just those that appeared in a range of events.
    """
    with failures_say_why():
        if config.after is not None and config.upto is not None:
            new = Range(config.after, config.upto)
            report, planned = associate(database.engine, NEW_IN_RANGE, after=str(new.after), upto=str(new.upto))
        else:
            report, planned = associate(database.engine, EVERY_RUN)
    written = pd.DataFrame(planned.changes, columns=["run_key", "outcome", "course_key", "reason"])
    return MaterializeResult(
        metadata={
            **table_metadata(database.engine, report)["catalog.run_association"],
            "outcomes": planned.counts,
            **({"cause": context.run.tags[CAUSE_TAG]} if CAUSE_TAG in context.run.tags else {}),
            **({"associated": preview(written)} if len(written) else {}),
            **rejects_preview(database.engine, "catalog.run_association"),
        }
    )


def _documents_valid(database: CatalogDatabase) -> dg.AssetCheckResult:
    with connected(database.engine) as connection:
        rejected = DOCUMENTS_VALID.run(connection)
    return dg.AssetCheckResult(
        passed=rejected == 0,
        check_name=DOCUMENTS_VALID.name,
        asset_key=["catalog", DOCUMENTS_VALID.table],
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"documents_with_rejects": rejected, **rejects_preview(database.engine)},
    )


def _fail_if_held(report: LoadReport) -> None:
    """Fail the step, after it published all else, where removals wait for a person."""
    if report.outcome == "held":
        raise dg.Failure(report.detail, metadata={"exit_code": int(ExitCode.REFUSED)}, allow_retries=False)


def _log_written(context: AssetExecutionContext, metadata: dict[str, dict[str, Any]], report: LoadReport) -> None:
    """Log a materialization of tables that this step wrote, but that are another asset's."""
    for name, values in metadata.items():
        context.log_event(
            dg.AssetMaterialization(name.split("."), description=f"Written by load {report.load_id}.", metadata=values)
        )
