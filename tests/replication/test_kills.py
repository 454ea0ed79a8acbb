"""Loads that are killed, and loads whose database is restarted: nothing is half published, and the next load heals."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, text
from support.databases import Databases
from support.forks import FORKS, start_command
from support.snapshot import snapshot

from catalog_pipeline.database.engine import Server, connected, make_engine
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.replication.refresh import refresh
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.server import SampleServer
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.tokens import Credentials
from catalog_pipeline.sources.upstreams import Upstreams

SIZE = 60
KILLS = 50
RESTARTS = 10
PATIENCE = 60


def load(url: str, upstream: str, credentials: Credentials) -> None:
    """What `catalog-pipeline refresh discovery --full` does; runs in this process or in one that is killed."""
    settings = Settings(  # pyright: ignore[reportCallIssue]
        _env_file=None, page_size=10, removal_share=1.0, discovery_url=upstream
    )
    engine = make_engine(Server(url), "load")
    refresh(engine, Upstreams(settings, {"discovery": upstream}, credentials), "discovery", full=True)
    engine.dispose()


class Twins:
    """Two catalogs of one upstream: one is killed, of the other nothing is asked but to be right."""

    def __init__(self, upstream: SampleServer, killed: str, spared: str) -> None:
        self.upstream = upstream
        self.credentials = Credentials(
            f"{upstream.url}/oauth2/access_token", upstream.client_id, upstream.client_secret
        )
        self.killed, self.spared = killed, spared
        self.engine, self.spared_engine = (make_engine(Server(url), "test") for url in (killed, spared))

    def load(self, url: str) -> None:
        load(url, self.upstream.url, self.credentials)

    def child(self) -> "multiprocessing.process.BaseProcess":
        """A process that loads the catalog that is killed."""
        process = FORKS.Process(target=load, args=(self.killed, self.upstream.url, self.credentials))
        process.start()
        return process

    def dispose(self) -> None:
        self.engine.dispose()
        self.spared_engine.dispose()


def published(engine: Engine) -> dict[str, list[str]]:
    """What readers of the catalog see; landed documents are there before they are published."""
    return {table: rows for table, rows in snapshot(engine).items() if table != "document"}


class Reader:
    """Reads the catalog whenever a transaction has ended, from `with` to its end, and keeps whatever it sees."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.seen: list[dict[str, list[str]]] = []
        self._over = Event()
        self._thread = Thread(target=self._read)

    def _read(self) -> None:
        last = None
        while not self._over.wait(0.001):
            with connected(self.engine) as connection:
                ended = connection.execute(text("SELECT pg_current_snapshot()::text")).scalar_one()
            if ended == last:
                continue
            last, look = ended, published(self.engine)
            if look not in self.seen:
                self.seen.append(look)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def nothing_is_left(engine: Engine) -> None:
    """Wait until the server has noticed the death: no session, lock or staging table of the load remains."""
    left = """
        SELECT (SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'catalog-pipeline load')
             + (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE l.locktype = 'advisory' AND d.datname = current_database())
             + (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r')"""
    deadline = time.monotonic() + PATIENCE
    while number(engine, left):
        assert time.monotonic() < deadline, "a session, a lock or a staging table is left over"
        time.sleep(0.01)


def number(engine: Engine, query: str) -> int:
    with connected(engine) as connection:
        return connection.execute(text(query)).scalar_one()


def counts_add_up(engine: Engine) -> None:
    """What loads say they created and deleted is what is there, and what the history tells."""
    with connected(engine) as connection:
        for table in ("organization", "catalog_course", "course_run", "run_association", "course_variant", "program"):
            rows, counted, told = connection.execute(
                text(f"""
                    SELECT (SELECT count(*) FROM catalog.{table}),
                           (SELECT coalesce(sum(CASE outcome WHEN 'created' THEN n WHEN 'deleted' THEN -n END), 0)
                            FROM ops.load_count WHERE table_name = 'catalog.{table}'),
                           (SELECT coalesce(sum(CASE action WHEN 'created' THEN 1 WHEN 'deleted' THEN -1 END), 0)
                            FROM ops.change_event WHERE entity = '{table}')""")
            ).one()
            assert rows == counted == told, table


@pytest.fixture
def upstream() -> Iterator[SampleServer]:
    with SampleServer(build_catalog(SIZE, 1)) as server:
        yield server


@pytest.fixture
def twins(databases: Databases, upstream: SampleServer) -> Iterator[Twins]:
    with databases.copied() as killed, databases.copied() as spared:
        found = Twins(upstream, killed.catalog_url, spared.catalog_url)
        yield found
        found.dispose()


