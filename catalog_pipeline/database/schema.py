"""The schema's version: bringing a database to this code's, and refusing one that is not."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from catalog_pipeline.database import roles
from catalog_pipeline.database.engine import connected, embedded_data_folder
from catalog_pipeline.errors import DatabaseError, SchemaVersionError

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMAS = ("landing", "catalog", "ops", "marts")
VERSION_SCHEMA = "ops"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('catalog.migrate', 0))"
UNRELEASED = {"0001", "0002", "0003", "0004", "0005", "0006"}
"""Revisions from before the first release, which one first migration replaced."""


def migrate(engine: Engine) -> None:
    """Bring the database to this code's schema, make the roles where the login may, and grant them their privileges.

    One process at a time; the others wait, and find it done. Raises SchemaVersionError when no migration leads there,
    and DatabaseError when a table stays locked for longer than a migration may wait; nothing is changed then.
    """
    with connected(engine) as connection:
        connection.execute(text(LOCK))
        _require_known(connection)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
        upgrade(connection, migrations())
    roles.make(engine)
    with connected(engine) as connection:
        connection.execute(text(LOCK))
        roles.grant(connection)


def migrations(folder: Path = MIGRATIONS) -> Config:
    """Alembic's configuration for a folder of migrations: the project's."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s")
    return config


def upgrade(connection: Connection, config: Config, revision: str = "head") -> None:
    """Run the migrations up to a revision, in the connection's transaction. Raises DatabaseError; see `migrate`."""
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise DatabaseError(
            "The migration could not lock a table, because another session is using it. Nothing was changed. Stop"
            " running loads, or wait for them to end, and run `catalog-pipeline migrate` again."
        ) from error


def check_version(connection: Connection) -> None:
    """Raise SchemaVersionError unless the database has this code's schema."""
    _require_known(connection)
    current, head = _current(connection), _scripts().get_current_head()
    if current != head:
        state = f"at {current}" if current else "empty"
        raise SchemaVersionError(
            f"The database's schema is {state}, this code needs {head}: run `catalog-pipeline migrate`."
        )


def _require_known(connection: Connection) -> None:
    """Raise SchemaVersionError when the database is at a revision that this code does not have."""
    current = _current(connection)
    if current is None or current in {script.revision for script in _scripts().walk_revisions()}:
        return
    if current in UNRELEASED:
        raise SchemaVersionError(_unreleased(connection))
    raise SchemaVersionError(
        "The database's schema is newer than this code: install the version of catalog-pipeline that made it."
    )


def _unreleased(connection: Connection) -> str:
    """What to do with a database that a version before the first release made."""
    url = connection.engine.url
    if folder := embedded_data_folder(url):
        return (
            f"The embedded database in {folder} was made before the first release and cannot be migrated. Stop"
            f" whatever uses it, remove the folder {folder}, and run the command again: it makes a new database, and"
            " the next refresh loads the catalog into it."
        )
    return (
        f"The database {url.render_as_string(hide_password=True)} was made before the first release and cannot be"
        " migrated. Drop it, or set CATALOG_DATABASE_URL to another one, and run `catalog-pipeline migrate`; the next"
        " refresh loads the catalog into it."
    )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(migrations())


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table_schema": VERSION_SCHEMA}).get_current_revision()
