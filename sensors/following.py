"""What the sensors share that follow the change events: each asks for a run over the events that are new to it."""

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterInstance, RunsFilter
from sqlalchemy import Connection, text

from assets.catalog import CAUSE_TAG
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Cursor, Range
from catalog_pipeline.database.rows import Row
from resources.database import CatalogDatabase


@dataclass(frozen=True)
class Follower:
    """What a sensor looks for in the change events, and the run that it asks for."""

    name: str
    """It names the tags of the runs."""
    found: str
    """SQL of one row: `count`, of what is to be done, and what `cause` tells of it. For {new} see `events.read`."""
    cause: Callable[[Row], str]
    """Tells what was found, for the run's tag."""
    request: Callable[[Range], dg.RunRequest]
    """The run over a range of events."""
    nothing: str
    """What a tick says that found nothing."""
    left: str
    """SQL of why a run must look at everything when the sensor begins; no row where none needs to."""
    begins: str
    """What a sensor says that begins where nothing is left."""

    @property
    def after_tag(self) -> str:
        """The tag of the cursor after which a run's events come."""
        return f"catalog/{self.name}_after"

    @property
    def cursor_tag(self) -> str:
        """The tag of the cursor for the next tick."""
        return f"catalog/{self.name}_cursor"


def follow(follower: Follower, context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """One tick: what to run, and the cursor to remember."""
    with connected(database.engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = '40s'"))  # a tick may take 60 seconds
        cursor = Cursor.from_json(context.cursor)
        cursor = cursor and _requested_already(follower, context.instance, cursor)
        reading = cursor and events.read(connection, cursor, follower.found)
        if cursor is None or reading is None:
            return _reconcile(follower, connection)
        (found,) = reading.rows
        remembered = reading.cursor.to_json()
        if not found["count"]:
            held = events.waiting(connection)
            return dg.SensorResult(skip_reason=str(held) if held.too_long else follower.nothing, cursor=remembered)
    after = _tag(cursor)
    request = follower.request(reading.range).with_replaced_attrs(
        # After a restore other events may follow the same one: the last event of the range is in the key.
        run_key=f"{after}:{reading.cursor.seen}",
        tags={follower.after_tag: after, follower.cursor_tag: remembered, CAUSE_TAG: follower.cause(found)},
    )
    return dg.SensorResult([request], cursor=remembered)


def _requested_already(follower: Follower, instance: DagsterInstance, cursor: Cursor) -> Cursor:
    """Go past the ranges that were requested by ticks that died before their cursor was kept."""
    while runs := instance.get_runs(RunsFilter(tags={follower.after_tag: _tag(cursor)}), limit=1):
        requested = Cursor.from_json(runs[0].tags.get(follower.cursor_tag))
        if requested is None:
            break
        cursor = requested
    return cursor


def _reconcile(follower: Follower, connection: Connection) -> dg.SensorResult:
    """Begin: at the first tick, and where the cursor is another history's, as after a restore."""
    cursor = events.now(connection).to_json()
    left = connection.execute(text(follower.left)).scalar_one_or_none()
    if left is None:
        return dg.SensorResult(skip_reason=f"Begins here: {follower.begins}", cursor=cursor)
    cause = f"the sensor began or the database was restored; {left}"
    # No key: the run may be needed again with the same cursor.
    return dg.SensorResult([dg.RunRequest(tags={CAUSE_TAG: cause})], cursor=cursor)


def _tag(cursor: Cursor) -> str:
    return f"{cursor.history}/{cursor.xid}/{cursor.seen}"
