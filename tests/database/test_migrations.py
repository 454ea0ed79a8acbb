"""Migrations go forward on databases that are in use: filled, tracked, and with other sessions at work."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import Server, connected, ensure_database, make_engine
from catalog_pipeline.database.migrations.__main__ import new_migration
from catalog_pipeline.database.schema import migrations, upgrade
from catalog_pipeline.database.version import MIGRATIONS
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.errors import DatabaseError

FILLED, FILLED_ENTERPRISE = (
    (Path(__file__).parent / name).read_text() for name in ("filled.sql", "filled_enterprise.sql")
)
"""Rows as the version before the newest migration has them."""
NEXT = '''\
"""A migration as the next one may be: it adds a column to a tracked table."""

import sqlalchemy as sa
from alembic import op

from catalog_pipeline.database.triggers import track

revision = "next"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("organization", sa.Column("motto", sa.Text, comment="Motto."), schema="catalog")
    track(op.get_bind(), "catalog.organization", key="{{row}}.key")
'''


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """An engine on a database that no migration has touched."""
    name = f"test_{uuid4().hex[:12]}"
    server = Server(postgres.url(name))
    ensure_database(server)
    engine = make_engine(server, "test")
    with connected(engine) as connection:
        connection.execute(text("CREATE SCHEMA ops"))
    yield engine
    engine.dispose()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def one_more(tmp_path: Path) -> Config:
    """The project's migrations, and one more after them."""
    (tmp_path / "next.py").write_text(NEXT.format(head=scripts().get_current_head()))
    config = migrations()
    config.set_main_option("version_locations", f"{MIGRATIONS / 'versions'}:{tmp_path}")
    return config


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(migrations())


def before_the_newest() -> str:
    """The revision before the newest migration; the newest while it is the only one."""
    newest = scripts().get_revision("head")
    return str(newest.down_revision or newest.revision)


def counts(connection: Connection) -> dict[str, int]:
    tables = connection.execute(
        text("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('catalog', 'landing')")
    ).scalars()
    return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}


def test_a_filled_database_of_the_version_before_keeps_its_rows_and_its_history(
    empty: Engine, one_more: Config
) -> None:
    events = text("SELECT id, entity, key, action, changes FROM ops.change_event ORDER BY id")
    with connected(empty) as connection:
        upgrade(connection, migrations(), before_the_newest())
    with connected(empty) as connection:
        connection.exec_driver_sql(FILLED)
        connection.exec_driver_sql(FILLED_ENTERPRISE)
        before, happened = counts(connection), connection.execute(events).all()
        assert set(before) == {table for table, n in before.items() if n} | {"landing.crawl", "landing.upstream"}
    with connected(empty) as connection:
        upgrade(connection, one_more)
        assert before.items() <= counts(connection).items()
        assert connection.execute(events).all() == happened


def test_the_history_shows_a_column_that_a_later_migration_adds_to_a_tracked_table(
    empty: Engine, one_more: Config
) -> None:
    """From an empty database: the first migration tracks the columns of its own time, not those that come later."""
    with connected(empty) as connection:
        upgrade(connection, one_more)
    with connected(empty) as connection:
        connection.execute(text("INSERT INTO catalog.organization (key, name, motto) VALUES ('A', 'A', 'Onward')"))
        connection.execute(text("UPDATE catalog.organization SET motto = 'Upward'"))
        changes = connection.execute(text("SELECT changes -> 'motto' FROM ops.change_event ORDER BY id")).scalars()
        assert list(changes) == [[None, "Onward"], ["Onward", "Upward"]]


def test_a_migration_gives_up_on_a_table_that_another_session_uses_and_changes_nothing(
    engine: Engine, one_more: Config
) -> None:
    with connected(engine) as busy:
        busy.execute(text("LOCK TABLE catalog.organization IN ROW EXCLUSIVE MODE"))
        with pytest.raises(DatabaseError, match="could not lock a table"), connected(engine) as connection:
            upgrade(connection, one_more)
    with connected(engine) as connection:
        revision = connection.execute(text("SELECT version_num FROM ops.alembic_version")).scalar_one()
    assert revision == scripts().get_current_head()


