"""What verbs share: the settings, the database, files that are read, and the options that say how to print."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from catalog_pipeline.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catalog_pipeline.settings import Settings


FIRST_YEAR, LAST_YEAR = 1000, 9000
"""Beyond these there may be no instant some days before or after."""


def one_format(context: typer.Context, option: typer.CallbackParam, value: bool) -> bool:
    """The callback of each option that names a format. Raises UsageError where two are given."""
    given = context.meta.setdefault("formats", [])
    if value:
        given.append(option.opts[0])
    if len(given) > 1:
        raise UsageError(f"Give {' or '.join(given)}, not both.")
    return value


def parse_instant(value: str) -> datetime:
    """An instant as people type it, in UTC: ISO 8601, a date alone too. Without a zone it is UTC. Raises UsageError."""
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError:
        raise UsageError(f"{value!r} is no instant: give one such as 2026-03-01 or 2026-03-01T12:00:00Z.") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise UsageError(f"{value!r} is too far away: give an instant of the years {FIRST_YEAR} to {LAST_YEAR}.")
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def parse_day(value: str) -> date:
    """A day as people type it. Raises UsageError."""
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise UsageError(f"{value!r} is no day: give one such as 2026-03-01.") from None


def parse_uuid(value: str) -> UUID:
    """A uuid as people type it. Raises UsageError."""
    try:
        return UUID(value.strip())
    except ValueError:
        raise UsageError(f"{value!r} is no uuid.") from None


AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of", parser=parse_instant, metavar="T", help="Take this instant for now; UTC where it names no zone."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide and report all, and write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.", callback=one_format)]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.", callback=one_format)]
AsExpanded = Annotated[
    bool, typer.Option("--expanded", help="Print each row as a list of its values.", callback=one_format)
]


def load_settings() -> Settings:
    """Load the settings; a verb that needs none does not wait for them."""
    from catalog_pipeline.settings import load_settings

    return load_settings()


def _widen(value: bool) -> bool:
    if value:
        from catalog_pipeline.cli.console import widen

        widen()
    return value


AsWide = Annotated[
    bool, typer.Option("--wide", help="Show all columns of tables, however wide they are.", callback=_widen)
]


def read_text(file: Path) -> str:
    """The text of a file, or of standard input where the file is -. Raises UsageError if it cannot be read."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as Windows writes it
    return content.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")


@contextmanager
def database(*, migrated: bool = True) -> Iterator[tuple[Settings, Engine]]:
    """Yield the settings and an engine on the database.

    Raises SchemaVersionError, unless `migrated` is false, when the database's schema is not the one of this code.
    """
    from catalog_pipeline.database.engine import connected, ensure_database, make_engine, serving
    from catalog_pipeline.database.version import check_version

    settings = load_settings()
    with serving(settings) as server:
        ensure_database(server)
        engine = make_engine(server)
        try:
            if settings.database_url is None:
                _keep_embedded(engine)
            elif migrated:
                with connected(engine) as connection:
                    check_version(connection)
            yield settings, engine
        finally:
            engine.dispose()


def _keep_embedded(engine: Engine) -> None:
    """Migrate the embedded database where need be, and make its roles: nobody else does."""
    from catalog_pipeline.database import logins, roles
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.database.version import current_revision, head_revision

    with connected(engine) as connection:
        if current_revision(connection) == head_revision() and not (
            roles.missing(connection) or logins.lacking(connection)
        ):
            return
    from catalog_pipeline.database.schema import migrate  # Alembic takes longer to load than most verbs take

    migrate(engine)
