"""`up`, the UI and the daemon: one for a home, and nothing outlives it, however it ends."""

import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from support.command import COMMAND, Command
from support.processes import free_port, lives, servers_of, wait_until


class Up:
    """A running `up`, and the processes that it started."""

    def __init__(self, home: Path, port: int) -> None:
        self.command = Command(home, None)
        self.command.env["CATALOG_UI_PORT"] = str(port)
        self.address = f"http://127.0.0.1:{port}"
        self.said = home / "up.log"
        with self.said.open("wb") as log:
            self.process = subprocess.Popen(
                [COMMAND, "up"], env=self.command.env, cwd=home, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(lambda: _answers(f"{self.address}/server_info"))
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def left(self) -> list[psutil.Process]:
        """The processes of its family that still live."""
        return [process for process in self.family if lives(process)]


@contextmanager
def up(home: Path, port: int) -> Iterator[Up]:
    running = Up(home, port)
    try:
        yield running
    finally:
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)


def test_up_serves_the_ui_and_ctrl_c_stops_everything_it_started(home: Path) -> None:
    with up(home, free_port()) as running:
        assert {Path(process.cmdline()[1]).name for process in running.family} >= {
            "dagster-webserver",
            "dagster-daemon",
        }
        other = Command(home, None)
        other.env["CATALOG_UI_PORT"] = str(free_port())
        assert (
            f"runs already for {home}: {running.address} (process {running.process.pid})"
            in other("up", status=2).stderr
        )
    assert running.process.returncode == 0
    assert f"Tables: {(home / 'site/index.html').as_uri()}" in running.said.read_text()
    assert (home / "site/marts.run_facts.html").is_file()
    assert not re.search("Fatal|Traceback|ERROR", running.said.read_text())
    assert running.left() == []
    assert servers_of(home) == []


def test_nothing_outlives_a_killed_up_and_the_next_one_takes_its_port(home: Path) -> None:
    port = free_port()
    killed = Up(home, port)
    killed.process.kill()
    killed.process.wait()
    wait_until(lambda: killed.left() == [])
    with up(home, port) as again:
        assert again.left()
    assert again.process.returncode == 0


def test_up_tells_whose_port_is_taken_and_of_a_cron_that_is_none(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = Command(home, None)
        command.env["CATALOG_UI_PORT"] = str(port)
        assert f"Port {port} is taken" in command("up", status=2).stderr
    command.env["CATALOG_NIGHTLY_CRON"] = "nonsense"
    for verb in ("up", "run"):
        assert "CATALOG_NIGHTLY_CRON: 'nonsense' is no cron expression" in command(verb, status=2).stderr


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
