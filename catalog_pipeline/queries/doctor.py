"""What is configured, reachable and migrated, and what to do about what is not."""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database import events, roles
from catalog_pipeline.database.engine import Server, connected, make_engine, server_version
from catalog_pipeline.database.rows import Row
from catalog_pipeline.database.version import check_version
from catalog_pipeline.errors import CatalogError
from catalog_pipeline.loading.upstream import difference, recorded
from catalog_pipeline.notifications.sender import held_back
from catalog_pipeline.partner.queue import set_aside
from catalog_pipeline.queries.status import status
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import SOURCES, Upstreams, configured_addresses, upstreams

PASSED_ON = "not configured: what it listed passes on to the feed that carries it, or the source that lists it"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    what: str
    ok: bool
    detail: str


def doctor(settings: Settings, server: Server) -> list[Finding]:
    """What is configured, reachable and migrated, and what to do about what is not."""
    where = server.display() if settings.database_url else f"embedded, in {settings.folder}"
    return [*_database(server, where), *_upstreams(settings, _recorded(server))]


def _database(server: Server, where: str) -> list[Finding]:
    try:
        with connected(make_engine(server)) as connection:
            findings = [Finding("database", True, f"{where}, Postgres {server_version(connection)}")]
            try:
                check_version(connection)
            except CatalogError as error:
                return [*findings, Finding("schema", False, str(error))]
            pending = sum(row["documents"] for row in status(connection)["pending"])
            held = events.waiting(connection)
            return [
                *findings,
                Finding("schema", True, f"up to date; {pending} documents pending"),
                Finding("events", not held.too_long, str(held) if held.too_long else "none held back"),
                _feeds([feed["name"] for feed in set_aside(connection)]),
                Finding("mail", (reason := held_back(connection)) is None, reason or "sent from here"),
                Finding("roles", True, _roles(connection)),
            ]
    except (CatalogError, DBAPIError) as error:
        return [Finding("database", False, str(error))]


def _feeds(aside: list[str]) -> Finding:
    told = f"set aside: {', '.join(aside)}; `catalog-pipeline partner feeds` says why" if aside else "none set aside"
    return Finding("feeds", not aside, told)


def _roles(connection: Connection) -> str:
    """What lacks for others than the owner to read. Nothing fails by it."""
    if roles.missing(connection):
        return "some are missing: `catalog-pipeline migrate` makes them, or prints the SQL for who may"
    if roles.differences(connection):
        return "some lack privileges, or have too many: `catalog-pipeline migrate` grants them anew"
    return "made and granted: " + ", ".join(role.name for role in roles.ROLES)


def _recorded(server: Server) -> dict[str, Row]:
    """The upstreams that the database was filled from; none where it cannot say so, which is told already."""
    try:
        with connected(make_engine(server)) as connection:
            return recorded(connection)
    except (CatalogError, DBAPIError):
        return {}


def _upstreams(settings: Settings, known: dict[str, Row]) -> list[Finding]:
    addresses = configured_addresses(settings)
    findings = [Finding(name, True, PASSED_ON) for name in SOURCES if name in known and name not in addresses]
    with upstreams(settings) as found:
        for source, address in addresses.items():
            if source in known and known[source]["address"] != address:
                findings.append(Finding(source, False, difference(source, known[source]["address"], address)))
            else:
                findings.append(_reachable(found, source))
    return findings


def _reachable(found: Upstreams, source: str) -> Finding:
    client, listing = found.client(source), found.listings(source)[0]
    try:
        page = listing.read_page(client.get(listing.path, {**listing.params, "page": "1", "page_size": "1"}))
    except CatalogError as error:
        return Finding(source, False, str(error))
    shown = "the bundled sample" if found.serves_sample else client.base_url
    return Finding(source, True, f"{shown}: {page.count} documents of kind {listing.kind}")
