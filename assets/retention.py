"""The job that removes what is old: sent mail, past feeds, cleared rejects, missing documents, Dagster's events."""

import dagster as dg
from dagster import OpExecutionContext

from assets.failures import failures_say_why
from catalog_pipeline.retention.removal import remove
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase
from resources.event_log import remove_old_events


@dg.op(out=dg.Out(dg.Nothing), tags={"dagster/kind": "postgres"})
@failures_say_why()
def remove_what_is_old(
    context: OpExecutionContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]
) -> None:
    """Remove what is older than the settings say, and tell how much of each kind."""
    removed = [*remove(database.engine, settings), remove_old_events(context.instance, settings)]
    records = [
        dg.TableRecord({"kind": one.kind, "days": one.days, "rows": one.rows, "bytes": one.bytes}) for one in removed
    ]
    context.add_output_metadata(
        {
            "removed": dg.MetadataValue.table(records),
            "rows": sum(one.rows for one in removed),
            "bytes": sum(one.bytes for one in removed),
        }
    )


@dg.job(description="Remove what is older than the CATALOG_KEEP_ settings say, and that nobody needs any more.")
def remove_old() -> None:
    remove_what_is_old()
