"""Reports to Dagster what was written to the catalog without it: by psql, the command line, an API."""

import dagster as dg
from sqlalchemy import text

from assets.tables import table_row_counts
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.events import Cursor
from resources.database import CatalogDatabase

WRITTEN = """
    SELECT e.entity, count(*) AS changes, array_agg(DISTINCT e.actor) AS actors,
           CASE WHEN e.entity IN ('content_metadata', 'content_run')
                THEN nullif(split_part(l.source, ':', 2), '') END AS enterprise_catalog
    FROM ops.change_event e LEFT JOIN ops.load l ON 'load:' || l.id = e.actor
    WHERE {new} AND (l.started_by LIKE 'run %') IS NOT TRUE
    GROUP BY 1, 4"""


@dg.sensor(
    minimum_interval_seconds=60,
    description="Logs a materialization for each catalog table that something other than Dagster wrote.",
)
def outside_writes(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """Read the change events since the last tick that no Dagster run wrote."""
    with connected(database.engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = '40s'"))  # a tick may take 60 seconds
        cursor = Cursor.from_json(context.cursor)
        reading = cursor and events.read(connection, cursor, WRITTEN)
        if not reading:
            return dg.SensorResult(skip_reason="Begins here.", cursor=events.now(connection).to_json())
        row_counts = table_row_counts(connection)
    written = [
        dg.AssetMaterialization(
            ["catalog", row["entity"]],
            partition=row["enterprise_catalog"],
            description=f"Written outside Dagster, by {', '.join(row['actors'])}.",
            metadata={"dagster/row_count": row_counts[f"catalog.{row['entity']}"], "changes": row["changes"]},
        )
        for row in reading.rows
    ]
    skip_reason = None if written else "Nothing was written outside Dagster."
    return dg.SensorResult(asset_events=written, skip_reason=skip_reason, cursor=reading.cursor.to_json())
