"""What analysts query: an asset and its checks for each SQL model, made by one factory."""

import warnings
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd
from dagster import AssetKey, AssetsDefinition, MaterializeResult
from sqlalchemy import Connection

from assets import groups
from assets.failures import failures_say_why
from assets.tables import PREVIEWED, preview
from catalog_pipeline.database.engine import connected
from dbt_like_sql import relations
from dbt_like_sql.model import SqlModel
from dbt_like_sql.project import check_columns, column_lineage, load_models
from dbt_like_sql.runner import Counts, TestResult, build, run_tests, tests_of
from resources.database import CatalogDatabase

warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
RUNS = ["catalog.course_run", "go_live.due_runs"]
FEEDS = ["feeds.partner"]
CHANGE_WITH = {
    "landing.document": ["landing.discovery", "landing.lms"],
    "ops.feed": FEEDS,
    "ops.feed_row": FEEDS,
    "catalog.course_run": RUNS,
    "catalog.run": [*RUNS, "catalog.run_association", "catalog.catalog_course"],
    "catalog.program_run": [
        *RUNS,
        "catalog.run_association",
        "catalog.program",
        "catalog.program_course",
        "catalog.curriculum",
        "catalog.curriculum_course",
        "catalog.curriculum_program",
    ],
    "ops.former_run_key": RUNS,
    "ops.former_association": ["catalog.run_association"],
    "catalog.content_assignment": ["catalog.content_assignment", "assignments.expired"],
    "ops.expiration_change": ["catalog.assignment_expiration"],
    "ops.column_change": [*RUNS, "catalog.run_association", "catalog.catalog_course", "catalog.organization"],
}
"""The assets that a relation changes with, where that is not just the asset of its name."""
MODELS = load_models()
check_columns(MODELS)


def _mart(model: SqlModel, group: str, partitions: dg.PartitionsDefinition | None = None) -> AssetsDefinition:
    """The asset of a model: builds it and runs its tests, for the days of the run where it is partitioned."""
    key = _key(model.full_name)

    @dg.asset(
        key=key,
        deps=_upstream(model),
        description=model.description,
        group_name=group,
        owners=[f"team:{model.owner}"],
        kinds={"postgres", "sql", model.materialized},
        code_version=model.code_version,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        check_specs=[dg.AssetCheckSpec(str(test), asset=key, description=test.description) for test in tests_of(model)],
        # The columns, with the types that Postgres gives them, come with each materialization.
        metadata={"dagster/table_name": model.full_name, "sql": dg.MetadataValue.md(f"```sql\n{model.sql}\n```")},
    )
    def build_model(context: dg.AssetExecutionContext, database: CatalogDatabase) -> MaterializeResult:
        days = [date.fromisoformat(day) for day in context.partition_keys] if partitions else []
        with failures_say_why(), connected(database.engine) as connection:
            counts = build(connection, model, (min(days), max(days)) if days else None)
            results = run_tests(connection, model)
            return MaterializeResult(
                metadata=_metadata(connection, model, counts),
                check_results=[_check_result(key, result) for result in results],
            )

    return build_model


def snapshots(first_day: date) -> list[AssetsDefinition]:
    """The marts that are built day by day from the history of changes, beginning with a day."""
    days = dg.DailyPartitionsDefinition(first_day.isoformat(), end_offset=1)
    return [_mart(model, groups.SNAPSHOTS, days) for model in MODELS if model.partition]


def _metadata(connection: Connection, model: SqlModel, counts: Counts) -> dict[str, Any]:
    changes = {"inserted": counts.inserted, "updated": counts.updated, "deleted": counts.deleted}
    return {
        **({"dagster/row_count": counts.rows, "rows": _preview(connection, model)} if model.counted else {}),
        **(changes if model.materialized == "table" else {}),
        "dagster/column_schema": _column_schema(connection, model),
        "dagster/column_lineage": _lineage(model),
    }


def _preview(connection: Connection, model: SqlModel) -> dg.TableMetadataValue:
    rows = relations.first_rows(connection, model, PREVIEWED)
    return preview(pd.DataFrame(rows, columns=list(model.columns), dtype=object))


def _column_schema(connection: Connection, model: SqlModel) -> dg.TableSchema:
    types = relations.column_types(connection, model)
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                types[name],
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=not column.tests.not_null and name not in model.key,
                    unique=column.tests.unique or model.key == (name,),
                ),
            )
            for name, column in model.columns.items()
        ]
    )


def _key(full_name: str) -> AssetKey:
    return AssetKey(full_name.split("."))


def _upstream(model: SqlModel) -> list[AssetKey]:
    names = {name for relation in model.dependencies for name in CHANGE_WITH.get(relation, [relation])}
    return [_key(name) for name in sorted(names)]


def _check_result(key: AssetKey, result: TestResult) -> dg.AssetCheckResult:
    failed = {
        "failing_rows": result.failing_rows,
        "sql": dg.MetadataValue.md(f"```sql\n{result.sql}\n```"),
        "examples": preview(pd.DataFrame(result.examples, dtype=object)),
    }
    return dg.AssetCheckResult(
        passed=result.passed, asset_key=key, check_name=str(result.test), metadata={} if result.passed else failed
    )


def _lineage(model: SqlModel) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(_key(table), source) for table, source in sources]
            for column, sources in column_lineage(model, MODELS).items()
        }
    )


MARTS = [_mart(model, groups.MARTS) for model in MODELS if not model.partition]
