"""Reads the lists of the enterprise services, but for the content of catalogs: each list that can be read is landed."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import CatalogError, DatabaseError, UpstreamError, UpstreamRefusedError
from catalog_pipeline.loading.landing import Crawl, crawl
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK
from catalog_pipeline.loading.upstream import UpstreamChangedError
from catalog_pipeline.sources import enterprise
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.listing import Listing
from catalog_pipeline.sources.upstreams import Upstreams

CUSTOMER_FIELDS = ("enterprise_customer", "enterprise_customer_uuid")


@dataclass
class Reading:
    """What could be read of the lists, and what could not."""

    crawls: list[Crawl] = field(default_factory=list)
    errors: list[CatalogError] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    """The services that are not asked any more: they are down, or at another address than before."""
    moved: set[str] = field(default_factory=set)
    """The services that are at another address than the one that the database was filled from."""


def read_lists(engine: Engine, upstreams: Upstreams, *, full: bool) -> Reading:
    """Land the lists of catalogs, configurations, subsidies, policies and assignments.

    A service that is not configured is left out. One list that fails keeps no other from being read, but for those
    of a service that is down. Raises DatabaseError.
    """
    reading = Reading()
    for listing in (enterprise.CATALOGS, enterprise.CONFIGURATIONS):
        _read(engine, upstreams, reading, listing, "", full=full)
    for customer in customers(engine):
        for listing in (enterprise.SUBSIDIES, enterprise.POLICIES):
            of_customer = replace(listing, params={**listing.params, "enterprise_customer_uuid": customer})
            _read(engine, upstreams, reading, of_customer, customer, full=full)
    for configuration in replicated_configurations(engine):
        _read(engine, upstreams, reading, enterprise.assignments_of(configuration), configuration, full=full)
    return reading


def _read(engine: Engine, upstreams: Upstreams, reading: Reading, listing: Listing, scope: str, *, full: bool) -> None:
    service = listing.service
    if service not in upstreams.urls or service in reading.given_up:
        return
    try:
        client = upstreams.client(service)
        reading.crawls.append(crawl(engine, client, listing, full=full, scope=scope, lock=ENTERPRISE_LOCK))
    except DatabaseError:
        raise
    except CatalogError as error:
        reading.errors.append(error)
        if isinstance(error, UpstreamChangedError):
            reading.moved.add(service)
            reading.given_up.add(service)
        elif isinstance(error, UpstreamError) and not isinstance(error, UpstreamRefusedError):
            reading.given_up.add(service)


def customers(engine: Engine) -> list[str]:
    """The uuids of the customers that are known, and of those that listed catalogs and configurations name."""
    with connected(engine) as connection:
        known = set(connection.execute(text("SELECT uuid::text FROM catalog.enterprise_customer")).scalars())
        payloads = connection.execute(
            text("""
                SELECT payload FROM landing.document
                WHERE source = 'enterprise' AND kind IN ('catalog', 'configuration') AND missing_since IS NULL""")
        ).scalars()
        return sorted(known.union(*(_named(payload) for payload in payloads)))


def _named(payload: bytes) -> Iterator[str]:
    document = decode(decompress(payload))
    for name in CUSTOMER_FIELDS if isinstance(document, dict) else ():
        value = document.get(name)
        if isinstance(value, str) and is_uuid(value):
            yield value.lower()


def is_uuid(value: str) -> bool:
    """Whether a text may be put into an address as a uuid."""
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


def replicated_configurations(engine: Engine) -> list[str]:
    """The uuids of the configurations whose assignments are replicated: listed, and not adopted."""
    with connected(engine) as connection:
        keys = connection.execute(
            text("""
                SELECT lower(d.key) FROM landing.document d
                WHERE d.source = 'enterprise' AND d.kind = 'configuration' AND d.missing_since IS NULL
                  AND NOT EXISTS (SELECT FROM catalog.assignment_configuration c
                                  WHERE c.uuid::text = lower(d.key) AND c.adopted_at IS NOT NULL)
                ORDER BY 1""")
        ).scalars()
        return [key for key in keys if is_uuid(key)]
