"""What the UI shows of a table: its columns, its rows, what a load did to it, and what it rejected."""

from typing import Any

import dagster as dg
import pandas as pd
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.models import metadata as tables

POSTGRES = postgresql.dialect()
PREVIEWED = 20


def column_schema(name: str) -> dg.TableSchema:
    """The columns of a table (schema.table), as its model states them."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type.compile(POSTGRES).lower(),
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable), unique=bool(column.unique)),
            )
            for column in tables.tables[name].columns
        ]
    )


def table_metadata(engine: Engine, report: LoadReport) -> dict[str, dict[str, Any]]:
    """Metadata of each table of the schema `catalog`: its rows now, and what the load did to it."""
    names = [name for name in tables.tables if name.startswith("catalog.")]
    query = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in names)
    with connected(engine) as connection:
        rows = {row.name: row.n for row in connection.execute(text(query))}
    return {
        name: {
            "dagster/row_count": rows[name],
            **{outcome: report.counts[name][outcome] for outcome in ("created", "updated", "unchanged", "rejected")},
            "load": report.load_id,
            "seconds": round(report.seconds, 3),
        }
        for name in names
    }


def rejects_preview(engine: Engine, report: LoadReport) -> dict[str, Any]:
    """The first rejects of a load as a table, and how many there are; nothing where there are none."""
    columns = ["record_key", "column_name", "rule", "value", "message"]
    with connected(engine) as connection:
        rows = connection.execute(
            text(
                f"SELECT {', '.join(columns)}, count(*) OVER () AS n FROM ops.rejected_record"
                " WHERE load_id = :load_id ORDER BY id LIMIT :limit"
            ),
            {"load_id": report.load_id, "limit": PREVIEWED},
        ).all()
    if not rows:
        return {}
    return {"rejects": rows[0].n, "rejects_preview": preview(pd.DataFrame(rows)[columns])}


def preview(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """The first rows of a frame of texts, as a table."""
    records = [dg.TableRecord(row) for row in frame.head(PREVIEWED).fillna("").to_dict("records")]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in frame.columns]))
