"""The outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Surrogate key."),
        sa.Column(
            "message_id",
            sa.Text(),
            nullable=False,
            comment="The Message-ID header: the same on every try, so that readers see a mail once.",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="What it is about: ingestion_summary."),
        sa.Column("subject", sa.Text(), nullable=False, comment="Its subject."),
        sa.Column("sender", sa.Text(), nullable=False, comment="The address it comes from."),
        sa.Column("recipients", postgresql.ARRAY(sa.Text()), nullable=False, comment="The addresses it goes to."),
        sa.Column(
            "delivered",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Those of them for whom a server has taken it.",
        ),
        sa.Column(
            "content",
            sa.LargeBinary(),
            nullable=True,
            comment="Headers, bodies and attachments, as they go out; emptied when the mail is sent.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was decided on.",
        ),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
            comment="From when on a sender may take it: while one is at it, the end of its claim."
            " Null: sent or given up.",
        ),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the last sender took it; null again once that one has failed.",
        ),
        sa.Column(
            "sent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a server had taken it for every recipient.",
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="How often a sender took it.",
        ),
        sa.Column("last_error", sa.Text(), nullable=True, comment="Why the last try failed; null once sent."),
        sa.CheckConstraint("(content IS NULL) = (sent_at IS NOT NULL)", name=op.f("outbox_content_check")),
        sa.CheckConstraint("sent_at IS NULL OR due_at IS NULL", name=op.f("outbox_due_at_check")),
        sa.CheckConstraint("cardinality(recipients) > 0", name=op.f("outbox_recipients_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
        sa.UniqueConstraint("message_id", name=op.f("outbox_message_id_key")),
        schema="ops",
        comment="One row per mail. Those with a due_at are still to be sent.",
    )
    op.create_index(
        "outbox_due_idx",
        "outbox",
        ["due_at"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
