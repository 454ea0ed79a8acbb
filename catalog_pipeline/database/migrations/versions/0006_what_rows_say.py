"""Rows of feeds keep what they say of fields that an upstream owns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006_what_rows_say"
down_revision = "0005_feed_tries"
branch_labels = None
depends_on = None

SAID = "What the row says of fields of its run that belong to an upstream while it lists the run."


def upgrade() -> None:
    op.add_column("feed_row", sa.Column("said", JSONB, comment=SAID), schema="ops")
