"""What is common to the verbs that change enrollments: who asks, and one transaction that is tried again if it must."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.learners.retirement import retirement_secret
from catalog_pipeline.loading.publication import ENROLLMENT_LOCK, Publication, publishing
from catalog_pipeline.settings import Settings

Answer = TypeVar("Answer")
TRIES = 20
LOST_RACES = ("23505", "23503", "40001", "40P01")
"""SQLSTATEs where another session was faster: unique or foreign key violation, serialization failure, deadlock."""


@dataclass(frozen=True)
class Asked:
    """Who changes enrollments, as of when, and whether it is only tried."""

    actor: str
    as_of: datetime
    settings: Settings
    dry_run: bool = False

    @cached_property
    def secret(self) -> bytes:
        """The secret of the hashes of retired learners."""
        return retirement_secret(self.settings)


def writing(engine: Engine, verb: str, asked: Asked, work: Callable[[Publication], Answer]) -> Answer:
    """Do `work` as one load; with `dry_run` it is rolled back at the end.

    Verbs wait for one another. Whoever writes by SQL does not wait: where he is faster, all is decided anew, so that
    the answer tells of what he wrote.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return _try(engine, verb, asked, work)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in LOST_RACES or attempt == TRIES:
                raise
    raise AssertionError("every try returns or raises")


def _try(engine: Engine, verb: str, asked: Asked, work: Callable[[Publication], Answer]) -> Answer:
    source = f"enrollments:{verb}"
    with engine.connect() as connection, connection.begin() as transaction:
        with publishing(connection, source, asked.as_of, asked.actor, lock=ENROLLMENT_LOCK) as publication:
            answer = work(publication)
        if asked.dry_run:
            transaction.rollback()
        return answer
