"""The roles: who logs in as one reads what is his, and nothing else; and making them goes well on any server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from support.command import Command

from catalog_pipeline.database import roles
from catalog_pipeline.database.engine import Server, connected, create_database, ensure_database, make_engine
from catalog_pipeline.database.schema import SCHEMAS, migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres, binary
from catalog_pipeline.models.tables import metadata
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import build

Login = Callable[[str], psycopg.Connection]
DENIED = psycopg.errors.InsufficientPrivilege
COUNT_ROLES = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'catalog\\_%'"


@pytest.fixture
def login(server: Server) -> Iterator[Login]:
    """Logs in, as a new member of a role, on the test's database."""
    made: list[str] = []
    opened: list[psycopg.Connection] = []

    def log_in(role: str) -> psycopg.Connection:
        name = f"ann_{role}_{make_url(server.catalog_url).database}"
        with psycopg.connect(server.url("postgresql")) as owner:
            owner.execute(f"CREATE ROLE {name} LOGIN IN ROLE {role}".encode())
        made.append(name)
        opened.append(psycopg.connect(as_login(server.catalog_url, name), autocommit=True))
        return opened[-1]

    yield log_in
    for one in opened:
        one.close()
    with psycopg.connect(server.url("postgresql")) as owner:
        for name in made:
            owner.execute(f"DROP ROLE {name}".encode())


@pytest.fixture(scope="module")
def bare() -> Iterator[EmbeddedPostgres]:
    """A server of its own, on which no role of ours exists at first."""
    folder = Path(tempfile.mkdtemp(prefix="cat", dir="/tmp"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder, settings={"fsync": "off", "shared_buffers": "32MB"}) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def without_roles(bare: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server of one's own, again without roles and databases of ours."""
    with psycopg.connect(bare.url(), autocommit=True) as connection:
        databases = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'role%'").fetchall()
        for (name,) in databases:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        for (name,) in connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname ~ '^(catalog_|owner)'"
        ).fetchall():
            connection.execute(f"DROP ROLE {name}".encode())
    return bare


def as_login(url: str, name: str) -> str:
    return make_url(url).set(drivername="postgresql", username=name).render_as_string(hide_password=False)


def migrated(url: str) -> Server:
    server = Server(url)
    ensure_database(server)
    engine = make_engine(server)
    migrate(engine)
    engine.dispose()
    return server


def relations(engine: Engine) -> dict[str, list[str]]:
    """The names of tables and views, by schema."""
    with connected(engine) as connection:
        found = connection.execute(
            text("""SELECT n.nspname, array_agg(format('%I.%I', nspname, relname)) AS names FROM pg_class
                    JOIN pg_namespace n ON n.oid = relnamespace
                    WHERE relkind IN ('r', 'v') AND nspname = ANY(:schemas) GROUP BY 1"""),
            {"schemas": list(SCHEMAS)},
        )
        return {row.nspname: row.names for row in found}


def build_marts(engine: Engine) -> None:
    with connected(engine) as connection:
        for model in load_models():
            build(connection, model)


def test_a_reader_reads_every_mart_and_nothing_else(engine: Engine, login: Login) -> None:
    build_marts(engine)
    reader, tables = login(roles.READER), relations(engine)
    assert len(tables["marts"]) == len(load_models())
    for name in tables.pop("marts"):
        reader.execute(f"SELECT * FROM {name}".encode())
    for name in [name for names in tables.values() for name in names]:
        with pytest.raises(DENIED):
            reader.execute(f"SELECT count(*) FROM {name}".encode())


def columns_of(relation: str) -> tuple[str, list[str]]:
    """The columns of a table or view that hold no personal data, and those that do."""
    if relation not in metadata.tables:
        return "*", []
    columns = metadata.tables[relation].columns
    personal = [column.name for column in columns if column.info.get("pii")]
    return ", ".join(f'"{column.name}"' for column in columns if column.name not in personal), personal


def test_an_analyst_reads_marts_catalog_and_ops_but_no_mail_and_no_landing(engine: Engine, login: Login) -> None:
    build_marts(engine)
    analyst, tables = login(roles.ANALYST), relations(engine)
    forbidden = [*tables.pop("landing"), "ops.outbox"]
    for name in [name for names in tables.values() for name in names if name not in forbidden]:
        columns, personal = columns_of(name)
        analyst.execute(f"SELECT {columns} FROM {name}".encode())
        for column in personal:
            with pytest.raises(DENIED):
                analyst.execute(f"SELECT {column} FROM {name}".encode())
    for name in forbidden:
        with pytest.raises(DENIED):
            analyst.execute(f"SELECT count(*) FROM {name}".encode())


def test_no_view_that_anybody_reads_shows_mail_or_upstreams_documents(engine: Engine) -> None:
    build_marts(engine)
    with connected(engine) as connection:
        leaks = connection.execute(
            text("""SELECT DISTINCT w.ev_class::regclass::text, a.attname FROM pg_depend d
                    JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                    WHERE d.refclassid = 'pg_class'::regclass AND w.ev_class <> d.refobjid
                      AND (d.refobjid = 'landing.document'::regclass AND a.attname = 'payload'
                           OR d.refobjid::regclass::text = ANY(:private))"""),
            {"private": roles.PRIVATE_TABLES},
        ).all()
    assert leaks == []


@pytest.mark.parametrize("role", [roles.READER, roles.ANALYST, roles.LEARNER])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO catalog.organization (key, name) VALUES ('A', 'a')",
        "UPDATE catalog.organization SET name = 'b'",
        "DELETE FROM ops.change_event",
        "TRUNCATE catalog.program_course",
        "CREATE TABLE marts.mine (n int)",
        "CREATE TABLE catalog.mine (n int)",
        "SELECT payload FROM landing.document",
        "SELECT recipients FROM ops.outbox",
        "SELECT pg_read_file('PG_VERSION')",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "DO $$ BEGIN EXECUTE 'RESET ROLE'; COPY (SELECT 1) TO PROGRAM 'true'; END $$",
        "SET ROLE catalog_writer",
        "SET SESSION AUTHORIZATION postgres",
        "GRANT catalog_writer TO current_user",
    ],
)
def test_who_may_read_may_not_write_nor_leave_the_database(login: Login, role: str, statement: str) -> None:
    with pytest.raises(DENIED):
        login(role).execute(statement.encode())


