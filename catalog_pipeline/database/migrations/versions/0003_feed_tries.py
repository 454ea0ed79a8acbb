"""A feed that arrived is tried a few times, then set aside."""

from alembic import op

revision = "0003_feed_tries"
down_revision = "0002_feed_associations"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE ops.feed_arrival
       ADD COLUMN tries integer NOT NULL DEFAULT 0 CONSTRAINT feed_arrival_tries_check CHECK (tries >= 0),
       ADD COLUMN set_aside_at timestamptz,
       ADD COLUMN last_error text""",
    """COMMENT ON COLUMN ops.feed_arrival.decided_at IS
       'When the file was last ingested, whatever the outcome (see ops.feed), or dropped; null while it waits.'""",
    """COMMENT ON COLUMN ops.feed_arrival.tries IS
       'How often its ingestion was begun since it last succeeded.'""",
    """COMMENT ON COLUMN ops.feed_arrival.set_aside_at IS
       'When it was set aside: at its last try, or when a person dropped it (then decided_at is set, too).'""",
    """COMMENT ON COLUMN ops.feed_arrival.last_error IS
       'Why the last try that failed did: type and message of the error.'""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
