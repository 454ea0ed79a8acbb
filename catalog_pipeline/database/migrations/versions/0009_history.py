"""Questions about the history read by an index what they ask for, however long it is."""

from alembic import op

revision = "0009_history"
down_revision = "0008_roles"
branch_labels = None
depends_on = None

INDEXES = (
    "CREATE UNIQUE INDEX change_event_id_idx ON ops.change_event (id)",
    "CREATE INDEX change_event_at_idx ON ops.change_event (at)",
    """CREATE INDEX change_event_former_run_key_idx ON ops.change_event ((changes -> 'run_key' ->> 0))
       WHERE entity = 'course_run' AND action IN ('updated', 'deleted') AND changes ? 'run_key'""",
    """CREATE INDEX change_event_former_association_idx ON ops.change_event ((changes -> 'course_run_id' ->> 0))
       WHERE entity = 'run_association' AND action = 'deleted'""",
)
VIEWS = (
    """CREATE VIEW ops.former_run_key AS
       SELECT e.entity_id AS course_run_id, e.changes -> 'run_key' ->> 0 AS run_key
       FROM ops.change_event e
       WHERE e.entity = 'course_run' AND e.action IN ('updated', 'deleted') AND e.changes ? 'run_key'""",
    "COMMENT ON VIEW ops.former_run_key IS 'The keys that runs had and have no more, those of deleted runs included.'",
    "COMMENT ON COLUMN ops.former_run_key.course_run_id IS 'The id of the run.'",
    "COMMENT ON COLUMN ops.former_run_key.run_key IS 'A key that it had.'",
    """CREATE VIEW ops.former_association AS
       SELECT e.entity_id AS run_association_id, e.changes -> 'course_run_id' ->> 0 AS course_run_id
       FROM ops.change_event e
       WHERE e.entity = 'run_association' AND e.action = 'deleted'""",
    "COMMENT ON VIEW ops.former_association IS 'The associations of runs that were deleted.'",
    "COMMENT ON COLUMN ops.former_association.run_association_id IS 'The id of the association.'",
    "COMMENT ON COLUMN ops.former_association.course_run_id IS 'The id of its run, as text.'",
)
# Postgres estimates by what a stable function returns, so that it takes the index wherever few events are asked for.
# min(id + 0): for min(id) it would read the events from the first one on, until one is late enough.
FUNCTIONS = (
    """CREATE FUNCTION marts.first_event() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
       DECLARE
           until timestamptz := ((SELECT min(day) FROM marts.days() AS days (day)) + 1)::timestamp AT TIME ZONE 'UTC';
       BEGIN
           RETURN (
               SELECT min(e.id + 0) FROM ops.change_event e
               WHERE e.at >= until AND e.at <= now()
                 AND (e.entity = 'course_run' AND e.changes ? 'status'
                      OR e.entity = 'catalog_course' AND e.changes ?| ARRAY['status', 'organization_id']
                      OR e.entity = 'run_association' AND e.changes ?| ARRAY['course_run_id', 'catalog_course_id']));
       END $$""",
    """COMMENT ON FUNCTION marts.first_event() IS
       'Of the change events that marts.catalog_daily counts, the first after the end of the first of marts.days().'""",
)
LOADS = (
    "ALTER TABLE ops.load ADD COLUMN xid xid8",
    # A default of its own statement, so that loads from before say that they do not know.
    "ALTER TABLE ops.load ALTER COLUMN xid SET DEFAULT pg_current_xact_id()",
    """COMMENT ON COLUMN ops.load.xid IS
       'The transaction of the load, by which its change events are found; null where it was not kept.'""",
)


def upgrade() -> None:
    for statement in (*INDEXES, *VIEWS, *FUNCTIONS, *LOADS):
        op.get_bind().exec_driver_sql(statement)
