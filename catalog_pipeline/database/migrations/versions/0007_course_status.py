"""Triggers keep the statuses of courses."""

from alembic import op

from catalog_pipeline.database.course_status import install_course_status

revision = "0007_course_status"
down_revision = "0004_held_removals"
branch_labels = None
depends_on = None

STATEMENTS = (
    "SELECT set_config('catalog.actor', 'migration:0007_course_status', true)",
    "SELECT catalog.settle_course_statuses(ARRAY(SELECT id FROM catalog.catalog_course))",
    "SELECT set_config('catalog.actor', '', true)",
)
"""What was written since the last load with psql has statuses that were not settled."""


def upgrade() -> None:
    install_course_status(op.get_bind())
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
