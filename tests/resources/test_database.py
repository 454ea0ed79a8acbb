"""What a run is handed: an engine on the catalog's database, and clients of the upstreams."""

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import SchemaVersionError, UsageError
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase
from resources.upstreams import UpstreamClients


def test_the_engine_is_on_the_configured_database(deployed: Settings, engine: Engine) -> None:
    context = dg.build_init_resource_context()
    with CatalogDatabase(settings=deployed).yield_for_execution(context) as database:
        assert database.engine.url.database == engine.url.database


def test_a_database_of_another_schema_is_refused_with_what_to_do(deployed: Settings, engine: Engine) -> None:
    with connected(engine) as connection:
        connection.execute(text("DELETE FROM ops.alembic_version"))
    opened = CatalogDatabase(settings=deployed).yield_for_execution(dg.build_init_resource_context())
    with pytest.raises(SchemaVersionError, match="run `catalog-pipeline migrate`"):
        opened.__enter__()


def test_a_source_that_is_not_configured_has_no_client(deployed: Settings) -> None:
    configured = deployed.model_copy(update={"lms_url": "https://lms.example"})
    with UpstreamClients(settings=configured).yield_for_execution(dg.build_init_resource_context()) as clients:
        assert clients.opened.client("lms") is clients.opened.client("lms")
        with pytest.raises(UsageError, match="set CATALOG_DISCOVERY_URL"):
            clients.opened.client("discovery")
