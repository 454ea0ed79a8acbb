"""Documents as received: one asset for each source, all in the table `landing.document`."""

from datetime import timedelta

import dagster as dg
from dagster import AssetExecutionContext, MaterializeResult

from assets.failures import told
from catalog_pipeline.loading.landing import Crawl, crawl
from catalog_pipeline.sources import discovery, lms
from catalog_pipeline.sources.listing import Listing
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients

GROUP = "landing"
OWNERS = ["team:data-engineering"]
RETRY = dg.RetryPolicy(max_retries=1, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
DAILY = dg.FreshnessPolicy.cron(deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=6), timezone="UTC")


class CrawlConfig(dg.Config):
    """How to crawl."""

    full: bool = True
    """All documents, so that removals are seen; otherwise those changed since the last crawl, where upstream can."""


def _land(
    config: CrawlConfig, database: CatalogDatabase, upstreams: UpstreamClients, listings: tuple[Listing, ...]
) -> MaterializeResult:
    with told():
        crawls = [
            crawl(database.engine, upstreams.client(listing.source), listing, full=config.full) for listing in listings
        ]
    return MaterializeResult(metadata=_metadata(crawls))


def _metadata(crawls: list[Crawl]) -> dict[str, object]:
    columns = ["kind", "mode", "pages", "documents", "created", "changed", "missing"]
    records = [
        dg.TableRecord(
            {
                "kind": run.listing.kind,
                "mode": run.mode,
                "pages": run.pages,
                "documents": len(run.seen),
                **run.counts,
            }
        )
        for run in crawls
    ]
    schema = dg.TableSchema([dg.TableColumn(name, "string" if name in ("kind", "mode") else "int") for name in columns])
    return {
        "dagster/row_count": sum(len(run.seen) for run in crawls),
        "changed": sum(sum(run.counts.values()) for run in crawls),
        "crawls": dg.MetadataValue.table(records, schema),
    }


@dg.asset(
    key=["landing", "discovery"],
    deps=[["discovery", "organizations"], ["discovery", "courses"], ["discovery", "programs"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "python"},
    code_version="1",
    pool="discovery_api",
    retry_policy=RETRY,
    freshness_policy=DAILY,
    metadata={"dagster/table_name": "landing.document"},
)
def discovery_documents(
    context: AssetExecutionContext, config: CrawlConfig, database: CatalogDatabase, upstreams: UpstreamClients
) -> MaterializeResult:
    """course-discovery's organizations, courses (with their runs) and programs, as received."""
    return _land(config, database, upstreams, discovery.LISTINGS)


@dg.asset(
    key=["landing", "lms"],
    deps=[["lms", "courses"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "python"},
    code_version="1",
    pool="lms_api",
    retry_policy=RETRY,
    freshness_policy=DAILY,
    metadata={"dagster/table_name": "landing.document"},
)
def lms_documents(
    context: AssetExecutionContext, config: CrawlConfig, database: CatalogDatabase, upstreams: UpstreamClients
) -> MaterializeResult:
    """The LMS's course list, as received: one document a run."""
    return _land(config, database, upstreams, lms.LISTINGS)
