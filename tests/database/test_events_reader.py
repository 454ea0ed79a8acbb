"""Readers of change events miss none: not those of late commits, not after a restore; and who blocks them is named."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import events
from catalog_pipeline.database.engine import Server, connected
from catalog_pipeline.database.events import Cursor, Reading

KEYS = "SELECT e.key FROM ops.change_event e WHERE {new} ORDER BY e.id"


def add(connection: Connection, key: str) -> None:
    connection.execute(text("INSERT INTO catalog.organization (key, name) VALUES (:key, :key)"), {"key": key})


def begin(engine: Engine) -> Cursor:
    with connected(engine) as connection:
        return events.now(connection)


def read(engine: Engine, cursor: Cursor) -> tuple[list[str], Cursor]:
    with connected(engine) as connection:
        reading = events.read(connection, cursor, KEYS)
    assert reading
    return [row["key"] for row in reading.rows], reading.cursor


@contextmanager
def open_transaction(engine: Engine, key: str) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin():
        add(connection, key)
        yield connection


def test_what_came_since_the_cursor_is_read_once(engine: Engine) -> None:
    cursor = begin(engine)
    assert read(engine, cursor)[0] == []
    for key in ("A", "B"):
        with connected(engine) as connection:
            add(connection, key)
    found, after = read(engine, cursor)
    assert found == ["A", "B"]
    assert read(engine, after)[0] == []
    assert read(engine, cursor)[0] == ["A", "B"]


def test_a_transaction_that_commits_late_is_not_missed(engine: Engine) -> None:
    cursor = begin(engine)
    with open_transaction(engine, "late"):
        with connected(engine) as connection:
            add(connection, "early")
        # It began before: nothing above it is read, lest the reader go past it.
        found, after = read(engine, cursor)
        assert found == []
    assert read(engine, after)[0] == ["late", "early"]


def test_any_order_of_commits_and_reads_gives_each_event_once(engine: Engine) -> None:
    cursor = begin(engine)
    seen: list[str] = []
    open_: dict[str, Connection] = {}
    for step in ("+a", "+b", "?", "-b", "?", "+c", "-a", "?", "+d", "-d", "?", "-c", "?"):
        if step == "?":
            found, cursor = read(engine, cursor)
            seen += found
        elif step[0] == "+":
            open_[step[1]] = engine.connect()
            add(open_[step[1]], step[1])
        else:
            open_.pop(step[1]).commit()
    assert sorted(seen) == ["a", "b", "c", "d"]
    engine.dispose()


def test_a_cursor_survives_being_remembered_and_a_strange_one_starts_anew(engine: Engine) -> None:
    cursor = begin(engine)
    assert Cursor.from_json(cursor.to_json()) == cursor
    for strange in (None, "", "nonsense", "[]", "{}", '{"history": "x", "xid": "y"}', "7"):
        assert Cursor.from_json(strange) is None


@pytest.mark.parametrize("elsewhere", [{"history": "1/2/3"}, {"xid": 2**60}])
def test_a_cursor_of_another_server_or_from_the_future_is_refused(engine: Engine, elsewhere: dict[str, object]) -> None:
    cursor = Cursor(**{**vars(begin(engine)), **elsewhere})
    with connected(engine) as connection:
        assert events.read(connection, cursor, KEYS) is None


def test_a_database_that_was_restored_has_another_history(server: Server, engine: Engine) -> None:
    cursor = begin(engine)
    engine.dispose()
    url = server.url("postgresql")
    name = url.rpartition("/")[2].partition("?")[0]
    with psycopg.connect(url.replace(f"/{name}", "/postgres"), autocommit=True) as connection:
        restored = sql.Identifier(f"{name}_restored")
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(restored, sql.Identifier(name)))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(restored, sql.Identifier(name)))
    with connected(engine) as connection:
        assert events.read(connection, cursor, KEYS) is None


def test_a_role_that_may_only_read_can_follow_the_events(engine: Engine, connection: Connection) -> None:
    cursor = begin(engine)
    connection.execute(text("CREATE ROLE follower"))
    try:
        connection.execute(text("GRANT USAGE ON SCHEMA ops TO follower; GRANT SELECT ON ops.change_event TO follower"))
        connection.execute(text("SET LOCAL ROLE follower"))
        assert isinstance(events.read(connection, cursor, KEYS), Reading)
    finally:
        connection.rollback()


def test_who_holds_events_back_is_named(engine: Engine) -> None:
    with open_transaction(engine, "slow") as slow:
        pid = slow.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with connected(engine) as connection:
            add(connection, "waits")
        with connected(engine) as connection:
            found = events.waiting(connection)
        assert found.events == 1
        assert [blocker["pid"] for blocker in found.blockers] == [pid]
        assert not found.too_long
        assert f"pid {pid} in database test_" in str(found)
        assert "catalog-pipeline test, idle in transaction" in str(found)
    with connected(engine) as connection:
        assert events.waiting(connection).events == 0


def test_events_that_wait_for_half_a_minute_wait_too_long(engine: Engine) -> None:
    with connected(engine) as connection:
        add(connection, "old")
        connection.execute(text("UPDATE ops.change_event SET at = at - interval '31 seconds'"))
        found = events.waiting(connection)
    assert found.too_long
    assert found.seconds == pytest.approx(31, abs=5)


def restore_from_an_older_server(engine: Engine, *keys: str) -> None:
    """Make events of transactions that are still to come here, as a dump of a busier server has them."""
    with connected(engine) as connection:
        for key in keys:
            add(connection, key)
        connection.execute(
            text("UPDATE ops.change_event SET at = at - interval '1 hour', xid = (xid::text::bigint + 20)::text::xid8")
        )


def test_events_of_an_older_server_wait_for_nobody_and_are_not_new_when_transactions_reach_theirs(
    engine: Engine,
) -> None:
    restore_from_an_older_server(engine, "A", "B")
    with connected(engine) as connection:
        assert events.waiting(connection).events == 0
    cursor = begin(engine)
    for _ in range(30):
        with connected(engine) as connection:
            connection.execute(text("CREATE TEMP TABLE a_transaction () ON COMMIT DROP"))
            assert events.waiting(connection).events == 0
    with connected(engine) as connection:
        add(connection, "C")
    assert read(engine, cursor)[0] == ["C"]


def test_a_server_that_was_put_back_as_it_was_is_noticed_though_it_is_the_same(engine: Engine) -> None:
    with connected(engine) as connection:
        add(connection, "A")
    with connected(engine) as connection:
        add(connection, "B")
    cursor = read(engine, begin(engine))[1]
    with connected(engine) as connection:  # back to before B, and on: another event gets its id and transaction
        connection.execute(text("UPDATE ops.change_event SET at = at + interval '1 second', key = 'C' WHERE key = 'B'"))
    with connected(engine) as connection:
        assert events.read(connection, cursor, KEYS) is None
        assert events.read(connection, Cursor(cursor.history, cursor.xid), KEYS) is not None


def test_what_follows_an_idle_time_is_read_also_if_the_server_was_put_back_into_it(engine: Engine) -> None:
    """A cursor stays at the last event, and does not follow the transactions that write none."""
    with connected(engine) as connection:
        add(connection, "A")
    cursor = begin(engine)
    for _ in range(3):
        with connected(engine) as connection:
            connection.execute(text("CREATE TEMP TABLE a_transaction () ON COMMIT DROP"))
        assert read(engine, cursor) == ([], cursor)
