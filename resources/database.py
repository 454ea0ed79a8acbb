"""The catalog's database, for the length of a run or a sensor's tick."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr
from sqlalchemy import Engine

from catalog_pipeline.database.engine import connected, ensure_database, make_engine, serving
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.database.version import check_version
from catalog_pipeline.settings import Settings
from resources.instance import process_tag


class CatalogDatabase(dg.ConfigurableResource):
    """Hands out an engine on the catalog's database; holds the embedded server while the run lasts."""

    settings: dg.ResourceDependency[Settings]
    _engine: Engine = PrivateAttr()

    @property
    def engine(self) -> Engine:
        """The engine; connect with `catalog_pipeline.database.engine.connected`."""
        return self._engine

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["CatalogDatabase"]:
        """Open the engine, and mark the run with the process that works on it.

        Raises DatabaseError, and SchemaVersionError where the schema is not this code's. The embedded database is
        migrated first, as by every command.
        """
        if context.run and context.instance and not context.instance.is_ephemeral:
            context.instance.add_run_tags(context.run.run_id, process_tag())
        with serving(self.settings) as server:
            self._engine = make_engine(server, f"run {context.run.run_id[:8]}" if context.run else None)
            try:
                if self.settings.database_url is None:
                    ensure_database(server)
                    migrate(self._engine)
                with connected(self._engine) as connection:
                    check_version(connection)
                yield self
            finally:
                self._engine.dispose()
