"""Databases on the session's server: copies of a migrated one, which cost a few hundredths of a second each."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from catalog_pipeline.database.engine import Server, ensure_database, make_engine
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres

TEMPLATE = "template_catalog"


class Databases:
    """Makes databases on a server, and drops them."""

    def __init__(self, postgres: EmbeddedPostgres, connection: psycopg.Connection) -> None:
        self.postgres = postgres
        self.connection = connection

    @contextmanager
    def copied(self, original: Server | None = None) -> Iterator[Server]:
        """A copy of a database that nobody is connected to; without one, of an empty, migrated one."""
        name = f"test_{uuid4().hex[:12]}"
        self._copy(make_url(original.catalog_url).database if original else TEMPLATE, name)
        try:
            yield Server(self.postgres.url(name))
        finally:
            for database in (name, f"{name}_dagster"):
                self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def make_template(self) -> None:
        """Make the database that is copied, and find out how this file system copies."""
        server = Server(self.postgres.url(TEMPLATE))
        ensure_database(server)
        engine = make_engine(server)
        migrate(engine)
        engine.dispose()
        try:
            # The file system copies by itself, in a sixth of the time.
            self.connection.execute("SET file_copy_method = clone")
            with self.copied():
                pass
        except psycopg.Error:
            self.connection.execute("RESET file_copy_method")  # this one does not

    def _copy(self, original: str | None, name: str) -> None:
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, str(original))

    def _execute(self, statement: str, *names: str) -> None:
        self.connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """Makes databases, for a test or a module that wants one of its own, or several."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        made = Databases(postgres, connection)
        made.make_template()
        yield made


@pytest.fixture
def server(databases: Databases) -> Iterator[Server]:
    """A migrated database of the test's own."""
    with databases.copied() as made:
        yield made
