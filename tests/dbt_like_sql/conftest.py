"""A database that all tests of SQL models share, a transaction a test, and a folder to write models into."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine
from support.databases import Databases

from catalog_pipeline.database.engine import Server, make_engine
from dbt_like_sql.model import SqlModel, read_model


@pytest.fixture(scope="session")
def engine(databases: Databases) -> Iterator[Engine]:
    """A migrated database that all tests of SQL models share: each rolls its transaction back."""
    with databases.copied() as server:
        made = make_engine(server, "test")
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
