"""The outbox's sensor: starts the job that sends mail when some is due, and no second while one works."""

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from assets.mail import send_mail
from catalog_pipeline.database.engine import connected
from catalog_pipeline.notifications.outbox import first_due
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase
from sensors.nightly import ENDED, STATUS

WORKING = [status for status in DagsterRunStatus if status not in ENDED]


def sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that asks the outbox every minute."""

    @dg.sensor(
        name="outbox",
        job_name=send_mail.name,
        minimum_interval_seconds=60,
        description="Starts send_mail when mail is due.",
        default_status=STATUS.RUNNING if settings.automation else STATUS.STOPPED,
    )
    def outbox(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.RunRequest | dg.SkipReason:
        with connected(database.engine) as connection:
            key = first_due(connection)
        if key is None:
            return dg.SkipReason("No mail is due.")
        if context.instance.get_runs_count(RunsFilter(job_name=send_mail.name, statuses=WORKING)):
            return dg.SkipReason("Mail is being sent.")
        return dg.RunRequest(run_key=key)

    return outbox
