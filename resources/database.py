"""The catalog's database, for the length of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr
from sqlalchemy import Engine

from catalog_pipeline.database.engine import make_engine, serving
from catalog_pipeline.settings import load_settings
from resources.instance import process_tag


class CatalogDatabase(dg.ConfigurableResource):
    """Hands out an engine on the catalog's database; holds the embedded server while the run lasts."""

    _engine: Engine = PrivateAttr()

    @property
    def engine(self) -> Engine:
        """The engine; connect with `catalog_pipeline.database.engine.connected`."""
        return self._engine

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["CatalogDatabase"]:
        """Open the engine, and mark the run with the process that works on it."""
        if context.run and context.instance and not context.instance.is_ephemeral:
            context.instance.add_run_tags(context.run.run_id, process_tag())
        with serving(load_settings()) as server:
            self._engine = make_engine(server, f"run {context.run.run_id[:8]}" if context.run else None)
            try:
                yield self
            finally:
                self._engine.dispose()
