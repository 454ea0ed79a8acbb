"""Moving many rows at once: COPY into a staging table, MERGE out of it, COPY out of a query. Never a row at a time."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql

from catalog_pipeline.database.engine import driver
from catalog_pipeline.models.base import Base


def sql_types(model: type[Base], names: Iterable[str]) -> dict[str, str]:
    """Column → SQL type of some columns of a model, as `create_staging` takes them."""
    columns = model.__table__.columns
    return {name: columns[name].type.compile(postgresql.dialect()) for name in names}


def create_staging(connection: Connection, name: str, columns: Mapping[str, str]) -> None:
    """Make the temporary table `name` (column → SQL type), which goes with the transaction."""
    body = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    connection.execute(text(f"CREATE TEMP TABLE {name} ({body}) ON COMMIT DROP"))


def copy_frame(connection: Connection, table: str, frame: pd.DataFrame) -> None:
    """Append a frame (column names as the table's) by COPY. Nulls stay null, empty text stays empty."""
    if frame.empty:
        return
    buffer = io.BytesIO()
    arrow = _without_zones(pa.Table.from_pandas(frame, preserve_index=False))
    pyarrow.csv.write_csv(arrow, buffer, pyarrow.csv.WriteOptions(include_header=False))
    names = ", ".join(quoted(column) for column in frame.columns)
    with driver(connection).cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv)".encode()) as copy:
        copy.write(buffer.getbuffer())


def _without_zones(table: pa.Table) -> pa.Table:
    """Sessions speak UTC, and Arrow takes twenty times longer to write an instant that names its zone."""
    return table.cast(
        pa.schema(
            field.with_type(pa.timestamp(field.type.unit)) if pa.types.is_timestamp(field.type) else field
            for field in table.schema
        )
    )


def copy_rows(connection: Connection, table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Append tuples by COPY (column → SQL type); for what is not a frame, such as bytes."""
    names = ", ".join(quoted(column) for column in columns)
    with driver(connection).cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)".encode()) as copy:
        copy.set_types(list(columns.values()))  # as text, bytes would be twice as long
        for row in rows:
            copy.write_row(row)


def read_frame(connection: Connection, query: str, types: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """The rows of a query (which takes no parameters) by COPY, its columns named and typed by `types`."""
    buffer = io.BytesIO()
    with driver(connection).cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv)".encode()) as copy:
        for block in copy:
            buffer.write(block)
    if not buffer.tell():
        return pa.schema(types).empty_table().to_pandas(types_mapper=_pandas_type)
    buffer.seek(0)
    rows = pyarrow.csv.read_csv(
        buffer,
        pyarrow.csv.ReadOptions(column_names=list(types)),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types=dict(types),
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return rows.to_pandas(types_mapper=_pandas_type)


def _pandas_type(kind: pa.DataType) -> Any:
    """Integers and flags that may be null, text and amounts as Arrow's; instants are pandas' own."""
    if pa.types.is_large_string(kind):
        return pd.StringDtype("pyarrow", na_value=np.nan)
    if pa.types.is_decimal(kind):
        return pd.ArrowDtype(kind)
    return {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get(kind)


def analyze(connection: Connection, *tables: str) -> None:
    """Let the planner know how large the staging tables are; without it, it joins them badly."""
    connection.execute(text(f"ANALYZE {', '.join(tables)}"))


def merge(
    connection: Connection,
    target: Table,
    source: str,
    columns: Sequence[str],
    *,
    insert_only: Sequence[str] = (),
    not_compared: Sequence[str] = (),
    on: str = "id",
) -> dict[str, int]:
    """Merge the rows of `source` (a table or a query) into `target` by `id`, which staging has assigned already.

    With another unique column in `on`, which is among `columns`, the database gives new rows their ids.
    `columns` are compared, updated and inserted; `insert_only` are just inserted; `not_compared` are updated and
    inserted where a row is written for another reason. Unchanged rows are not touched.
    Returns how many rows were created, updated and unchanged.
    """
    ours = ", ".join(f"t.{quoted(column)}" for column in columns)
    theirs = ", ".join(f"s.{quoted(column)}" for column in columns)
    assignments = ", ".join(f"{quoted(column)} = s.{quoted(column)}" for column in (*columns, *not_compared))
    inserted = [*(["id"] if on == "id" else []), *columns, *not_compared, *insert_only]
    statement = f"""
        WITH merged AS (
            MERGE INTO {target.fullname} AS t USING {source} AS s ON t.{on} = s.{on}
            WHEN MATCHED AND ({ours}) IS DISTINCT FROM ({theirs}) THEN UPDATE SET {assignments}
            WHEN NOT MATCHED THEN INSERT ({", ".join(map(quoted, inserted))}) OVERRIDING SYSTEM VALUE
                VALUES ({", ".join(f"s.{quoted(column)}" for column in inserted)})
            RETURNING merge_action() AS action
        )
        SELECT count(*) FILTER (WHERE action = 'INSERT') AS created,
               count(*) FILTER (WHERE action = 'UPDATE') AS updated,
               (SELECT count(*) FROM {source} AS s) - count(*) AS unchanged
        FROM merged"""
    return dict(connection.execute(text(statement)).one()._mapping)


def quoted(identifier: str) -> str:
    """A column's name, quoted: `end` is a reserved word."""
    return f'"{identifier}"'
