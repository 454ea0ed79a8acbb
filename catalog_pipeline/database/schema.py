"""The schema's version: bringing a database to this code's, and refusing one that is not."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import SchemaVersionError

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMAS = ("landing", "catalog", "ops", "marts")
VERSION_SCHEMA = "ops"


def migrate(engine: Engine) -> None:
    """Bring the database to this code's schema. One process at a time; the others wait, and find it done."""
    with connected(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('catalog.migrate', 0))"))
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS ops"))
        if _current(connection) not in (None, *_known()):
            raise _newer()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_version(connection: Connection) -> None:
    """Raise SchemaVersionError unless the database has this code's schema."""
    current, head = _current(connection), _head()
    if current == head:
        return
    if current is not None and current not in _known():
        raise _newer()
    state = f"at {current}" if current else "empty"
    raise SchemaVersionError(
        f"The database's schema is {state}, this code needs {head}: run `catalog-pipeline migrate`."
    )


def _newer() -> SchemaVersionError:
    return SchemaVersionError(
        "The database's schema is newer than this code: install the version of catalog-pipeline that made it."
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _head() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table_schema": VERSION_SCHEMA}).get_current_revision()
