"""The database server, ours or theirs, and engines on it. Nothing here knows what the tables mean."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError

from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.embedded.tcp import TcpPort
from catalog_pipeline.errors import DatabaseError
from catalog_pipeline.settings import Settings

MINIMUM_VERSION = 17
CATALOG_DATABASE = "catalog"
READER = "catalog_reader"
"""The role of whom may read marts; analysts and writers are members of it."""
SESSION = {
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than it saves on loads of this size
    "idle_in_transaction_session_timeout": "60s",  # a forgotten transaction would hold back event readers
    "transaction_timeout": "30min",
    "temp_buffers": "64MB",  # staging tables stay in memory; a session takes only what it uses
}


STARTED_BY = "regexp_replace(current_setting('application_name'), '^catalog-pipeline ', '')"
"""SQL of who runs this command or run: `make_engine` puts it into the session's name."""


def with_password(url: URL) -> str:
    """A URL as text. Postgres reads a + in the socket's path as a plus, but SQLAlchemy writes blanks so."""
    address, mark, options = url.render_as_string(hide_password=False).partition("?")
    return address + mark + options.replace("+", "%20")


def without_password(url: URL) -> str:
    """A URL as text for people, logs and errors."""
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


@dataclass(frozen=True)
class Server:
    """A running Postgres server, by the URL of the catalog's database."""

    catalog_url: str

    def url(self, driver: str = "postgresql+psycopg") -> str:
        """The catalog database's URL, for one driver. It holds the password."""
        return with_password(make_url(self.catalog_url).set(drivername=driver))

    def dagster_url(self) -> str:
        """The URL of Dagster's own database, on the same server; dagster-postgres needs psycopg2."""
        url = make_url(self.catalog_url)
        return with_password(url.set(drivername="postgresql+psycopg2", database=f"{url.database}_dagster"))

    def display(self) -> str:
        """The URL without its password, for people."""
        return without_password(make_url(self.catalog_url))

    def for_psql(self) -> tuple[str, dict[str, str]]:
        """How to call a program of Postgres: where the database is, and the environment with its password.

        The command line of a process is shown to every user of the machine.
        """
        parts = conninfo_to_dict(self.url("postgresql"))
        password = parts.pop("password", None)
        return make_conninfo("", **parts), {"PGPASSWORD": str(password)} if password else {}


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    """Yield the configured server, or the embedded one, which runs while anyone holds it."""
    if settings.database_url is not None:
        yield Server(settings.database_url.get_secret_value())
        return
    port = settings.embedded_tcp_port
    tcp = TcpPort(port, CATALOG_DATABASE, READER) if port else None
    with EmbeddedPostgres(settings.folder, tcp=tcp) as embedded:
        yield Server(embedded.url(CATALOG_DATABASE))


def ensure_database(server: Server) -> None:
    """Make the catalog's database where it is missing. Raises DatabaseError."""
    with _made_reachable(server.catalog_url):
        if not exists(server.catalog_url):
            create_database(server.catalog_url)


def ensure_filled_database(server: Server, url: str, fill: Callable[[str], object]) -> None:
    """Make a second database on the server where it is missing: there only with all that `fill(url)` puts into it.

    It is filled under another name, so that a process that dies in the middle leaves nothing half made. One process
    at a time; the others wait, and find it done. Raises DatabaseError.
    """
    target = make_url(url)
    unfinished = target.set(database=f"{target.database}_unfinished")
    with _made_reachable(url), psycopg.connect(server.url("postgresql"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"make {target.database}"])
        if exists(url):
            return
        name = sql.Identifier(str(unfinished.database))
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        filled = with_password(unfinished)
        create_database(filled)
        fill(filled)
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        connection.execute(rename.format(name, sql.Identifier(str(target.database))))


def make_engine(server: Server, actor: str | None = None) -> Engine:
    """An engine on the catalog's database whose sessions speak UTC and name themselves."""
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    connect_args = {
        "options": options,
        "application_name": f"catalog-pipeline {actor or getpass.getuser()}"[:63],
        "connect_timeout": 10,
    }
    # Parameters may be personal data, and errors are logged.
    engine = create_engine(
        server.url(), connect_args=connect_args, pool_pre_ping=True, pool_size=5, hide_parameters=True
    )
    event.listen(engine, "connect", _speak_plainly)
    event.listen(engine, "handle_error", _hide_values)
    return engine


def _speak_plainly(session: psycopg.Connection, _record: object) -> None:
    """Put right how a session writes instants: PGTZ and PGDATESTYLE of the environment go before its options."""
    for name, value in (("TimeZone", "UTC"), ("DateStyle", "ISO, MDY")):
        if session.info.parameter_status(name) != value:
            session.execute(sql.SQL("SELECT set_config({}, {}, false)").format(name, value))
            session.commit()


def _hide_values(context: ExceptionContext) -> None:
    """Leave out of an error which row of the catalog broke a constraint: its values may be personal data, too."""
    error = context.original_exception
    if isinstance(error, psycopg.IntegrityError) and error.diag.schema_name == "catalog" and error.diag.message_detail:
        for shown in (error, context.sqlalchemy_exception):
            if shown is not None:
                shown.args = tuple(str(part).replace(error.diag.message_detail, "(not told)") for part in shown.args)


@contextmanager
def connected(engine: Engine | Connection) -> Iterator[Connection]:
    """A connection in a transaction, committed at the end. Raises DatabaseError when none is to be had.

    A connection in place of the engine is given back as it is: its transaction is the caller's.
    """
    if isinstance(engine, Connection):
        yield engine
        return
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise unreachable(without_password(engine.url), error) from None
    with connection, connection.begin():
        yield connection


def unreachable(url: str, error: Exception) -> DatabaseError:
    """The DatabaseError that says which database is out of reach, why, and what to check."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return DatabaseError(
        f"Cannot reach the database {url}: {cause}. Check CATALOG_DATABASE_URL and that the server runs."
    )


def embedded_data_folder(url: URL) -> Path | None:
    """The folder that holds the embedded server's databases; None when the URL is another server's."""
    host = url.query.get("host")
    folder = Path(host) if isinstance(host, str) else None
    return folder if folder and (folder / "PG_VERSION").is_file() else None  # its socket is in its data folder


def server_version(connection: Connection) -> int:
    """The server's major version."""
    return int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000


def exists(url: str) -> bool:
    """Whether there is a database at this URL."""
    plain = _plain(url)
    try:
        psycopg.connect(plain, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        if f'database "{make_url(url).database}" does not exist' in str(error):
            return False
        raise
    return True


def create_database(url: str) -> None:
    """Make an empty database, by way of the database `postgres`; nothing if another process was faster."""
    with psycopg.connect(_plain(url, "postgres"), autocommit=True, connect_timeout=10) as connection:
        if connection.info.server_version // 10000 < MINIMUM_VERSION:
            raise DatabaseError(
                f"{without_password(make_url(url))} is Postgres"
                f" {connection.info.server_version // 10000}; Postgres {MINIMUM_VERSION} or newer is needed."
            )
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            connection.execute(
                sql.SQL(
                    "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
                    " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
                ).format(sql.Identifier(make_url(url).database or CATALOG_DATABASE))
            )


@contextmanager
def _made_reachable(url: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise unreachable(without_password(make_url(url)), error) from None


def _plain(url: str, database: str | None = None) -> str:
    parsed = make_url(url).set(drivername="postgresql")
    return with_password(parsed.set(database=database) if database else parsed)


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection beneath, in the same transaction."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw
