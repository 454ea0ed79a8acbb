"""`make up`: serves the Dagster UI and runs its daemon and the embedded database, until Ctrl-C stops them.

The webserver and the daemon each run in a process group of their own, under a keeper that kills the group when this
process ends in whatever way. A lock on the home refuses a second `up`.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from dagster import DagsterInstance
from sqlalchemy import Engine

from catalog_pipeline.cli import keeper
from catalog_pipeline.cli.console import complain, say
from catalog_pipeline.database.engine import ensure_database, make_engine, serving
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.errors import CatalogError, ExitCode, UsageError
from catalog_pipeline.folders import make_private
from catalog_pipeline.settings import Settings
from catalog_pipeline.site.pages import build_site
from resources.instance import WORKSPACE, environment, instance, sweep_dead_runs, write_home
from sensors.nightly import nightly_schedule

GRACE = 30.0
"""Seconds that a child has to end after SIGINT, before it is killed."""
PORT_GRACE = 3.0
"""Seconds to wait for the port of an `up` that was killed a moment ago."""
SWEEP_INTERVAL = 20.0
"""Seconds between two looks for runs whose process died: the daemon does not notice them."""
LOCK = "up.lock"


class ProcessEndedError(CatalogError):
    """The webserver or the daemon ended although nobody stopped it."""


def bring_up(settings: Settings) -> ExitCode:
    """Serve until Ctrl-C or SIGTERM.

    Raises UsageError if an `up` of this home runs already or the port is taken, and ProcessEndedError if the webserver
    or the daemon ends by itself.
    """
    nightly_schedule(settings)  # raises SettingsError for a bad cron, which the daemon would only log
    address = f"http://127.0.0.1:{settings.ui_port}"
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)  # a shell makes what it starts in the background ignore SIGINT
    with serving(settings) as server, _the_only_one(settings.folder, address):
        _check_port(settings.ui_port)
        ensure_database(server)
        engine = make_engine(server)
        migrate(engine)
        site = _site(settings, engine)
        engine.dispose()
        with instance(settings, server) as found:
            env = {**os.environ, **environment(settings, server), "CATALOG_AUTOMATION": "on"}
            children: dict[str, subprocess.Popen[bytes]] = {}
            try:
                for program, *arguments in _commands(settings):
                    children[program] = _start(program, arguments, env)
                say(f"Tables: {site.as_uri()}") if site else None
                say(f"Dagster UI: {address} (Ctrl-C stops everything)")
                _wait(children, found)
            except KeyboardInterrupt:
                say("Stopping …")
            finally:
                _stop(children.values())
    return ExitCode.DONE


def _site(settings: Settings, engine: Engine) -> Path | None:
    """Build the site of the tables; returns its first page. Where that fails, say why and go on without it."""
    try:
        return build_site(engine, settings.site_folder)
    except CatalogError as error:
        complain(f"The site of the tables was not built. {error}")
        return None


@contextmanager
def _the_only_one(home: Path, address: str) -> Iterator[None]:
    """Hold the home's lock, and name our address in its file. Raises UsageError with the other's address."""
    make_private(home)
    with (home / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UsageError(
                f"`up` runs already for {home}: {lock.read().strip()}. Use that one, or stop it with Ctrl-C."
            ) from None
        lock.truncate(0)
        lock.write(f"{address} (process {os.getpid()})\n")
        lock.flush()
        yield


def _commands(settings: Settings) -> list[list[str]]:
    workspace = ["-w", str(write_home(settings) / WORKSPACE)]
    return [
        ["dagster-webserver", "-h", "127.0.0.1", "-p", str(settings.ui_port), *workspace],
        ["dagster-daemon", "run", *workspace],
    ]


def _start(program: str, arguments: list[str], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a program of Dagster's under a keeper, whose standard input is the pipe by which it knows that we live."""
    path = Path(sys.executable).with_name(program)
    return subprocess.Popen(
        [sys.executable, "-I", keeper.__file__, str(path), *arguments],
        env=env,
        stdin=subprocess.PIPE,
        start_new_session=True,  # it does not get the terminal's Ctrl-C: this process does, and stops the children
    )


def _wait(children: Mapping[str, "subprocess.Popen[bytes]"], found: DagsterInstance) -> None:
    """Wait for ever, and mark runs failed whose process died. Raises ProcessEndedError when a child ends by itself."""
    swept = time.monotonic()
    while True:
        if time.monotonic() - swept > SWEEP_INTERVAL:
            sweep_dead_runs(found)
            swept = time.monotonic()
        for program, child in children.items():
            if child.poll() is not None:
                raise ProcessEndedError(
                    f"{program} ended with status {child.returncode}; its last lines above say why."
                )
        time.sleep(0.5)


def _stop(children: Collection["subprocess.Popen[bytes]"]) -> None:
    """End the children's process groups: the programs, and the code servers and runs that they started."""
    for child in children:
        _signal_group(child, signal.SIGINT)
    deadline = time.monotonic() + GRACE
    for child in children:
        while child.poll() is None or _group_lives(child.pid):
            if time.monotonic() > deadline:
                _signal_group(child, signal.SIGKILL)
                child.wait()
                break
            time.sleep(0.1)


def _signal_group(child: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a child's process group, which may outlive the child."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _group_lives(group: int) -> bool:
    """Whether any process of a group lives. One that ended and that nobody has waited for (a zombie) does not."""
    for process in psutil.process_iter(["pid", "status"]):
        with suppress(ProcessLookupError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                return True
    return False


def _check_port(port: int) -> None:
    deadline = time.monotonic() + PORT_GRACE
    while (problem := _port_problem(port)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if problem:
        raise UsageError(f"Port {port} is taken ({problem}). Stop what uses it, or set CATALOG_UI_PORT.")


def _port_problem(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
