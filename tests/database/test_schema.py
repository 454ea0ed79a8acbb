"""The schema is what the models say, commented, versioned and guarded."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg.errors import CheckViolation, UniqueViolation
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import IntegrityError

from catalog_pipeline.database.assignment_states import install_assignment_triggers
from catalog_pipeline.database.course_status import install_course_status
from catalog_pipeline.database.derived import install_derived_columns
from catalog_pipeline.database.engine import (
    Server,
    connected,
    driver,
    ensure_database,
    ensure_filled_database,
    exists,
    make_engine,
)
from catalog_pipeline.database.schema import SCHEMAS, migrate
from catalog_pipeline.database.seats import install_enrollment_triggers
from catalog_pipeline.database.triggers import install_shared_functions, track
from catalog_pipeline.database.version import UNRELEASED, check_version
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.errors import DatabaseError, SchemaVersionError
from catalog_pipeline.models.tables import metadata
from catalog_pipeline.models.tracking import TRACKED


def test_migrations_make_exactly_what_the_models_declare(connection: Connection) -> None:
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name in SCHEMAS,
            "version_table_schema": "ops",
            "compare_server_default": True,
        },
    )
    assert compare_metadata(context, metadata) == []


def test_every_table_view_and_column_has_a_comment(connection: Connection) -> None:
    silent = connection.execute(
        text("""
            SELECT n.nspname || '.' || c.relname || coalesce('.' || a.attname, '')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'v') AND c.relname <> 'alembic_version'
              AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)"""),
        {"schemas": list(SCHEMAS)},
    ).scalars()
    assert list(silent) == []


WITHOUT_HISTORY = {
    *("catalog.assignment_transition", "catalog.assignment_action", "catalog.assignment_expiration"),
}
"""Tables whose changes are no events: rows that never change, that are events themselves, and that are derived."""


def test_installed_triggers_equal_the_generated_ones(connection: Connection) -> None:
    triggers = text("""
        SELECT c.relname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT tgisinternal AND n.nspname = 'catalog' ORDER BY 1, 2""")
    functions = text("""
        SELECT pg_get_functiondef(p.oid), p.proacl FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'catalog' ORDER BY p.proname""")
    installed = (connection.execute(triggers).all(), connection.execute(functions).all())
    install_shared_functions(connection)
    install_course_status(connection)
    install_derived_columns(connection)
    install_assignment_triggers(connection)
    install_enrollment_triggers(connection)
    for declared in TRACKED.values():
        track(connection, **asdict(declared))
    assert installed == (connection.execute(triggers).all(), connection.execute(functions).all())
    catalog = {table.fullname for table in metadata.sorted_tables if table.schema == "catalog"}
    with_history = {f"catalog.{name}" for name, definition in installed[0] if " refuse_truncate " in definition}
    assert with_history == set(TRACKED) == catalog - WITHOUT_HISTORY


def test_columns_marked_as_personal_are_tracked_as_personal() -> None:
    for name, declared in TRACKED.items():
        assert {c.name for c in metadata.tables[name].columns if c.info.get("pii")} == set(declared.personal)


def test_nobody_but_the_owner_may_execute_trigger_functions(connection: Connection) -> None:
    """With a function that writes history, whoever may make a table could write any history."""
    executable = text("""
        SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE n.nspname = ANY(:schemas) AND p.prorettype = 'trigger'::regtype AND a.grantee <> p.proowner""")
    assert list(connection.execute(executable, {"schemas": list(SCHEMAS)}).scalars()) == []


def test_updated_at_moves_with_a_plain_update(engine: Engine) -> None:
    with connected(engine) as connection:
        connection.execute(text("INSERT INTO catalog.organization (key, name) VALUES ('A', 'a')"))
    with connected(engine) as connection:
        connection.execute(text("UPDATE catalog.organization SET name = 'b'"))
        assert connection.execute(text("SELECT updated_at > created_at FROM catalog.organization")).scalar_one()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO catalog.organization (key, name) VALUES ('É', 'x'), ('é', 'y')", UniqueViolation),
        ("INSERT INTO catalog.organization (key, name) VALUES ('', 'x')", CheckViolation),
        (
            'INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, start, "end")'
            " VALUES ('course-v1:a+b+c', 'a', 'b', 'c', 't', 'published', '2026-02-01', '2026-01-01')",
            CheckViolation,
        ),
        (
            "INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)"
            " VALUES ('course-v1:a+b+c', 'a', 'b', 'c', 't', 'unheard of')",
            CheckViolation,
        ),
    ],
)
def test_the_database_itself_refuses_what_must_not_be(connection: Connection, statement: str, error: type) -> None:
    with pytest.raises(IntegrityError) as caught, connection.begin_nested():
        connection.execute(text(statement))
    assert isinstance(caught.value.orig, error)


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with connected(engine) as connection:
        check_version(connection)


def test_an_empty_database_says_to_migrate(postgres: EmbeddedPostgres) -> None:
    server = Server(postgres.url("test_empty"))
    ensure_database(server)
    ensure_database(server)
    engine = make_engine(server)
    with pytest.raises(SchemaVersionError, match="catalog-pipeline migrate"), connected(engine) as connection:
        check_version(connection)
    engine.dispose()


def test_a_database_that_was_filled_in_part_is_never_seen_and_made_anew(server: Server) -> None:
    def fill(url: str) -> None:
        with psycopg.connect(url.replace("+psycopg2", "")) as connection:
            connection.execute("CREATE TABLE first (n int)")

    def fill_and_die(url: str) -> None:
        fill(url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_filled_database(server, server.dagster_url(), fill_and_die)
    assert not exists(server.dagster_url())
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(ensure_filled_database, server, server.dagster_url(), fill) for _ in range(4)]
    assert [one.result() for one in made] == [None] * 4
    assert exists(server.dagster_url())


def test_a_newer_database_is_refused_and_not_touched(engine: Engine) -> None:
    with connected(engine) as connection:
        connection.execute(text("UPDATE ops.alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="newer than this code"), connected(engine) as connection:
        check_version(connection)
    with pytest.raises(SchemaVersionError, match="newer than this code"):
        migrate(engine)


@pytest.mark.parametrize("revision", sorted(UNRELEASED))
def test_a_database_of_before_the_first_release_is_named_with_what_to_do(engine: Engine, revision: str) -> None:
    with connected(engine) as connection:
        connection.execute(text("UPDATE ops.alembic_version SET version_num = :revision"), {"revision": revision})
    folder = make_url(str(engine.url)).query["host"]
    with pytest.raises(SchemaVersionError, match=f"remove the folder {folder}"), connected(engine) as connection:
        check_version(connection)
    with pytest.raises(SchemaVersionError, match=f"remove the folder {folder}"):
        migrate(engine)


def test_a_servers_database_of_before_the_first_release_is_named_without_its_password(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(engine) as connection:
        connection.execute(text("UPDATE ops.alembic_version SET version_num = '0006'"))
    monkeypatch.setattr("catalog_pipeline.database.version.embedded_data_folder", lambda _: None)
    with pytest.raises(SchemaVersionError, match=f"/{engine.url.database}.* Drop it"):
        migrate(engine)


def test_keys_fold_alike_in_the_database_and_in_the_rules(connection: Connection) -> None:
    import pandas as pd

    from catalog_pipeline.rules.course_keys import TEXT, fold

    characters = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF]
    with driver(connection).cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE letter (n int GENERATED ALWAYS AS IDENTITY, c text)")
        with cursor.copy("COPY letter (c) FROM STDIN") as copy:
            for character in characters:
                copy.write_row((character,))
        cursor.execute("SELECT lower(c COLLATE pg_c_utf8) FROM letter ORDER BY n")
        in_database = [row[0] for row in cursor.fetchall()]
    in_rules = fold(pd.Series(characters, dtype=TEXT)).tolist()
    legal = [c.isalnum() or c in "_-~.:%" for c in characters]
    assert [(a, b) for a, b, ok in zip(in_database, in_rules, legal, strict=True) if ok and a != b] == []


def test_an_unreachable_database_says_which_one_without_its_password() -> None:
    engine = make_engine(Server("postgresql://ann:secret@127.0.0.1:9/catalog"))
    with pytest.raises(DatabaseError, match=r"127\.0\.0\.1:9/catalog") as caught, connected(engine):
        pass
    assert "secret" not in str(caught.value)
