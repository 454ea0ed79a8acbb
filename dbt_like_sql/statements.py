"""SQL made of safely quoted names and values, and its execution without bind parameters."""

from collections.abc import Iterable
from typing import Any, LiteralString, cast

from psycopg import sql
from psycopg.sql import SQL, Composable, Identifier
from sqlalchemy import Connection, CursorResult

from dbt_like_sql.model import SqlModel


def execute(connection: Connection, statement: Composable) -> CursorResult[Any]:
    """Run the statement as it is: a `:` or `%` in an analyst's query is not read as a parameter."""
    return connection.exec_driver_sql(statement.as_string(), execution_options={"no_parameters": True})


def relation(model: SqlModel) -> Composable:
    """The model's quoted name."""
    return Identifier(model.schema, model.name)


def query(model: SqlModel) -> Composable:
    """The model's query in parentheses. The line breaks keep a comment in its last line from hiding the closing one."""
    return SQL("(\n{}\n)").format(raw(model.sql))


def raw(text: str) -> SQL:
    """Text that is trusted as SQL: a model's query, or a keyword out of Postgres's own catalogs."""
    return SQL(cast(LiteralString, text))


def listed(parts: Iterable[Composable], separator: LiteralString = ", ") -> Composable:
    """The parts with a separator between them."""
    return SQL(separator).join(parts)


def names(columns: Iterable[str], of: str | None = None) -> Composable:
    """Quoted column names, separated by commas; with `of`, each is a column of that alias."""
    return listed(Identifier(of, column) if of else Identifier(column) for column in columns)


def literals(values: Iterable[Any]) -> Composable:
    """Quoted values, separated by commas."""
    return listed(sql.Literal(value) for value in values)
