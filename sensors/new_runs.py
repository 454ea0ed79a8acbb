"""Finds runs that came without a course, by whatever path, and starts the association of just those."""

from typing import Any

import dagster as dg
from dagster import DagsterInstance, RunsFilter
from sqlalchemy import Connection, text

from assets import jobs
from assets.catalog import CAUSE_TAG, AssociateConfig
from catalog_pipeline.associations.planning import NEW_RUNS, NOT_YET_REPORTED
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Cursor
from resources.database import CatalogDatabase

AFTER_TAG, CURSOR_TAG = "catalog/events_after", "catalog/events_cursor"
SHOWN = 3
FOUND = f"""
    SELECT count(DISTINCT r.id) AS runs, (array_agg(DISTINCT r.run_key))[1:{SHOWN}] AS run_keys,
           array_agg(DISTINCT e.actor) AS actors
    FROM ({NEW_RUNS}) AS e JOIN catalog.course_run r USING (id)
    WHERE {NOT_YET_REPORTED}"""
LEFT = f"SELECT count(*) FROM catalog.course_run r WHERE {NOT_YET_REPORTED}"


@dg.sensor(
    job=jobs.associate_runs,
    minimum_interval_seconds=15,
    description="Associates runs that appeared without a course, by whatever path: a load, the API, psql.",
)
def new_runs(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """Look for new runs in the change events since the last tick."""
    with connected(database.engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = '40s'"))  # a tick may take 60 seconds
        return _look(connection, context.instance, context.cursor)


def _look(connection: Connection, instance: DagsterInstance, remembered: str | None) -> dg.SensorResult:
    """One tick: what to run, and the cursor to remember."""
    cursor = Cursor.from_json(remembered)
    cursor = cursor and _requested_already(instance, cursor)
    reading = cursor and events.read(connection, cursor, FOUND)
    if cursor is None or reading is None:
        return _reconcile(connection)
    found = reading.rows[0]
    if not found["runs"]:
        held = events.waiting(connection)
        reason = str(held) if held.too_long else "No run has appeared without a course."
        return dg.SensorResult(skip_reason=reason, cursor=reading.cursor.to_json())
    after, upto = reading.range.after, reading.range.upto
    tags = {AFTER_TAG: _tag(cursor), CURSOR_TAG: reading.cursor.to_json(), CAUSE_TAG: _cause(found)}
    return dg.SensorResult(
        [
            dg.RunRequest(
                # After a restore other events may follow the same one: the last event of the range is in the key.
                run_key=f"{tags[AFTER_TAG]}:{reading.cursor.seen}",
                run_config=dg.RunConfig({jobs.ASSOCIATING_OP: AssociateConfig(after=after, upto=upto)}),
                tags=tags,
            )
        ],
        cursor=reading.cursor.to_json(),
    )


def _requested_already(instance: DagsterInstance, cursor: Cursor) -> Cursor:
    """Go past the ranges that were requested by ticks that died before their cursor was kept."""
    while runs := instance.get_runs(RunsFilter(tags={AFTER_TAG: _tag(cursor)}), limit=1):
        requested = Cursor.from_json(runs[0].tags.get(CURSOR_TAG))
        if requested is None:
            break
        cursor = requested
    return cursor


def _reconcile(connection: Connection) -> dg.SensorResult:
    """Begin: at the first tick, and where the cursor is another history's, as after a restore."""
    cursor = events.now(connection)
    left = connection.execute(text(LEFT)).scalar_one()
    if not left:
        return dg.SensorResult(skip_reason="Begins here: every run has a course.", cursor=cursor.to_json())
    cause = f"{left} runs without a course when the sensor began or the database was restored"
    request = dg.RunRequest(tags={CAUSE_TAG: cause})  # no key: it may be needed again with the same cursor
    return dg.SensorResult([request], cursor=cursor.to_json())


def _cause(found: dict[str, Any]) -> str:
    shown = ", ".join(found["run_keys"])
    more = found["runs"] - len(found["run_keys"])
    return f"{shown}{f' and {more} more' if more > 0 else ''}, by {', '.join(found['actors'])}"


def _tag(cursor: Cursor) -> str:
    return f"{cursor.history}/{cursor.xid}/{cursor.seen}"
