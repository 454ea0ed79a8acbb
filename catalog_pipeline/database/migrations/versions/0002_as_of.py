"""Who began a load, and the clock of the marts' views, which sessions may set."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AS_OF = """\
CREATE FUNCTION marts.as_of() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('catalog.as_of', true), '')::timestamptz, now())"""

# The range of days is a partition's; without one, it is today.
DAYS = """\
CREATE FUNCTION marts.days() RETURNS SETOF date LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT generate_series(
        coalesce(nullif(current_setting('catalog.first_day', true), '')::date, today.day),
        coalesce(nullif(current_setting('catalog.last_day', true), '')::date, today.day), interval '1 day')::date
    FROM (SELECT (marts.as_of() AT TIME ZONE 'UTC')::date AS day) AS today;
END"""


def upgrade() -> None:
    """To 0002."""
    op.add_column(
        "load",
        sa.Column("started_by", sa.Text(), comment="Who began it: run and the Dagster run's id, or a user."),
        schema="ops",
    )
    op.execute(AS_OF)
    op.execute(
        "COMMENT ON FUNCTION marts.as_of() IS"
        " 'The instant that views about the present speak of: the setting catalog.as_of, else now.'"
    )
    op.execute(DAYS)
    op.execute(
        "COMMENT ON FUNCTION marts.days() IS"
        " 'The days from the setting catalog.first_day to catalog.last_day; today where they are not set.'"
    )
