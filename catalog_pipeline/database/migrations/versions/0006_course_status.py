"""Triggers keep the statuses of courses. Which database sends the mail of the outbox is kept beside it."""

from alembic import op

from catalog_pipeline.database.course_status import install_course_status

revision = "0006_course_status"
down_revision = "0005_held_removals"
branch_labels = None
depends_on = None

THIS_DATABASE = """(SELECT system_identifier FROM pg_control_system())::text
    || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())"""
STATEMENTS = (
    "SELECT set_config('catalog.actor', 'migration:0006_course_status', true)",
    "SELECT catalog.settle_course_statuses(ARRAY(SELECT id FROM catalog.catalog_course))",
    "SELECT set_config('catalog.actor', '', true)",
    """CREATE TABLE ops.mail_sender (
           is_only boolean DEFAULT true PRIMARY KEY CONSTRAINT mail_sender_is_only_check CHECK (is_only),
           database text NOT NULL,
           named_at timestamptz DEFAULT now() NOT NULL,
           named_by text NOT NULL)""",
    """COMMENT ON TABLE ops.mail_sender IS
       'One row: the database that sends the mail in ops.outbox. A copy of it does not.'""",
    "COMMENT ON COLUMN ops.mail_sender.is_only IS 'There is one row.'",
    """COMMENT ON COLUMN ops.mail_sender.database IS
       'System identifier of its server, timeline, and its oid.'""",
    "COMMENT ON COLUMN ops.mail_sender.named_at IS 'Since when it sends the mail.'",
    "COMMENT ON COLUMN ops.mail_sender.named_by IS 'Who said so: cli:ann; the first mail where nobody did.'",
    f"""INSERT INTO ops.mail_sender (database, named_by) SELECT {THIS_DATABASE}, 'the first mail'
        WHERE EXISTS (SELECT FROM ops.outbox)""",
)
"""What was written since the last load with psql has statuses that were not settled.

Mail that was written so far is sent from where it is.
"""


def upgrade() -> None:
    install_course_status(op.get_bind())
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
