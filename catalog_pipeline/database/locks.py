"""Locks that belong to no table: waiting for one, and saying who holds it."""

import logging

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

logger = logging.getLogger(__name__)
PATIENCE = 30.0
"""Seconds that a session waits for a lock before it says who holds it."""

TAKE = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
HOLDERS = """
    SELECT a.pid, a.usename AS login, a.application_name AS application, a.state,
           extract(epoch FROM clock_timestamp() - a.xact_start)::int AS seconds
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(:name, 0)"""


def take(connection: Connection, name: str, patience: float = PATIENCE) -> None:
    """Wait for a lock, which the transaction then holds to its end.

    Any session may take such a lock, and forget it: after `patience` seconds a warning names those that hold it.
    """
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{patience:f}s'"))
            connection.execute(text(TAKE), {"name": name})
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        _tell(connection, name, patience)
        connection.execute(text(TAKE), {"name": name})


def _tell(connection: Connection, name: str, patience: float) -> None:
    for holder in connection.execute(text(HOLDERS), {"name": name}):
        logger.warning(
            f"Waiting for the lock {name} for over {patience:g} s. The session with pid {holder.pid} holds it (login"
            f" {holder.login}, {holder.application or 'no name'}, {holder.state}, in a transaction for"
            f" {holder.seconds} s). `SELECT pg_terminate_backend({holder.pid})` ends that session."
        )
