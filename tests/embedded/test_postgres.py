"""The embedded server's life and death, with real processes, any of which may be killed."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, text

from catalog_pipeline.embedded.postgres import EmbeddedPostgres, binary
from catalog_pipeline.errors import DatabaseError

FAST = {"shared_buffers": "16MB"}
"""With fsync, which the tests of survival want."""

HOLDER = f"""
import sys, time
from pathlib import Path
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), settings={FAST!r}) as server:
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder of a short path, in which everybody may walk."""
    parent = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    parent.chmod(0o755)
    yield parent / "home"
    _wait(lambda: not _postgres_of(parent / "home"), "a server was left running")
    shutil.rmtree(parent)


class Holder:
    """Another process that holds the server until told otherwise."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def wait_ready(self) -> "Holder":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def leave(self) -> None:
        self.process.communicate("")
        assert self.process.returncode == 0

    def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(by)
        self.process.communicate()


def _postgres_of(home: Path) -> list[psutil.Process]:
    """The postmasters of this home that live; two would be the end of the data."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and str(home / "data") in process.cmdline():
                found.append(process)
    return found


def _watchdogs_of(home: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "catalog_pipeline.embedded.postgres" in process.cmdline() and str(home) in process.cmdline():
                found.append(process)
    return found


def _wait(happened: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def _wait_gone(process: psutil.Process) -> None:
    """Killed, but nobody may have collected it: then it is a zombie for ever."""
    _wait(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, f"{process} lives")


def _server(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, settings=FAST)


def _write(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) AS n")


def _count(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return row[0]


def test_two_processes_share_one_server_and_the_last_one_out_stops_it(home: Path) -> None:
    first, second = Holder(home).wait_ready(), Holder(home).wait_ready()
    (postmaster,) = _postgres_of(home)
    first.leave()
    assert _postgres_of(home) == [postmaster]
    second.leave()
    assert _postgres_of(home) == []


def test_eight_processes_that_start_at_once_get_the_same_server(home: Path) -> None:
    holders = [Holder(home) for _ in range(8)]
    for holder in holders:
        holder.wait_ready()
    assert len(_postgres_of(home)) == 1
    assert len(_watchdogs_of(home)) == 1
    for holder in holders:
        holder.process.send_signal(signal.SIGKILL)
    for holder in holders:
        holder.process.communicate()
    _wait(lambda: not _postgres_of(home), "eight killed holders left their server")


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda by: by.name)
def test_a_sole_holder_ended_by_a_signal_leaves_no_orphan_and_loses_no_data(home: Path, by: signal.Signals) -> None:
    holder = Holder(home).wait_ready()
    _write(_server(home))
    holder.kill(by)
    _wait(lambda: not _postgres_of(home) and not _watchdogs_of(home), "the killed holder's server runs on")
    with _server(home) as server:
        assert _count(server) == 1000


def test_a_killed_holder_does_not_take_the_server_from_the_others(home: Path) -> None:
    first = Holder(home).wait_ready()
    with _server(home) as server:
        first.kill()
        time.sleep(1.5)
        _write(server)
    assert _postgres_of(home) == []


def test_the_server_of_a_killed_holder_and_a_killed_watchdog_is_used_and_stopped_by_the_next(home: Path) -> None:
    holder = Holder(home).wait_ready()
    for watchdog in _watchdogs_of(home):
        watchdog.kill()
        _wait_gone(watchdog)
    holder.kill()
    (orphan,) = _postgres_of(home)
    with _server(home):
        assert _postgres_of(home) == [orphan]
        assert len(_watchdogs_of(home)) == 1
    assert _postgres_of(home) == []


def test_committed_data_survives_a_killed_postmaster_with_a_busy_backend(home: Path) -> None:
    with _server(home) as server:
        _write(server)
        busy = psycopg.connect(server.url())
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000) AS n")
        (postmaster,) = _postgres_of(home)
        postmaster.kill()
        _wait_gone(postmaster)
        with server:  # Asking for it again brings it back.
            assert _count(server) == 1000
        busy.close()


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.45, 0.6, 0.8])
def test_a_process_killed_while_it_starts_leaves_neither_orphan_nor_a_broken_home(home: Path, seconds: float) -> None:
    holder = Holder(home)
    time.sleep(seconds)
    holder.kill()
    _wait(lambda: not _watchdogs_of(home) and not _postgres_of(home), "a cut start left something running")
    with _server(home) as server:
        _write(server)


def test_a_half_made_data_folder_is_made_anew(home: Path) -> None:
    half = home / "data.new-killed"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    home.chmod(0o755)
    with _server(home) as server:
        _write(server)
    assert not half.exists()


def test_the_lock_files_of_a_crashed_server_do_not_block_a_start_though_their_pid_lives(home: Path) -> None:
    with _server(home) as server:
        _write(server)
    pid = f"{os.getpid()}\n{home / 'data'}\n1700000000\n5432\n{home / 'data'}\n\n  1234  5678\nready   \n"
    (home / "data" / "postmaster.pid").write_text(pid)
    (home / "data" / ".s.PGSQL.5432.lock").write_text(pid)
    with _server(home) as server:
        assert _count(server) == 1000
    assert psutil.pid_exists(os.getpid())


def test_a_home_whose_path_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="set CATALOG_HOME to a shorter path"):
        EmbeddedPostgres(tmp_path / ("h" * 81))


def test_a_home_that_cannot_be_a_folder_is_refused(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(DatabaseError, match="set CATALOG_HOME"):
        _server(home).acquire()


def test_a_server_that_does_not_start_says_why_and_leaves_nothing_behind(home: Path) -> None:
    with pytest.raises(DatabaseError, match="no_such_setting"):
        EmbeddedPostgres(home, settings={"no_such_setting": "1"}).acquire()
    _wait(lambda: not _watchdogs_of(home), "the watchdog watches nothing")
    with _server(home) as server:
        _write(server)


def test_holds_count_within_a_process_and_a_further_release_does_nothing(home: Path) -> None:
    server = _server(home)
    other = _server(home)
    server.acquire()
    server.acquire()
    other.acquire()
    server.release()
    server.release()
    server.release()
    assert len(_postgres_of(home)) == 1
    other.release()
    assert _postgres_of(home) == []


def test_a_forked_child_keeps_the_server_until_it_ends(home: Path) -> None:
    server = _server(home)
    server.acquire()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    server.release()
    assert len(_postgres_of(home)) == 1
    os.close(writer)
    os.waitpid(child, 0)
    _wait(lambda: not _postgres_of(home), "the child's end did not end the server")


def test_the_server_keeps_no_lock_and_listens_on_no_port_and_its_folder_is_closed(home: Path) -> None:
    with _server(home):
        (postmaster,) = _postgres_of(home)
        assert {Path(file.path).suffix for file in postmaster.open_files()} <= {".log"}
        assert [c for c in postmaster.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []
        assert (home / "data").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2"])
def test_sqlalchemy_and_psql_understand_the_url_whatever_pgport_says(
    home: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    spaced = home.parent / "a home%"
    with _server(spaced) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute('CREATE DATABASE "a b/c" TEMPLATE template0')
        engine = create_engine(server.url("a b/c", driver))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT lower('ÉÖ' COLLATE pg_c_utf8)")).scalar() == "éö"
        engine.dispose()
        said = subprocess.check_output([binary("psql"), server.url("a b/c"), "-Atc", "SHOW timezone"], text=True)
    assert said == "UTC\n"


def test_a_large_log_is_moved_aside_at_the_next_start(home: Path) -> None:
    with _server(home):
        pass
    (home / "postgres.log").write_bytes(b"x" * 10_000_001)
    with _server(home):
        assert (home / "postgres.log").stat().st_size < 10_000_000
    assert (home / "postgres.log.1").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the server run by another user")
def test_root_lets_the_servers_user_through_closed_folders_and_nobody_else(home: Path) -> None:
    home.parent.chmod(0o700)
    for _ in range(2):
        with _server(home) as server:
            psycopg.connect(server.url()).close()
    account = (home / "data").stat()
    assert account.st_uid != 0
    assert _may_enter(home, account.st_uid)
    assert not _may_enter(home, 65534)
    assert not _may_enter(home.parent, 65534)
    assert not _may_list(home, account.st_uid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the server run by another user")
def test_root_is_told_what_to_do_where_a_folder_cannot_be_passed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", unsupported)
    home.parent.chmod(0o700)
    with pytest.raises(DatabaseError, match=f"may not pass through {home}"), _server(home):
        pass
    home.parent.chmod(0o755)
    assert home.stat().st_mode & 0o077 == 0


def test_the_home_is_its_owners_alone(home: Path) -> None:
    with _server(home / "new"):
        pass
    closed = [path for path in (home, home / "new", *(home / "new").iterdir()) if path.stat().st_mode & 0o007]
    assert closed == []


def _may_enter(folder: Path, uid: int) -> bool:
    return subprocess.run(["/usr/bin/test", "-x", folder], user=uid, group=uid, extra_groups=[]).returncode == 0


def _may_list(folder: Path, uid: int) -> bool:
    return subprocess.run(["/usr/bin/test", "-r", folder], user=uid, group=uid, extra_groups=[]).returncode == 0


def test_an_unknown_program_is_refused_by_name() -> None:
    with pytest.raises(DatabaseError, match="no program 'psqll'"):
        binary("psqll")
