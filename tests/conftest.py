"""What all tests share: one real Postgres server for the session, one database for each test, and settings."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Connection, Engine

from catalog_pipeline.database.engine import Server, connected, make_engine
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.settings import Settings

pytest_plugins = [
    "support.assignments",
    "support.catalog",
    "support.command",
    "support.content",
    "support.dagster",
    "support.databases",
    "support.enrollments",
    "support.enterprise",
    "support.feeds",
    "support.mail",
]

UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# A busy machine makes any example slow: no test asserts how long one takes.
hypothesis_settings.register_profile("suite", deadline=None)
hypothesis_settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """All that is imported and collected by now stays: Python need not search it for unreachable cycles again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> Iterator[None]:
    """Tests see no CATALOG_ variable and no .env of whoever runs them."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("CATALOG_", "DAGSTER_"))}
    yield
    os.environ.update(kept)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder of a short path, as the socket of an embedded server needs."""
    folder = Path(tempfile.mkdtemp(prefix="cat", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server a session."""
    folder = Path(tempfile.mkdtemp(prefix="cat", dir="/tmp"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder, settings=UNSAFE_AND_FAST) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    """An engine on the test's database."""
    made = make_engine(server, "test")
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction on the test's database."""
    with connected(engine) as made:
        yield made


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings with a home of the test's own, and no patience."""
    return Settings(
        _env_file=None,
        home=home,
        retry_backoff=0.01,
        request_retries=2,
        page_deadline=5,
        rate_limit_wait=5,
        page_size=20,
    )  # pyright: ignore[reportCallIssue]
