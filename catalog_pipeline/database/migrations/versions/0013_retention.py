"""What is removed once it is old: a feed says when its rows were."""

from alembic import op

revision = "0013_retention"
down_revision = "0012_enterprise"
branch_labels = None
depends_on = None

REMOVAL = (
    "ALTER TABLE ops.feed ADD COLUMN rows_removed_at timestamptz",
    """COMMENT ON COLUMN ops.feed.rows_removed_at IS
       'When its rows and its bytes were removed, because another feed had long taken its place.'""",
    """COMMENT ON COLUMN landing.document.payload IS
       'The content as received, zstd-compressed; `catalog-pipeline show KEY --raw` prints it. Empty where it was"""
    """ removed: long missing upstream, or of a feed that another had long taken the place of.'""",
)


def upgrade() -> None:
    for statement in REMOVAL:
        op.get_bind().exec_driver_sql(statement)
