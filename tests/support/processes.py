"""Processes and ports, as a test sees them from outside."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil


def lives(process: psutil.Process) -> bool:
    """Whether a process runs. One that ended and that nobody has waited for (a zombie) does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def servers_of(home: Path) -> list[int]:
    """The pids of the embedded server of a home."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(home / "data") in (process.info["cmdline"] or []) and lives(process)
    ]


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], bool], seconds: float = 180) -> None:
    """Wait until a condition holds; fails after that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
