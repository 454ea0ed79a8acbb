"""Runs migrations on the connection that `database.schema` hands over; there is no other way in."""

from typing import Any

from alembic import context

from catalog_pipeline.models import metadata

SCHEMAS = ("landing", "catalog", "ops")


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Compare our schemas only; `marts` belongs to the SQL models."""
    return kind != "schema" or name in SCHEMAS


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    include_name=include_name,
    version_table_schema="ops",
)
with context.begin_transaction():
    context.run_migrations()
