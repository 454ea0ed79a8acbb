"""Reading change events: all that are new since a cursor, or all that happened to some rows.

What changed in an event is read from the view `ops.column_change`, which has a row for each changed column, and never
from the JSON in `ops.change_event`, so that the way in which it is stored can change.

An event's id is given before its transaction commits, so that ids become visible out of order. A reader therefore
takes only what lies below the horizon, the oldest transaction that still runs: no event can appear there any more.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from catalog_pipeline.database.identity import IDENTITY
from catalog_pipeline.database.rows import Row, rows

PATIENCE = timedelta(seconds=30)
"""How long an event may wait below a running transaction before somebody should know which one it is."""

SEEN = "e.id || ' ' || extract(epoch FROM e.at)"
"""SQL of what tells one event from every other, also from one that gets its id after a restore."""

HORIZON = f"""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
           pg_snapshot_xmax(pg_current_snapshot())::text AS ahead,
           {IDENTITY} AS history"""
"""The horizon, the first transaction that has not begun, and which history they belong to."""

LAST = f"""
    SELECT e.xid::text AS last_xid, {SEEN} AS last_seen FROM ops.change_event e
    WHERE e.xid < (SELECT horizon::xid8 FROM horizon) ORDER BY e.xid DESC, e.id DESC LIMIT 1"""
"""The last event below the horizon."""

STANDS = f"""
    CAST(:seen AS text) IS NULL OR EXISTS (
        SELECT FROM ops.change_event e
        WHERE e.xid = CAST(:seen_xid AS xid8) AND e.id = split_part(:seen, ' ', 1)::bigint AND {SEEN} = :seen)"""
"""Whether the last event that a reader has seen is still there."""

RESTORED = """
    e.xid >= pg_snapshot_xmax(pg_current_snapshot()) AND e.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()"""
"""SQL: an event that is seen though its transaction is not over yet, by this server's count. It came with a restore."""

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
    """All events of one history whose transaction is before `xid` have been read.

    `seen` tells the last of them: where it is no more, the database was restored to a time before it. `xid` is the
    transaction after it, so that what happens after a restore to a later time is not taken for read. None: not known.
    """

    history: str
    xid: int
    seen: str | None = None

    def to_json(self) -> str:
        """The text that a sensor remembers."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, remembered: str | None) -> "Cursor | None":
        """The cursor in a remembered text; None when it holds none, so that the reader starts anew."""
        try:
            found = json.loads(remembered or "")
            seen = found.get("seen")
            return cls(str(found["history"]), int(found["xid"]), None if seen is None else str(seen))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True)
class Range:
    """The events of all transactions from `after` (included) to `upto` (not included)."""

    after: int
    upto: int

    CONDITION = "e.xid >= CAST(:after AS xid8) AND e.xid < CAST(:upto AS xid8)"

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of `CONDITION`."""
        return {"after": str(self.after), "upto": str(self.upto)}


@dataclass(frozen=True)
class Reading:
    """What came after a cursor: the query's rows, their range, and the cursor for the next reading."""

    rows: list[Row]
    range: Range
    cursor: Cursor


@dataclass(frozen=True)
class Waiting:
    """Events that readers cannot see yet, and the transactions that hold them back."""

    events: int
    oldest: datetime | None
    seconds: float
    blockers: list[Row]

    @property
    def too_long(self) -> bool:
        """Whether a person should look at the blockers."""
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
    """The cursor of a reader that starts now.

    Events that came with a restore get the transaction 0. When the server's own transactions reach theirs, they would
    look new to readers.
    """
    if connection.execute(text(f"SELECT EXISTS (SELECT FROM ops.change_event e WHERE {RESTORED})")).scalar_one():
        connection.execute(text(f"UPDATE ops.change_event e SET xid = '0' WHERE {RESTORED}"))
    found = connection.execute(
        text(f"WITH horizon AS ({HORIZON}) SELECT h.*, l.* FROM horizon h LEFT JOIN ({LAST}) l ON true")
    ).one()
    return Cursor(found.history, _after(found), found.last_seen)


