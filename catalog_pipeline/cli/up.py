"""`make up`: serves the Dagster UI and runs its daemon and the embedded database, until Ctrl-C stops them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from catalog_pipeline.cli.console import say
from catalog_pipeline.database.engine import ensure_database, make_engine, serving
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.errors import CatalogError, ExitCode, UsageError
from catalog_pipeline.settings import Settings
from resources.instance import WORKSPACE, environment, instance, write_home

GRACE = 30.0
"""Seconds that a child has to end after SIGINT, before it is killed."""


class ProcessEndedError(CatalogError):
    """The webserver or the daemon ended although nobody stopped it."""


def bring_up(settings: Settings) -> ExitCode:
    """Serve until Ctrl-C or SIGTERM.

    Raises UsageError if the port is taken, and ProcessEndedError if the webserver or the daemon ends by itself.
    """
    _check_port(settings.ui_port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)  # a shell makes what it starts in the background ignore SIGINT
    with serving(settings) as server:
        ensure_database(server)
        engine = make_engine(server)
        migrate(engine)
        engine.dispose()
        with instance(settings, server):
            pass  # it marks the runs of dead processes failed, before the daemon counts them as running
        env = {**os.environ, **environment(settings, server), "CATALOG_AUTOMATION": "on"}
        children: list[subprocess.Popen[bytes]] = []
        try:
            children += [_start(arguments, env) for arguments in _commands(settings)]
            say(f"Dagster UI: http://127.0.0.1:{settings.ui_port} (Ctrl-C stops everything)")
            _wait(children)
        except KeyboardInterrupt:
            say("Stopping …")
        finally:
            _stop(children)
    return ExitCode.DONE


def _commands(settings: Settings) -> list[list[str]]:
    workspace = ["-w", str(write_home(settings) / WORKSPACE)]
    return [
        ["dagster-webserver", "-h", "127.0.0.1", "-p", str(settings.ui_port), *workspace],
        ["dagster-daemon", "run", *workspace],
    ]


def _start(arguments: list[str], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # In a session of its own it does not get the terminal's Ctrl-C: this process does, and stops the children.
    program = Path(sys.executable).with_name(arguments[0])
    return subprocess.Popen([program, *arguments[1:]], env=env, start_new_session=True)


def _wait(children: list["subprocess.Popen[bytes]"]) -> None:
    while True:
        for child in children:
            if child.poll() is not None:
                raise ProcessEndedError(
                    f"{_name(child)} ended with status {child.returncode}; its last lines above say why."
                )
        time.sleep(0.5)


def _name(child: "subprocess.Popen[bytes]") -> str:
    arguments = child.args
    return Path(str(arguments[0])).name if isinstance(arguments, list) else str(arguments)


def _stop(children: list["subprocess.Popen[bytes]"]) -> None:
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
    deadline = time.monotonic() + GRACE
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"Port {port} is taken ({error.strerror}): is `make up` running already?"
                " Stop what uses it, or set CATALOG_UI_PORT."
            ) from None


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
