"""The LMS's enrollments in Dagster: one step for all programs, what it tells, and how it fails."""

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterInstance
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from support.enrollments import Programs
from support.lms_enrollments import Lms, Replica
from werkzeug import Response

from assets import jobs
from catalog_pipeline.definitions import build_defs
from catalog_pipeline.settings import Settings

ROWS = dg.AssetKey(["catalog", "program_course_enrollment"])


@pytest.fixture
def lms(httpserver: HTTPServer) -> Lms:
    return Lms(httpserver)


@pytest.fixture
def enrolled(deployed: Settings, programs: Programs, lms: Lms, engine: Engine) -> dg.Definitions:
    """The code location of a pipeline whose LMS has two programs that claim one seat."""
    Replica(programs, lms, engine, deployed)
    lms.has(1, {"K7731/zwicky": "enrolled", "/": "enrolled"}, run1={"K7731": "active"})
    lms.has(2, {"K7731/zwicky": "enrolled"}, run1={"K7731": "active"})
    return build_defs(deployed.model_copy(update={"lms_url": lms.url, "enrollments": True}))


def test_a_run_tells_rows_rejects_and_conflicts_and_nothing_personal(
    enrolled: dg.Definitions, instance: DagsterInstance
) -> None:
    job = enrolled.resolve_job_def(jobs.refresh_enrollments.name)
    result = job.execute_in_process(instance=instance)
    assert result.success
    event = instance.get_latest_materialization_event(ROWS)
    assert event
    assert event.asset_materialization
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert (told["dagster/row_count"], told["programs"], told["conflicts"]) == (2, 2, 1)
    records = instance.all_logs(result.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [one.dagster_event.asset_check_evaluation_data for one in records if one.dagster_event]
    assert {check.check_name: check.passed for check in checks} == {
        "one_active_a_run": True,
        "is_active_follows": True,
        "enrollments_have_learners": True,
        "conflicts_told": False,
    }
    logged = str(instance.all_logs(result.run_id))
    assert not any(personal in logged for personal in ("K7731", "zwicky"))


def test_a_program_that_fails_stops_no_other_and_fails_the_step_with_its_reason(
    enrolled: dg.Definitions, instance: DagsterInstance, lms: Lms, programs: Programs
) -> None:
    lms.answer = lambda path: Response("[]") if "-000000000001/" in path else None
    job = enrolled.resolve_job_def(jobs.refresh_enrollments.name)
    failed = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not failed.success
    (event,) = [one for one in failed.all_events if one.event_type == DagsterEventType.STEP_FAILURE]
    failure = event.step_failure_data.user_failure_data
    assert failure
    assert "00000000-0000-0000-0000-000000000001: " in str(failure.description)
    assert failure.metadata["exit_code"].value == 5
    assert programs.rows("SELECT count(*) AS n FROM catalog.program_enrollment") == [{"n": 1}]
