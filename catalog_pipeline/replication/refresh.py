"""Crawl and publish, source by source: what the `refresh` command does in one process, without Dagster."""

from dataclasses import dataclass

from sqlalchemy import Engine

from catalog_pipeline.loading.landing import Crawl, crawl
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.replication.publishing import publish
from catalog_pipeline.sources.upstreams import SOURCES, Upstreams


@dataclass(frozen=True)
class Refresh:
    """What one source brought."""

    crawls: list[Crawl]
    report: LoadReport


def refresh(engine: Engine, upstreams: Upstreams, source: str, *, full: bool, accept_removals: bool = False) -> Refresh:
    """Crawl the lists of a source and publish what is pending. Raises what `crawl` and `publish` raise.

    With `accept_removals`, the lists are read whole: what upstream lists again by now is not archived.
    """
    client = upstreams.client(source)
    full = full or accept_removals
    crawls = [crawl(engine, client, listing, full=full) for listing in upstreams.listings(source)]
    report = publish(engine, SOURCES[source], upstreams.settings, accept_removals=accept_removals)
    return Refresh(crawls, report)
