"""Documents as received: one asset for each source, all in the table `landing.document`."""

from datetime import timedelta
from typing import Any

import dagster as dg
from dagster import AssetsDefinition, MaterializeResult

from assets import groups
from assets.failures import failures_say_why
from assets.tables import column_schema
from catalog_pipeline.loading.landing import Crawl
from catalog_pipeline.replication.refresh import read
from catalog_pipeline.sources import discovery, lms
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients

RETRY = dg.RetryPolicy(max_retries=1, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
BY_MORNING = dg.FreshnessPolicy.cron(deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=6), timezone="UTC")


class CrawlConfig(dg.Config):
    """How to crawl."""

    full: bool = True
    """Read all documents, so that removals are seen. False: those changed since the last crawl, where upstream can."""


def _landing(source: str, group: str, lists: list[str], description: str) -> AssetsDefinition:
    """The asset that crawls a source's lists."""

    @dg.asset(
        key=["landing", source],
        deps=[[source, name] for name in lists],
        description=description,
        group_name=group,
        owners=["team:data-engineering"],
        kinds={"postgres", "python"},
        code_version="1",
        pool=f"{source}_api",
        retry_policy=RETRY,
        freshness_policy=BY_MORNING,
        metadata={
            "dagster/table_name": "landing.document",
            "dagster/column_schema": column_schema("landing.document"),
        },
    )
    def documents(config: CrawlConfig, database: CatalogDatabase, upstreams: UpstreamClients) -> MaterializeResult:
        with failures_say_why():
            crawls = read(database.engine, upstreams.opened, source, full=config.full)
        return MaterializeResult(metadata=_metadata(crawls))

    return documents


def _metadata(crawls: list[Crawl]) -> dict[str, Any]:
    records = [
        {
            "kind": run.listing.kind,
            "mode": run.mode,
            "pages": run.pages,
            "documents": len(run.seen),
            **run.counts,
        }
        for run in crawls
    ]
    columns = [
        dg.TableColumn(name, "string" if isinstance(value, str) else "int") for name, value in records[0].items()
    ]
    return {
        "dagster/row_count": sum(len(run.seen) for run in crawls),
        "changed": sum(sum(run.counts.values()) for run in crawls),
        "crawls": dg.MetadataValue.table([dg.TableRecord(record) for record in records], dg.TableSchema(columns)),
    }


discovery_documents = _landing(
    discovery.SOURCE,
    groups.DISCOVERY,
    ["organizations", "courses", "programs"],
    "course-discovery's organizations, courses (with their runs) and programs, as received.",
)
lms_documents = _landing(
    lms.SOURCE,
    groups.LMS,
    ["course_list"],
    "The LMS's course list, as received: one document a run.",
)
