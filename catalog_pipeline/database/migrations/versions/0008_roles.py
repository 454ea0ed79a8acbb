"""Each event says which role its session logged in as: the actor is what the session says of itself."""

from alembic import op

revision = "0008_roles"
down_revision = "0007_upstreams"
branch_labels = None
depends_on = None

ACTOR = "Who made the change: load:17, cli:ann, api:ann; sql: and the database role for anything else."
LOGIN = "The database role that the session logged in as; null in events from before it was kept."
STATEMENTS = (
    "ALTER TABLE ops.change_event ADD COLUMN login text",
    # A default of its own statement, so that events from before say that they do not know.
    "ALTER TABLE ops.change_event ALTER COLUMN login SET DEFAULT SESSION_USER",
    """CREATE OR REPLACE VIEW ops.column_change AS
       SELECT e.xid, e.id, e.at, e.entity, e.entity_id, e.key, e.action, c.key AS "column",
              c.value -> 0 AS old, c.value -> 1 AS new, e.actor, e.login
       FROM ops.change_event e CROSS JOIN LATERAL jsonb_each(e.changes) c""",
    f"""COMMENT ON COLUMN ops.change_event.actor IS
        '{ACTOR} The session says so itself; login is what the database knows.'""",
    f"COMMENT ON COLUMN ops.change_event.login IS '{LOGIN}'",
    f"COMMENT ON COLUMN ops.column_change.login IS '{LOGIN}'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
