"""Dagster's own commands, as the page for data engineers has them, on the pipeline's own storage."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.command import Command

from catalog_pipeline.database.engine import Server
from catalog_pipeline.settings import Settings
from resources.instance import instance as open_instance

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "data-engineer.md").read_text().split("## Dagster's own commands")[1].split("\n## ")[0]
BLOCKS = [block.splitlines() for block in re.findall(r"```console\n(.*?)```", SECTION, flags=re.DOTALL)]
BIN = Path(sys.executable).parent


def as_written(command: Command, line: str) -> str:
    """Run a line of the page, in a shell whose virtual environment is this one; returns what it prints."""
    path = f"{BIN}:{os.environ['PATH']}"
    # The checkout is found from the current directory in the page; here the home is the current directory.
    env = {**command.env, "PATH": path, "PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(command.home / "dagster")}
    done = subprocess.run(line, shell=True, env=env, cwd=command.home, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_the_commands_of_the_page_print_what_it_says_and_write_into_the_storage_of_the_pipeline(
    command: Command, deployed: Settings, server: Server
) -> None:
    (make, activate, export, listing, *listed), *others = BLOCKS
    assert (make, activate) == ("$ make run", "$ . .venv/bin/activate")
    assert export == "$ export DAGSTER_HOME=$PWD/.catalog/dagster"
    with open_instance(deployed, server) as instance:  # as `make run` opens it: this writes the folder
        assert as_written(command, listing.removeprefix("$ ")).splitlines() == listed
        (materialize,) = [line for block in others for line in block if "materialize" in line]
        as_written(command, materialize.removeprefix("$ "))
        (run,) = instance.get_runs()
        assert run.is_success
        assert len(instance.get_asset_keys()) == len(listed)
    assert ["$ dagster dev"] in others
    as_written(command, "dagster dev --help")  # the page's other command serves until Ctrl-C