@pytest.mark.parametrize("name", ["", "Add x", "add-x", "x" * 28])
def test_a_new_migration_with_a_name_that_is_none_says_what_a_name_is(name: str) -> None:
    with pytest.raises(SystemExit, match="up to 27 small letters"):
        new_migration(name)


def test_a_new_migration_comes_after_the_last_one(tmp_path: Path) -> None:
    copied = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copied)
    head = scripts().get_current_head()
    new_migration("add_x", copied)
    (written,) = copied.glob("versions/*_add_x.py")
    assert f"down_revision = {head!r}" in written.read_text()
    compile(written.read_text(), written, "exec")


def test_runs_that_feeds_made_before_get_the_source_feed(empty: Engine) -> None:
    with connected(empty) as connection:
        upgrade(connection, migrations(), "0001_first")
    with connected(empty) as connection:
        connection.exec_driver_sql(FILLED)
        connection.exec_driver_sql("""
            INSERT INTO ops.feed_row (feed_id, row, outcome, reason, course_run_id, catalog_course_id)
                SELECT 1, a.course_run_id, 'unchanged', 'as it was', a.course_run_id, a.catalog_course_id
                FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
                WHERE r.run_key IN ('course-v1:A+1+r3', 'course-v1:B+1+r3');
            UPDATE catalog.run_association a SET reason = 'A feed made the run for A+1.'
                FROM catalog.course_run r WHERE r.id = a.course_run_id AND r.run_key = 'course-v1:A+1+r2'""")
        connection.exec_driver_sql("""
            INSERT INTO ops.feed (name, source, product_type, sha256, received_at, as_of, outcome, counts, warnings,
                                  archived, reactivated)
            VALUES ('f.csv', '2u', 't', 'x', now(), now(), 'applied', '{}', '[]', '[]', '[]')""")
    with connected(empty) as connection:
        upgrade(connection, migrations(), "0002_feed_associations")
        found = connection.execute(
            text("SELECT run_key FROM catalog.run WHERE association_source = 'feed' ORDER BY run_key")
        ).scalars()
        assert list(found) == ["course-v1:A+1+r2", "course-v1:A+1+r3", "course-v1:B+1+r3"]
        actors = text("SELECT DISTINCT actor FROM ops.change_event WHERE changes ? 'source' AND action = 'updated'")
        assert connection.execute(actors).scalars().all() == ["migration:0002_feed_associations"]


def test_the_address_of_each_upstream_is_told_by_its_last_crawl(empty: Engine) -> None:
    crawls = [
        ("discovery", "http://old.example.org/api/v1/courses/", "complete"),
        ("discovery", "https://Disco.Example.org:443/stage/api/v1/programs/", "complete"),
        ("discovery", "http://wrong.example.org/api/v1/organizations/", "incomplete"),
        ("lms", "http://127.0.0.1:43211/api/courses/v1/courses/", "complete"),
    ]
    with connected(empty) as connection:
        upgrade(connection, migrations(), "0002_feed_associations")
        for source, url, outcome in crawls:
            connection.execute(
                text(
                    "INSERT INTO landing.crawl (source, scope, kind, url, mode, outcome, started_at, pages,"
                    " documents, created, changed, missing)"
                    " VALUES (:source, '', 'any', :url, 'full', :outcome, now(), 1, 1, 1, 0, 0)"
                ),
                {"source": source, "url": url, "outcome": outcome},
            )
        upgrade(connection, migrations(), "0007_upstreams")
        found = connection.execute(text("SELECT service, address FROM landing.upstream ORDER BY 1")).all()
        assert [tuple(row) for row in found] == [("discovery", "disco.example.org/stage"), ("lms", "sample")]
