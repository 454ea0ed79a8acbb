"""Sees the files that partners put into the folder of feeds, and starts the ingestion of each, in order."""

import json
from typing import Any

import dagster as dg
from dagster import DagsterInstance, RunsFilter
from dagster._core.storage.tags import PARTITION_NAME_TAG

from assets import jobs
from assets.feeds import FEEDS
from catalog_pipeline.database.engine import connected
from catalog_pipeline.partner.arrivals import accept, waiting
from catalog_pipeline.settings import Settings, load_settings
from resources.database import CatalogDatabase
from sensors.nightly import ENDED, STATUS


def sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor, running where automation is on."""

    @dg.sensor(
        name="feed_files",
        job_name=jobs.ingest_feed.name,
        minimum_interval_seconds=30,
        description="Ingests partner feeds as their files arrive; a file is finished when two looks find it the same.",
        default_status=STATUS.RUNNING if settings.automation else STATUS.STOPPED,
    )
    def feed_files(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
        folder = accept(database.engine, load_settings(), json.loads(context.cursor or "{}"))
        with connected(database.engine) as connection:
            arrived = waiting(connection)  # read once: what is due must be a partition
        keys = [row.partition_key for row in arrived]
        context.instance.add_dynamic_partitions(str(FEEDS.name), keys)  # also those of a tick that died
        due = _due(arrived, context.instance)
        reason = " ".join(folder.problems) or "No feed is waiting."
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in due],
            skip_reason=None if due else reason,
            cursor=json.dumps(folder.seen),
        )

    return feed_files


def _due(arrived: list[Any], instance: DagsterInstance) -> list[str]:
    """Of each source and type the oldest feed that waits and was never started, unless an older one is at work."""
    due: dict[str, str | None] = {}
    for row in arrived:
        scope = f"{row.source}/{row.product_type}"
        if scope in due:
            continue
        runs = instance.get_runs(RunsFilter(tags={PARTITION_NAME_TAG: row.partition_key}), limit=1)
        if not runs:
            due[scope] = row.partition_key
        elif runs[0].status not in ENDED:
            due[scope] = None
    return [key for key in due.values() if key]
