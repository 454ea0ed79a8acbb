"""Starts the job that sends mail when mail is due, unless a run of it is unfinished."""

import dagster as dg
from dagster import RunsFilter

from assets.mail import send_mail
from catalog_pipeline.database.engine import connected
from catalog_pipeline.notifications.outbox import first_due
from catalog_pipeline.notifications.sender import held_back
from resources.database import CatalogDatabase
from resources.instance import UNFINISHED


@dg.sensor(job=send_mail, minimum_interval_seconds=60, description="Starts send_mail when mail is due.")
def outbox(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.RunRequest | dg.SkipReason:
    """Ask the outbox whether mail is due; one run at a time sends it."""
    with connected(database.engine) as connection:
        key, reason = first_due(connection), held_back(connection)
    if reason:
        return dg.SkipReason(reason)
    if key is None:
        return dg.SkipReason("No mail is due.")
    if context.instance.get_runs_count(RunsFilter(job_name=send_mail.name, statuses=UNFINISHED)):
        return dg.SkipReason("Mail is being sent.")
    return dg.RunRequest(run_key=key)