def test_a_writer_changes_the_catalog_and_leaves_a_history_that_it_cannot_change(engine: Engine, login: Login) -> None:
    writer = login(roles.WRITER)
    writer.execute("INSERT INTO catalog.organization (key, name) VALUES ('A', 'a')")
    writer.execute("UPDATE catalog.organization SET name = 'b'")
    writer.execute("DELETE FROM catalog.organization")
    found = writer.execute("SELECT action FROM ops.change_event ORDER BY id").fetchall()
    assert found == [("created",), ("updated",), ("deleted",)]
    for statement in (b"DELETE FROM ops.change_event", b"TRUNCATE catalog.program_course", b"SELECT * FROM ops.outbox"):
        with pytest.raises(DENIED):
            writer.execute(statement)


def test_a_mart_that_is_new_or_made_anew_is_granted_at_once(engine: Engine, login: Login) -> None:
    reader = login(roles.READER)
    with connected(engine) as connection:
        connection.execute(text("CREATE VIEW marts.fresh AS SELECT 1 AS n"))
    assert reader.execute("SELECT n FROM marts.fresh").fetchall() == [(1,)]
    with connected(engine) as connection:
        connection.execute(text("DROP VIEW marts.fresh"))
        connection.execute(text("CREATE TABLE marts.fresh AS SELECT 2 AS n"))
    assert reader.execute("SELECT n FROM marts.fresh").fetchall() == [(2,)]