def test_a_load_killed_at_any_moment_leaves_the_old_or_the_new_and_the_next_one_heals(twins: Twins) -> None:
    rng = random.Random(2026)
    lasted = []
    for kill in range(KILLS):
        old = published(twins.engine)
        started = time.monotonic()
        twins.load(twins.spared)
        lasted.append(time.monotonic() - started)
        new = published(twins.spared_engine)

        with Reader(twins.engine) as reader:
            children = [twins.child() for _ in range(2 if kill % 10 == 5 else 1)]
            time.sleep(rng.uniform(0, 1.6 * max(lasted[-3:])))
            children[0].kill()
            for child in children:
                child.join(PATIENCE)
        assert [child.exitcode for child in children] in ([-signal.SIGKILL], [0], [-signal.SIGKILL, 0], [0, 0])
        assert [look for look in reader.seen if look not in (old, new)] == [], f"kill {kill}"
        nothing_is_left(twins.engine)
        counts_add_up(twins.engine)

        twins.load(twins.killed)
        assert snapshot(twins.engine) == snapshot(twins.spared_engine), f"kill {kill}"
        counts_add_up(twins.engine)
        twins.upstream.catalog.advance()


def test_two_loads_at_once_end_as_one(twins: Twins) -> None:
    for _ in range(3):
        twins.load(twins.spared)
        children = [twins.child() for _ in range(2)]
        for child in children:
            child.join(PATIENCE)
        assert [child.exitcode for child in children] == [0, 0]
        assert snapshot(twins.engine) == snapshot(twins.spared_engine)
        counts_add_up(twins.engine)
        twins.upstream.catalog.advance()


@pytest.fixture
def own_server(home: Path) -> Iterator[EmbeddedPostgres]:
    """A server that may be restarted, for nobody else uses it."""
    with EmbeddedPostgres(home, settings={"fsync": "off"}) as server:
        yield server


def restart(postgres: EmbeddedPostgres, how: signal.Signals) -> None:
    """End the server as an operator or a crash does (SIGINT, SIGQUIT, SIGKILL), and start it again."""
    process = psutil.Process(int((postgres.home / "data" / "postmaster.pid").read_text().split()[0]))
    os.kill(process.pid, how)
    process.wait(PATIENCE)
    postgres.acquire()
    postgres.release()


def make_database(server: EmbeddedPostgres, name: str) -> str:
    """Make a migrated database; returns its URL."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    engine = make_engine(Server(server.url(name)))
    migrate(engine)
    engine.dispose()
    return server.url(name)


def command_environment(home: Path, twins: Twins, upstream: SampleServer) -> dict[str, str]:
    """The environment in which the command loads the upstream into the database that is killed."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CATALOG_")} | {
        "CATALOG_HOME": str(home),
        "CATALOG_DATABASE_URL": twins.killed,
        "CATALOG_DISCOVERY_URL": upstream.url,
        "CATALOG_OAUTH_TOKEN_URL": twins.credentials.token_url,
        "CATALOG_DISCOVERY_CLIENT_ID": twins.credentials.client_id,
        "CATALOG_DISCOVERY_CLIENT_SECRET": twins.credentials.client_secret,
        "CATALOG_REMOVAL_SHARE": "1",
    }


def test_a_database_restarted_at_any_moment_ends_the_load_and_the_next_one_heals(
    own_server: EmbeddedPostgres, upstream: SampleServer, tmp_path: Path
) -> None:
    rng = random.Random(2026)
    twins = Twins(upstream, *(make_database(own_server, name) for name in ("killed", "spared")))
    environment = command_environment(own_server.home, twins, upstream)
    codes = []
    for number in range(RESTARTS):
        twins.load(twins.spared)
        old, new = published(twins.engine), published(twins.spared_engine)
        asked = upstream.requests.total()
        (tmp_path / "stderr").write_text("")
        process = start_command(
            ["refresh", "discovery", "--full"],
            own_server.home,
            environment,
            [Path(os.devnull), Path(os.devnull), tmp_path / "stderr"],
        )
        while upstream.requests.total() == asked and process.exitcode is None:
            time.sleep(0.01)  # until the crawl has begun
        time.sleep(rng.uniform(0, 1))
        restart(own_server, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)[number % 3])
        process.join(PATIENCE)
        said = (tmp_path / "stderr").read_text()
        codes.append(process.exitcode)
        if process.exitcode == 5:
            assert said.startswith(("error: The database went out of reach", "error: Cannot reach the database")), said
            assert said.count("\n") == 1
        else:
            assert process.exitcode == 3, said
        twins.dispose()  # the connections of before
        assert published(twins.engine) in (old, new)
        counts_add_up(twins.engine)
        twins.load(twins.killed)
        assert snapshot(twins.engine) == snapshot(twins.spared_engine)
        upstream.catalog.advance()
    assert 5 in codes
    twins.dispose()
