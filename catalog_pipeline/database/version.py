"""Which schema a database has, and refusing one that is not this code's. `schema` brings it there.

Most commands only ask: so this does without Alembic, which takes longer to load than they take to answer.
"""

import re
from pathlib import Path

from sqlalchemy import Connection, text

from catalog_pipeline.database.engine import embedded_data_folder, without_password
from catalog_pipeline.errors import SchemaVersionError

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_SCHEMA = "ops"
NAMED = re.compile(r'^(revision|down_revision) = (?:"(.*)"|None)$', flags=re.MULTILINE)
UNRELEASED = {"0001", "0002", "0003", "0004", "0005", "0006"}
"""Revisions from before the first release, which one first migration replaced."""


def check_version(connection: Connection) -> None:
    """Raise SchemaVersionError unless the database has this code's schema."""
    require_known(connection)
    current, head = current_revision(connection), head_revision()
    if current != head:
        state = f"at {current}" if current else "empty"
        raise SchemaVersionError(
            f"The database's schema is {state}, this code needs {head}: run `catalog-pipeline migrate`."
        )


def require_known(connection: Connection) -> None:
    """Raise SchemaVersionError when the database is at a revision that this code does not have."""
    current = current_revision(connection)
    if current is None or current in _revisions():
        return
    if current in UNRELEASED:
        raise SchemaVersionError(_unreleased(connection))
    raise SchemaVersionError(
        "The database's schema is newer than this code: install the version of catalog-pipeline that made it."
    )


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None before its first migration."""
    table = f"{VERSION_SCHEMA}.alembic_version"
    if connection.execute(text("SELECT to_regclass(:table)"), {"table": table}).scalar_one() is None:
        return None
    return connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one_or_none()


def head_revision() -> str:
    """The revision of this code: the one that no other migration follows."""
    revisions = _revisions()
    (head,) = set(revisions) - set(revisions.values())
    return head


def _revisions() -> dict[str, str | None]:
    """The revision that each revision of this code follows."""
    found = [dict(NAMED.findall(file.read_text())) for file in (MIGRATIONS / "versions").glob("[!_]*.py")]
    return {names["revision"]: names.get("down_revision") or None for names in found}


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
        f"The database {without_password(url)} was made before the first release and cannot be"
        " migrated. Drop it, or set CATALOG_DATABASE_URL to another one, and run `catalog-pipeline migrate`; the next"
        " refresh loads the catalog into it."
    )
