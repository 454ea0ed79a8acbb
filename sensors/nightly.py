"""The night: a list of jobs that run one after the other.

A schedule starts the first, one sensor starts each next one, and `make run` runs the same list in one process.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from assets import jobs
from assets.catalog import PublishConfig
from catalog_pipeline.errors import SettingsError
from catalog_pipeline.replication.enrollments import are_replicated
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.enrollments import SOURCE as ENROLLMENTS
from catalog_pipeline.sources.upstreams import configured_sources
from resources.instance import CODE_LOCATION_TAG, UNFINISHED, process_tag

NIGHT_TAG = "catalog/night"
"""The tag that tells which night a run belongs to: the schedule's tick that started it, such as 2026-03-01T02:15Z."""
OF_A_NIGHT = {"catalog/nightly": "yes"}
"""The tag that the runs of all nights have."""
WAITING = "waiting_nights"
"""The name of the dynamic partitions that list the nights which wait for the one before. Dagster stores them."""
FIRST_PARTITION_TAG, LAST_PARTITION_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""The tags in which Dagster keeps the range of partitions that a run builds."""
FAILURE_REASON_TAG, INTERRUPTED = "dagster/failure_reason", "UNEXPECTED_TERMINATION"
"""The tag by which Dagster says why a run failed, and its value where the process was told to stop."""
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Keeps Dagster from printing each event to standard error: `make run` prints a summary, the UI shows the events."""
warnings.filterwarnings("ignore", "Parameter `owners`", dg.BetaWarning)  # Dagster's own, for a sensor of several jobs


@dataclass(frozen=True)
class Stage:
    """One job of the night."""

    job: str
    source: str | None = None
    """The source without which the stage is left out."""
    publishes: str | None = None
    """The op that publishes the source, and that takes a PublishConfig."""
    needs: tuple[str, ...] = ()
    """Jobs that must have succeeded. Any other failed job does not keep the stage from running."""
    days: int = 0
    """How many days, up to the night's date, a stage builds that is partitioned by day."""

    def tags(self, night: date) -> dict[str, str]:
        """The tags of the stage's run."""
        if not self.days:
            return {}
        first = night - timedelta(days=self.days - 1)
        return {FIRST_PARTITION_TAG: first.isoformat(), LAST_PARTITION_TAG: night.isoformat()}


NIGHT = (
    Stage(jobs.refresh_discovery.name, source="discovery", publishes=jobs.PUBLISH_DISCOVERY_OP),
    Stage(jobs.refresh_lms.name, source="lms", publishes=jobs.PUBLISH_LMS_OP),
    Stage(jobs.refresh_enrollments.name, source=ENROLLMENTS, publishes=jobs.REFRESH_ENROLLMENTS_OP),
    Stage(jobs.refresh_enterprise_job.name, source="enterprise", publishes=jobs.REFRESH_ENTERPRISE_OP),
    Stage(jobs.ingest_feeds.name),
    Stage(jobs.publish_due_runs.name),
    Stage(jobs.associate_runs.name),
    Stage(jobs.rebuild_expirations.name),
    Stage(jobs.expire_assignments.name),
    Stage(jobs.nudge_assignments.name),
    Stage(jobs.clear_pii.name),
    Stage(jobs.expire_enrollments.name),
    Stage(jobs.build_marts.name),
    Stage(jobs.snapshot_catalog.name, days=2),  # the day that ended, and today so far
    Stage(jobs.remove_old.name),
    Stage(jobs.build_site.name),
    Stage(jobs.send_mail.name),
)


def stages(settings: Settings) -> list[Stage]:
    """The night's stages, without those whose source is not configured."""
    sources = [*configured_sources(settings), *([ENROLLMENTS] if are_replicated(settings) else [])]
    return [stage for stage in NIGHT if stage.source is None or stage.source in sources]


