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

    Raises UsageError where a catalog is not known, or the service is not configured; DatabaseError.
    """
    options = {"full": full, "accept_removals": accept_removals}
    if catalogs or SOURCE not in upstreams.configured():
        upstreams.client(CATALOG_SERVICE)  # which says so where it is not configured
    loads = [] if catalogs else [load_records(engine, upstreams, **options)]
    if CATALOG_SERVICE in upstreams.urls:
        loads += [load_catalog(engine, upstreams, one, **options) for one in find_catalogs(engine, catalogs)]
    return loads