def read(connection: Connection, cursor: Cursor, query: str) -> Reading | None:
    """What came after the cursor, found by `query`.

    The query reads `ops.column_change AS e` or `ops.change_event AS e` and has the placeholder {new} in its WHERE, for
    the condition that an event is new. Horizon and events are read in one statement. Returns None when the cursor
    belongs to another history (another server, a restored database), is ahead of this one, or has seen what is no more:
    the reader must look at everything once, and start at `now`.
    """
    statement = f"""
        WITH horizon AS ({HORIZON}), found AS (
            {query.format(new="e.xid >= CAST(:after AS xid8) AND e.xid < (SELECT horizon::xid8 FROM horizon)")})
        SELECT h.*, l.*, {STANDS} AS stands, to_jsonb(f) AS row
        FROM horizon h LEFT JOIN ({LAST}) l ON true LEFT JOIN found f ON true"""
    wanted = {"after": str(cursor.xid), "seen": cursor.seen, "seen_xid": str(max(cursor.xid - 1, 0))}
    answer = connection.execute(text(statement), wanted).all()
    first = answer[0]
    if first.history != cursor.history or cursor.xid > int(first.ahead) or not first.stands:
        return None
    after = max(Cursor(first.history, _after(first), first.last_seen), cursor, key=lambda one: one.xid)
    return Reading([row.row for row in answer if row.row is not None], Range(cursor.xid, after.xid), after)


def _after(found: Any) -> int:
    """The transaction after the last event below the horizon; 0 when there is none."""
    return int(found.last_xid) + 1 if found.last_xid else 0


def waiting(connection: Connection) -> Waiting:
    """The events that readers cannot see yet."""
    found = connection.execute(
        text(f"""
        WITH horizon AS ({HORIZON}), waiting AS (
            -- The horizon itself, not what the line above says of it: Postgres knows it, and finds few events by it.
            SELECT count(*) AS events, min(e.at) AS oldest FROM ops.change_event e
            WHERE e.xid >= pg_snapshot_xmin(pg_current_snapshot()) AND NOT ({RESTORED}))
        SELECT h.horizon, w.events, w.oldest,
               coalesce(extract(epoch FROM clock_timestamp() - w.oldest), 0)::float AS seconds
        FROM horizon h, waiting w""")
    ).one()
    blockers = connection.execute(text(BLOCKERS), {"horizon": found.horizon}).all() if found.events else []
    return Waiting(found.events, found.oldest, found.seconds, [dict(row._mapping) for row in blockers])


def of_rows(connection: Connection, wanted: str, **parameters: Any) -> list[Row]:
    """What happened to some rows, oldest first: at, actor, login, entity, action, changes (column to [old, new]).

    `wanted`: a query with the columns entity and entity_id. Of personal data, changes say [] instead of the values.
    """
    found = rows(connection, wanted, **parameters)
    # In a query of its own, because Postgres would take the rows for many and read the whole history.
    return rows(
        connection,
        """SELECT e.at, e.actor, e.login, e.entity, e.action,
                  jsonb_object_agg(e."column", CASE WHEN e.old IS NULL THEN '[]'
                                                    ELSE jsonb_build_array(e.old, e.new) END) AS changes
           FROM unnest(CAST(:entities AS text[]), CAST(:ids AS bigint[])) AS wanted (entity, entity_id)
           JOIN ops.column_change e USING (entity, entity_id)
           GROUP BY e.id, e.at, e.actor, e.login, e.entity, e.action ORDER BY e.id""",
        entities=[row["entity"] for row in found],
        ids=[row["entity_id"] for row in found],
    )


def of_columns(connection: Connection, entity: str, row_id: int, columns: Sequence[str]) -> list[Row]:
    """How the given columns of one row changed, oldest first: at, field, from, to (as text), by."""
    return rows(
        connection,
        """SELECT e.at, e."column" AS field, e.old #>> '{}' AS "from", e.new #>> '{}' AS "to", e.actor AS by
           FROM ops.column_change e
           WHERE e.entity = :entity AND e.entity_id = :id AND e."column" = ANY(:columns)
           ORDER BY e.id, array_position(:columns, e."column")""",
        entity=entity,
        id=row_id,
        columns=list(columns),
    )
