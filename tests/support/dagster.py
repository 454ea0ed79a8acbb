"""A Dagster instance in memory, whose resources find the test's database."""

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

from catalog_pipeline.database.engine import Server
from catalog_pipeline.settings import Settings


@pytest.fixture
def instance(server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """An instance in memory, and the environment by which resources find the test's database."""
    monkeypatch.setenv("CATALOG_DATABASE_URL", server.url("postgresql"))
    monkeypatch.setenv("CATALOG_HOME", str(settings.home))
    monkeypatch.setenv("CATALOG_PARTNER_FEEDS", str(settings.home / "feeds"))
    with DagsterInstance.ephemeral() as made:
        yield made
