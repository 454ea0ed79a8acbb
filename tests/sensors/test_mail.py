"""The outbox in Dagster: a sensor that starts one run at a time when mail is due, and a job that tells no names."""

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from pydantic import SecretStr
from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.definitions import build_defs
from catalog_pipeline.settings import Settings
from sensors.outbox import outbox

INSERT = """INSERT INTO ops.outbox (message_id, kind, subject, sender, recipients, content)
            VALUES (:id, 'test', 'Subject', 'c@example.org', '{ann@example.org}', 'Message-ID: <1@x>')"""


def queue(engine: Engine, name: str = "<1@x>") -> None:
    with connected(engine) as connection:
        connection.execute(text(INSERT), {"id": name})


def tick(defs: dg.Definitions, instance: DagsterInstance) -> list[str | None]:
    """The run keys that a tick of the sensor requests."""
    with dg.build_sensor_context(instance=instance, definitions=defs, resources=defs.resources) as context:
        return [run.run_key for run in outbox.evaluate_tick(context).run_requests or []]


def test_the_sensor_asks_for_a_run_when_mail_is_due_by_one_key_until_it_is_tried(
    defs: dg.Definitions, instance: DagsterInstance, engine: Engine
) -> None:
    assert tick(defs, instance) == []
    queue(engine)
    (asked,) = tick(defs, instance)
    assert tick(defs, instance) == [asked]
    assert defs.resolve_job_def("send_mail").execute_in_process(instance=instance).success
    assert tick(defs, instance) == []
    queue(engine, "<2@x>")
    (next_one,) = tick(defs, instance)
    assert next_one != asked


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED])
def test_the_sensor_asks_for_no_second_run_while_one_works(
    defs: dg.Definitions, instance: DagsterInstance, engine: Engine, status: DagsterRunStatus
) -> None:
    queue(engine)
    instance.create_run_for_job(defs.resolve_job_def("send_mail"), status=status)
    assert tick(defs, instance) == []


def test_the_job_sends_what_is_due_and_counts_it(
    defs: dg.Definitions, instance: DagsterInstance, engine: Engine, settings: Settings
) -> None:
    queue(engine)
    result = defs.resolve_job_def("send_mail").execute_in_process(instance=instance)
    (output,) = [event for event in result.all_events if event.is_successful_output]
    assert output.step_output_data.metadata["sent"].value == 1
    assert [file.name for file in (settings.home / "mail").iterdir()] == ["1@x.eml"]


def test_a_mail_that_cannot_be_sent_fails_the_run_which_says_why_and_names_nobody(
    deployed: Settings, instance: DagsterInstance, engine: Engine
) -> None:
    unreachable = deployed.model_copy(update={"smtp_url": SecretStr("smtps://ann:hunter2@127.0.0.1:9")})
    queue(engine)
    result = (
        build_defs(unreachable).resolve_job_def("send_mail").execute_in_process(instance=instance, raise_on_error=False)
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert told.description is not None
    assert "1 of 1 mails could not be sent" in told.description
    assert "127.0.0.1:9" in told.description
    assert told.metadata["exit_code"].value == 5
    log = "".join(str(record) for record in instance.all_logs(result.run_id))
    assert "hunter2" not in log
    assert "ann@example.org" not in log
