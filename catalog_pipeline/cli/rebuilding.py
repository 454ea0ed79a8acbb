"""Rebuilds, at the end of a verb, the expirations that its changes may have moved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from catalog_pipeline.assignments.expirations import rebuild
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Range, ahead


@dataclass
class Afterwards:
    """What was rebuilt, once the `with` has ended: how many expirations were written, and how many of these moved."""

    rebuilt: int = 0
    moved: int = 0


@contextmanager
def rebuilding(engine: Engine) -> Iterator[Afterwards]:
    """After what is done inside, rebuild the expirations that change events since its beginning may have moved."""
    afterwards = Afterwards()
    with connected(engine) as connection:
        after = ahead(connection)
    yield afterwards
    with connected(engine) as connection:
        changed = Range(after, ahead(connection))
    done = rebuild(engine, changed, as_of=datetime.now(UTC))
    afterwards.rebuilt, afterwards.moved = done.rebuilt, done.moved
