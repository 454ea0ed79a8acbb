"""What analysts query: an asset and its checks for each SQL model, made by one factory."""

import warnings
from datetime import date

import dagster as dg
from dagster import AssetKey, AssetsDefinition, MaterializeResult

from assets.failures import told
from catalog_pipeline.database.engine import connected
from catalog_pipeline.settings import load_settings
from dbt_like_sql.model import SqlModel
from dbt_like_sql.project import column_lineage, load_models
from dbt_like_sql.runner import Counts, TestResult, build, run_tests
from resources.database import CatalogDatabase

GROUP = "marts"
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
FED_BY = {
    "catalog.run": ["catalog.course_run", "catalog.run_association", "catalog.catalog_course"],
    "ops.column_change": ["catalog.course_run", "catalog.catalog_course", "catalog.run_association"],
}
"""Relations that are no assets, and the assets that they change with."""


def _asset(model: SqlModel) -> AssetsDefinition:
    key = AssetKey(model.full_name.split("."))
    by_day = dg.DailyPartitionsDefinition(str(load_settings().history_start), end_offset=1) if model.partition else None

    @dg.asset(
        key=key,
        deps=_keys(model),
        description=model.description,
        group_name=GROUP,
        owners=[f"team:{model.owner}"],
        kinds={"postgres", "sql", model.materialized},
        code_version=model.code_version,
        partitions_def=by_day,
        backfill_policy=dg.BackfillPolicy.single_run() if by_day else None,
        check_specs=[dg.AssetCheckSpec("model_tests", asset=key, description="The tests of the model's front matter.")],
        metadata={
            "dagster/table_name": model.full_name,
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, description=column.description) for name, column in model.columns.items()]
            ),
        },
    )
    def build_model(context: dg.AssetExecutionContext, database: CatalogDatabase) -> MaterializeResult:
        days = [date.fromisoformat(key) for key in context.partition_keys] if by_day else []
        with told(), connected(database.engine) as connection:
            counts = build(connection, model, (min(days), max(days)) if days else None)
            results = run_tests(connection, model)
        return MaterializeResult(
            metadata={
                "dagster/row_count": counts.rows,
                **({} if model.materialized == "view" else _changes(counts)),
                "dagster/column_lineage": _lineage(model),
            },
            check_results=[_check(key, results)],
        )

    return build_model


def _changes(counts: Counts) -> dict[str, int]:
    return {"inserted": counts.inserted, "updated": counts.updated, "deleted": counts.deleted}


def _keys(model: SqlModel) -> list[AssetKey]:
    names = {name for table in model.dependencies for name in FED_BY.get(table, [table])}
    return [AssetKey(name.split(".")) for name in sorted(names)]


def _check(key: AssetKey, results: list[TestResult]) -> dg.AssetCheckResult:
    failed = [result for result in results if not result.passed]
    return dg.AssetCheckResult(
        passed=not failed,
        asset_key=key,
        check_name="model_tests",
        metadata={"tests": len(results), **{result.name: result.failing_rows for result in failed}},
    )


def _lineage(model: SqlModel) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(AssetKey(table.split(".")), source) for table, source in sources]
            for column, sources in column_lineage(model, load_models()).items()
        }
    )


MARTS = [_asset(model) for model in load_models() if not model.partition]
SNAPSHOTS = [_asset(model) for model in load_models() if model.partition]
"""Built day by day, from the history."""
