"""Dagster's instance: its home folder, and the runs of processes that died."""

import os
import socket
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus
from support.processes import wait_until

from catalog_pipeline.database.engine import Server
from catalog_pipeline.settings import Settings
from resources.instance import (
    CODE_LOCATION,
    CODE_LOCATION_TAG,
    PROCESS_TAG,
    WORKSPACE,
    process_tag,
    sweep_dead_runs,
    write_home,
)
from resources.instance import instance as open_instance
from sensors.nightly import Stage, run_night

ROOT = Path(__file__).parents[2]
NO_SUCH_PID = 2**22 + 1
"""Linux gives no process a higher number than 2^22."""


def a_run(
    defs: dg.Definitions, instance: DagsterInstance, tag: Mapping[str, str], status: DagsterRunStatus
) -> dg.DagsterRun:
    return instance.create_run_for_job(defs.resolve_job_def("send_mail"), tags=tag, status=status)


def test_dagsters_folder_is_closed_to_others_whoever_made_it(settings: Settings) -> None:
    (settings.folder / "dagster").mkdir(mode=0o755)
    assert write_home(settings).stat().st_mode & 0o077 == 0


def test_a_run_whose_process_died_is_marked_failed_and_says_so(defs: dg.Definitions, instance: DagsterInstance) -> None:
    dead = {PROCESS_TAG: f"{socket.gethostname()}/{NO_SUCH_PID}/1.00"}
    run = a_run(defs, instance, dead, DagsterRunStatus.STARTED)
    assert sweep_dead_runs(instance) == [run.run_id]
    swept = instance.get_run_by_id(run.run_id)
    assert swept
    assert swept.status == DagsterRunStatus.FAILURE
    last = instance.all_logs(run.run_id)[-1].dagster_event
    assert last
    assert "died in the middle. Nothing is half done: run it again." in str(last.message)
    assert sweep_dead_runs(instance) == []


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        (process_tag(), DagsterRunStatus.STARTED),
        ({PROCESS_TAG: f"another-host/{NO_SUCH_PID}/1.00"}, DagsterRunStatus.STARTED),
        ({}, DagsterRunStatus.STARTED),
        ({PROCESS_TAG: f"{socket.gethostname()}/{NO_SUCH_PID}/1.00"}, DagsterRunStatus.SUCCESS),
    ],
    ids=["its process lives", "another host's", "no process named", "ended"],
)
def test_other_runs_are_left_alone(
    defs: dg.Definitions, instance: DagsterInstance, tag: dict[str, str], status: DagsterRunStatus
) -> None:
    a_run(defs, instance, tag, status)
    assert sweep_dead_runs(instance) == []


def test_a_process_that_took_over_a_dead_ones_number_is_not_mistaken_for_it(
    defs: dg.Definitions, instance: DagsterInstance
) -> None:
    host, pid, _ = process_tag()[PROCESS_TAG].rsplit("/", 2)
    run = a_run(defs, instance, {PROCESS_TAG: f"{host}/{pid}/1.00"}, DagsterRunStatus.STARTED)
    assert sweep_dead_runs(instance) == [run.run_id]


def test_a_process_that_ended_and_that_nobody_waits_for_is_dead(
    defs: dg.Definitions, instance: DagsterInstance
) -> None:
    with subprocess.Popen(["sleep", "60"]) as zombie:
        started = psutil.Process(zombie.pid).create_time()
        tag = {PROCESS_TAG: f"{socket.gethostname()}/{zombie.pid}/{started:.2f}"}
        run = a_run(defs, instance, tag, DagsterRunStatus.STARTED)
        assert sweep_dead_runs(instance) == []
        zombie.kill()
        wait_until(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
        assert sweep_dead_runs(instance) == [run.run_id]


def test_a_run_of_make_run_names_its_code_location_and_its_process(
    defs: dg.Definitions, instance: DagsterInstance
) -> None:
    *_, (_, run) = run_night(defs, instance, [Stage("send_mail")])
    assert run
    assert run.is_success
    assert run.tags.items() >= {**CODE_LOCATION_TAG, **process_tag()}.items()


def test_the_timeline_of_the_ui_finds_the_runs_of_make_run(
    defs: dg.Definitions, deployed: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with open_instance(deployed, server) as opened:
        *_, (_, run) = run_night(defs, opened, [Stage("send_mail")])
    assert run
    assert run.remote_job_origin
    assert (run.remote_job_origin.location_name, run.remote_job_origin.job_name) == (CODE_LOCATION, "send_mail")


def test_the_code_location_has_one_name_wherever_dagster_reads_it(settings: Settings) -> None:
    written = yaml.safe_load((write_home(settings) / WORKSPACE).read_text())
    shipped = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    names = [workspace["load_from"][0]["python_module"]["location_name"] for workspace in (written, shipped)]
    names += [project["dagster"]["code_location_name"], project["dg"]["project"]["code_location_name"]]
    assert set(names) == {CODE_LOCATION}
    assert {".dagster/repository": f"__repository__@{CODE_LOCATION}"} == CODE_LOCATION_TAG
