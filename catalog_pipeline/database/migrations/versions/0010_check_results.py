"""The last result of each check of a table is kept, whoever ran it: Dagster's log knows only of its own runs."""

import sqlalchemy as sa
from alembic import op

revision = "0010_check_results"
down_revision = "0009_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "check_result",
        sa.Column("table_name", sa.Text(), nullable=False, comment="The checked table or view, as schema.table."),
        sa.Column("check_name", sa.Text(), nullable=False, comment="The check, such as status_not_null."),
        sa.Column("failing_rows", sa.BigInteger(), nullable=False, comment="Number of rows that failed; 0 is a pass."),
        sa.Column("severity", sa.Text(), nullable=False, comment="What a failure is: error, or warn."),
        sa.Column(
            "checked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it was checked.",
        ),
        sa.CheckConstraint("failing_rows >= 0", name=op.f("check_result_failing_rows_check")),
        sa.CheckConstraint("severity IN ('error', 'warn')", name=op.f("check_result_severity_check")),
        sa.PrimaryKeyConstraint("table_name", "check_name", name=op.f("check_result_pkey")),
        schema="ops",
        comment="The last result of each check of a table: one row per check that was run.",
    )
