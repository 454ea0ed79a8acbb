"""The job that sends the mail in the outbox. It makes no asset: nothing of what it sends is kept."""

from typing import Any

import dagster as dg
from dagster import OpExecutionContext

from assets.failures import failures_say_why
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.notifications.outbox import Delivery, exit_code, send_due
from catalog_pipeline.notifications.transport import transport
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase


@dg.op(out=dg.Out(dg.Nothing), tags={"dagster/kind": "smtp"})
@failures_say_why()
def send_due_mail(context: OpExecutionContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]) -> None:
    """Send the mail that is due; fails when some of it could not be sent. No recipient is named."""
    deliveries = send_due(database.engine, transport(settings))
    code = exit_code(deliveries)
    if code != ExitCode.DONE:
        # A mail that failed is due again later, by the outbox's own clock.
        raise dg.Failure(_failure(deliveries), metadata=_metadata(deliveries, code), allow_retries=False)
    context.add_output_metadata(_metadata(deliveries, code))


@dg.job(
    description="Send the mail that is due: ingestion summaries of partner feeds.",
    tags={"dagster/max_runtime": "900"},  # a run whose process died keeps the sensor from starting the next
)
def send_mail() -> None:
    send_due_mail()


def _failure(deliveries: list[Delivery]) -> str:
    failed = [delivery for delivery in deliveries if delivery.outcome != "sent"]
    unreachable = [delivery.error for delivery in failed if delivery.outcome == "unreachable"]
    return " ".join(
        [
            f"{len(failed)} of {len(deliveries)} mails could not be sent, and will be tried again.",
            *map(str, unreachable),
            "`catalog-pipeline mail list` says why.",
        ]
    )


def _metadata(deliveries: list[Delivery], code: ExitCode) -> dict[str, Any]:
    records = [dg.TableRecord({"kind": d.kind, "subject": d.subject, "outcome": d.outcome}) for d in deliveries]
    table = {"mails": dg.MetadataValue.table(records)} if records else {}
    return {"sent": sum(d.outcome == "sent" for d in deliveries), "exit_code": int(code), **table}
