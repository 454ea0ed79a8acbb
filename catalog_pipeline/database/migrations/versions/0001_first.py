"""The first schema: landing, catalog, ops and marts."""

from alembic import op
from sqlalchemy import text

from catalog_pipeline.database.migrations.first import catalog, landing, ops, sql
from catalog_pipeline.database.migrations.first.columns import metadata
from catalog_pipeline.database.triggers import install_shared_functions, track

revision = "0001_first"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (landing, catalog, ops)
"""Importing these modules fills `metadata`."""
RUN_KEY = "(SELECT r.run_key FROM catalog.course_run r WHERE r.id = {row}.course_run_id)"
PROGRAM_UUID = "(SELECT p.uuid::text FROM catalog.program p WHERE p.id = {row}.program_id)"
LONG_TEXT = ("short_description", "full_description", "partner_attributes")


def upgrade() -> None:
    connection = op.get_bind()
    for schema in sql.SCHEMAS:
        op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    metadata.create_all(connection, checkfirst=False)
    op.execute(sql.STORE_PAYLOADS_AS_THEY_COME)

    install_shared_functions(connection)
    track(connection, "catalog.organization", key="{row}.key")
    track(connection, "catalog.catalog_course", key="{row}.key", long_text=LONG_TEXT)
    track(connection, "catalog.course_run", key="{row}.run_key")
    track(connection, "catalog.run_association", key=RUN_KEY)
    track(connection, "catalog.course_variant", key=RUN_KEY)
    track(connection, "catalog.program", key="{row}.uuid::text")
    track(connection, "catalog.program_course", key=PROGRAM_UUID)

    for statement in (sql.RUN, sql.COLUMN_CHANGE, sql.AS_OF, sql.DAYS, *sql.comments()):
        op.execute(text(statement.replace(":", r"\:")))
