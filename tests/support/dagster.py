"""A Dagster instance in memory, and the code location built for the test's database."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterInstance
from pydantic import SecretStr

from catalog_pipeline.database.engine import Server
from catalog_pipeline.definitions import build_defs
from catalog_pipeline.settings import Settings


@pytest.fixture
def deployed(server: Server, settings: Settings) -> Settings:
    """The settings of a pipeline on the test's database."""
    return settings.model_copy(update={"database_url": SecretStr(server.url("postgresql"))})


@pytest.fixture
def defs(deployed: Settings, instance: DagsterInstance) -> dg.Definitions:
    """The code location by those settings, in an instance: what Dagster loads must not ask one that is gone."""
    return build_defs(deployed)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """A Dagster instance in memory."""
    with DagsterInstance.ephemeral() as made:
        yield made
