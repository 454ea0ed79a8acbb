"""The files that arrive in the folder of partner feeds."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To 0005."""
    op.create_table(
        "feed_arrival",
        sa.Column(
            "partition_key",
            sa.Text(),
            nullable=False,
            comment="Source, course type, when it arrived, and the beginning of its SHA-256.",
        ),
        sa.Column("path", sa.Text(), nullable=False, comment="The file, from the folder of feeds on."),
        sa.Column("source", sa.Text(), nullable=False, comment="Slug of the product source: the first folder."),
        sa.Column("product_type", sa.Text(), nullable=False, comment="Slug of the course type: the second folder."),
        sa.Column("sha256", sa.Text(), nullable=False, comment="SHA-256 of its bytes, in hexadecimal."),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it was put there, or last written to.",
        ),
        sa.Column("document_id", sa.BigInteger(), nullable=False, comment="Its bytes."),
        sa.Column(
            "accepted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was seen.",
        ),
        sa.Column(
            "decided_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last ingested, whatever became of it (see ops.feed); null while it waits.",
        ),
        sa.ForeignKeyConstraint(["document_id"], ["landing.document.id"], name=op.f("feed_arrival_document_id_fkey")),
        sa.PrimaryKeyConstraint("partition_key", name=op.f("feed_arrival_pkey")),
        sa.UniqueConstraint("path", "received_at", name=op.f("feed_arrival_path_received_at_key")),
        schema="ops",
        comment="One row per file that arrived in the folder of partner feeds.",
    )
