"""What must hold across the catalog's tables and the database cannot enforce: one step, many results."""

from collections.abc import Iterator

import dagster as dg

from assets.failures import failures_say_why
from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.checks import CHECKS
from resources.database import CatalogDatabase


@dg.multi_asset_check(
    name="catalog_checks",
    specs=[dg.AssetCheckSpec(c.name, asset=["catalog", c.table], description=c.description) for c in CHECKS],
    can_subset=True,
)
def catalog_checks(context: dg.AssetCheckExecutionContext, database: CatalogDatabase) -> Iterator[dg.AssetCheckResult]:
    """Rules across tables, as SQL."""
    with failures_say_why(), connected(database.engine) as connection:
        for check in CHECKS:
            key = dg.AssetCheckKey(dg.AssetKey(["catalog", check.table]), check.name)
            if key not in context.selected_asset_check_keys:
                continue
            at_fault = check.run(connection)
            yield dg.AssetCheckResult(
                passed=at_fault == 0,
                asset_key=["catalog", check.table],
                check_name=check.name,
                severity=dg.AssetCheckSeverity(check.severity.upper()),
                metadata={"rows_at_fault": at_fault, "query": dg.MetadataValue.md(f"```sql\n{check.query}\n```")},
            )
