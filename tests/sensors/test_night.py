"""The night: which stage comes next, and the sensor's ticks one after another on a real instance."""

import os
import re
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus, build_sensor_context

from catalog_pipeline.definitions import defs
from catalog_pipeline.errors import SettingsError
from catalog_pipeline.settings import Settings
from sensors import nightly
from sensors.nightly import Stage, next_stage, stages

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


class Nights:
    """An instance on which the schedule and the sensor tick."""

    def __init__(self, instance: DagsterInstance) -> None:
        self.instance = instance

    def schedule(self, hour: int) -> list[str | None]:
        """The keys of the runs that a tick of the schedule at that hour of 1 March requests, and starts."""
        schedule = nightly.nightly_schedule(SETTINGS)
        at = datetime(2026, 3, 1, hour, 15, tzinfo=UTC)
        with dg.build_schedule_context(self.instance, scheduled_execution_time=at) as context:
            return self._start(schedule.evaluate_tick(context).run_requests)

    def sensor(self) -> list[str | None]:
        """The keys of the runs that a tick of the sensor requests, and starts."""
        with build_sensor_context(
            instance=self.instance, definitions=defs, resources={"settings": SETTINGS}
        ) as context:
            return self._start(nightly.night.evaluate_tick(context).run_requests)

    def end(self, *, failed: bool = False) -> None:
        """End the newest run."""
        (run,) = self.instance.get_runs(limit=1)
        self.instance.report_run_failed(run) if failed else self.instance.handle_new_event(_success(run))

    def walk(self) -> list[str | None]:
        """End stage after stage; the keys of those that follow the one that runs now, up to the end of the night."""
        keys: list[str | None] = []
        while True:
            self.end()
            night = keys[-1] if keys else None
            following = self.sensor()
            if not following or (night and str(following[0])[:17] != str(night)[:17]):
                return [*keys, *following]
            keys += following

    def _start(self, requests: Sequence[dg.RunRequest] | None) -> list[str | None]:
        for request in requests or []:
            job = defs.resolve_job_def(str(request.job_name or "refresh_discovery"))
            self.instance.create_run_for_job(job, tags=request.tags)
        return [request.run_key for request in requests or []]


@pytest.fixture
def nights(instance_with_files: DagsterInstance) -> Nights:
    return Nights(instance_with_files)


def test_the_sensor_walks_the_night_stage_by_stage_and_requests_none_twice(nights: Nights) -> None:
    assert nights.sensor() == []
    assert nights.schedule(2) == ["2026-03-01T02:15Z:refresh_discovery"]
    for following in [*nightly.NIGHT[1:], None]:
        assert nights.sensor() == []
        nights.end(failed=following is not None and following.source is not None)
        assert nights.sensor() == ([f"2026-03-01T02:15Z:{following.job}"] if following else [])


def test_a_cron_that_ticks_twice_a_day_makes_two_whole_nights(nights: Nights) -> None:
    walked = []
    for hour in (2, 14):
        walked += [*nights.schedule(hour), *nights.walk()]
    assert walked == [f"2026-03-01T{hour}:15Z:{stage.job}" for hour in ("02", "14") for stage in nightly.NIGHT]


def test_a_night_waits_for_the_one_before_and_of_those_that_wait_the_newest_begins(nights: Nights) -> None:
    nights.schedule(2)
    assert nights.schedule(3) == nights.schedule(4) == []
    assert nights.walk()[-2:] == ["2026-03-01T02:15Z:send_mail", "2026-03-01T04:15Z:refresh_discovery"]
    assert [str(key)[:17] for key in nights.walk()] == ["2026-03-01T04:15Z"] * (len(nightly.NIGHT) - 1)
    assert nights.instance.get_dynamic_partitions(nightly.WAITING) == []
    assert nights.schedule(5) == ["2026-03-01T05:15Z:refresh_discovery"]


def test_days_are_built_up_to_the_day_of_the_tick() -> None:
    tags = nightly.request(Stage("snapshot_catalog", days=2), "2026-03-01T23:15Z").tags
    assert (tags[nightly.FIRST_PARTITION_TAG], tags[nightly.LAST_PARTITION_TAG]) == ("2026-02-28", "2026-03-01")


@pytest.mark.parametrize("cron", ["nonsense", "99 * * * *", "0 0 31 2 *", "1 2 3"])
def test_a_cron_that_is_none_is_named_with_what_is_wrong(cron: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"CATALOG_NIGHTLY_CRON: {cron!r} is no cron expression")):
        nightly.nightly_schedule(SETTINGS.model_copy(update={"nightly_cron": cron}))


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
