"""Finds assignments whose content, subsidy, policy or allocation changed, and has just those rebuilt."""

from typing import Any

import dagster as dg
from dagster import DagsterInstance, RunsFilter
from sqlalchemy import Connection, text

from assets import jobs
from assets.assignments import EXPIRATION, HAS_ONE, RebuildConfig
from assets.catalog import CAUSE_TAG
from catalog_pipeline.assignments.expirations import TOUCHED
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Cursor
from resources.database import CatalogDatabase

AFTER_TAG, CURSOR_TAG = "catalog/expirations_after", "catalog/expirations_cursor"
SHOWN = 3
FOUND = f"""
    SELECT (SELECT count(*) FROM ({TOUCHED}) AS touched JOIN catalog.content_assignment USING (id)) AS assignments,
           (SELECT array_agg(DISTINCT e.actor) FROM ops.change_event e WHERE {{new}}) AS actors,
           (SELECT (array_agg(DISTINCT e.key))[1:{SHOWN}] FROM ops.change_event e WHERE {{new}}
            AND e.entity IN ('content_metadata', 'content_run', 'subsidy', 'access_policy')) AS keys"""


@dg.sensor(
    job=jobs.rebuild_expirations,
    minimum_interval_seconds=60,
    description="Rebuilds the expirations of assignments whose content, subsidy, policy or allocation changed.",
)
def expirations(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """Look in the change events since the last tick for what expirations follow from."""
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
    if not found["assignments"]:
        held = events.waiting(connection)
        reason = str(held) if held.too_long else "Nothing has changed that assignments expire by."
        return dg.SensorResult(skip_reason=reason, cursor=reading.cursor.to_json())
    config = RebuildConfig(after=reading.range.after, upto=reading.range.upto)
    tags = {AFTER_TAG: _tag(cursor), CURSOR_TAG: reading.cursor.to_json(), CAUSE_TAG: _cause(found)}
    return dg.SensorResult(
        [
            dg.RunRequest(
                # After a restore other events may follow the same one: the last event of the range is in the key.
                run_key=f"{tags[AFTER_TAG]}:{reading.cursor.seen}",
                run_config=dg.RunConfig({jobs.REBUILDING_OP: config}),
                tags=tags,
                # The checks look at all assignments: that is for the night.
                asset_selection=[EXPIRATION],
                asset_check_keys=[],
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
    if not connection.execute(text("SELECT EXISTS (SELECT FROM catalog.content_assignment)")).scalar_one():
        return dg.SensorResult(skip_reason="Begins here: there is no assignment.", cursor=cursor.to_json())
    left = connection.execute(text(HAS_ONE.query)).scalar_one()
    cause = f"the sensor began or the database was restored; {left} assignments without an expiration"
    request = dg.RunRequest(tags={CAUSE_TAG: cause})  # no key: it may be needed again with the same cursor
    return dg.SensorResult([request], cursor=cursor.to_json())


def _cause(found: dict[str, Any]) -> str:
    of = f"{found['assignments']} assignment{'' if found['assignments'] == 1 else 's'}"
    keys = f" of {', '.join(found['keys'])}" if found["keys"] else ""
    return f"{of}{keys}, by {', '.join(found['actors'])}"


def _tag(cursor: Cursor) -> str:
    return f"{cursor.history}/{cursor.xid}/{cursor.seen}"
