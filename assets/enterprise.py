"""What the enterprise services say: content, with a partition for each enterprise catalog; and all else."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from dagster import AssetExecutionContext, MaterializeResult, OpExecutionContext
from sqlalchemy import text

from assets import groups
from assets.catalog import OWNERS, PublishConfig
from assets.failures import failures_say_why
from assets.landing import RETRY
from assets.tables import column_schema, rejects_preview, table_metadata
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import CatalogError, UnreachableError, UpstreamRefusedError
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.replication.content import EnterpriseLoad
from catalog_pipeline.replication.enterprise import load_records
from catalog_pipeline.replication.enterprise_refresh import refresh_content, refresh_enterprise
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients

SERVICES = (
    ("enterprise_catalog", "enterprise_catalogs"),
    ("subsidy", "subsidies"),
    ("enterprise_access", "policies"),
    ("enterprise_access", "configurations"),
    ("enterprise_access", "assignments"),
)
"""The lists that are read, content apart."""
CATALOGS = dg.DynamicPartitionsDefinition(name="enterprise_catalogs")
CONTENT = {
    "content_metadata": "Courses, programs and pathways of enterprise catalogs: a dated copy for each catalog.",
    "content_run": "The runs of those courses, as each catalog has them.",
}


class ContentConfig(PublishConfig):
    """How to replicate content."""

    full: bool = False
    """Ask for all that stands, also for what only a key ever brought and no assignment needs any more."""


RECORDS = {
    "enterprise_customer": "Organizations that pay for their learners; upstreams mention them, and files name them.",
    "enterprise_catalog": "The catalogs of customers, and when the content of each was last read.",
    "enterprise_learner": "The learners that are linked to customers: imported, for no service lists them.",
    "subsidy": "The money that customers have set aside, and when it expires.",
    "access_policy": "On which terms a subsidy pays for the content of a catalog.",
    "assignment_configuration": "What assignments belong to, and who changes them: we, or enterprise-access.",
    "content_assignment": "Assignments of courses and runs to learners; those of enterprise-access are replicated.",
    "assignment_action": "What was done with each assignment: mails, acceptances, acknowledgements.",
    "assignment_transition": "The changes of an assignment's state that there are.",
}
"""The tables of all but content."""


def _spec(table: str, description: str, deps: list[list[str]], group: str) -> dg.AssetSpec:
    name = f"catalog.{table}"
    return dg.AssetSpec(
        ["catalog", table],
        deps=deps,
        description=description,
        group_name=group,
        owners=OWNERS,
        kinds={"postgres", "pandera"},
        code_version="1",
        metadata={"dagster/table_name": name, "dagster/column_schema": column_schema(name)},
    )


@dg.multi_asset(
    name="replicate_catalogs",
    specs=[
        _spec(
            table, description, [["enterprise_catalog", "content"], ["catalog", "enterprise_catalog"]], groups.CONTENT
        )
        for table, description in CONTENT.items()
    ],
    partitions_def=CATALOGS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY,
    can_subset=False,  # one transaction fills both
)
def replicate_catalogs(
    context: AssetExecutionContext, config: ContentConfig, database: CatalogDatabase, upstreams: UpstreamClients
) -> Iterator[MaterializeResult]:
    """Read catalogs, and publish their content: each in a load of its own, which another's failure does not stop."""
    options = {"full": config.full, "accept_removals": config.accept_removals}
    with failures_say_why():
        loads = refresh_content(database.engine, upstreams.opened, context.partition_keys, **options)
    if any(_failure(load) for load in loads):
        _log_content(context, database, loads)
        _fail_for(loads)
    for table in CONTENT:
        for load in loads:
            metadata = _content_metadata(database, load, table)
            context.add_asset_metadata(metadata, ["catalog", table], load.catalog)
        yield MaterializeResult(asset_key=["catalog", table])


