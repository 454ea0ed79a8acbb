"""What is configured, reachable and migrated, and what to do about what is not."""

import shutil
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database import events, logins, roles
from catalog_pipeline.database.engine import CATALOG_DATABASE, Server, connected, make_engine, server_version
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.database.version import check_version
from catalog_pipeline.embedded.tcp import ADDRESS
from catalog_pipeline.errors import CatalogError
from catalog_pipeline.loading.upstream import difference, recorded
from catalog_pipeline.notifications import outbox
from catalog_pipeline.notifications.sender import held_back
from catalog_pipeline.partner.arrivals import strays
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.queue import set_aside, waiting
from catalog_pipeline.queries.status import status
from catalog_pipeline.settings import SERVICES, Settings
from catalog_pipeline.sources import enterprise
from catalog_pipeline.sources.upstreams import Upstreams, configured_addresses, services_of, upstreams

PASSED_ON = "not configured: what it listed passes on to the feed that carries it, or the source that lists it"
STANDS = "not configured: what it listed stands as it was last read"

MOST_TOLD = 5
"""Feeds and files that one line names at most."""
LEAST_FREE_GB = 2
LAST_FEEDS = """
    SELECT DISTINCT ON (source, product_type) id, name, source, product_type, outcome
    FROM ops.feed WHERE outcome <> 'superseded' ORDER BY source, product_type, id DESC"""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    what: str
    ok: bool
    detail: str


def doctor(settings: Settings, server: Server) -> list[Finding]:
    """What is configured, reachable and migrated, and what to do about what is not."""
    where = server.display() if settings.database_url else f"embedded, in {settings.folder}"
    return [*_database(settings, server, where), _disk(settings), *_upstreams(settings, _recorded(server))]


def _database(settings: Settings, server: Server, where: str) -> list[Finding]:
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
                _feeds(connection, settings),
                _mail(connection, settings),
                Finding("size", True, _size(connection)),
                Finding("roles", True, _roles(connection)),
                *([] if settings.database_url else [_tcp(connection, settings)]),
            ]
    except (CatalogError, DBAPIError) as error:
        return [Finding("database", False, str(error))]


def _feeds(connection: Connection, settings: Settings) -> Finding:
    """Whether a feed was set aside, or the last one of a partner refused or held, or a file lies in a wrong place."""
    aside = [feed["name"] for feed in set_aside(connection)]
    told = [f"set aside: {', '.join(aside)}; `catalog-pipeline partner feeds` says why"] if aside else []
    told += [
        f"{feed['name']} of {feed['source']}/{feed['product_type']} is {feed['outcome']};"
        f" `catalog-pipeline partner show {feed['id']}` says why"
        for feed in rows(connection, LAST_FEEDS)
        if feed["outcome"] in ("refused", "held")
    ]
    try:
        told += [stray.rstrip(".") for stray in strays(settings)]
    except (CatalogError, OSError) as error:
        told.append(str(error).rstrip("."))
    more = f" … and {len(told) - MOST_TOLD} more." if len(told) > MOST_TOLD else ""
    well = f"{len(waiting(connection))} waiting to be ingested; none refused, held, set aside or in a wrong place"
    return Finding("feeds", not told, ". ".join(told[:MOST_TOLD]) + "." + more if told else well)


SIZES = """
    SELECT pg_size_pretty(pg_database_size(current_database())) AS whole,
           string_agg(what || ' ' || pg_size_pretty(pg_total_relation_size(CAST(name AS regclass))), ', ') AS parts
    FROM (VALUES ('history', 'ops.change_event'), ('documents', 'landing.document'), ('rows of feeds', 'ops.feed_row'),
                 ('rejects', 'ops.rejected_record'), ('mail', 'ops.outbox')) AS grown (what, name)"""


def _size(connection: Connection) -> str:
    """How large the database is, and what in it grows with time."""
    (found,) = rows(connection, SIZES)
    return f"{found['whole']}; {found['parts']}. `catalog-pipeline retention run --dry-run` says what may go"


