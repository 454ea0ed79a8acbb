"""Change events: every path is seen, nothing that did not change is, and personal data never is."""

from hashlib import md5

import psycopg
import pytest
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.database.engine import Server, connected
from catalog_pipeline.database.events import of_rows
from catalog_pipeline.database.triggers import track

EVENTS = "SELECT entity, key, action, changes, actor FROM ops.change_event ORDER BY xid, id"


def events(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(EVENTS))]


def run(engine: Engine, *statements: str, actor: str | None = None) -> None:
    with connected(engine) as connection:
        if actor:
            connection.execute(text("SELECT set_config('catalog.actor', :actor, true)"), {"actor": actor})
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_rows_life_is_written_with_old_and_new_values_and_its_actor(engine: Engine) -> None:
    run(engine, "INSERT INTO catalog.organization (key, name) VALUES ('A', 'Old')", actor="cli:ann")
    run(engine, "UPDATE catalog.organization SET name = 'New'", actor="api:bob")
    run(engine, "UPDATE catalog.organization SET name = 'New', updated_at = now()", actor="api:bob")
    run(engine, "DELETE FROM catalog.organization")
    with connected(engine) as connection:
        created, updated, deleted = events(connection)
    values = {"key": "A", "name": "Old", "active": True}
    assert created == ("organization", "A", "created", {k: [None, v] for k, v in values.items()}, "cli:ann")
    assert updated == ("organization", "A", "updated", {"name": ["Old", "New"]}, "api:bob")
    gone = {k: [v, None] for k, v in {**values, "name": "New"}.items()}
    assert deleted == ("organization", "A", "deleted", gone, "sql:postgres")


def test_an_event_names_the_login_whatever_actor_the_session_claims_to_be(engine: Engine, server: Server) -> None:
    with psycopg.connect(server.url("postgresql"), autocommit=True) as owner:
        owner.execute("CREATE ROLE mallory LOGIN IN ROLE catalog_writer")
        try:
            url = make_url(server.url("postgresql")).set(username="mallory").render_as_string()
            with psycopg.connect(url, autocommit=True) as session:
                session.execute("SELECT set_config('catalog.actor', 'api:ann', false)")
                session.execute("INSERT INTO catalog.organization (key, name) VALUES ('A', 'a')")
            with connected(engine) as connection:
                told = of_rows(connection, "SELECT 'organization' AS entity, id AS entity_id FROM catalog.organization")
        finally:
            owner.execute("DROP ROLE mallory")
    assert [(event["actor"], event["login"]) for event in told] == [("api:ann", "mallory")]


