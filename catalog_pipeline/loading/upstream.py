"""At which address each upstream is read (`landing.upstream`).

Another address counts as another system, until a person says that the system moved.
"""

from datetime import datetime

from sqlalchemy import Connection, text

from catalog_pipeline.database.engine import STARTED_BY
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources import enterprise
from catalog_pipeline.sources.upstreams import SAMPLE_ADDRESS, configured_address, services_of


class UpstreamChangedError(LoadRefusedError):
    """A service is configured at another address than the one that the database was filled from."""


def recorded(connection: Connection) -> dict[str, Row]:
    """The rows of `landing.upstream` (address, since, by, off_since), by service."""
    found = rows(connection, "SELECT service, address, since, by, off_since FROM landing.upstream")
    return {row.pop("service"): row for row in found}


def check_address(connection: Connection, settings: Settings, service: str) -> None:
    """Make sure that a service is read where it was read before.

    Nor are the bundled sample and real systems read into one database, service by service. Raises
    UpstreamChangedError where its configured address is not the recorded one, UsageError where it has none.
    """
    address = configured_address(settings, service)
    found = recorded(connection)
    for other, row in ({service: found[service]} if service in found else found).items():
        is_mixed = (row["address"] == SAMPLE_ADDRESS) != (address == SAMPLE_ADDRESS)
        if is_mixed or (other == service and row["address"] != address):
            raise UpstreamChangedError(f"{difference(other, row['address'], address)} Nothing was changed.")


def difference(service: str, recorded: str, configured: str) -> str:
    """What is to be said and done where a service is configured at another address than the recorded one."""
    told = f"This database was filled from {service} at {recorded}, and now {configured} is configured."
    if recorded == SAMPLE_ADDRESS:
        return f"{told} `catalog-pipeline sample clear` empties a database that holds only the sample's data."
    if configured == SAMPLE_ADDRESS:
        return f"{told} Set CATALOG_{service.upper()}_URL, for without a URL the bundled sample is read."
    same = f"{told} If it is the same system at a new address: `catalog-pipeline upstream switch {service} --moved`."
    if service in services_of(enterprise.SOURCE):
        return f"{same} Another system's catalogs and assignments need a database of their own."
    return f"{same} If it is another system, `catalog-pipeline upstream switch {service}` shows what would change."


def record_address(connection: Connection, settings: Settings, service: str, since: datetime) -> None:
    """Record the address of a service that is read for the first time. Raises what `check_address` raises."""
    check_address(connection, settings, service)
    connection.execute(
        text("INSERT INTO landing.upstream (service, address, since, by)"
             f" VALUES (:service, :address, :since, {STARTED_BY}) ON CONFLICT DO NOTHING"),
        {"service": service, "address": configured_address(settings, service), "since": since},
    )  # fmt: skip
    check_address(connection, settings, service)


def change_address(connection: Connection, settings: Settings, service: str, since: datetime | None = None) -> None:
    """Let a service be at its configured address since an instant (now), so that watermarks of before do not count."""
    connection.execute(
        text(f"UPDATE landing.upstream SET address = :address, by = {STARTED_BY},"
             " since = coalesce(:since, clock_timestamp()) WHERE service = :service"),
        {"service": service, "address": configured_address(settings, service), "since": since},
    )  # fmt: skip
