"""Dagster instances, in memory and of files, and the code location built for the test's database."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

import dagster as dg
import pytest
from dagster import DagsterInstance
from pydantic import SecretStr
from sqlalchemy import Engine, event

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


@pytest.fixture(scope="session")
def new_instance_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an instance that holds nothing: to make them takes ten times as long as to copy them."""
    folder = tmp_path_factory.mktemp("instance")
    with _opened(folder):
        return folder


@pytest.fixture
def instance_with_files(new_instance_files: Path, tmp_path: Path) -> Iterator[DagsterInstance]:
    """A Dagster instance of files. Ticks that open their instance anew need it: of one in memory they see nothing."""
    with _opened(shutil.copytree(new_instance_files, tmp_path / "instance")) as made:
        yield made


@contextmanager
def _opened(folder: Path) -> Iterator[DagsterInstance]:
    storage = "dagster._core.storage"
    overrides = {
        # One file for the events of all runs, and no processes that write what each step prints.
        "event_log_storage": {
            "module": f"{storage}.event_log",
            "class": "ConsolidatedSqliteEventLogStorage",
            "config": {"base_dir": str(folder)},
        },
        "compute_logs": {"module": f"{storage}.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
    }
    with DagsterInstance.local_temp(str(folder), overrides) as made:
        yield made


@event.listens_for(Engine, "connect")
def _wait_for_no_disk(connection: object, _: object) -> None:
    """SQLite, which only Dagster's instances of files use, need not outlive a power cut here."""
    if isinstance(connection, SqliteConnection):
        connection.execute("PRAGMA synchronous = OFF")
