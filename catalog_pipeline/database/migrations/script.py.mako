"""${message}"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A column of a tracked table needs two steps; track() reads the table's columns as they are by then.
    #   op.add_column("organization", sa.Column("motto", sa.Text, comment="Motto."), schema="catalog")
    #   track(op.get_bind(), "catalog.organization", key="{row}.key")  # from catalog_pipeline.database.triggers
    ${upgrades if upgrades else "pass"}
