"""What a failed run says: its last event tells what happened and what to do, whatever part of the run failed."""

import re

import dagster as dg
from dagster import DagsterInstance
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from catalog_pipeline.definitions import build_defs
from catalog_pipeline.settings import Settings
from sensors.nightly import Stage, run_night


def causes_of_failure(instance: DagsterInstance, settings: Settings, job: str) -> list[str]:
    """Run a job that fails; returns the messages of its last event's error and of what caused that error."""
    for _, run in run_night(build_defs(settings), instance, [Stage(job)]):
        if run is not None:
            last = [record for record in instance.all_logs(run.run_id) if record.dagster_event][-1].dagster_event
            assert last
            assert last.event_type == dg.DagsterEventType.RUN_FAILURE
            error, messages = last.job_failure_data.error, []
            while error is not None:
                messages.append(error.message)
                error = error.cause
            return messages
    raise AssertionError("no run")


def test_a_run_that_upstream_refuses_says_which_address_and_what_to_check(
    deployed: Settings, instance: DagsterInstance, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", 403)
    url = httpserver.url_for("").rstrip("/")
    refused = deployed.model_copy(update={"discovery_url": url, "lms_url": url})
    first, *_ = causes_of_failure(instance, refused, "refresh_discovery")
    assert f"{url}/api/v1/organizations/" in first
    assert "403" in first


def test_a_night_of_feeds_without_its_rules_says_which_file_is_missing(
    deployed: Settings, instance: DagsterInstance
) -> None:
    lost = deployed.model_copy(update={"partner_rules": deployed.home / "lost.yaml"})
    first, *_ = causes_of_failure(instance, lost, "ingest_feeds")
    assert first.startswith("dagster._core.definitions.events.Failure: ")
    assert "lost.yaml" in first


def test_a_run_whose_database_is_out_of_reach_says_which_and_what_to_check(
    deployed: Settings, instance: DagsterInstance
) -> None:
    down = deployed.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:9/none")})
    *_, cause = causes_of_failure(instance, down, "associate_runs")
    assert "127.0.0.1:9" in cause
    assert "Check CATALOG_DATABASE_URL" in cause
