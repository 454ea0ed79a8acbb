"""`python -m catalog_pipeline.database.migrations NAME` writes a new, empty migration, and says where."""

import re
import sys
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from catalog_pipeline.database.schema import migrations
from catalog_pipeline.database.version import MIGRATIONS

NAME = re.compile(r"[a-z][a-z0-9_]{0,26}")  # with its number, a revision has 32 characters at most


def new_migration(name: str, folder: Path = MIGRATIONS) -> None:
    """Write a migration that comes after the last one. Raises SystemExit for a wrong name."""
    if not NAME.fullmatch(name):
        sys.exit(f"{name!r} is no name for a migration: use up to 27 small letters, digits and underscores, as add_x.")
    config = migrations(folder)
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    command.revision(config, message=name.replace("_", " ").capitalize() + ".", rev_id=f"{number:04}_{name}")


if __name__ == "__main__":
    new_migration(" ".join(sys.argv[1:]))