def next_stage(tonight: list[Stage], statuses: Mapping[str, DagsterRunStatus]) -> Stage | None:
    """The stage to start now, given the status of each job of tonight that was started.

    None while a run is unfinished, at the end of the night, and where the first stage was not started: that is the
    schedule's.
    """
    if not statuses or any(status in UNFINISHED for status in statuses.values()):
        return None
    last = max((number for number, stage in enumerate(tonight) if stage.job in statuses), default=-1)
    return next((stage for stage in tonight[last + 1 :] if _needs_met(stage, statuses)), None)


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that starts the night's first stage. Which stage that is, and when, the settings say.

    Raises SettingsError when CATALOG_NIGHTLY_CRON is no cron expression.
    """
    first = stages(settings)[0]

    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = f"{context.scheduled_execution_time.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
        before, statuses = newest_night(context.instance)
        if is_under_way(stages(settings), statuses):
            context.instance.add_dynamic_partitions(WAITING, [tick])
            return dg.SkipReason(f"The night of {before} goes on; the sensor `night` starts this one after it.")
        return request(first, tick)

    try:
        return dg.ScheduleDefinition(
            name="nightly",
            cron_schedule=settings.nightly_cron,
            execution_timezone="UTC",
            job_name=first.job,
            execution_fn=nightly,
            description="Starts the night; the sensor `night` starts each next stage.",
            default_status=dg.DefaultScheduleStatus.RUNNING
            if settings.automation
            else dg.DefaultScheduleStatus.STOPPED,
        )
    except dg.DagsterInvalidDefinitionError:
        raise SettingsError(
            f"CATALOG_NIGHTLY_CRON: {settings.nightly_cron!r} is no cron expression; it has five fields (minute, hour,"
            " day, month, day of the week), as in 15 2 * * *."
        ) from None


@dg.sensor(
    jobs=jobs.JOBS,
    minimum_interval_seconds=20,
    description="Starts the night's next stage when the one before has ended, whether it succeeded or failed.",
)
def night(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Look at the runs of the newest night; after its end, start the newest of the nights that waited for it."""
    tonight = stages(settings)
    tick, statuses = newest_night(context.instance)
    if stage := next_stage(tonight, statuses):
        yield request(stage, tick)
    elif is_under_way(tonight, statuses):
        yield dg.SkipReason(f"A stage of the night of {tick} runs.")
    elif waiting := _forget_begun(context.instance, tick):
        yield request(tonight[0], max(waiting))
    else:
        yield dg.SkipReason("No stage of a night is due.")


def newest_night(instance: DagsterInstance) -> tuple[str, dict[str, DagsterRunStatus]]:
    """The tick of the newest night that has begun ("" for none), and the status of each job's last run in it."""
    newest = instance.get_runs(RunsFilter(tags=OF_A_NIGHT), limit=1)
    if not newest:
        return "", {}
    tick = newest[0].tags[NIGHT_TAG]
    runs = instance.get_runs(RunsFilter(tags={NIGHT_TAG: tick}))
    return tick, {run.job_name: run.status for run in reversed(list(runs))}


def is_under_way(tonight: list[Stage], statuses: Mapping[str, DagsterRunStatus]) -> bool:
    """Whether a night runs a stage, or will start one."""
    return any(status in UNFINISHED for status in statuses.values()) or next_stage(tonight, statuses) is not None


def _forget_begun(instance: DagsterInstance, tick: str) -> list[str]:
    """The nights that wait, after those up to `tick` were forgotten: they have begun, or a later one has."""
    waiting = instance.get_dynamic_partitions(WAITING)
    for late in waiting:
        if late <= tick:
            instance.delete_dynamic_partition(WAITING, late)
    return [late for late in waiting if late > tick]


def run_night(
    defs: dg.Definitions, instance: DagsterInstance, tonight: list[Stage], *, accept_removals: bool = False
) -> Iterator[tuple[Stage, DagsterRun | None]]:
    """Run the stages one after the other in this process; yields each stage before (None) and after its run.

    Raises KeyboardInterrupt when a run was ended by Ctrl-C or SIGTERM: Dagster marks it failed and returns.
    """
    statuses: dict[str, DagsterRunStatus] = {}
    for stage in tonight:
        if not _needs_met(stage, statuses):
            continue
        yield stage, None
        result = defs.resolve_job_def(stage.job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=dg.RunConfig(
                ops={stage.publishes: PublishConfig(accept_removals=accept_removals)} if stage.publishes else {},
                loggers=QUIET,
            ),
            # The process is named from the start, for it may die before the first step does so. Without the code
            # location's tag, the UI does not show the run in the job's history.
            tags={**stage.tags(datetime.now(UTC).date()), **process_tag(), **CODE_LOCATION_TAG},
        )
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        if run.tags.get(FAILURE_REASON_TAG) == INTERRUPTED:
            raise KeyboardInterrupt
        statuses[stage.job] = run.status
        yield stage, run


def _needs_met(stage: Stage, statuses: Mapping[str, DagsterRunStatus]) -> bool:
    return all(statuses.get(job) == DagsterRunStatus.SUCCESS for job in stage.needs)


def request(stage: Stage, tick: str) -> dg.RunRequest:
    """The run of a stage. Its key holds the night's tick, so that nothing runs twice."""
    tags = {NIGHT_TAG: tick, **OF_A_NIGHT, **stage.tags(datetime.fromisoformat(tick).date())}
    return dg.RunRequest(run_key=f"{tick}:{stage.job}", job_name=stage.job, tags=tags)
