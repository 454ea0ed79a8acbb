"""The night: which stage comes next, and the sensor's ticks one after another on a real instance."""

import os
import signal
import time
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus, build_sensor_context

from catalog_pipeline.definitions import defs
from catalog_pipeline.settings import Settings
from sensors import nightly
from sensors.nightly import NIGHT_TAG, Stage, next_stage, stages

SUCCESS, FAILURE, STARTED = DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.STARTED
SETTINGS = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
A, B, C = Stage("a"), Stage("b"), Stage("c", needs=("b",))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, None),
        ({"a": STARTED}, None),
        ({"a": DagsterRunStatus.QUEUED}, None),
        ({"a": SUCCESS}, B),
        ({"a": FAILURE}, B),
        ({"a": DagsterRunStatus.CANCELED}, B),
        ({"a": SUCCESS, "b": SUCCESS}, C),
        ({"a": SUCCESS, "b": FAILURE}, None),
        ({"a": SUCCESS, "b": SUCCESS, "c": SUCCESS}, None),
    ],
)
def test_the_next_stage_follows_the_last_that_ended_unless_it_needs_one_that_failed(
    statuses: dict[str, DagsterRunStatus], expected: Stage | None
) -> None:
    assert next_stage([A, B, C], statuses) == expected


@pytest.mark.parametrize(
    ("configured", "first"),
    [
        ({}, "refresh_discovery"),
        ({"discovery_url": "https://d.example"}, "refresh_discovery"),
        ({"lms_url": "https://l.example"}, "refresh_lms"),
    ],
)
def test_a_stage_whose_source_is_not_configured_is_left_out(configured: dict[str, str], first: str) -> None:
    tonight = stages(Settings(_env_file=None, **configured))  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert tonight[0].job == first
    assert ("refresh_lms" in {stage.job for stage in tonight}) is ("discovery_url" not in configured)


def test_the_sensor_walks_the_night_stage_by_stage_and_requests_none_twice() -> None:
    night = f"{datetime.now(UTC):%Y-%m-%d}"
    with DagsterInstance.ephemeral() as instance:

        def tick() -> list[str | None]:
            context = build_sensor_context(instance=instance, definitions=defs, resources={"settings": SETTINGS})
            return [run.run_key for run in nightly.night.evaluate_tick(context).run_requests or []]

        assert tick() == []
        for stage, following in zip(nightly.NIGHT, [*nightly.NIGHT[1:], None], strict=True):
            run = instance.create_run_for_job(defs.resolve_job_def(stage.job), tags={NIGHT_TAG: night})
            assert tick() == []
            instance.report_run_failed(run) if stage.source else instance.handle_new_event(_success(run))
            assert tick() == ([f"{night}:{following.job}"] if following else [])


def test_the_schedule_names_the_nights_date_in_key_and_tag() -> None:
    schedule = nightly.nightly_schedule(SETTINGS)
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 1, 2, 15, tzinfo=UTC))
    request = schedule.evaluate_tick(context).run_requests[0]  # pyright: ignore[reportOptionalSubscript]
    assert (request.run_key, request.tags[NIGHT_TAG]) == ("2026-03-01:refresh_discovery", "2026-03-01")


def test_a_night_that_is_interrupted_starts_no_further_stage() -> None:
    @dg.op
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    @dg.job(executor_def=dg.in_process_executor)
    def a() -> None:
        interrupt()

    @dg.job
    def b() -> None:
        pass

    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(KeyboardInterrupt):
            list(nightly.run_night(dg.Definitions(jobs=[a, b]), instance, [A, B]))
        assert [(run.job_name, run.status) for run in instance.get_runs()] == [("a", FAILURE)]


def _success(run: dg.DagsterRun) -> dg.EventLogEntry:
    event = dg.DagsterEvent("PIPELINE_SUCCESS", run.job_name)
    return dg.EventLogEntry(None, 10, "", run.run_id, datetime.now(UTC).timestamp(), None, run.job_name, event)
