"""What loads hold back instead of archiving it has a table of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0005_held_removals"
down_revision = "0004_what_rows_say"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held_removal",
        sa.Column(
            "load_id",
            sa.BigInteger,
            sa.ForeignKey("ops.load.id", name="held_removal_load_id_fkey", ondelete="CASCADE"),
            nullable=False,
            comment="The load that held it back.",
        ),
        sa.Column(
            "table_name",
            sa.Text,
            nullable=False,
            comment="The row's table in the schema catalog: organization, catalog_course, course_run, program.",
        ),
        sa.Column("row_id", sa.BigInteger, nullable=False, comment="The id of the row."),
        sa.Column("record_key", sa.Text, nullable=False, comment="The row's key; a program's uuid."),
        sa.Column(
            "document_id",
            sa.BigInteger,
            sa.ForeignKey("landing.document.id", name="held_removal_document_id_fkey", ondelete="CASCADE"),
            nullable=False,
            comment="The document that listed the row; it stays pending.",
        ),
        sa.PrimaryKeyConstraint("load_id", "table_name", "row_id", name="held_removal_pkey"),
        schema="ops",
        comment="What the last load of each source held back: one row per row that it would have archived.",
    )
    op.create_index("held_removal_document_id_idx", "held_removal", ["document_id"], schema="ops")
    op.get_bind().exec_driver_sql(
        "COMMENT ON COLUMN ops.load.outcome IS 'applied, refused (too many rejects) or held (removals were held back).'"
    )
