"""Runs that feeds made are associated by the source feed, which goes before key."""

from alembic import op

revision = "0002_feed_associations"
down_revision = "0001_first"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE catalog.run_association DROP CONSTRAINT run_association_source_check",
    """ALTER TABLE catalog.run_association ADD CONSTRAINT run_association_source_check
       CHECK (source IN ('manual', 'discovery', 'feed', 'key'))""",
    """COMMENT ON COLUMN catalog.run_association.source IS
       'What decided the course: manual, discovery, feed or key; each goes before those after it.'""",
    """COMMENT ON COLUMN catalog.run.association_source IS
       'What decided the run''s course: manual, discovery, feed or key.'""",
    "COMMENT ON COLUMN catalog.course_run.price IS 'The highest price of a seat; credit seats do not count.'",
    "COMMENT ON COLUMN catalog.run.price IS 'The highest price of a seat; credit seats do not count.'",
    "SELECT set_config('catalog.actor', 'migration:0002_feed_associations', true)",
    """UPDATE catalog.run_association a SET source = 'feed'
       WHERE a.source = 'key' AND (
           starts_with(a.reason, 'A feed made the run for ')
           OR EXISTS (
               SELECT FROM ops.feed_row r JOIN (
                   SELECT id, corrects,
                          max(id) FILTER (WHERE NOT corrects) OVER (PARTITION BY source, product_type) AS whole
                   FROM ops.feed WHERE outcome = 'applied') f ON f.id = r.feed_id AND f.id >= coalesce(f.whole, 0)
               WHERE (r.course_run_id, r.catalog_course_id) = (a.course_run_id, a.catalog_course_id)))""",
    "SELECT set_config('catalog.actor', '', true)",
)
"""The runs that feeds have made so far are told by their reason, or by the row of a current feed."""


def upgrade() -> None:
    for statement in STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
