"""Brings a database to this code's schema, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from catalog_pipeline.database import logins, roles
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.version import MIGRATIONS, VERSION_SCHEMA, require_known
from catalog_pipeline.errors import DatabaseError

SCHEMAS = ("landing", "catalog", "ops", "marts")
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('catalog.migrate', 0))"


def migrate(engine: Engine) -> None:
    """Bring the database to this code's schema, make the roles where the login may, and grant them their privileges.

    Where the embedded server has a TCP port, the roles that log in there get passwords.

    One process at a time; the others wait, and find it done. Raises SchemaVersionError when no migration leads there,
    and DatabaseError when a table stays locked for longer than a migration may wait; nothing is changed then.
    """
    with connected(engine) as connection:
        require_known(connection)
    roles.make(engine)
    with connected(engine) as connection:
        connection.execute(text(LOCK))
        require_known(connection)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
        upgrade(connection, migrations())
        # In the same transaction: a database of the newest version has its privileges, too.
        roles.grant(connection)
        logins.give(connection)


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