def test_nobody_makes_up_a_history_by_hanging_its_trigger_on_a_table_of_his_own(server: Server) -> None:
    with psycopg.connect(server.url("postgresql"), autocommit=True) as owner:
        owner.execute("CREATE ROLE mallory LOGIN IN ROLE catalog_writer")
        try:
            url = make_url(server.url("postgresql")).set(username="mallory").render_as_string()
            with psycopg.connect(url, autocommit=True) as session:
                session.execute("CREATE TEMP TABLE mine (id bigint, key text, name text)")
                for statement in (
                    "CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows"
                    " FOR EACH STATEMENT EXECUTE FUNCTION catalog.organization_changed()",
                    "INSERT INTO ops.change_event (entity, entity_id, action, changes, actor)"
                    " VALUES ('organization', 1, 'deleted', '{}', 'api:ann')",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        session.execute(statement.encode())
                session.execute("DROP TABLE mine")
        finally:
            owner.execute("DROP ROLE mallory")


def test_many_rows_of_one_statement_are_seen_each_and_only_those_that_changed(engine: Engine) -> None:
    run(engine, "INSERT INTO catalog.organization (key, name) SELECT 'O' || n, 'x' FROM generate_series(1, 100) n")
    run(engine, "UPDATE catalog.organization SET name = CASE WHEN key IN ('O7', 'O9') THEN 'y' ELSE name END")
    with connected(engine) as connection:
        updated = [event for event in events(connection) if event[2] == "updated"]
    assert [(key, changes) for _, key, _, changes, _ in updated] == [
        ("O7", {"name": ["x", "y"]}),
        ("O9", {"name": ["x", "y"]}),
    ]


def test_an_association_is_told_by_its_runs_key_and_a_cascade_is_seen(engine: Engine) -> None:
    run(
        engine,
        "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A')",
        "INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)"
        " SELECT id, '1', 'A+1', 't' FROM catalog.organization",
        "INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)"
        " VALUES ('course-v1:A+1+r', 'A', '1', 'r', 't', 'published')",
        "INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)"
        " SELECT r.id, c.id, 'key', 'its key' FROM catalog.course_run r, catalog.catalog_course c",
    )
    run(engine, "DELETE FROM catalog.course_run")
    with connected(engine) as connection:
        seen = [(entity, key, action) for entity, key, action, _, _ in events(connection)]
    assert seen[:4] == [
        ("organization", "A", "created"),
        ("catalog_course", "A+1", "created"),
        ("course_run", "course-v1:A+1+r", "created"),
        ("run_association", "course-v1:A+1+r", "created"),
    ]
    # By the time the association goes, its run is gone already, and with it its key.
    assert set(seen[4:]) == {
        ("course_run", "course-v1:A+1+r", "deleted"),
        ("run_association", None, "deleted"),
        ("catalog_course", "A+1", "updated"),  # published with its run, and a draft without it
    }


def test_long_text_is_told_by_its_hash(engine: Engine) -> None:
    run(
        engine,
        "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A')",
        "INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)"
        " SELECT id, '1', 'A+1', 't' FROM catalog.organization",
    )
    run(engine, "UPDATE catalog.catalog_course SET full_description = 'long'")
    with connected(engine) as connection:
        assert events(connection)[-1][3] == {"full_description": [None, md5(b"long").hexdigest()]}


def test_of_personal_data_only_the_change_is_told(engine: Engine) -> None:
    run(engine, "CREATE TABLE catalog.t (id bigint, name text, email text, updated_at timestamptz)")
    with connected(engine) as connection:
        track(connection, "catalog.t", key="{row}.name", personal=("email",))
    run(engine, "INSERT INTO catalog.t VALUES (1, 'x', 'ann@a.org')")
    run(engine, "UPDATE catalog.t SET email = 'bob@b.org'")
    run(engine, "UPDATE catalog.t SET name = 'y'", "DELETE FROM catalog.t")
    with connected(engine) as connection:
        told = [(action, changes) for _, _, action, changes, _ in events(connection)]
    assert told == [
        ("created", {"name": [None, "x"], "email": []}),
        ("updated", {"email": []}),
        ("updated", {"name": ["x", "y"]}),
        ("deleted", {"name": ["y", None], "email": []}),
    ]


def test_a_column_that_is_to_be_personal_and_does_not_exist_is_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match=r"catalog\.organization has no column emial"):
        track(connection, "catalog.organization", key="{row}.key", personal=("emial",))


def test_a_role_that_may_only_write_the_catalog_writes_its_history_too(engine: Engine) -> None:
    run(
        engine,
        "CREATE ROLE test_writer",
        "GRANT USAGE ON SCHEMA catalog TO test_writer",
        "GRANT INSERT ON catalog.organization TO test_writer",
    )
    try:
        run(engine, "SET LOCAL ROLE test_writer", "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A')")
        with connected(engine) as connection:
            assert len(events(connection)) == 1
    finally:
        run(engine, "DROP OWNED BY test_writer", "DROP ROLE test_writer")


def test_truncate_is_refused_for_it_would_leave_no_history(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="would leave no history"):
        run(engine, "TRUNCATE catalog.organization CASCADE")
