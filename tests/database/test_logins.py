"""The embedded server's TCP port: who logs in by it, with which password, and who never does."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.command import Command
from support.processes import free_port, servers_of, wait_until

from catalog_pipeline.database import roles
from catalog_pipeline.database.engine import (
    CATALOG_DATABASE,
    READER,
    Server,
    ensure_database,
    make_engine,
)
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.embedded.tcp import TcpPort, write_rules
from catalog_pipeline.errors import DatabaseError

FAST = {"fsync": "off", "shared_buffers": "16MB"}
REFUSED = psycopg.OperationalError


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def listening(home: Path, port: int) -> Iterator[EmbeddedPostgres]:
    """A migrated embedded server of the test's own, which listens on the port."""
    with EmbeddedPostgres(home, settings=FAST, tcp=TcpPort(port, CATALOG_DATABASE, READER)) as server:
        migrated(server)
        yield server


def migrated(embedded: EmbeddedPostgres) -> None:
    server = Server(embedded.url(CATALOG_DATABASE))
    ensure_database(server)
    engine = make_engine(server)
    migrate(engine)
    engine.dispose()


def passwords(home: Path) -> dict[str, str]:
    lines = [line.split(":") for line in (home / "pgpass").read_text().splitlines()]
    return {role: password for _, _, _, role, password in lines}


def by_tcp(port: int, user: str, password: str | None = None, **more: str) -> psycopg.Connection:
    where = {"host": "127.0.0.1", "dbname": CATALOG_DATABASE, "passfile": "/nowhere", **more}
    return psycopg.connect(make_conninfo("", port=port, user=user, password=password, **where), connect_timeout=5)


def refuses(port: int, user: str, password: str | None) -> bool:
    try:
        by_tcp(port, user, password).close()
    except REFUSED as error:
        return "pg_hba.conf rejects" in str(error)
    return False


def test_reader_and_analyst_log_in_by_their_passwords_and_read_what_is_theirs(
    listening: EmbeddedPostgres, port: int
) -> None:
    kept = passwords(listening.home)
    assert set(kept) == {READER, roles.ANALYST}
    assert kept[READER] != kept[roles.ANALYST]
    with by_tcp(port, READER, kept[READER]) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT count(*) FROM catalog.course_run")
    with by_tcp(port, roles.ANALYST, kept[roles.ANALYST]) as analyst:
        analyst.execute("SELECT count(*) FROM catalog.course_run")


def test_no_wrong_and_no_missing_password_is_let_in(listening: EmbeddedPostgres, port: int) -> None:
    kept = passwords(listening.home)
    for user, password in [(READER, "wrong"), (READER, kept[roles.ANALYST]), (READER, None), (roles.ANALYST, None)]:
        with pytest.raises(REFUSED, match=r"password authentication failed|no password supplied"):
            by_tcp(port, user, password)


def test_a_superuser_is_not_let_in_by_tcp_even_by_a_password_of_his_own(listening: EmbeddedPostgres, port: int) -> None:
    with psycopg.connect(listening.url(), autocommit=True) as owner:
        owner.execute("ALTER ROLE postgres PASSWORD 'secret'")
        owner.execute("GRANT catalog_reader TO postgres")
        owner.execute("CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'secret'")
    for user in ("postgres", "boss"):
        for more in ({}, {"dbname": "postgres"}, {"replication": "database"}, {"replication": "true"}):
            with pytest.raises(REFUSED, match=r"pg_hba.conf rejects"):
                by_tcp(port, user, "secret", **more)


def test_a_login_of_a_person_is_let_in_and_none_of_a_stranger(listening: EmbeddedPostgres, port: int) -> None:
    with psycopg.connect(listening.url(), autocommit=True) as owner:
        owner.execute("CREATE ROLE ann LOGIN PASSWORD 'of ann' IN ROLE catalog_analyst")
        owner.execute("CREATE ROLE eve LOGIN PASSWORD 'of eve'")
    by_tcp(port, "ann", "of ann").close()
    for user, password, database in [("eve", "of eve", "catalog"), ("ann", "of ann", "postgres")]:
        with pytest.raises(REFUSED, match="rejects connection"):
            by_tcp(port, user, password, dbname=database)


def test_it_listens_on_loopback_only_and_the_socket_goes_on_working(listening: EmbeddedPostgres, port: int) -> None:
    (server,) = servers_of(listening.home)
    listens = [one.laddr for one in psutil.Process(server).net_connections("inet") if one.status == "LISTEN"]
    assert listens == [("127.0.0.1", port)]
    psycopg.connect(EmbeddedPostgres(listening.home).url(), connect_timeout=5).close()


def test_without_a_port_nobody_logs_in_by_tcp_and_the_passwords_wait_for_the_next_time(home: Path, port: int) -> None:
    tcp = TcpPort(port, CATALOG_DATABASE, READER)
    with EmbeddedPostgres(home, settings=FAST, tcp=tcp) as server:
        migrated(server)
    before = passwords(home)
    with EmbeddedPostgres(home, settings=FAST) as server, psycopg.connect(server.url()) as owner:
        assert owner.execute("SHOW listen_addresses").fetchone() == ("",)
        with pytest.raises(REFUSED, match="refused"):
            by_tcp(port, READER, before[READER])
    other = free_port()
    with EmbeddedPostgres(home, settings=FAST, tcp=TcpPort(other, CATALOG_DATABASE, READER)) as server:
        migrated(server)
        assert passwords(home) == before
        assert f"127.0.0.1:{other}:catalog:catalog_reader:" in (home / "pgpass").read_text()
        by_tcp(other, READER, before[READER]).close()


def test_the_rules_without_a_port_let_nobody_in_who_still_finds_one(listening: EmbeddedPostgres, port: int) -> None:
    kept = passwords(listening.home)
    write_rules(listening.home / "data", None, None)
    with psycopg.connect(listening.url(), autocommit=True) as owner:
        owner.execute("SELECT pg_reload_conf()")
    wait_until(lambda: refuses(port, READER, kept[READER]))
    assert refuses(port, "postgres", None)


def test_the_passwords_are_for_their_owner_alone_and_without_the_file_there_are_new_ones(
    listening: EmbeddedPostgres, port: int
) -> None:
    file = listening.home / "pgpass"
    assert file.stat().st_mode & 0o777 == 0o600
    before = passwords(listening.home)
    file.unlink()
    migrated(listening)
    after = passwords(listening.home)
    assert before[READER] != after[READER]
    by_tcp(port, READER, after[READER]).close()
    with pytest.raises(REFUSED):
        by_tcp(port, READER, before[READER])
    assert after[READER] not in (listening.home / "postgres.log").read_text()


def test_a_port_that_another_program_has_is_named(home: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        server = EmbeddedPostgres(home, settings=FAST, tcp=TcpPort(port, CATALOG_DATABASE, READER))
        with pytest.raises(DatabaseError, match=rf"127\.0\.0\.1:{port}.*CATALOG_EMBEDDED_TCP_PORT"):
            server.acquire()


def test_the_command_opens_the_port_by_the_setting_and_doctor_says_how_to_log_in(home: Path, port: int) -> None:
    command = Command(home, None)
    assert re.search(r"tcp port\s.*shut", command("doctor").stdout)
    command.env["CATALOG_EMBEDDED_TCP_PORT"] = str(port)
    with EmbeddedPostgres(home, settings=FAST):
        assert "but CATALOG_EMBEDDED_TCP_PORT is" in command("doctor", status=5).stdout
    assert f"127.0.0.1:{port}" in command("doctor").stdout
    assert passwords(home)
