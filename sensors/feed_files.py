"""Sees the files that partners put into the folder of feeds, and starts the ingestion of each, in order."""

import json
from typing import Any

import dagster as dg
from dagster import DagsterInstance, RunsFilter

from assets import jobs
from assets.feeds import FEEDS
from catalog_pipeline.database.engine import connected
from catalog_pipeline.partner.arrivals import accept
from catalog_pipeline.partner.queue import waiting
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase
from resources.instance import UNFINISHED

PARTITION_TAG = "dagster/partition"
"""The tag in which Dagster keeps a run's partition."""

LOOK = 20.0
"""Seconds after which one look reads no further file: a third of the time that Dagster gives a sensor."""


@dg.sensor(
    job=jobs.ingest_feed,
    minimum_interval_seconds=30,
    description="Ingests partner feeds as their files arrive; a file is finished when two looks find it the same.",
)
def feed_files(
    context: dg.SensorEvaluationContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]
) -> dg.SensorResult:
    """Keep the files that are finished, and start the oldest of each source and course type."""
    folder = accept(database.engine, settings, json.loads(context.cursor or "{}"), LOOK)
    for told in (*folder.warnings, *folder.problems):
        context.log.warning(told)
    with connected(database.engine) as connection:
        arrived = waiting(connection)
    partitions = set(context.instance.get_dynamic_partitions(str(FEEDS.name)))
    new = [
        row.partition_key for row in arrived if row.partition_key not in partitions
    ]  # those of a tick that died included
    due = _due(arrived, context.instance)
    reason = " ".join(folder.problems) or "No feed is waiting."
    if folder.left:
        context.log.info(f"{folder.left} more files have arrived; the next look takes them.")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in due],
        dynamic_partitions_requests=[FEEDS.build_add_request(new)] if new else [],
        skip_reason=None if due else reason,
        cursor=json.dumps(folder.seen),
    )


def _due(arrived: list[Any], instance: DagsterInstance) -> list[str]:
    """For each source and course type, the oldest feed that nobody has tried yet, unless an older one still runs.

    One that was tried, and failed, waits for the night. `arrived` is as `waiting` gives it.
    """
    unfinished = instance.get_runs(RunsFilter(job_name=jobs.ingest_feed.name, statuses=[*UNFINISHED]))
    running = {run.tags.get(PARTITION_TAG) for run in unfinished}
    due: dict[tuple[str, str], str | None] = {}
    for row in arrived:
        scope = row.source, row.product_type
        if scope in due:
            continue
        if row.partition_key in running:
            due[scope] = None
        elif not row.tries and not _was_started(instance, row.partition_key):
            due[scope] = row.partition_key
    return [key for key in due.values() if key]


def _was_started(instance: DagsterInstance, partition_key: str) -> bool:
    return bool(instance.get_runs(RunsFilter(tags={PARTITION_TAG: partition_key}), limit=1))
