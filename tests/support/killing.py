"""Kills the process, as far as the database sees it, between any two statements."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, event


class KilledError(BaseException):
    """The process died."""


class Killer:
    """Ends the session before its statement of a number, as the death of the process does."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, connection: Connection, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            dbapi = connection.connection.dbapi_connection
            assert dbapi is not None
            dbapi.close()
            raise KilledError


def killed(engine: Engine, at: int, work: Callable[[], object]) -> bool:
    """Whether some work has that many statements, and was killed before the last of them."""
    killer = Killer(at)
    event.listen(engine, "before_cursor_execute", killer)
    try:
        work()
    except BaseException:
        if killer.left > 0:
            raise
    finally:
        event.remove(engine, "before_cursor_execute", killer)
        engine.dispose()
    return killer.left <= 0
