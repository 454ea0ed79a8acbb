"""What verbs share: the settings, the database, and the options `--json` and `--csv`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catalog_pipeline.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def load_settings() -> Settings:
    """Load the settings; a verb that needs none does not wait for them."""
    from catalog_pipeline.settings import load_settings

    return load_settings()


@contextmanager
def database(*, migrated: bool = True) -> Iterator[tuple[Settings, Engine]]:
    """Yield the settings and an engine on the database.

    Raises SchemaVersionError, unless `migrated` is false, when the database's schema is not the one of this code.
    """
    from catalog_pipeline.database.engine import connected, ensure_database, make_engine, serving
    from catalog_pipeline.database.schema import check_version, migrate

    settings = load_settings()
    with serving(settings) as server:
        ensure_database(server)
        engine = make_engine(server)
        try:
            if settings.database_url is None:
                migrate(engine)  # nobody else keeps the schema of the embedded database
            if migrated:
                with connected(engine) as connection:
                    check_version(connection)
            yield settings, engine
        finally:
            engine.dispose()
