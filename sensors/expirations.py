"""Finds assignments whose content, subsidy, policy or allocation changed, and has just those rebuilt."""

import dagster as dg

from assets import jobs
from assets.assignments import EXPIRATION, HAS_ONE, RebuildConfig
from catalog_pipeline.assignments.expirations import TOUCHED
from catalog_pipeline.database.events import Range
from catalog_pipeline.database.rows import Row
from resources.database import CatalogDatabase
from sensors.following import Follower, follow

SHOWN = 3
FOUND = f"""
    SELECT (SELECT count(*) FROM ({TOUCHED}) AS touched JOIN catalog.content_assignment USING (id)) AS count,
           (SELECT array_agg(DISTINCT e.actor) FROM ops.change_event e WHERE {{new}}) AS actors,
           (SELECT (array_agg(DISTINCT e.key))[1:{SHOWN}] FROM ops.change_event e WHERE {{new}}
            AND e.entity IN ('content_metadata', 'content_run', 'subsidy', 'access_policy')) AS keys"""
LEFT = f"""
    SELECT 'assignments without an expiration: ' || ({HAS_ONE.query})
    WHERE EXISTS (SELECT FROM catalog.content_assignment)"""


def _request(range_: Range) -> dg.RunRequest:
    config = RebuildConfig(after=range_.after, upto=range_.upto)
    return dg.RunRequest(
        run_config=dg.RunConfig({jobs.REBUILDING_OP: config}),
        # The checks look at all assignments: that is for the night.
        asset_selection=[EXPIRATION],
        asset_check_keys=[],
    )


def _cause(found: Row) -> str:
    of = f"{found['count']} assignment{'' if found['count'] == 1 else 's'}"
    keys = f" of {', '.join(found['keys'])}" if found["keys"] else ""
    return f"{of}{keys}, by {', '.join(found['actors'])}"


FOLLOWER = Follower(
    "expirations",
    FOUND,
    _cause,
    _request,
    nothing="Nothing has changed that assignments expire by.",
    left=LEFT,
    begins="there is no assignment.",
)


@dg.sensor(
    job=jobs.rebuild_expirations,
    minimum_interval_seconds=60,
    description="Rebuilds the expirations of assignments whose content, subsidy, policy or allocation changed.",
)
def expirations(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """Look in the change events since the last tick for what expirations follow from."""
    return follow(FOLLOWER, context, database)
