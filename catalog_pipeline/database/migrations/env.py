"""Runs the migrations on the connection that `database.schema` hands over; there is no other way to run them."""

from alembic import context
from sqlalchemy import text

from catalog_pipeline.models.tables import metadata

LOCK_TIMEOUT = "5s"
"""How long a migration waits for a table. Whoever uses the table after it waits behind it."""

connection = context.config.attributes["connection"]
connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
context.configure(connection=connection, target_metadata=metadata, version_table_schema="ops")
with context.begin_transaction():
    context.run_migrations()
