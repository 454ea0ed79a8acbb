"""The command, run as its user runs it: a process, with a database and a home of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog_pipeline.database.engine import Server

COMMAND = Path(sys.executable).with_name("catalog-pipeline")


class Command:
    """`catalog-pipeline`, with an environment that tests may add to."""

    def __init__(self, home: Path, server: Server | None) -> None:
        self.home = home
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("CATALOG_", "DAGSTER_"))}
        self.env.pop("COLUMNS", None)  # of whoever runs the tests
        self.env |= {"CATALOG_HOME": str(home), "CATALOG_SAMPLE_COURSES": "60", "CATALOG_RETRY_BACKOFF": "0.01"}
        if server:
            self.env["CATALOG_DATABASE_URL"] = server.url("postgresql")

    def __call__(self, *arguments: str, status: int = 0, **more: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [COMMAND, *arguments], env=self.env, cwd=self.home, capture_output=True, text=True, timeout=120, **more
        )
        assert done.returncode == status, f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", status=status).stdout)


@pytest.fixture
def command(home: Path, server: Server) -> Command:
    return Command(home, server)


@pytest.fixture
def without_database(home: Path) -> Callable[..., Command]:
    return lambda: Command(home, None)
