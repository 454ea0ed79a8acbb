"""What all tables share: naming of constraints, folded keys, and the columns every catalog table has."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    ForeignKey,
    Identity,
    MetaData,
    Text,
    collate,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import UserDefinedType

from catalog_pipeline.models.vocabulary import FOLD_COLLATION


class TransactionId(UserDefinedType[str]):
    """Postgres's xid8: a transaction's 64-bit id, which never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in SQL."""
        return "xid8"


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012


def folded(column: Any) -> ColumnElement[str]:
    """The form in which keys are compared: `lower(column COLLATE pg_c_utf8)`."""
    return func.lower(collate(column, FOLD_COLLATION))


class CatalogRow:
    """The columns of every table of the schema `catalog`."""

    id: Mapped[int] = mapped_column(
        BigInteger,
        Identity(always=True),
        primary_key=True,
        sort_order=-10,
        comment="Surrogate key; never shown in APIs, never updated.",
    )
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), sort_order=100, comment="When the row was created."
    )
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(),
        sort_order=101,
        comment="When a value of the row last changed; kept by a trigger.",
    )


class Listed:
    """The columns of what an upstream may list, and later no longer list."""

    @declared_attr
    def listed_by_id(cls) -> Mapped[int | None]:  # noqa: N805
        """The document that lists the row: its source is the row's owner."""
        return mapped_column(
            BigInteger,
            ForeignKey("landing.document.id", ondelete="SET NULL"),
            index=True,
            sort_order=90,
            comment="The document that lists this row; its source owns the row's fields. Null when none does.",
        )

    missing_since: Mapped[datetime | None] = mapped_column(
        sort_order=91, comment="Since when upstream no longer lists the row; null while it does."
    )
