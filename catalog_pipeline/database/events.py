"""Reading change events without missing any: whoever reads remembers a cursor, and gets what came after it.

An event's id is given before its transaction commits, so that ids become visible out of order. Only what lies below
the horizon, the oldest transaction that still runs, is read: there nothing can appear any more.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

PATIENCE = timedelta(seconds=30)
"""How long an event may wait below a running transaction before somebody should know which one it is."""

HORIZON = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
           pg_snapshot_xmax(pg_current_snapshot())::text AS ahead,
           (SELECT system_identifier FROM pg_control_system())::text
               || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
               || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS history"""
"""The horizon, and which course of events it belongs to: server, timeline and database; a restore changes it."""

BLOCKERS = """
    SELECT pid, coalesce(datname, '') AS database, coalesce(application_name, '') AS application, state,
           clock_timestamp() - xact_start AS age
    FROM pg_stat_activity
    WHERE backend_xid::text::bigint = mod(CAST(:horizon AS bigint), 4294967296)
    UNION ALL
    SELECT NULL, database, 'prepared transaction ' || gid, 'prepared', clock_timestamp() - prepared
    FROM pg_prepared_xacts WHERE transaction::text::bigint = mod(CAST(:horizon AS bigint), 4294967296)"""


@dataclass(frozen=True)
class Cursor:
    """Everything of one course of events whose transaction is before `xid` has been read."""

    history: str
    xid: int

    def to_json(self) -> str:
        """As a sensor remembers it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, remembered: str | None) -> "Cursor | None":
        """None when there is none, or it is none of ours: whoever reads starts anew."""
        try:
            found = json.loads(remembered or "")
            return cls(str(found["history"]), int(found["xid"]))
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class Range:
    """The events of all transactions from `after` (included) to `upto` (not included)."""

    after: int
    upto: int

    CONDITION = "e.xid >= CAST(:after AS xid8) AND e.xid < CAST(:upto AS xid8)"

    @property
    def parameters(self) -> dict[str, str]:
        """Of CONDITION."""
        return {"after": str(self.after), "upto": str(self.upto)}


@dataclass(frozen=True)
class Reading:
    """What came after a cursor: rows of the query, and the cursor to go on from."""

    rows: list[dict[str, Any]]
    range: Range
    cursor: Cursor


@dataclass(frozen=True)
class Waiting:
    """Events that no reader may see yet, and who holds them back."""

    events: int
    oldest: datetime | None
    seconds: float
    blockers: list[dict[str, Any]]

    @property
    def too_long(self) -> bool:
        """Whether somebody should look at the blockers."""
        return self.seconds > PATIENCE.total_seconds()

    def __str__(self) -> str:
        named = [
            f"pid {b['pid']} in database {b['database']} ({b['application'] or 'no name'}, {b['state']}) is"
            f" {b['age'].total_seconds():.0f} s old"
            for b in self.blockers
        ]
        return (
            f"{self.events} events have waited up to {self.seconds:.0f} s for a transaction to end:"
            f" {'; '.join(named) or 'of whom nothing can be seen; ask a superuser'}."
            " `SELECT pg_terminate_backend(pid)` ends one that was forgotten."
        )


def now(connection: Connection) -> Cursor:
    """The cursor of a reader that begins here."""
    found = connection.execute(text(HORIZON)).one()
    return Cursor(found.history, int(found.horizon))


def read(connection: Connection, cursor: Cursor, query: str) -> Reading | None:
    """What came after the cursor, by a query on `ops.change_event AS e` with the place {new} for which are new.

    Horizon and events are read in one statement. None when the cursor is of another course of events (another
    server, a restored database) or ahead of this one: the reader has to reconcile, and to start at `now`.
    """
    statement = f"""
        WITH horizon AS ({HORIZON}), found AS (
            {query.format(new="e.xid >= CAST(:after AS xid8) AND e.xid < (SELECT horizon::xid8 FROM horizon)")})
        SELECT h.*, to_jsonb(f) AS row FROM horizon h LEFT JOIN found f ON true"""
    rows = connection.execute(text(statement), {"after": str(cursor.xid)}).all()
    horizon, ahead, history = int(rows[0].horizon), int(rows[0].ahead), rows[0].history
    if history != cursor.history or cursor.xid > ahead:
        return None
    # The horizon does not go back; a reader that is ahead of it has nothing to read.
    upto = max(horizon, cursor.xid)
    found = [row.row for row in rows if row.row is not None]
    return Reading(found, Range(cursor.xid, upto), Cursor(history, upto))


def waiting(connection: Connection) -> Waiting:
    """What no reader may see yet."""
    found = connection.execute(
        text(f"""
        WITH horizon AS ({HORIZON})
        SELECT h.horizon, count(e.id) AS events, min(e.at) AS oldest,
               coalesce(extract(epoch FROM clock_timestamp() - min(e.at)), 0)::float AS seconds
        FROM horizon h LEFT JOIN ops.change_event e ON e.xid >= h.horizon::xid8 GROUP BY 1""")
    ).one()
    blockers = connection.execute(text(BLOCKERS), {"horizon": found.horizon}).all() if found.events else []
    return Waiting(found.events, found.oldest, found.seconds, [dict(row._mapping) for row in blockers])
