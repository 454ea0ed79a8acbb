"""The night: jobs in a row. A schedule starts the first, one sensor each next one; `make run` walks the same list."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets import jobs
from catalog_pipeline.settings import Settings, load_settings
from catalog_pipeline.sources.upstreams import configured_sources
from resources.instance import process_tag

NIGHT_TAG = "catalog/night"
STATUS = dg.DefaultSensorStatus
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Dagster tells every event on standard error; who walks the night prints a summary, and the UI has the rest."""
warnings.filterwarnings("ignore", "Parameter `owners`", dg.BetaWarning)  # Dagster's own, of a sensor of plain jobs
ENDED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Stage:
    """One job of the night."""

    job: str
    source: str | None = None
    """The source without which the stage is left out."""
    needs: tuple[str, ...] = ()
    """Stages that must have succeeded; any other failed stage is skipped over."""
    days: int = 0
    """How many days, up to the night's date, a stage builds that is partitioned by day."""

    def tags(self, night: date) -> dict[str, str]:
        """The tags of the stage's run."""
        if not self.days:
            return {}
        first = night - timedelta(days=self.days - 1)
        return {ASSET_PARTITION_RANGE_START_TAG: first.isoformat(), ASSET_PARTITION_RANGE_END_TAG: night.isoformat()}


NIGHT = (
    Stage(jobs.refresh_discovery.name, source="discovery"),
    Stage(jobs.refresh_lms.name, source="lms"),
    Stage(jobs.ingest_feeds.name),
    Stage(jobs.publish_due_runs.name),
    Stage(jobs.associate_runs.name),
    Stage(jobs.build_marts.name),
    Stage(jobs.snapshot_catalog.name, days=2),  # the day that ended, and today so far
    Stage(jobs.send_mail.name),
)


def stages(settings: Settings) -> list[Stage]:
    """The night's stages, without those whose source is not configured."""
    sources = configured_sources(settings)
    return [stage for stage in NIGHT if stage.source is None or stage.source in sources]


def next_stage(tonight: list[Stage], statuses: Mapping[str, DagsterRunStatus]) -> Stage | None:
    """The stage to start now, by the statuses of tonight's runs so far; None while one works, and at the end."""
    if not statuses or any(status not in ENDED for status in statuses.values()):
        return None
    last = max(number for number, stage in enumerate(tonight) if stage.job in statuses) if statuses else -1
    for stage in tonight[last + 1 :]:
        if all(statuses.get(job) == DagsterRunStatus.SUCCESS for job in stage.needs):
            return stage
    return None


def request(stage: Stage, night: str) -> dg.RunRequest:
    """The run of a stage; its key holds the night's date, so that nothing runs twice."""
    tags = {NIGHT_TAG: night, **stage.tags(date.fromisoformat(night))}
    return dg.RunRequest(run_key=f"{night}:{stage.job}", job_name=stage.job, tags=tags)


def schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that starts the night's first stage."""
    first = stages(settings)[0]

    @dg.schedule(
        name="nightly",
        cron_schedule=settings.nightly_cron,
        execution_timezone="UTC",
        job_name=first.job,
        description="Starts the night; the sensor `night` starts each next stage.",
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.automation else dg.DefaultScheduleStatus.STOPPED,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return request(first, f"{context.scheduled_execution_time:%Y-%m-%d}")

    return nightly


def sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that starts the next stage when one has ended, however it ended."""

    @dg.sensor(
        name="night",
        jobs=jobs.JOBS,
        minimum_interval_seconds=20,
        description="Starts the night's next stage when the one before has ended.",
        default_status=STATUS.RUNNING if settings.automation else STATUS.STOPPED,
    )
    def night(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        tonight = stages(load_settings())
        found = False
        for day in _nights():
            statuses = statuses_of(context.instance, day)
            stage = next_stage(tonight, statuses)
            if stage:
                found = True
                yield request(stage, day)
        if not found:
            yield dg.SkipReason("No stage of a night is due.")

    return night


def statuses_of(instance: DagsterInstance, night: str) -> dict[str, DagsterRunStatus]:
    """The status of each job's last run of a night."""
    runs = instance.get_runs(RunsFilter(tags={NIGHT_TAG: night}))
    return {run.job_name: run.status for run in reversed(list(runs))}


def walk(
    defs: dg.Definitions, instance: DagsterInstance, tonight: list[Stage], *, accept_removals: bool = False
) -> Iterator[tuple[Stage, DagsterRun | None]]:
    """Run the stages one after the other in this process; yields each before (None) and after its run."""
    statuses: dict[str, DagsterRunStatus] = {}
    for stage in tonight:
        if any(statuses.get(job) != DagsterRunStatus.SUCCESS for job in stage.needs):
            continue
        yield stage, None
        job = defs.resolve_job_def(stage.job)
        config: dict[str, object] = {"loggers": QUIET}
        if accept_removals:
            config["ops"] = {op: {"config": {"accept_removals": True}} for op in _publishing(job)}
        # Tagged from its creation on, for this process may die before the run begins.
        tags = {**stage.tags(datetime.now(UTC).date()), **process_tag()}
        result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=config, tags=tags)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        statuses[stage.job] = run.status
        yield stage, run


def _publishing(job: dg.JobDefinition) -> list[str]:
    return [name for name in job.graph.node_dict if name.startswith(("publish", "lms__course_run"))]


def _nights() -> list[str]:
    today = datetime.now(UTC).date()
    return [f"{today - timedelta(days=days):%Y-%m-%d}" for days in (1, 0)]
