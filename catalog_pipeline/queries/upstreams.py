"""Where services are read, and where the settings say they are."""

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row
from catalog_pipeline.loading.upstream import recorded
from catalog_pipeline.settings import SERVICES, Settings
from catalog_pipeline.sources.upstreams import configured_addresses

COLUMNS = ["service", "address", "configured", "since", "by", "off_since"]


def list_upstreams(connection: Connection, settings: Settings) -> list[Row]:
    """COLUMNS of each service that was read or is configured; address is the recorded one, null before it is read."""
    found, addresses = recorded(connection), configured_addresses(settings)
    empty = dict.fromkeys(COLUMNS)
    return [
        {**empty, "service": service, **found.get(service, {}), "configured": addresses.get(service)}
        for service in SERVICES
        if service in found or service in addresses
    ]