@dg.multi_asset(
    name="replicate_records",
    specs=[
        _spec(table, description, [list(key) for key in SERVICES], groups.ENTERPRISE)
        for table, description in RECORDS.items()
    ],
    retry_policy=RETRY,
    can_subset=False,  # one transaction fills them all
)
def replicate_records(
    config: PublishConfig, database: CatalogDatabase, upstreams: UpstreamClients
) -> Iterator[MaterializeResult]:
    """Read the lists of catalogs, subsidies, policies, configurations and assignments, and publish them."""
    with failures_say_why():
        load = load_records(database.engine, upstreams.opened, accept_removals=config.accept_removals)
    metadata = table_metadata(database.engine, load.report)
    for table in RECORDS:
        name = f"catalog.{table}"
        yield MaterializeResult(
            asset_key=["catalog", table], metadata={**metadata[name], **rejects_preview(database.engine, name)}
        )
    _fail_for([load])


@dg.op(out=dg.Out(dg.Nothing))
def refresh_enterprise_services(
    context: OpExecutionContext, config: PublishConfig, database: CatalogDatabase, upstreams: UpstreamClients
) -> None:
    """Load what the services list, and then the content of each catalog."""
    with failures_say_why():
        loads = refresh_enterprise(database.engine, upstreams.opened, accept_removals=config.accept_removals)
    catalogs = [load.catalog for load in loads if load.catalog]
    context.instance.add_dynamic_partitions(str(CATALOGS.name), catalogs)
    _log_content(context, database, loads)
    _log_records(context, database, loads[0].report)
    context.add_output_metadata({"catalogs": len(catalogs)})
    _fail_for(loads)


@dg.job(
    name="refresh_enterprise",
    description="Read the enterprise services: customers' catalogs and their content, budgets and assignments.",
)
def refresh_enterprise_job() -> None:
    refresh_enterprise_services()


def _log_content(
    context: AssetExecutionContext | OpExecutionContext, database: CatalogDatabase, loads: Sequence[EnterpriseLoad]
) -> None:
    """Log a materialization of each catalog's partition whose load was applied."""
    for load in loads:
        for table in CONTENT if load.catalog and not _failure(load) else ():
            metadata = _content_metadata(database, load, table)
            context.log_event(dg.AssetMaterialization(["catalog", table], partition=load.catalog, metadata=metadata))


def _log_records(context: OpExecutionContext, database: CatalogDatabase, report: LoadReport) -> None:
    """Log a materialization of each table of all but content."""
    for name, metadata in table_metadata(database.engine, report).items():
        schema, table = name.split(".")
        if table in RECORDS:
            told = {**metadata, **rejects_preview(database.engine, name)}
            context.log_event(dg.AssetMaterialization([schema, table], metadata=told))


def _content_metadata(database: CatalogDatabase, load: EnterpriseLoad, table: str) -> dict[str, Any]:
    name, report = f"catalog.{table}", load.report
    with connected(database.engine) as connection:
        found = connection.execute(text(ROWS.format(table=name)), {"uuid": load.catalog}).one()
    return {
        "catalog": found.title or "",
        "dagster/partition_row_count": found.n,
        **{outcome: report.counts[name][outcome] for outcome in ("created", "updated", "unchanged", "rejected")},
        **{f"documents_{what}": n for crawl in load.crawls for what, n in crawl.counts.items()},
        "documents_read": sum(len(crawl.seen) for crawl in load.crawls),
        "load": report.load_id,
        "seconds": round(report.seconds, 3),
        **rejects_preview(database.engine, name, scope=load.catalog),
    }


ROWS = """
    SELECT c.title, (SELECT count(*) FROM {table} t WHERE t.enterprise_catalog_id = c.id) AS n
    FROM catalog.enterprise_catalog c WHERE c.uuid = :uuid"""


def _failure(load: EnterpriseLoad) -> str | None:
    """Why a load failed, was refused or held removals back."""
    return None if load.outcome == "applied" else load.detail


def _fail_for(loads: Sequence[EnterpriseLoad]) -> None:
    """Fail the step with all that went wrong, when all other loads are done."""
    told = [failure for load in loads if (failure := _failure(load))]
    if told:
        errors = [error for load in loads for error in load.errors]
        raise dg.Failure(
            "\n".join(told),
            metadata={"exit_code": max(int(load.exit_code) for load in loads)},
            allow_retries=any(may_recover(error) for error in errors),
        )


def may_recover(error: CatalogError) -> bool:
    """Whether what went wrong may be gone when it is tried again."""
    return isinstance(error, UnreachableError) and not isinstance(error, UpstreamRefusedError)
