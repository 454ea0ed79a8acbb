"""Enterprise customers with their catalogs, the content of these, and assignments with their expirations.

The tables are written out in `enterprise.sql`.
"""

from pathlib import Path

from alembic import op

from catalog_pipeline.database.assignment_states import install_assignment_triggers
from catalog_pipeline.database.triggers import execute, track

revision = "0012_enterprise"
down_revision = "0011_derived_columns"
branch_labels = None
depends_on = None

TABLES = Path(__file__).with_name("enterprise.sql")
TRANSITIONS = """
    INSERT INTO catalog.assignment_transition (from_state, to_state)
    VALUES ('allocated', 'accepted'), ('allocated', 'cancelled'), ('allocated', 'expired'), ('allocated', 'errored'),
           ('cancelled', 'allocated'), ('errored', 'allocated'), ('expired', 'allocated'), ('reversed', 'allocated'),
           ('errored', 'cancelled'), ('accepted', 'reversed')"""
CURSOR = (
    "ALTER TABLE ops.load ADD COLUMN cursor text",
    "COMMENT ON COLUMN ops.load.cursor IS"
    " 'Of a load that reads change events: up to where it has read them. Null for all others.'",
)
UUID = "{row}.uuid::text"
CRAWLED = ("fetched_at", "last_outcome", "last_detail")


def upgrade() -> None:
    connection = op.get_bind()
    execute(connection, [TABLES.read_text(), TRANSITIONS, *CURSOR])
    track(connection, "catalog.enterprise_customer", key=UUID, personal=("contact_email",))
    track(connection, "catalog.enterprise_catalog", key=UUID, left_out=CRAWLED)
    track(connection, "catalog.enterprise_learner", key="{row}.lms_user_id::text", personal=("email",))
    track(connection, "catalog.subsidy", key=UUID)
    track(connection, "catalog.assignment_configuration", key=UUID)
    track(connection, "catalog.access_policy", key=UUID)
    track(connection, "catalog.content_metadata", key="{row}.content_key", left_out=("fetched_at",))
    track(connection, "catalog.content_run", key="{row}.run_key", left_out=("fetched_at",))
    track(connection, "catalog.content_assignment", key=UUID, personal=("learner_email",))
    install_assignment_triggers(connection)
