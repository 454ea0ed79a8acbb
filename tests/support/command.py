"""The command, run as its user runs it: a process, with a database and a home of the test's own.

It is forked from one that has imported the code: see `forks`. `COMMAND` is the program itself.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from catalog_pipeline.database.engine import Server
from support.forks import run_command, start_command

COMMAND = Path(sys.executable).with_name("catalog-pipeline")
PATIENCE = 120
"""Seconds after which a command is killed."""


class Command:
    """`catalog-pipeline`, with an environment that tests may add to."""

    def __init__(self, home: Path, server: Server | None) -> None:
        self.home = home
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("CATALOG_", "DAGSTER_"))}
        self.env.pop("COLUMNS", None)  # of whoever runs the tests
        self.env |= {"CATALOG_HOME": str(home), "CATALOG_SAMPLE_COURSES": "60", "CATALOG_RETRY_BACKOFF": "0.01"}
        if server:
            self.env["CATALOG_DATABASE_URL"] = server.url("postgresql")

    def __call__(self, *arguments: str, status: int = 0, input: str = "") -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
            for file, content in zip(files, (input, "", ""), strict=True):
                file.write_text(content)
            code = run_command(arguments, self.home, self.env, files, PATIENCE)
            stdout, stderr = (file.read_text() for file in files[1:])
        assert code == status, f"exit {code}: {stdout[-2000:]}{stderr[-2000:]}"
        return subprocess.CompletedProcess([COMMAND, *arguments], code, stdout, stderr)

    def start(self, *arguments: str) -> BaseProcess:
        """Start the command, for a test that kills it. Nobody reads what it prints."""
        return start_command(arguments, self.home, self.env, [Path(os.devnull)] * 3)

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", status=status).stdout)


@pytest.fixture
def command(home: Path, server: Server) -> Command:
    return Command(home, server)


@pytest.fixture
def without_database(home: Path) -> Callable[..., Command]:
    return lambda: Command(home, None)
