"""Crawl and publish, source by source: what the `refresh` command does in one process, without Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from catalog_pipeline.errors import CatalogError, DatabaseError
from catalog_pipeline.loading.landing import Crawl, crawl
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.replication.publishing import publish
from catalog_pipeline.sources.upstreams import SOURCES, Upstreams, deliver_sample_feeds


@dataclass(frozen=True)
class Refresh:
    """What one source brought."""

    crawls: list[Crawl]
    report: LoadReport


@dataclass(frozen=True)
class Failure:
    """A source that could not be refreshed, and why."""

    source: str
    error: CatalogError


def refresh_each(
    engine: Engine, upstreams: Upstreams, sources: Sequence[str], *, full: bool, accept_removals: bool = False
) -> tuple[list[Refresh], list[Failure]]:
    """Refresh sources one after the other; one that fails does not keep the next from being tried.

    Raises DatabaseError: without the database none can be.
    """
    done, failed = [], []
    for source in sources:
        try:
            done.append(refresh(engine, upstreams, source, full=full, accept_removals=accept_removals))
        except DatabaseError:
            raise
        except CatalogError as error:
            failed.append(Failure(source, error))
    return done, failed


def refresh(engine: Engine, upstreams: Upstreams, source: str, *, full: bool, accept_removals: bool = False) -> Refresh:
    """Crawl the lists of a source and publish what is pending. Raises what `crawl` and `publish` raise.

    With `accept_removals`, the lists are read whole: what upstream lists again by now is not archived.
    """
    crawls = read(engine, upstreams, source, full=full or accept_removals)
    report = publish(engine, SOURCES[source], upstreams.settings, accept_removals=accept_removals)
    return Refresh(crawls, report)


def read(engine: Engine, upstreams: Upstreams, source: str, *, full: bool) -> list[Crawl]:
    """Crawl the lists of a source. Raises what `crawl` raises.

    The bundled sample delivers its feeds too, once it is known that the database is the sample's.
    """
    client = upstreams.client(source)
    crawls = [crawl(engine, client, listing, full=full) for listing in upstreams.listings(source)]
    if upstreams.serves_sample:
        deliver_sample_feeds(upstreams.settings)
    return crawls
