"""What happened to a row is found under every key that it had, and told column by column."""

import pytest
from sqlalchemy import Connection, Engine, text
from support.catalog import Catalog

from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.triggers import track
from catalog_pipeline.errors import UsageError
from catalog_pipeline.queries.history import history


def changes(connection: Connection, key: str) -> list[tuple[str, str, dict[str, object]]]:
    return [(event["entity"], event["action"], event["changes"]) for event in history(connection, key)]


def test_a_renamed_row_has_one_history_under_both_keys(catalog: Catalog) -> None:
    catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('Old', 'x')")
    catalog.execute("UPDATE catalog.organization SET key = 'New'")
    with connected(catalog.engine) as connection:
        assert changes(connection, "OLD") == changes(connection, "new")
        assert changes(connection, "old") == [
            ("organization", "created", {"key": [None, "Old"], "name": [None, "x"], "active": [None, True]}),
            ("organization", "updated", {"key": ["Old", "New"]}),
        ]


def test_the_history_of_a_run_tells_its_association_too(catalog: Catalog) -> None:
    catalog.add_run("course-v1:A+1+r")
    catalog.associate()
    with connected(catalog.engine) as connection:
        told = [(event["entity"], event["action"]) for event in history(connection, "course-v1:a+1+R")]
    assert told == [("course_run", "created"), ("run_association", "created")]


def test_a_key_that_nobody_had_is_a_mistake(connection: Connection) -> None:
    with pytest.raises(UsageError, match="Nothing is known"):
        history(connection, "none")


def test_each_column_of_an_event_is_a_row_and_a_value_that_was_emptied_is_null(engine: Engine) -> None:
    with connected(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, price)"
                " VALUES ('course-v1:A+1+r', 'A', '1', 'r', 't', 'published', 10)"
            )
        )
        connection.execute(text("UPDATE catalog.course_run SET price = NULL, status = 'archived'"))
        row_id = connection.execute(text("SELECT id FROM catalog.course_run")).scalar_one()
        told = events.of_columns(connection, "course_run", row_id, ["price", "status"])
    assert [(row["field"], row["from"], row["to"]) for row in told] == [
        ("price", None, "10.00"),
        ("status", None, "published"),
        ("price", "10.00", None),
        ("status", "published", "archived"),
    ]


def test_of_personal_data_the_history_tells_that_it_changed_and_no_value(engine: Engine) -> None:
    with connected(engine) as connection:
        connection.execute(text("CREATE TABLE catalog.t (id bigint, key text, email text, updated_at timestamptz)"))
        track(connection, "catalog.t", key="{row}.key", personal=("email",))
        connection.execute(text("INSERT INTO catalog.t VALUES (1, 'k', 'ann@a.org')"))
        assert changes(connection, "k") == [("t", "created", {"key": [None, "k"], "email": []})]
        (told,) = events.of_columns(connection, "t", 1, ["email"])
    assert (told["from"], told["to"]) == (None, None)
