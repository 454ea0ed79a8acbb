"""Short forms of the columns and indexes that the first migration makes."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, MetaData, TextClause, text

INSTANT = DateTime(timezone=True)

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)
"""The first migration's tables. Constraints without a name get the one that Postgres would give them."""


def identity(comment: str = "Surrogate key.") -> Column[int]:
    """The primary key `id`, which Postgres numbers."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True, comment=comment)


def required(name: str, kind: Any, comment: str, **options: Any) -> Column[Any]:
    """A column that is never null. `options`: see `_column`."""
    return _column(name, kind, comment, nullable=False, **options)


def optional(name: str, kind: Any, comment: str, **options: Any) -> Column[Any]:
    """A column that may be null. `options`: see `_column`."""
    return _column(name, kind, comment, nullable=True, **options)


def folded(column: str) -> TextClause:
    """The form in which keys are unique."""
    return text(f"lower({column} COLLATE pg_c_utf8)")


def _column(
    name: str,
    kind: Any,
    comment: str,
    *,
    default: str | None = None,
    references: str | None = None,
    on_delete: str | None = None,
    **options: Any,
) -> Column[Any]:
    """`kind`: a type. `default`: SQL. `references`: schema.table.column. `options`: those of SQLAlchemy's Column."""
    foreign_keys = [ForeignKey(references, ondelete=on_delete)] if references else []
    server_default = text(default) if default else None
    return Column(name, kind, *foreign_keys, server_default=server_default, comment=comment, **options)
