"""Refreshes what the enterprise services say: first the rest, in one load, then the content of each catalog."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from catalog_pipeline.replication.content import EnterpriseLoad, find_catalogs, load_catalog
from catalog_pipeline.replication.enterprise import load_records
from catalog_pipeline.sources.enterprise import CATALOG_SERVICE, SOURCE
from catalog_pipeline.sources.upstreams import Upstreams


@dataclass(frozen=True)
class EnterpriseRefresh:
    """The loads of a refresh, and how many expirations were rebuilt afterwards."""

    loads: list[EnterpriseLoad]
    rebuild: dict[str, int]
    """rebuilt, and how many of these moved."""


def refresh_enterprise(
    engine: Engine,
    upstreams: Upstreams,
    catalogs: Sequence[str] = (),
    *,
    full: bool = False,
    accept_removals: bool = False,
) -> list[EnterpriseLoad]:
    """Load all, or the content of the named catalogs alone. One load that fails or is held stops no other.

    Raises UsageError where a catalog is not known, or no service is configured; DatabaseError.
    """
    if catalogs or SOURCE not in upstreams.configured():  # where no service is configured, that is told
        return refresh_content(engine, upstreams, catalogs, full=full, accept_removals=accept_removals)
    loads = [load_records(engine, upstreams, full=full, accept_removals=accept_removals)]
    if CATALOG_SERVICE in upstreams.urls:
        loads += refresh_content(engine, upstreams, full=full, accept_removals=accept_removals)
    return loads


def refresh_content(
    engine: Engine, upstreams: Upstreams, catalogs: Sequence[str] = (), *, full: bool, accept_removals: bool
) -> list[EnterpriseLoad]:
    """Load the content of catalogs, or of all that upstream lists. Raises as `refresh_enterprise` does."""
    upstreams.client(CATALOG_SERVICE)
    return [
        load_catalog(engine, upstreams, catalog, full=full, accept_removals=accept_removals)
        for catalog in find_catalogs(engine, catalogs)
    ]
