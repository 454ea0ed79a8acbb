"""One query that an analyst wrote, asked where it can do no harm.

The fence is the login, for a query can undo all else: `RESET ROLE` ends a role that was only set, and a superuser's
`COPY … TO PROGRAM` runs a program in a read-only transaction too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from sqlalchemy import Connection, Engine, make_url, text

from catalog_pipeline.database.answers import Answer
from catalog_pipeline.database.engine import (
    Server,
    connected,
    driver,
    embedded_data_folder,
    make_engine,
    with_password,
)
from catalog_pipeline.database.roles import ANALYST
from catalog_pipeline.errors import UsageError
from catalog_pipeline.settings import Settings

BEYOND_THE_DATABASE = """
    SELECT rolsuper OR EXISTS (
        SELECT FROM pg_roles r WHERE r.rolname IN ('pg_execute_server_program', 'pg_read_server_files',
                                                   'pg_write_server_files') AND pg_has_role(r.oid, 'MEMBER'))
    FROM pg_roles WHERE rolname = session_user"""
"""Whether the login may run programs, or read or write files, on the server's machine."""


@contextmanager
def reading(settings: Settings, engine: Engine) -> Iterator[Engine]:
    """Yield an engine on the database of `engine`, by the login that reads for analysts.

    It is that of CATALOG_ANALYST_URL; the role `catalog_analyst` on an embedded server; else that of `engine`.
    """
    url = engine.url
    if settings.analyst_url is not None:
        url = make_url(settings.analyst_url.get_secret_value())
    elif embedded_data_folder(url):
        url = url.set(username=ANALYST, password=None)
    made = make_engine(Server(with_password(url)))
    try:
        yield made
    finally:
        made.dispose()


def ask(engine: Engine, query: str, as_of: datetime | None) -> Answer:
    """What a query returns, in a read-only transaction; views about the present answer for `as_of`.

    Raises UsageError when the database refuses the query, when it returns no rows, and when the login could reach
    beyond the database.
    """
    with connected(engine) as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        if connection.execute(text(BEYOND_THE_DATABASE)).scalar_one():
            raise UsageError(_too_powerful(engine))
        connection.execute(
            text("SELECT set_config('catalog.as_of', :as_of, true)"), {"as_of": as_of.isoformat() if as_of else ""}
        )
        return _answer(connection, query)


def _answer(connection: Connection, query: str) -> Answer:
    try:
        # A prepared statement is one statement: no COMMIT can end the read-only transaction before a second.
        cursor = driver(connection).execute(query.encode(), prepare=True)
    except psycopg.Error as error:
        connection.invalidate()  # a COPY that goes on can only be ended with its connection
        if "out of memory for query result" in str(error):  # ours, not the server's
            raise MemoryError from None
        raise UsageError(f"The database refuses this query: {str(error).strip()}") from None
    answer = Answer.of(cursor)
    if answer is None:
        raise UsageError("That is no query: it returns no rows.")
    return answer


def _too_powerful(engine: Engine) -> str:
    return (
        f"The login {engine.url.username} may run programs or use files on the database's machine, and so could a"
        f" query. Make a login that only reads, CREATE ROLE ann LOGIN PASSWORD '…' IN ROLE {ANALYST}, and set"
        " CATALOG_ANALYST_URL to the database's URL with it; or use psql."
    )
