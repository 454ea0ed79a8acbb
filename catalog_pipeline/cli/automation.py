"""What Dagster knows of the night, for the doctor: its schedule, its daemon, and how the last night ended."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database.engine import Server
from catalog_pipeline.errors import CatalogError
from catalog_pipeline.queries.doctor import Finding
from catalog_pipeline.settings import Settings
from resources.instance import UNFINISHED, environment
from sensors.nightly import newest_night, nightly_schedule

SILENCE = timedelta(minutes=5)
"""A daemon that gave no sign of life for so long does not run."""


def automation(settings: Settings, server: Server) -> Iterator[Finding]:
    """What is wrong with the night. Changes nothing, but makes Dagster's database where there is none."""
    try:
        nightly_schedule(settings)
        yield Finding("cron", True, f"the night starts at {settings.nightly_cron}, UTC")
    except CatalogError as error:
        yield Finding("cron", False, str(error))
    os.environ.update(environment(settings, server))
    try:
        with DagsterInstance.get() as instance:
            yield _daemon(instance, settings)
            yield _night(instance)
    except (CatalogError, DBAPIError, dg.DagsterError) as error:
        yield Finding("dagster", False, str(error))


def _daemon(instance: DagsterInstance, settings: Settings) -> Finding:
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    if not beats:
        told = "it has never run; `catalog-pipeline up` starts it, with the nightly schedule"
        return Finding("daemon", not settings.automation, told)
    last = datetime.fromtimestamp(max(beats), UTC)
    if datetime.now(UTC) - last < SILENCE:
        return Finding("daemon", True, f"it runs; last sign of life {last:%Y-%m-%d %H:%M}")
    told = f"it has not run since {last:%Y-%m-%d %H:%M}; `catalog-pipeline up` starts it"
    return Finding("daemon", not settings.automation, told)


def _night(instance: DagsterInstance) -> Finding:
    night, statuses = newest_night(instance)
    if not statuses:
        return Finding("night", True, "the schedule has started none yet")
    failed = [job for job, status in statuses.items() if status == DagsterRunStatus.FAILURE]
    if failed:
        told = f"{', '.join(failed)} failed in the night of {night}; its log in the Dagster UI says why"
        return Finding("night", False, told)
    state = "goes on" if any(status in UNFINISHED for status in statuses.values()) else "ended well"
    return Finding("night", True, f"the last one, of {night}, {state}")
