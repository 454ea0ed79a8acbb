"""What a query reads, returns, and computes each column from."""

import pytest

from dbt_like_sql.lineage import QueryError, column_lineage, dependencies, output_columns

COLUMNS = {"catalog.run": ("id", "course_id", "start", "end"), "catalog.course": ("id", "key")}


def test_dependencies_are_the_real_tables_whatever_ctes_aliases_and_functions_are_called() -> None:
    sql = """
        WITH run AS (SELECT r.id, r.course_id FROM catalog.run AS r)
        SELECT run.id, (SELECT count(*) FROM ops.load AS course) AS loads
        FROM run CROSS JOIN generate_series(1, 2) AS n
        WHERE EXISTS (SELECT FROM catalog.course AS c WHERE c.id = run.course_id)
        UNION ALL SELECT p.id, 0 FROM catalog.program AS p"""
    assert dependencies(sql) == ("catalog.course", "catalog.program", "catalog.run", "ops.load")


def test_output_columns_expand_stars_and_keep_reserved_words() -> None:
    assert output_columns('SELECT r.*, c.key AS "end key" FROM catalog.run AS r, catalog.course AS c', COLUMNS) == (
        "id",
        "course_id",
        "start",
        "end",
        "end key",
    )


@pytest.mark.parametrize("sql", ["SELECT nope FROM catalog.run", "SELECT r.nope FROM catalog.run AS r"])
def test_a_column_that_does_not_exist_is_refused(sql: str) -> None:
    with pytest.raises(QueryError, match="nope"):
        output_columns(sql, COLUMNS)


def test_columns_of_a_table_that_is_not_described_are_taken_on_trust() -> None:
    assert output_columns("SELECT v.a, r.id FROM catalog.seen AS v, catalog.run AS r", COLUMNS) == ("a", "id")


def test_column_lineage_goes_through_ctes_windows_and_unions_down_to_tables() -> None:
    sql = """
        WITH long AS (SELECT r.course_id, r."end" - r.start AS length, now() AS as_of FROM catalog.run AS r)
        SELECT course.key, max(long.length) OVER (PARTITION BY long.course_id) AS longest, long.as_of
        FROM long JOIN catalog.course AS course ON course.id = long.course_id
        UNION ALL SELECT c.key, NULL, NULL FROM catalog.course AS c"""
    assert column_lineage(sql, COLUMNS) == {
        "key": [("catalog.course", "key")],
        "longest": [("catalog.run", "course_id"), ("catalog.run", "end"), ("catalog.run", "start")],
        "as_of": [],
    }
