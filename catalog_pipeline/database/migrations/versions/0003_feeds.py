"""Partner feeds and their rows, and what the catalog needs to know of them."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TRIGGERS = Path(__file__).with_suffix(".sql")
"""Of the tables that this migration changes, as `database.triggers` generated them."""


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Surrogate key."),
        sa.Column("name", sa.Text(), nullable=False, comment="The name of its file."),
        sa.Column("source", sa.Text(), nullable=False, comment="Slug of the product source, such as 2u."),
        sa.Column(
            "product_type",
            sa.Text(),
            nullable=False,
            comment="Slug of the course type, such as executive-education-2u.",
        ),
        sa.Column("sha256", sa.Text(), nullable=False, comment="SHA-256 of its bytes, in hexadecimal."),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it arrived: feeds apply in this order.",
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="The clock by which it was decided."),
        sa.Column(
            "ingested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it was.",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="applied; superseded (a newer one was applied before); held (it would archive too much); refused.",
        ),
        sa.Column(
            "corrects",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Whether it has just some rows of the feed before, put right.",
        ),
        sa.Column("detail", sa.Text(), nullable=True, comment="Why it was not applied, or what was left undone."),
        sa.Column(
            "counts",
            postgresql.JSONB(),
            nullable=False,
            comment="Rows, rows by outcome, and archived and reactivated courses.",
        ),
        sa.Column(
            "warnings", postgresql.JSONB(), nullable=False, comment="Of the feed as a whole: code, column, message."
        ),
        sa.Column(
            "archived",
            postgresql.JSONB(),
            nullable=False,
            comment="Courses that it no longer lists: course_key, title, external_identifier, reason.",
        ),
        sa.Column(
            "reactivated",
            postgresql.JSONB(),
            nullable=False,
            comment="Archived courses that it lists again; likewise.",
        ),
        sa.Column("document_id", sa.BigInteger(), nullable=True, comment="Its bytes."),
        sa.Column("load_id", sa.BigInteger(), nullable=True, comment="The load that applied it."),
        sa.CheckConstraint("outcome IN ('applied', 'superseded', 'held', 'refused')", name=op.f("feed_outcome_check")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["landing.document.id"], name=op.f("feed_document_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["load_id"], ["ops.load.id"], name=op.f("feed_load_id_fkey"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("feed_pkey")),
        schema="ops",
        comment="One row per ingested partner feed; one that comes again has another row.",
    )
    op.create_index(op.f("feed_sha256_idx"), "feed", ["sha256"], unique=False, schema="ops")
    op.create_index(
        "feed_source_product_type_idx", "feed", ["source", "product_type", "id"], unique=False, schema="ops"
    )
    op.create_table(
        "feed_row",
        sa.Column("feed_id", sa.BigInteger(), nullable=False, comment="The feed."),
        sa.Column(
            "row", sa.Integer(), nullable=False, comment="The line that a spreadsheet shows; the header is line 1."
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="new_product, new_variant, updated, unchanged, rejected or deferred: exactly one.",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why, in words."),
        sa.Column("course_key", sa.Text(), nullable=True, comment="The key of the course it is about."),
        sa.Column("run_key", sa.Text(), nullable=True, comment="The key of the run it is about."),
        sa.Column("variant_id", sa.Text(), nullable=True, comment="The partner's variant, as fed."),
        sa.Column("title", sa.Text(), nullable=True, comment="The title, as fed."),
        sa.Column("external_identifier", sa.Text(), nullable=True, comment="The partner's product number, as fed."),
        sa.Column("restriction_type", sa.Text(), nullable=True, comment="The restriction, as fed."),
        sa.Column(
            "is_future_variant",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Whether the partner only announces the variant.",
        ),
        sa.Column(
            "changes",
            postgresql.JSONB(),
            nullable=True,
            comment="Field to [old, new]: of the run, and in the first row of a course, of the course.",
        ),
        sa.Column(
            "errors", postgresql.JSONB(), nullable=True, comment="Why it was rejected: code, column, value, message."
        ),
        sa.Column(
            "warnings", postgresql.JSONB(), nullable=True, comment="What was not followed: code, column, message."
        ),
        sa.Column(
            "catalog_course_id",
            sa.BigInteger(),
            nullable=True,
            comment="The course whose fields it carries; while the feed is current, no crawl changes them.",
        ),
        sa.Column(
            "course_run_id",
            sa.BigInteger(),
            nullable=True,
            comment="The run whose schedule, price, restriction and variant it carries; likewise.",
        ),
        sa.CheckConstraint(
            "outcome IN ('new_product', 'new_variant', 'updated', 'unchanged', 'rejected', 'deferred')",
            name=op.f("feed_row_outcome_check"),
        ),
        sa.PrimaryKeyConstraint("feed_id", "row", name=op.f("feed_row_pkey")),
        schema="ops",
        comment="One row per row of a feed: what was decided of it, and why.",
    )
    op.add_column(
        "catalog_course",
        sa.Column(
            "partner_attributes",
            postgresql.JSONB(),
            nullable=True,
            comment="What the partner's feed says that has no column of its own, by the feed's"
            " column; null: never fed.",
        ),
        schema="catalog",
    )
    op.add_column(
        "catalog_course",
        sa.Column(
            "dropped_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when the feed of its product source and course type no longer lists it; null while it does.",
        ),
        schema="catalog",
    )
    op.alter_column(
        "catalog_course",
        "status",
        existing_type=sa.TEXT(),
        comment="archived: product_status is, missing upstream, or dropped by its feed; else"
        " published: some run is; else draft.",
        existing_comment="archived: product_status is, or missing upstream; else published: some run is; else draft.",
        existing_nullable=False,
        existing_server_default=sa.text("'draft'::text"),
        schema="catalog",
    )
    op.add_column(
        "course_run",
        sa.Column(
            "superseded_by_id",
            sa.BigInteger(),
            nullable=True,
            comment="The run that upstream made for the variant that this one stood for; null unless so.",
        ),
        schema="catalog",
    )
    op.create_index(
        "course_run_superseded_by_id_idx",
        "course_run",
        ["superseded_by_id"],
        unique=False,
        schema="catalog",
        postgresql_where=sa.text("superseded_by_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("course_run_superseded_by_id_fkey"),
        "course_run",
        "course_run",
        ["superseded_by_id"],
        ["id"],
        source_schema="catalog",
        referent_schema="catalog",
        ondelete="SET NULL",
    )
    for statement in TRIGGERS.read_text().split("\n;\n"):
        op.execute(sa.text(statement.replace(":", r"\:")))
