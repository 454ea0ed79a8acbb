"""Rows of feeds keep what they say of fields that an upstream owns, and feeds which products they do not list."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004_what_rows_say"
down_revision = "0003_feed_tries"
branch_labels = None
depends_on = None

SAID = "What the row says of fields of its run that belong to an upstream while it lists the run."
MISSING = "Courses that the feed does not list but that were not archived, with the same fields as archived."


def upgrade() -> None:
    op.add_column(
        "feed", sa.Column("missing", JSONB, nullable=False, server_default="[]", comment=MISSING), schema="ops"
    )
    op.add_column("feed_row", sa.Column("said", JSONB, comment=SAID), schema="ops")
