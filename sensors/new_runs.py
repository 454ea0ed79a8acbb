"""Finds runs that came without a course, by whatever path, and starts the association of just those."""

import dagster as dg

from assets import jobs
from assets.catalog import AssociateConfig
from catalog_pipeline.associations.planning import NEW_RUNS, NOT_YET_REPORTED
from catalog_pipeline.database.events import Range
from catalog_pipeline.database.rows import Row
from resources.database import CatalogDatabase
from sensors.following import Follower, follow

SHOWN = 3
FOUND = f"""
    SELECT count(DISTINCT r.id) AS count, (array_agg(DISTINCT r.run_key))[1:{SHOWN}] AS run_keys,
           array_agg(DISTINCT e.actor) AS actors
    FROM ({NEW_RUNS}) AS e JOIN catalog.course_run r USING (id)
    WHERE {NOT_YET_REPORTED}"""
LEFT = f"""
    SELECT 'runs without a course: ' || count(*) FROM catalog.course_run r
    WHERE {NOT_YET_REPORTED} HAVING count(*) > 0"""


def _request(range_: Range) -> dg.RunRequest:
    config = AssociateConfig(after=range_.after, upto=range_.upto)
    return dg.RunRequest(run_config=dg.RunConfig({jobs.ASSOCIATING_OP: config}))


def _cause(found: Row) -> str:
    shown = ", ".join(found["run_keys"])
    more = found["count"] - len(found["run_keys"])
    return f"{shown}{f' and {more} more' if more > 0 else ''}, by {', '.join(found['actors'])}"


FOLLOWER = Follower(
    "new_runs",
    FOUND,
    _cause,
    _request,
    nothing="No run has appeared without a course.",
    left=LEFT,
    begins="every run has a course.",
)


@dg.sensor(
    job=jobs.associate_runs,
    minimum_interval_seconds=15,
    description="Associates runs that appeared without a course, by whatever path: a load, the API, psql.",
)
def new_runs(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """Look for new runs in the change events since the last tick."""
    return follow(FOLLOWER, context, database)
