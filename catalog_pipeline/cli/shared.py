"""What all verbs share: the settings, the database, and the option `--json`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catalog_pipeline.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_settings() -> Settings:
    """The settings, loaded only by verbs that need them."""
    from catalog_pipeline.settings import load_settings

    return load_settings()


@contextmanager
def database(*, migrated: bool = True) -> Iterator[tuple[Settings, Engine]]:
    """The settings, and an engine on a database whose schema is this code's."""
    from catalog_pipeline.database.engine import connected, ensure_database, make_engine, serving
    from catalog_pipeline.database.schema import check_version, migrate

    settings = load_settings()
    with serving(settings) as server:
        ensure_database(server)
        engine = make_engine(server)
        try:
            if settings.database_url is None:
                migrate(engine)  # the embedded database is ours: nobody else keeps its schema
            if migrated:
                with connected(engine) as connection:
                    check_version(connection)
            yield settings, engine
        finally:
            engine.dispose()