def test_migrating_grants_what_lacks_takes_back_what_is_too_much_and_else_writes_nothing(engine: Engine) -> None:
    with connected(engine) as connection:
        assert roles.differences(connection) == []
        connection.execute(text("CREATE TABLE catalog.later (n int)"))
        connection.execute(text("GRANT SELECT ON landing.document TO catalog_reader"))
        assert set(roles.differences(connection)) == {
            "GRANT SELECT (n) ON catalog.later TO catalog_analyst",
            "GRANT INSERT ON catalog.later TO catalog_writer",
            "GRANT UPDATE ON catalog.later TO catalog_writer",
            "GRANT DELETE ON catalog.later TO catalog_writer",
            "REVOKE SELECT ON landing.document FROM catalog_reader",
        }
    migrate(engine)
    with connected(engine) as connection:
        assert roles.differences(connection) == []


def test_personal_columns_are_granted_to_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "PRIVATE_TABLES", [])
    with connected(engine) as connection:
        lacking = "; ".join(roles.differences(connection))
    assert "GRANT SELECT (subject) ON ops.outbox TO catalog_analyst" in lacking
    assert not any(f"({column})" in lacking for column in ("recipients", "delivered", "content", "last_error"))


def test_sessions_of_a_role_have_limits_of_time(server: Server) -> None:
    with psycopg.connect(as_login(server.catalog_url, roles.ANALYST)) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("10min",)


def test_sixteen_databases_of_one_server_make_the_roles_at_once(without_roles: EmbeddedPostgres) -> None:
    engines = []
    for number in range(16):
        server = Server(without_roles.url(f"role_{number}"))
        create_database(server.catalog_url)
        engines.append(make_engine(server))
    with ThreadPoolExecutor(16) as pool:
        made = [pool.submit(roles.make, engine) for engine in engines]
    assert [one.result() for one in made] == [None] * 16
    with connected(engines[0]) as connection:
        assert roles.missing(connection) == []
        assert connection.execute(text(COUNT_ROLES)).scalar_one() == len(roles.ROLES)
    for engine in engines:
        engine.dispose()


def test_two_databases_of_one_server_share_the_roles_and_one_may_go(without_roles: EmbeddedPostgres) -> None:
    first, second = migrated(without_roles.url("role_a")), migrated(without_roles.url("role_b"))
    with psycopg.connect(without_roles.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE role_a")
    for server, there in ((first, False), (second, True)):
        if there:
            with psycopg.connect(as_login(server.catalog_url, roles.ANALYST)) as analyst:
                analyst.execute("SELECT * FROM catalog.run")


def test_a_dump_is_restored_on_a_server_without_the_roles_and_migrating_makes_them(
    engine: Engine, server: Server, without_roles: EmbeddedPostgres
) -> None:
    build_marts(engine)
    restored = Server(without_roles.url("role_restored"))
    create_database(restored.catalog_url)
    dump = subprocess.run([binary("pg_dump"), server.url("postgresql")], capture_output=True, check=True).stdout
    subprocess.run(
        [binary("psql"), "-q", restored.url("postgresql")], input=dump, capture_output=True, check=True, env=os.environ
    )
    migrated(restored.catalog_url)
    with psycopg.connect(as_login(restored.catalog_url, roles.ANALYST)) as analyst:
        analyst.execute("SELECT * FROM marts.catalog_overview")
        analyst.execute("SELECT * FROM catalog.run")


def test_an_owner_who_may_make_no_roles_migrates_and_is_told_the_sql(
    without_roles: EmbeddedPostgres, home: Path
) -> None:
    server = Server(without_roles.url("role_owned"))
    with psycopg.connect(without_roles.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE owner LOGIN")
        create_database(server.catalog_url)
        connection.execute("ALTER DATABASE role_owned OWNER TO owner")
    owned = Server(as_login(server.catalog_url, "owner"))
    command = Command(home, owned)
    told = command("migrate").stdout
    statements = told.partition("CREATE ROLE")
    assert "this login may not make them" in statements[0]
    command("refresh", "discovery", status=3)
    with psycopg.connect(server.url("postgresql")) as superuser:
        superuser.execute(f"CREATE ROLE{statements[2]}".encode())
    assert command("migrate").stdout == "The schema is up to date.\n"
    with psycopg.connect(as_login(server.catalog_url, roles.ANALYST)) as analyst:
        assert analyst.execute("SELECT count(*) > 0 FROM catalog.run").fetchone() == (True,)
