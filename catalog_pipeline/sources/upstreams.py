"""The upstreams that the settings name, or the bundled sample if they name none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from catalog_pipeline.addresses import upstream_address
from catalog_pipeline.errors import UsageError
from catalog_pipeline.folders import make_private
from catalog_pipeline.settings import SERVICES, Settings, setting_name
from catalog_pipeline.sources import discovery, enterprise, lms
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.listing import Listing, Source
from catalog_pipeline.sources.tokens import Credentials

SOURCES: dict[str, Source] = {discovery.SOURCE: discovery, lms.SOURCE: lms, enterprise.SOURCE: enterprise}
"""The module of each source, in the order in which they are loaded: discovery first, for it owns what the LMS lists."""


SAMPLE_ADDRESS = "sample"
"""The address of the bundled sample, whatever its port, size or seed."""


@dataclass
class Upstreams:
    """The upstreams' addresses, and clients of them."""

    settings: Settings
    urls: dict[str, str]
    credentials: Credentials | None
    serves_sample: bool = False
    _clients: dict[str, ApiClient] = field(default_factory=dict)

    def configured(self) -> list[str]:
        """The names of the sources that can be read, each from one of its services at least."""
        return [name for name in SOURCES if any(service in self.urls for service in services_of(name))]

    @staticmethod
    def listings(service: str) -> tuple[Listing, ...]:
        """The lists that a service offers."""
        return tuple(
            listing for source in SOURCES.values() for listing in source.LISTINGS if listing.service == service
        )

    def client(self, service: str) -> ApiClient:
        """The client of a service. Raises UsageError where it is not configured."""
        if service not in self.urls:
            raise _not_configured(service)
        if service not in self._clients:
            self._clients[service] = ApiClient(self.urls[service], self.credentials, self.settings)
        return self._clients[service]


def services_of(source: str) -> tuple[str, ...]:
    """The services that a source is read from, each at an address of its own."""
    return tuple(dict.fromkeys(listing.service for listing in SOURCES[source].LISTINGS))


def configured_addresses(settings: Settings) -> dict[str, str]:
    """The address of each service that these settings configure. None of them is contacted."""
    if settings.uses_sample:
        return dict.fromkeys(SERVICES, SAMPLE_ADDRESS)
    return {name: upstream_address(url) for name, url in _urls(settings).items()}


def configured_sources(settings: Settings) -> list[str]:
    """The sources that these settings configure, each with one of its services at least. None is contacted."""
    addresses = configured_addresses(settings)
    return [name for name in SOURCES if any(service in addresses for service in services_of(name))]


def configured_address(settings: Settings, service: str) -> str:
    """The address of a service. Raises UsageError where it is not configured."""
    address = configured_addresses(settings).get(service)
    if address is None:
        raise _not_configured(service)
    return address


def _urls(settings: Settings) -> dict[str, str]:
    return {name: url for name in SERVICES if (url := getattr(settings, f"{name}_url"))}


def _not_configured(service: str) -> UsageError:
    return UsageError(f"{service} is not configured: set {setting_name(f'{service}_url')}.")


@contextmanager
def upstreams(settings: Settings) -> Iterator[Upstreams]:
    """Yield the configured upstreams. If there are none, the bundled sample is served until the `with` ends."""
    if not settings.uses_sample:
        yield Upstreams(settings, _urls(settings), _credentials(settings))
        return
    from catalog_pipeline.sample.catalog import build_catalog
    from catalog_pipeline.sample.server import SampleServer

    catalog = build_catalog(settings.sample_courses, settings.sample_seed)
    catalog.advance(sample_day(settings))
    with SampleServer(catalog) as server:
        credentials = Credentials(f"{server.url}/oauth2/access_token", server.client_id, server.client_secret)
        yield Upstreams(settings, dict.fromkeys(SERVICES, server.url), credentials, serves_sample=True)


def sample_day(settings: Settings) -> int:
    """By how many days the bundled sample has been advanced."""
    try:
        return json.loads(_sample_file(settings).read_text())["day"]
    except FileNotFoundError:
        return 0


def set_sample_day(settings: Settings, day: int) -> None:
    """Keep the bundled sample's day in a file, so that it is served as of that day from now on."""
    file = _sample_file(settings)
    make_private(file.parent)
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"day": day}))
    new.replace(file)


def deliver_sample_feeds(settings: Settings) -> list[Path]:
    """Write the bundled sample's partner feeds, up to its day, into the folder of feeds; returns the new files.

    Nothing is written if an upstream or a folder of feeds is configured.
    """
    if not settings.uses_sample or settings.partner_feeds is not None:
        return []
    from catalog_pipeline.sample.feeds import write_feeds

    days = sample_day(settings) + 1
    make_private(settings.feeds_folder)
    return write_feeds(settings.feeds_folder, settings.sample_courses, settings.sample_seed, days)


def _sample_file(settings: Settings) -> Path:
    return settings.folder / f"sample-{settings.sample_courses}-{settings.sample_seed}.json"


def _credentials(settings: Settings) -> Credentials | None:
    if not settings.discovery_client_id or settings.discovery_client_secret is None or settings.token_url is None:
        return None
    return Credentials(
        settings.token_url, settings.discovery_client_id, settings.discovery_client_secret.get_secret_value()
    )
