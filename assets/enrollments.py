"""Learners and their enrollments, as the LMS lists them: a load for each program."""

from collections import Counter
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster import AssetExecutionContext, MaterializeResult

from assets import groups
from assets.catalog import OWNERS, PublishConfig
from assets.enterprise import may_recover
from assets.failures import failures_say_why
from assets.landing import RETRY
from assets.tables import column_schema, rejects_preview, table_metadata
from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.queries.enrollments import open_conflicts
from catalog_pipeline.replication.enrollments import EnrollmentLoad, refresh_enrollments
from catalog_pipeline.sources.enrollments import SOURCE
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients

TABLES = {
    "learner": "People who learn: one row for a person, however many keys and programs.",
    "learner_key": "The keys by which organizations know learners.",
    "program_enrollment": "Enrollments in programs, by curriculum, with their status.",
    "course_enrollment": "Seats in runs, whatever programs they serve.",
    "program_course_enrollment": "What each program says of a seat; of a seat, one row at most is active.",
}


def _spec(table: str, description: str) -> dg.AssetSpec:
    name = f"catalog.{table}"
    return dg.AssetSpec(
        ["catalog", table],
        deps=[["lms", "program_enrollments"], ["catalog", "program"], ["catalog", "program_organization"]],
        description=description,
        group_name=groups.ENROLLMENTS,
        owners=OWNERS,
        kinds={"postgres"},
        code_version="1",
        metadata={"dagster/table_name": name, "dagster/column_schema": column_schema(name)},
    )


@dg.multi_asset(
    name="replicate_enrollments",
    specs=[_spec(table, description) for table, description in TABLES.items()],
    retry_policy=RETRY,
    can_subset=False,  # one transaction a program fills them all
)
def replicate_enrollments(
    context: AssetExecutionContext, config: PublishConfig, database: CatalogDatabase, upstreams: UpstreamClients
) -> Iterator[MaterializeResult]:
    """Read the enrollments of each program from the LMS, and publish them: one that fails stops no other."""
    with failures_say_why():
        loads = refresh_enrollments(database.engine, upstreams.opened, accept_removals=config.accept_removals)
    with connected(database.engine) as connection:
        conflicts = len(open_conflicts(connection))
    context.log.info("%d programs, %d seats active in several of them", len(loads), conflicts)
    metadata = table_metadata(database.engine, _together(loads))
    for table in TABLES:
        name = f"catalog.{table}"
        told = {**metadata[name], **rejects_preview(database.engine, name), "programs": len(loads)}
        yield MaterializeResult(asset_key=["catalog", table], metadata=told | {"conflicts": conflicts})
    _fail_for(loads)


def _together(loads: Sequence[EnrollmentLoad]) -> LoadReport:
    """What all loads did, as if they were one; its number is the last one's."""
    report = LoadReport(SOURCE, max((load.report.load_id for load in loads), default=0))
    for load in loads:
        report.seconds += load.report.seconds
        for table, counts in load.report.counts.items():
            report.counts[table] = report.counts[table] + Counter(counts)
    return report


def _fail_for(loads: Sequence[EnrollmentLoad]) -> None:
    """Fail the step with all that went wrong, when all other loads are done."""
    told = [f"{load.program}: {load.detail}" for load in loads if load.outcome != "applied"]
    if told:
        raise dg.Failure(
            "\n".join(told),
            metadata={"exit_code": max(int(load.exit_code) for load in loads)},
            allow_retries=any(may_recover(error) for load in loads for error in load.errors),
        )
