"""What all tests share: one real Postgres server for the session, one database for each test, and settings."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from sqlalchemy import Connection, Engine

from catalog_pipeline.database.engine import Server, connected, ensure_database, make_engine
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.settings import Settings

pytest_plugins = [
    "support.assignments",
    "support.catalog",
    "support.command",
    "support.content",
    "support.dagster",
    "support.enrollments",
    "support.enterprise",
    "support.feeds",
    "support.mail",
]

# A busy machine makes any example slow: no test asserts how long one takes.
hypothesis_settings.register_profile("suite", deadline=None)
hypothesis_settings.load_profile("suite")

UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TEMPLATE = "template_catalog"


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


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database that nobody is connected to."""
    server = Server(postgres.url(TEMPLATE))
    ensure_database(server)
    engine = make_engine(server)
    migrate(engine)
    engine.dispose()
    return TEMPLATE


@pytest.fixture
def new_server(postgres: EmbeddedPostgres, template: str) -> Callable[[], AbstractContextManager[Server]]:
    """Makes migrated databases, for a test that needs several."""
    return contextmanager(partial(_new_server, postgres, template))


@pytest.fixture
def server(new_server: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """A migrated database of the test's own."""
    with new_server() as made:
        yield made


def _new_server(postgres: EmbeddedPostgres, template: str) -> Iterator[Server]:
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield Server(postgres.url(name))
        for database in (name, f"{name}_dagster"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


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
