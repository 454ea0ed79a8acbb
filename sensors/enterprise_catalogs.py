"""Keeps the partitions of enterprise content in step with the enterprise catalogs that there are."""

import dagster as dg

from assets.enterprise import CATALOGS
from catalog_pipeline.replication.content import find_catalogs
from resources.database import CatalogDatabase


@dg.sensor(
    minimum_interval_seconds=60,
    description="Adds a partition for each new enterprise catalog, and drops those that upstream no longer lists.",
)
def enterprise_catalogs(context: dg.SensorEvaluationContext, database: CatalogDatabase) -> dg.SensorResult:
    """Compare the partitions with the catalogs. It starts nothing: a new catalog is read by the night, or on demand."""
    listed = {catalog.uuid for catalog in find_catalogs(database.engine)}
    partitions = set(context.instance.get_dynamic_partitions(str(CATALOGS.name)))
    new, gone = sorted(listed - partitions), sorted(partitions - listed)
    return dg.SensorResult(
        dynamic_partitions_requests=[
            *([CATALOGS.build_add_request(new)] if new else []),
            *([CATALOGS.build_delete_request(gone)] if gone else []),
        ],
        skip_reason=f"{len(new)} catalogs are new, {len(gone)} are gone.",
    )
