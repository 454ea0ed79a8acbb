"""`sql` answers an analyst's query, and whatever the query says, it writes nothing and reaches nothing else."""

import os
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, make_url
from support.command import Command

from catalog_pipeline.database.engine import Server
from catalog_pipeline.errors import UsageError
from catalog_pipeline.queries.sql import ask, reading
from catalog_pipeline.settings import Settings

WRITES = "INSERT INTO catalog.organization (key, name) VALUES ('A', 'a')"
LEAVES = [
    "COPY (SELECT 1) TO PROGRAM 'touch {file}'",
    "COPY (SELECT 1) TO '{file}'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "DO $$ BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch {file}'''; END $$",
    "DO $$ BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXECUTE 'COPY (SELECT 1) TO ''{file}'''; END $$",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT * FROM ops.outbox",
    "SELECT * FROM landing.document",
    WRITES,
    f"COMMIT; {WRITES}",
    f"DO $$ BEGIN SET TRANSACTION READ WRITE; {WRITES}; END $$",
    "SELECT lo_from_bytea(0, 'x')",
    "CREATE TEMP TABLE mine (n int)",
]


@pytest.mark.parametrize("query", LEAVES)
def test_no_query_writes_or_leaves_the_database(engine: Engine, settings: Settings, query: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    file = tmp_path / "written"
    with reading(settings, engine) as reader, pytest.raises(UsageError, match="refuses this query"):
        ask(reader, query.format(file=file), None)
    assert not file.exists()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM catalog.organization").scalar_one() == 0


def test_a_superusers_login_is_refused_whatever_the_query(engine: Engine) -> None:
    with pytest.raises(UsageError, match="set CATALOG_ANALYST_URL"):
        ask(engine, "SELECT 1", None)


def test_another_login_than_the_embedded_one_asks_in_a_read_only_transaction(
    server: Server, engine: Engine, settings: Settings
) -> None:
    """A login that may write is fenced by the transaction, which it cannot leave by one statement."""
    name = f"writer_{os.getpid()}"
    with psycopg.connect(server.url("postgresql"), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {name} LOGIN IN ROLE catalog_writer".encode())
        url = make_url(server.url("postgresql")).set(username=name).render_as_string()
        given = settings.model_copy(update={"analyst_url": SecretStr(url)})
        try:
            with reading(given, engine) as reader:
                assert ask(reader, "SELECT session_user AS me", None).records() == [{"me": name}]
                for query in (WRITES, f"COMMIT; {WRITES}", f"DO $$ BEGIN SET TRANSACTION READ WRITE; {WRITES}; END $$"):
                    with pytest.raises(UsageError, match="refuses this query"):
                        ask(reader, query, None)
        finally:
            owner.execute(f"DROP ROLE {name}".encode())


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT 'infinity'::timestamptz", "infinity"),
        ("SELECT '-infinity'::timestamp", "-infinity"),
        ("SELECT 'infinity'::date", "infinity"),
        ("SELECT '12026-01-31'::date", "12026-01-31"),
        ("SELECT '12026-01-31 00:00Z'::timestamptz", "12026-01-31 00:00:00+00"),
        ("SELECT '0044-03-15 BC'::date", "0044-03-15 BC"),
        ("SELECT 'infinity'::interval", "infinity"),
        ("SELECT '24:00'::time", "24:00:00"),
    ],
)
def test_a_time_that_python_does_not_have_is_shown_as_postgres_writes_it(
    engine: Engine, settings: Settings, query: str, value: str
) -> None:
    with reading(settings, engine) as reader:
        assert [*ask(reader, query, None).records()[0].values()] == [value]


@pytest.mark.parametrize("query", ["COPY catalog.program TO STDOUT", "COPY (SELECT 1) TO STDOUT", "BEGIN", "", ";"])
def test_what_is_no_query_is_answered_in_one_line(command: Command, query: str) -> None:
    told = command("sql", query, status=2).stderr
    assert told.startswith("error: ")
    assert "Traceback" not in told


def test_the_command_asks_as_the_analyst(command: Command) -> None:
    assert command.json("sql", "SELECT session_user AS me") == [{"me": "catalog_analyst"}]


def test_an_instant_or_a_day_that_is_none_is_refused_in_words(command: Command, tmp_path: Path) -> None:
    """Postgres would not look at it: what no view reads is not evaluated."""
    refused = command("sql", "select 1", "--as-of", "next tuesday", status=2)
    assert "'next tuesday' is no instant: give one such as 2026-03-01" in refused.stderr
    when = "select current_setting('catalog.as_of')::timestamptz at time zone 'UTC' as at"
    assert command.json("sql", when, "--as-of", "2026-03-01T02:00+02:00") == [{"at": "2026-03-01T00:00:00"}]
    to = ("--to", str(tmp_path / "a.zst"))
    refused = command("retention", "archive", "--before", "yesterday", *to, status=2)
    assert refused.stderr == "error: 'yesterday' is no day: give one such as 2026-03-01.\n"
    known = command("retention", "archive", "--before", "2026-01-01", *to, status=2)
    assert "Nothing happened before 2026-01-01" in known.stderr
    assert "is no instant" in command("partner", "backpopulate", "--dry-run", "--as-of", "soon", status=2).stderr
