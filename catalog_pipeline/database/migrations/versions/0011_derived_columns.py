"""What a person leaves out of an INSERT of an organization, a course or a run is filled in from its key."""

from alembic import op

from catalog_pipeline.database.derived import install_derived_columns

revision = "0011_derived_columns"
down_revision = "0010_check_results"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE catalog.course_run ALTER COLUMN status SET DEFAULT 'unpublished'",
    "ALTER TABLE catalog.run_association ALTER COLUMN source SET DEFAULT 'manual'",
    "ALTER TABLE catalog.run_association ALTER COLUMN reason SET DEFAULT 'Set by SQL.'",
    """COMMENT ON COLUMN ops.feed_row.said IS 'What the row says of fields of its run that an upstream owns; all'
       ' that it says, where its course belongs to another feed.'""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
    install_derived_columns(op.get_bind())