def _mail(connection: Connection, settings: Settings) -> Finding:
    """Whether mail is held back or was given up; and which feeds have nobody to report to."""
    if reason := held_back(connection):
        return Finding("mail", False, reason)
    given_up = sum(row["mails"] for row in outbox.unsent(connection) if row["state"] == "given up")
    if given_up:
        return Finding("mail", False, f"{given_up} mails were given up; `catalog-pipeline mail list` says why")
    try:
        rules = load_rules(settings.partner_rules)
    except CatalogError as error:
        return Finding("mail", False, str(error))
    silent = [
        f"{feed['source']}/{feed['product_type']}"
        for feed in rows(connection, LAST_FEEDS)
        if not rules.recipients_of(feed["product_type"], feed["source"])
    ]
    to = "by the mail server" if settings.smtp_url else f"into {settings.folder / 'mail'}: CATALOG_SMTP_URL is not set"
    nobody = f"; the rules name nobody who gets the reports on feeds of {', '.join(silent)}" if silent else ""
    return Finding("mail", True, f"sent {to}{nobody}")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.folder, *settings.folder.parents) if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    enough = free >= LEAST_FREE_GB
    return Finding("disk", enough, f"{free:.1f} GB are free at {folder}" + ("" if enough else "; make room there"))


def _roles(connection: Connection) -> str:
    """What lacks for others than the owner to read. Nothing fails by it."""
    if roles.missing(connection):
        return "some are missing: `catalog-pipeline migrate` makes them, or prints the SQL for who may"
    if roles.differences(connection):
        return "some lack privileges, or have too many: `catalog-pipeline migrate` grants them anew"
    return "made and granted: " + ", ".join(role.name for role in roles.ROLES)


def _tcp(connection: Connection, settings: Settings) -> Finding:
    """Whether the embedded server listens where the settings say, and who may log in there."""
    wanted, port = settings.embedded_tcp_port, logins.open_port(connection)
    if wanted == port and port:
        who = f"{' or '.join(logins.LOGINS)}; their passwords are in {logins.passwords_file(settings.folder)}"
        return Finding("tcp port", True, f"BI tools log in to {CATALOG_DATABASE} at {ADDRESS}:{port} as {who}")
    if wanted == port:
        return Finding("tcp port", True, "shut; CATALOG_EMBEDDED_TCP_PORT opens one, for BI tools")
    found = f"listens on port {port}" if port else "has no port open"
    said = f"is {wanted}" if wanted else "is not set"
    return Finding(
        "tcp port",
        False,
        f"the server {found}, but CATALOG_EMBEDDED_TCP_PORT {said}: end every `catalog-pipeline up` and psql of this"
        " home, and the next command starts the server as the setting says",
    )


def _recorded(server: Server) -> dict[str, Row]:
    """The upstreams that the database was filled from; none where it cannot say so, which is told already."""
    try:
        with connected(make_engine(server)) as connection:
            return recorded(connection)
    except (CatalogError, DBAPIError):
        return {}


def _upstreams(settings: Settings, known: dict[str, Row]) -> list[Finding]:
    addresses = configured_addresses(settings)
    findings = [
        Finding(name, True, STANDS if name in services_of(enterprise.SOURCE) else PASSED_ON)
        for name in SERVICES
        if name in known and name not in addresses
    ]
    with upstreams(settings) as found:
        for service, address in addresses.items():
            if service in known and known[service]["address"] != address:
                findings.append(Finding(service, False, difference(service, known[service]["address"], address)))
            else:
                findings.append(_reachable(found, service))
    return findings


def _reachable(found: Upstreams, service: str) -> Finding:
    client, listing = found.client(service), found.listings(service)[0]
    try:
        body = client.get(listing.path, {**listing.params, "page": "1", "page_size": "1"})
        page = listing.read_page(body, client.base_url)
    except CatalogError as error:
        return Finding(service, False, str(error))
    shown = "the bundled sample" if found.serves_sample else client.base_url
    return Finding(service, True, f"{shown}: {page.count} documents of kind {listing.kind}")
