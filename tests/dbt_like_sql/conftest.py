"""A database that all tests of SQL models share, a transaction a test, and a folder to write models into."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine

from catalog_pipeline.database.engine import Server, make_engine
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from dbt_like_sql.model import SqlModel, read_model


@pytest.fixture(scope="session")
def engine(postgres: EmbeddedPostgres, template: str) -> Iterator[Engine]:
    """A migrated database that all tests of SQL models share: each rolls its transaction back."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE test_sql_models TEMPLATE {template}")
    made = make_engine(Server(postgres.url("test_sql_models")), "test")
    yield made
    made.dispose()


@pytest.fixture
def server_engine(server: Server) -> Iterator[Engine]:
    """A database of the test's own, where transactions are committed."""
    made = make_engine(server, "test")
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is rolled back."""
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., SqlModel]:
    """Write a model's file, over the one that was, and read it: `write_model("SELECT …", columns="a", …)`."""

    def write(
        sql: str,
        columns: str = "",
        *,
        name: str = "marts/sample",
        key: str = "",
        materialized: str = "view",
    ) -> SqlModel:
        path = tmp_path / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(file_text(sql, columns or "a", key=key, materialized=materialized))
        return read_model(path)

    return write


def file_text(sql: str, columns: str, *, key: str, materialized: str) -> str:
    """A model's file. `columns` are names, or YAML where it holds a colon."""
    if ":" not in columns:
        columns = "".join(f"\n  {name}: {{description: The {name}.}}" for name in columns.split())
    return (
        f"/*\ndescription: A sample.\nowner: analysts\nmaterialized: {materialized}\n"
        f"key: [{key}]\ncolumns:{columns}\n*/\n{sql}\n"
    )
