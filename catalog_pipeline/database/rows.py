"""Small query results as plain dicts, column to value. Large ones are read by `bulk.read_frame`."""

from typing import Any

from sqlalchemy import Connection, text

Row = dict[str, Any]


def rows(connection: Connection, query: str, **parameters: Any) -> list[Row]:
    """The rows of a query, as dicts."""
    return [dict(row._mapping) for row in connection.execute(text(query), parameters)]
