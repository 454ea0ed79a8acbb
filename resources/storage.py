"""Dagster's own storage: a database beside the catalog's, on the same server, whoever starts Dagster."""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Self

from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import create_engine

from catalog_pipeline.database.engine import Server, ensure_database, ensure_filled_database, serving
from catalog_pipeline.settings import load_settings


class CatalogStorage(DagsterPostgresStorage):
    """Runs, events and ticks in `<name>_dagster`, which is made where it is missing.

    `dagster.yaml` names this class, so that any Dagster command with that `DAGSTER_HOME` finds the server by the
    pipeline's settings, and starts the embedded one where none is configured.
    """

    @classmethod
    def config_type(cls) -> Any:
        """The home folder of the pipeline, whose embedded server serves when CATALOG_DATABASE_URL is not set."""
        return {"home": str}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Called by Dagster with the configuration in `dagster.yaml`. Raises DatabaseError."""
        server = _server(Path(config_value["home"]))
        ensure_database(server)
        # Dagster makes its tables one by one and takes the first for all: killed in between, it would never work again.
        ensure_filled_database(server, server.dagster_url(), DagsterPostgresStorage)
        storage = cls(server.dagster_url(), inst_data=inst_data)
        storage.keep_connections()
        return storage

    def keep_connections(self) -> None:
        """Keep one connection open for each part of the storage. Dagster's own engines open one for each event.

        A connection that the server closed, as when it was restarted, is replaced before it is used.
        """
        for part in (self.run_storage, self.event_log_storage, self.schedule_storage):
            part._engine = create_engine(  # pyright: ignore[reportAttributeAccessIssue]
                self.postgres_url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=-1, pool_pre_ping=True
            )


@cache
def _server(home: Path) -> Server:
    """The server, held until this process ends: Dagster does not say when it is done with its storage."""
    holding = ExitStack()
    atexit.register(holding.close)
    return holding.enter_context(serving(load_settings().model_copy(update={"home": home})))
