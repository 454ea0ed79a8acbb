"""The functions that write the history, faster; what they write stays as it was."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).with_suffix(".sql")
"""As `database.triggers` generated them."""


def upgrade() -> None:
    """To 0006."""
    for statement in FUNCTIONS.read_text().split("\n;\n"):
        op.execute(sa.text(statement.replace(":", r"\:")))
