"""What is removed once it is old, and the archive of the history."""

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

ARCHIVE = (
    "ALTER TABLE ops.change_event DROP CONSTRAINT change_event_action_check",
    """ALTER TABLE ops.change_event ADD CONSTRAINT change_event_action_check
       CHECK (action IN ('created', 'updated', 'deleted', 'baseline'))""",
    *(
        f"COMMENT ON COLUMN {relation}.action IS"
        " 'created, updated or deleted; baseline: what the row was when the events before were archived.'"
        for relation in ("ops.change_event", "ops.column_change")
    ),
    """CREATE TABLE ops.history_archive (
        before_day date PRIMARY KEY,
        file text NOT NULL,
        sha256 text NOT NULL,
        events bigint NOT NULL,
        baselines bigint NOT NULL,
        archived_at timestamptz DEFAULT now() NOT NULL,
        archived_by text NOT NULL)""",
    """COMMENT ON TABLE ops.history_archive IS
       'One row per archive of old change events. Snapshots of days before it are not built again.'""",
    """COMMENT ON COLUMN ops.history_archive.before_day IS
       'The first day (UTC) whose events were not archived.'""",
    "COMMENT ON COLUMN ops.history_archive.file IS 'Where the file was written.'",
    "COMMENT ON COLUMN ops.history_archive.sha256 IS 'SHA-256 of the file as it was written, in hexadecimal.'",
    "COMMENT ON COLUMN ops.history_archive.events IS 'Number of events in the file.'",
    """COMMENT ON COLUMN ops.history_archive.baselines IS
       'Number of rows that lived, with a baseline event each.'""",
    "COMMENT ON COLUMN ops.history_archive.archived_at IS 'When it was archived.'",
    "COMMENT ON COLUMN ops.history_archive.archived_by IS 'Who did it: cli:ann.'",
    # As in 0009, and no day is built whose events are archived.
    """CREATE OR REPLACE FUNCTION marts.first_event() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
       DECLARE
           first_day date := (SELECT min(day) FROM marts.days() AS days (day));
           frozen date := (SELECT max(before_day) FROM ops.history_archive);
           until timestamptz := (first_day + 1)::timestamp AT TIME ZONE 'UTC';
       BEGIN
           IF first_day < frozen THEN
               RAISE EXCEPTION 'The history before %% is archived: snapshots of days before it are not built again.',
                   frozen;
           END IF;
           RETURN (
               SELECT min(e.id + 0) FROM ops.change_event e
               WHERE e.at >= until AND e.at <= now()
                 AND (e.entity = 'course_run' AND e.changes ? 'status'
                      OR e.entity = 'catalog_course' AND e.changes ?| ARRAY['status', 'organization_id']
                      OR e.entity = 'run_association' AND e.changes ?| ARRAY['course_run_id', 'catalog_course_id']));
       END $$""",
)


def upgrade() -> None:
    for statement in (*REMOVAL, *ARCHIVE):
        op.get_bind().exec_driver_sql(statement)
