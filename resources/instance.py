"""Dagster's home folder with its configuration and workspace, and the runs of processes that died."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import yaml
from dagster import DagsterRunStatus, RunsFilter
from dagster_shared.serdes import deserialize_value

from catalog_pipeline.database.engine import Server
from catalog_pipeline.folders import make_private
from catalog_pipeline.settings import Settings

PROCESS_TAG = "catalog/process"
"""Names the process that works on a run: host, pid, and its start, which tells it from a later one of that pid."""
CODE_LOCATION = "catalog_pipeline"
"""The code location's name in the UI; `pyproject.toml` and `workspace.yaml` give it too."""
CODE_LOCATION_TAG = {".dagster/repository": f"__repository__@{CODE_LOCATION}"}
"""Says which code location a run is of. Dagster sets it on the runs that its daemon and its UI start."""
ENDED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}
WORKSPACE = "workspace.yaml"
UNFINISHED = [status for status in DagsterRunStatus if status not in ENDED]


def write_home(settings: Settings) -> Path:
    """Write `dagster.yaml` and `workspace.yaml` into `<home>/dagster`; returns that folder, the DAGSTER_HOME."""
    home = settings.folder / "dagster"
    make_private(home)
    home.chmod(0o700)  # its logs and configuration are nobody else's, whoever made the folder
    (home / "dagster.yaml").write_text(yaml.safe_dump(_configuration(settings), sort_keys=False))
    (home / WORKSPACE).write_text(yaml.safe_dump(_workspace()))
    return home


def environment(settings: Settings, server: Server) -> dict[str, str]:
    """The environment that Dagster's processes need; it holds the database's password, and belongs in no log."""
    return {
        "DAGSTER_HOME": str(write_home(settings)),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "CATALOG_DATABASE_URL": server.url("postgresql"),
        "CATALOG_HOME": str(settings.folder),
    }


@contextmanager
def instance(settings: Settings, server: Server) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance in this process, after the runs of dead processes were marked failed."""
    os.environ.update(environment(settings, server))
    with dg.DagsterInstance.get() as found:
        sweep_dead_runs(found)
        _name_origins(found)
        yield found


def _name_origins(found: dg.DagsterInstance) -> None:
    """Record of each run that this process makes where its job is found. The UI's timeline leaves out runs without."""
    create = found.create_run_for_job

    @wraps(create)
    def create_with_origin(*, job_def: dg.JobDefinition, **given: Any) -> dg.DagsterRun:
        return create(job_def=job_def, **{"remote_job_origin": _origin(job_def.name), **given})

    setattr(found, "create_run_for_job", create_with_origin)  # noqa: B010 - a type checker would not let it be


def _origin(job: str) -> Any:
    """Where a job is found, as the daemon and the UI record it. Dagster has no public class for it, but reads JSON."""
    location = {"__class__": "RegisteredRepositoryLocationOrigin", "location_name": CODE_LOCATION}
    repository = {
        "__class__": "ExternalRepositoryOrigin",
        "repository_location_origin": location,
        "repository_name": "__repository__",
    }
    origin = {"__class__": "ExternalPipelineOrigin", "external_repository_origin": repository, "pipeline_name": job}
    return deserialize_value(json.dumps(origin))


def process_tag() -> dict[str, str]:
    """The tag that names this process."""
    return {PROCESS_TAG: f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.2f}"}


def sweep_dead_runs(found: dg.DagsterInstance) -> list[str]:
    """Mark failed the unfinished runs of this host whose process is gone, and free their pool slots.

    Returns the ids of these runs. The daemon does not notice a process that died, and its slots stay taken.
    """
    begun = [status for status in UNFINISHED if status != DagsterRunStatus.QUEUED]  # no process works on a queued run
    dead = [
        run
        for run in found.get_runs(RunsFilter(statuses=begun))
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
        return False  # another host's process: only that host can tell
    try:
        process = psutil.Process(int(pid))
        return process.status() == psutil.STATUS_ZOMBIE or f"{process.create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True


def _workspace() -> dict[str, object]:
    return {
        "load_from": [
            {"python_module": {"module_name": "catalog_pipeline.definitions", "location_name": CODE_LOCATION}}
        ]
    }


def _configuration(settings: Settings) -> dict[str, object]:
    return {
        "storage": {
            "custom": {
                "module": "resources.storage",
                "class": "CatalogStorage",
                "config": {"home": str(settings.folder)},
            }
        },
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
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }
