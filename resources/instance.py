"""Dagster's own home: its configuration, its storage on the catalog's server, and the runs of dead processes."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import yaml
from dagster import DagsterRunStatus, RunsFilter
from dagster_postgres import DagsterPostgresStorage

from catalog_pipeline.database.engine import Server, ensure_filled_database
from catalog_pipeline.settings import Settings

PROCESS_TAG = "catalog/process"
"""Names the process that works on a run: host, pid, and its start, which tells it from a later one of that pid."""
STORAGE_URL = "DAGSTER_STORAGE_URL"
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def write_home(settings: Settings) -> Path:
    """Write `dagster.yaml` into the home folder's `dagster` folder; returns that folder, the DAGSTER_HOME."""
    home = settings.folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(_configuration(settings, home), sort_keys=False))
    return home


def environment(settings: Settings, server: Server) -> dict[str, str]:
    """The environment that Dagster's processes need; it holds the database's password, and belongs in no log."""
    return {
        "DAGSTER_HOME": str(write_home(settings)),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        STORAGE_URL: server.dagster_url(),
        "CATALOG_DATABASE_URL": server.url("postgresql"),
        "CATALOG_HOME": str(settings.folder),
    }


@contextmanager
def instance(settings: Settings, server: Server) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance in this process, with its storage made and the runs of dead processes swept."""
    # Dagster makes its tables one by one, and takes the first for all: killed in between, it never works again.
    ensure_filled_database(server, server.dagster_url(), DagsterPostgresStorage)
    os.environ.update(environment(settings, server))
    with dg.DagsterInstance.get() as found:
        sweep_dead_runs(found)
        yield found


def process_tag() -> dict[str, str]:
    """The tag that names this process."""
    return {PROCESS_TAG: f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.2f}"}


def sweep_dead_runs(found: dg.DagsterInstance) -> list[str]:
    """Mark failed the unfinished runs of this host whose process is gone, and free their pool slots.

    Returns the ids of these runs. The daemon does not notice a process that died, and its slots stay taken.
    """
    dead = [
        run
        for run in found.get_runs(RunsFilter(statuses=UNFINISHED))
        if PROCESS_TAG in run.tags and _is_dead(*run.tags[PROCESS_TAG].rsplit("/", 2))
    ]
    for run in dead:
        found.report_run_failed(
            run, f"Its process ({run.tags[PROCESS_TAG]}) died in the middle. Nothing is half done: run it again."
        )
        found.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _is_dead(host: str, pid: str, started: str) -> bool:
    if host != socket.gethostname():
        return False  # that host's to say
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True


def _configuration(settings: Settings, home: Path) -> dict[str, object]:
    return {
        # The explicit driver in the URL matters: dagster-postgres speaks psycopg2 only.
        "storage": {"postgres": {"postgres_url": {"env": STORAGE_URL}}},
        "concurrency": {
            "pools": {"default_limit": 1, "granularity": "op"},
            "runs": {"max_concurrent_runs": 4},
        },
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 180,
            "max_runtime_seconds": settings.max_runtime,
            "free_slots_after_run_end_seconds": 300,
        },
        "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
        "retention": {
            "schedule": {"purge_after_days": 90},
            "sensor": {"purge_after_days": {"skipped": 7, "failure": 30, "success": -1}},
        },
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(home / "logs")},
        },
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }
