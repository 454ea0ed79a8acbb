"""Which services the settings name, and where each is."""

import pytest

from catalog_pipeline.errors import UsageError
from catalog_pipeline.settings import SERVICES, Settings
from catalog_pipeline.sources.upstreams import (
    SOURCES,
    configured_addresses,
    configured_sources,
    services_of,
    upstreams,
)


def test_each_service_has_a_setting_and_a_source() -> None:
    assert [service for source in SOURCES for service in services_of(source)] == [*SERVICES[:3], "subsidy", SERVICES[3]]
    assert {f"{service}_url" for service in SERVICES} <= set(Settings.model_fields)


def test_enterprise_is_configured_with_any_of_its_services(settings: Settings) -> None:
    configured = settings.model_copy(update={"subsidy_url": "https://Subsidy.example:443/"})
    assert configured_sources(configured) == ["enterprise"]
    assert configured_addresses(configured) == {"subsidy": "subsidy.example"}
    with upstreams(configured) as found:
        assert found.configured() == ["enterprise"]
        assert found.client("subsidy").base_url == "https://Subsidy.example:443/"
        with pytest.raises(UsageError, match="set CATALOG_ENTERPRISE_ACCESS_URL"):
            found.client("enterprise_access")


def test_the_sample_is_every_service_when_no_upstream_is_configured(settings: Settings) -> None:
    assert set(configured_addresses(settings)) == set(SERVICES)
    assert set(configured_addresses(settings).values()) == {"sample"}
    assert configured_sources(settings) == ["discovery", "lms", "enterprise"]
