"""Building views and tables from models, again and again, and testing what was built."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from support.processes import wait_until

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.checks import last_results
from dbt_like_sql.model import SqlModel, SqlModelError
from dbt_like_sql.runner import Counts, build, run_tests

WriteModel = Callable[..., SqlModel]


@pytest.fixture
def source(connection: Connection) -> Connection:
    """A table to select from."""
    connection.execute(text('CREATE TABLE marts.source (id int, name text, "end" numeric(6, 2))'))
    connection.execute(text("INSERT INTO marts.source VALUES (1, 'one', 1.5), (2, 'two', NULL), (3, NULL, 3)"))
    return connection


@pytest.fixture
def table(write_model: WriteModel) -> SqlModel:
    return write_model(
        'SELECT s.id, s.name, s."end" FROM marts.source AS s', "id name end", key="id", materialized="table"
    )


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def physical(connection: Connection) -> list[tuple[Any, ...]]:
    """Each row with its place and writer: any write shows."""
    return rows(connection, "SELECT ctid::text, xmin::text, cmin::text, sample.* FROM marts.sample ORDER BY id")


def comments(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(
        connection,
        "SELECT objsubid, description FROM pg_description WHERE objoid = 'marts.sample'::regclass ORDER BY objsubid",
    )


def types(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return rows(
        connection,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum",
    )


def primary_key(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(
        connection,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'marts.sample'::regclass AND contype = 'p'",
    )


def granted_to_analyst(connection: Connection) -> bool:
    return bool(
        connection.execute(text("SELECT has_table_privilege('analyst', 'marts.sample', 'SELECT')")).scalar_one()
    )


def test_a_view_is_made_and_made_again_with_its_comments(source: Connection, write_model: WriteModel) -> None:
    model = write_model("SELECT s.id AS a FROM marts.source AS s -- the end")
    assert build(source, model) == Counts(rows=3)
    assert build(source, model) == Counts(rows=3)
    assert rows(source, "SELECT a FROM marts.sample ORDER BY a") == [(1,), (2,), (3,)]
    assert comments(source) == [(0, "A sample."), (1, "The a.")]


def test_comments_that_are_right_already_are_not_written_again(source: Connection, write_model: WriteModel) -> None:
    model = write_model("SELECT s.id AS a FROM marts.source AS s")
    places = "SELECT ctid::text FROM pg_description WHERE objoid = 'marts.sample'::regclass ORDER BY objsubid"
    build(source, model)
    before = rows(source, places)
    build(source, model)
    assert rows(source, places) == before


def test_colons_percents_and_quotes_in_queries_and_comments_are_plain_text(
    connection: Connection, write_model: WriteModel
) -> None:
    model = write_model(
        "SELECT '12:30 100% :x {}'::text AS a WHERE 5 % 3 = 2",
        """\n  a: {description: "It's 100% :x {} \\\\ done"}""",
    )
    assert build(connection, model) == Counts(rows=1)
    assert rows(connection, "SELECT a FROM marts.sample") == [("12:30 100% :x {}",)]
    assert comments(connection)[1] == (1, "It's 100% :x {} \\ done")


def test_a_view_that_lost_columns_is_made_anew_and_keeps_its_grants(
    source: Connection, write_model: WriteModel
) -> None:
    build(source, write_model("SELECT s.id AS a, s.name AS b, s.id AS c FROM marts.source AS s", "a b c"))
    source.execute(text("CREATE ROLE analyst"))
    source.execute(text("CREATE ROLE intern"))
    source.execute(text("GRANT SELECT ON marts.sample TO analyst WITH GRANT OPTION"))
    source.execute(text("GRANT SELECT ON marts.sample TO PUBLIC"))
    source.execute(text("GRANT UPDATE (a, c) ON marts.sample TO intern"))
    before = rows(source, "SELECT unnest(relacl)::text FROM pg_class WHERE oid = 'marts.sample'::regclass")
    assert build(source, write_model("SELECT s.name AS a FROM marts.source AS s")) == Counts(rows=3)
    after = rows(source, "SELECT unnest(relacl)::text FROM pg_class WHERE oid = 'marts.sample'::regclass")
    assert sorted(after) == sorted(before)
    assert rows(source, "SELECT has_column_privilege('intern', 'marts.sample', 'a', 'UPDATE')") == [(True,)]
    assert comments(source) == [(0, "A sample."), (1, "The a.")]


def test_a_view_that_cannot_be_made_anew_names_who_depends_on_it_and_stays(
    source: Connection, write_model: WriteModel
) -> None:
    build(source, write_model("SELECT s.id AS a, s.name AS b FROM marts.source AS s", "a b"))
    source.execute(text("CREATE VIEW marts.report AS SELECT b FROM marts.sample"))
    with pytest.raises(SqlModelError, match=r"view marts\.report depends on view marts\.sample"):
        build(source, write_model("SELECT s.id AS a FROM marts.source AS s"))
    assert rows(source, "SELECT count(*) FROM marts.report") == [(3,)]


def test_a_table_has_the_query_s_columns_its_key_and_its_comments(source: Connection, table: SqlModel) -> None:
    assert build(source, table) == Counts(rows=3, inserted=3)
    assert rows(source, "SELECT * FROM marts.sample ORDER BY id") == rows(
        source, "SELECT * FROM marts.source ORDER BY id"
    )
    assert primary_key(source) == [("PRIMARY KEY (id)",)]
    assert comments(source) == [(0, "A sample."), (1, "The id."), (2, "The name."), (3, "The end.")]


def test_a_second_build_of_a_table_writes_nothing(source: Connection, table: SqlModel) -> None:
    build(source, table)
    before = physical(source)
    assert build(source, table) == Counts(rows=3)
    assert physical(source) == before


def test_a_table_takes_over_just_what_changed_and_keeps_its_grants(source: Connection, table: SqlModel) -> None:
    build(source, table)
    source.execute(text("CREATE ROLE analyst"))
    source.execute(text("GRANT SELECT ON marts.sample TO analyst"))
    untouched = physical(source)[0]
    source.execute(text("UPDATE marts.source SET name = 'TWO' WHERE id = 2"))
    source.execute(text("DELETE FROM marts.source WHERE id = 3"))
    source.execute(text("INSERT INTO marts.source VALUES (4, 'four', 4), (5, 'five', 5)"))
    assert build(source, table) == Counts(rows=4, inserted=2, updated=1, deleted=1)
    assert rows(source, "SELECT id, name FROM marts.sample ORDER BY id") == [
        (1, "one"),
        (2, "TWO"),
        (4, "four"),
        (5, "five"),
    ]
    assert physical(source)[0] == untouched
    assert granted_to_analyst(source)


def test_a_table_of_nothing_but_its_key_can_be_built(source: Connection, write_model: WriteModel) -> None:
    model = write_model("SELECT s.id AS a FROM marts.source AS s", key="a", materialized="table")
    assert build(source, model).inserted == 3
    source.execute(text("DELETE FROM marts.source WHERE id = 1"))
    assert build(source, model) == Counts(rows=2, deleted=1)


@pytest.mark.parametrize(
    ("sql", "columns", "key", "materialized"),
    [
        ("SELECT s.id FROM marts.source AS s", "id", "id", "table"),
        ('SELECT s.id, s.name, s."end"::numeric(8, 4) AS "end" FROM marts.source AS s', "id name end", "id", "table"),
        ('SELECT s.id, s.id::text AS name, s."end" FROM marts.source AS s', "id name end", "id, name", "table"),
        ("SELECT s.id FROM marts.source AS s", "id", "", "view"),
    ],
)
def test_a_table_whose_columns_key_or_kind_changed_is_made_anew_and_keeps_its_grants(
    source: Connection, table: SqlModel, write_model: WriteModel, sql: str, columns: str, key: str, materialized: str
) -> None:
    build(source, table)
    source.execute(text("CREATE ROLE analyst"))
    source.execute(text("GRANT SELECT ON marts.sample TO analyst"))
    changed = write_model(sql, columns, key=key, materialized=materialized)
    assert build(source, changed).rows == 3
    assert rows(source, "SELECT * FROM marts.sample ORDER BY id") == rows(source, f"{sql} ORDER BY id")
    source.execute(text(f"CREATE TEMP TABLE wanted AS {sql}"))
    assert types(source, "marts.sample") == types(source, "wanted")
    assert primary_key(source) == ([(f"PRIMARY KEY ({key})",)] if key else [])
    assert granted_to_analyst(source)
    assert build(source, changed) == Counts(rows=3)


def test_a_view_can_become_a_table(source: Connection, write_model: WriteModel, table: SqlModel) -> None:
    build(source, write_model('SELECT s.id, s.name, s."end" FROM marts.source AS s', "id name end"))
    assert build(source, write_model(table.sql, "id name end", key="id", materialized="table")).inserted == 3


@pytest.mark.parametrize("row", ["(1, 'again', 9)", "(NULL, 'none', 9)"])
def test_a_key_that_is_null_or_repeated_is_refused_and_leaves_the_table_and_the_transaction_in_order(
    source: Connection, table: SqlModel, row: str
) -> None:
    build(source, table)
    source.execute(text(f"INSERT INTO marts.source VALUES {row}"))
    with pytest.raises(SqlModelError, match=r"sample\.sql:5: its key \(id\) is null or not unique"):
        build(source, table)
    assert rows(source, "SELECT count(*) FROM marts.sample") == [(3,)]


def test_what_only_postgres_can_refuse_names_the_file(connection: Connection, write_model: WriteModel) -> None:
    with pytest.raises(SqlModelError, match=r"sample\.sql:11: Postgres refuses it.*no_such_function"):
        build(connection, write_model("SELECT\n -- why\n no_such_function(1) AS a"))
    with pytest.raises(SqlModelError, match="division by zero"):
        build(connection, write_model("SELECT 1 / 0 AS a", key="a", materialized="table"))


def test_something_else_of_the_same_name_is_left_alone(connection: Connection, write_model: WriteModel) -> None:
    connection.execute(text("CREATE SEQUENCE marts.sample"))
    with pytest.raises(SqlModelError, match="neither view nor table"):
        build(connection, write_model("SELECT 1 AS a"))


TESTED = """
  id: {description: Id., tests: [not_null, unique]}
  name: {description: Name., tests: [accepted_values: [one, "it's"]]}
  parent: {description: Parent., tests: [relationships: marts.source.id]}"""


def test_each_test_tells_how_many_rows_fail_and_how_to_list_them(source: Connection, write_model: WriteModel) -> None:
    model = write_model(
        "SELECT v.id, v.name, v.parent FROM"
        " (VALUES (1, 'one', 1), (1, 'two', 9), (NULL, NULL, NULL), (NULL, 'six', 8)) AS v (id, name, parent)",
        TESTED,
        key="id, parent",
    )
    build(source, model)
    results = run_tests(source, model)
    assert [(result.test.name, result.test.column, result.passed, result.failing_rows) for result in results] == [
        ("key", None, False, 2),
        ("not_null", "id", False, 2),
        ("unique", "id", False, 1),
        ("accepted_values", "name", False, 2),
        ("relationships", "parent", False, 2),
    ]
    for result in results:
        failing = [dict(row) for row in source.exec_driver_sql(result.sql).mappings()]
        assert len(failing) == result.failing_rows
        assert result.examples == failing


def test_two_that_build_a_model_at_once_build_it_one_after_the_other(
    server_engine: Engine, write_model: WriteModel
) -> None:
    model = write_model("SELECT 1 AS a", "a", key="a", materialized="table")

    def build_it() -> Counts:
        with connected(server_engine) as connection:
            return build(connection, model)

    with connected(server_engine) as first, ThreadPoolExecutor() as others:
        assert build(first, model) == Counts(1, inserted=1)
        second = others.submit(build_it)
        waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        wait_until(lambda: first.execute(waits).scalar_one() == 1)
        first.commit()
        assert second.result() == Counts(1)


def test_a_conflict_that_is_not_about_the_models_key_is_told_as_it_is(
    connection: Connection, write_model: WriteModel
) -> None:
    build(connection, write_model("SELECT 1 AS a", "a", key="a", materialized="table"))
    connection.exec_driver_sql("CREATE UNIQUE INDEX one_row ON marts.sample ((true))")
    two = write_model("SELECT v.a FROM (VALUES (1), (2)) AS v (a)", "a", key="a", materialized="table")
    with pytest.raises(SqlModelError, match=r"Postgres refuses it: correct the query\. .*one_row"):
        build(connection, two)


def test_tests_that_hold_pass(source: Connection, write_model: WriteModel) -> None:
    model = write_model(
        "SELECT v.id, v.name, v.parent FROM"
        " (VALUES (1, 'one', 1), (2, 'it''s', NULL), (3, NULL, 3)) AS v (id, name, parent)",
        TESTED,
        key="id",
    )
    build(source, model)
    results = run_tests(source, model)
    assert [result.test.name for result in results] == ["key", "not_null", "unique", "accepted_values", "relationships"]
    assert all(result.passed and result.failing_rows == 0 for result in results)


def test_a_model_without_tests_has_no_results(connection: Connection, write_model: WriteModel) -> None:
    model = write_model("SELECT 1 AS a")
    build(connection, model)
    assert run_tests(connection, model) == []


def test_the_last_result_of_each_test_is_kept_and_those_of_tests_that_are_gone_are_not(
    connection: Connection, write_model: WriteModel
) -> None:
    tested = "\n  a: {description: A., tests: [not_null, unique]}"
    model = write_model("SELECT v.a FROM (VALUES (1), (NULL)) AS v (a)", tested)
    build(connection, model)
    for _ in range(2):
        run_tests(connection, model)
    first = last_results(connection)
    assert [(one.table, one.check, one.failing_rows) for one in first] == [
        ("marts.sample", "a_not_null", 1),
        ("marts.sample", "a_unique", 0),
    ]
    run_tests(connection, write_model("SELECT 1 AS a", tested.replace("not_null, ", "")))
    (second,) = last_results(connection)
    assert second.check == "a_unique"
    assert second.checked_at > first[1].checked_at  # pyright: ignore[reportOptionalOperand]


def test_who_may_only_read_runs_tests_whose_results_are_not_kept(
    connection: Connection, write_model: WriteModel
) -> None:
    model = write_model("SELECT 1 AS a", "\n  a: {description: A., tests: [not_null]}")
    build(connection, model)
    connection.execute(text("GRANT SELECT ON marts.sample TO catalog_reader; SET LOCAL ROLE catalog_analyst"))
    assert [result.passed for result in run_tests(connection, model)] == [True]
    assert last_results(connection) == []
