"""What the UI shows of a table: its columns, its rows, what a load did to it, and what it rejected."""

from typing import Any

import dagster as dg
import pandas as pd
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects import postgresql

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.publication import LoadReport
from catalog_pipeline.models.tables import metadata as tables

POSTGRES = postgresql.dialect()
PREVIEWED = 20
"""The most rows that a preview shows."""
CATALOG_TABLES = [name for name in tables.tables if name.startswith("catalog.")]
OPEN_REJECTS = """
    SELECT r.record_key, r.column_name, r.rule, r.value, r.message, count(*) OVER () AS n
    FROM ops.rejected_record r
    WHERE r.cleared_at IS NULL AND r.table_name = COALESCE(:table, r.table_name)
      AND (CAST(:scope AS text) IS NULL
           OR EXISTS (SELECT FROM landing.document d WHERE d.id = r.document_id AND d.scope = :scope))
    ORDER BY r.id DESC LIMIT :limit"""


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


def table_row_counts(connection: Connection) -> dict[str, int]:
    """The number of rows of each table of the schema `catalog`, by its name (schema.table)."""
    query = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in CATALOG_TABLES)
    return {row.name: row.n for row in connection.execute(text(query))}


def table_metadata(engine: Engine, report: LoadReport) -> dict[str, dict[str, Any]]:
    """Metadata of each table of the schema `catalog`: its rows now, and what the load did to it."""
    with connected(engine) as connection:
        row_counts = table_row_counts(connection)
    return {
        name: {
            "dagster/row_count": row_counts[name],
            **{outcome: report.counts[name][outcome] for outcome in ("created", "updated", "unchanged", "rejected")},
            "load": report.load_id,
            "seconds": round(report.seconds, 3),
        }
        for name in CATALOG_TABLES
    }


def rejects_preview(engine: Engine, table: str | None = None, scope: str | None = None) -> dict[str, Any]:
    """The open rejects of a table (schema.table), or of all: their number, and the newest as a table.

    With a `scope`, only those of that part of the source.

    Empty where nothing is rejected. A reject is open until its document is decided anew: the preview stands as long,
    whichever load rejected it.
    """
    with connected(engine) as connection:
        rows = connection.execute(text(OPEN_REJECTS), {"table": table, "scope": scope, "limit": PREVIEWED}).all()
    if not rows:
        return {}
    return {"rejects": rows[0].n, "rejects_preview": preview(pd.DataFrame(rows).drop(columns="n"))}


def preview(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """The first rows of a frame as a table, in which all values are text."""
    records = [dg.TableRecord(row) for row in _texts(frame.head(PREVIEWED)).to_dict("records")]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in frame.columns]))


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), "").astype(str)
