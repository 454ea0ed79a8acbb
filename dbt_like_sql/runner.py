"""Building one SQL model, and running its tests. The caller owns the transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import errors
from psycopg.sql import SQL, Composable, Identifier, Literal
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.checks import CheckResult, keep_results
from dbt_like_sql import relations
from dbt_like_sql.model import ColumnTests, SqlModel, SqlModelError
from dbt_like_sql.statements import execute, listed, literals, names, query, relation

NOT_A_KEY = (errors.UniqueViolation, errors.NotNullViolation)
STAGED = Identifier("pg_temp", "staged")
SHOWN_FAILURES = 10
"""How many of the rows that fail a test are shown."""


HISTORY = {"ops.column_change", "ops.change_event"}
"""What the events before an archived day are missing in."""

Days = tuple[date, date]
"""The first and the last of a range of days."""


class FrozenDaysError(UsageError):
    """The days cannot be built again, because the history that they need is archived."""


@dataclass(frozen=True)
class Counts:
    """How many rows the view or table has now, and how many of a table's rows the build changed.

    `rows` is None for a model that says `counted: false`.
    """

    rows: int | None
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class ModelTest:
    """One test of a column, or of the key (column None)."""

    name: str
    column: str | None
    description: str
    """What must hold, in a sentence."""

    def __str__(self) -> str:
        """A name that is unique in the model, such as `status_not_null`."""
        return f"{self.column}_{self.name}" if self.column else self.name


@dataclass(frozen=True)
class TestResult:
    """The result of a test. The query `sql` lists the rows that failed; `examples` are the first of them."""

    __test__ = False

    test: ModelTest
    failing_rows: int
    sql: str
    examples: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        """Whether no row failed."""
        return self.failing_rows == 0


def build(connection: Connection, model: SqlModel, days: Days | None = None) -> Counts:
    """Make the model's view or table what its file says, with its comments.

    Of a partitioned model, only the rows of `days` (of today if not given) are written and deleted. A table's
    unchanged rows are not touched. Grants are kept when columns change. Everything is done or nothing, even if the
    caller goes on after an error.

    Who builds a model waits for whoever builds it at the same time. Raises SqlModelError where Postgres refuses the
    query, where `key` does not identify a row, and where other views depend on columns that changed; FrozenDaysError
    where the history of the days is archived.
    """
    with _refusals(model), connection.begin_nested():
        lock = SQL("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))")
        execute(connection, lock.format(Literal(f"model {model.full_name}")))
        if model.partition:
            _want(connection, model, days)
        counts = _build_view(connection, model) if model.materialized == "view" else _build_table(connection, model)
        relations.comment(connection, model)
    return counts


def tests_of(model: SqlModel) -> list[ModelTest]:
    """The tests of a model: of the key, then of each column."""
    return [test for test, _ in _tests(model, relation(model))]


def run_tests(connection: Connection, model: SqlModel) -> list[TestResult]:
    """Run the tests of what `build` made. All tests are one query, and each that fails one more for its examples.

    The results are kept in `ops.check_result`. Raises SqlModelError where the model was not built yet.
    """
    if relations.kind(connection, model) is None:
        build_it = f"`catalog-pipeline marts build --select {model.name}`"
        raise SqlModelError(model.path, f"{model.full_name} was not built yet: run {build_it} first")
    results = _results(connection, model)
    kept = [CheckResult(model.full_name, str(result.test), result.failing_rows) for result in results]
    keep_results(connection, kept, all_of=model.full_name)
    return results


def _results(connection: Connection, model: SqlModel) -> list[TestResult]:
    tests = list(_tests(model, relation(model)))
    if not tests:
        return []
    copied = Identifier("tested")  # read once: Postgres computes a view each time a query names it
    counts = [
        SQL("SELECT {} AS test, count(*) AS failing FROM ({}) AS failure").format(Literal(number), failing)
        for number, (_, failing) in enumerate(_tests(model, copied))
    ]
    statement = SQL("WITH {} AS MATERIALIZED (SELECT * FROM {}) {} ORDER BY test").format(
        copied, relation(model), listed(counts, " UNION ALL ")
    )
    rows = execute(connection, statement).all()
    return [
        TestResult(test, row.failing, failing.as_string(), _examples(connection, failing) if row.failing else [])
        for (test, failing), row in zip(tests, rows, strict=True)
    ]


def _examples(connection: Connection, failing: Composable) -> list[dict[str, Any]]:
    found = execute(connection, SQL("{} LIMIT {}").format(failing, Literal(SHOWN_FAILURES)))
    return [dict(row) for row in found.mappings()]


def _want(connection: Connection, model: SqlModel, days: Days | None) -> None:
    first, last = (day.isoformat() for day in days) if days else ("", "")
    statement = SQL(
        "SELECT set_config('catalog.first_day', {}, true), set_config('catalog.last_day', {}, true),"
        " set_config('work_mem', '256MB', true)"  # three months of a large catalog are joined in memory or not in time
    )
    execute(connection, statement.format(Literal(first), Literal(last)))
    if HISTORY & set(model.dependencies):
        _refuse_frozen(connection, model)


def _refuse_frozen(connection: Connection, model: SqlModel) -> None:
    """Raise FrozenDaysError where the history that the first wanted day needs is archived."""
    frozen = execute(
        connection,
        SQL("""SELECT before_day, file FROM ops.history_archive
               WHERE before_day > (SELECT min(day) FROM marts.days() AS days (day)) ORDER BY 1 DESC LIMIT 1"""),
    ).one_or_none()
    if frozen:
        raise FrozenDaysError(
            f"The history before {frozen.before_day} is archived in {frozen.file}, so days before it are not built"
            f" again: {model.full_name} keeps them as they were built. Choose days from {frozen.before_day} on."
        )


def _build_view(connection: Connection, model: SqlModel) -> Counts:
    create = SQL("CREATE OR REPLACE VIEW {} AS {}").format(relation(model), query(model))
    if relations.kind(connection, model) == "table" or not _replaced(connection, create):
        _make_anew(connection, model, create)
    return Counts(_count(connection, model) if model.counted else None)


def _replaced(connection: Connection, create: Composable) -> bool:
    """Replace the view in place. False where Postgres refuses: a view may gain columns, not lose or alter them."""
    try:
        with connection.begin_nested():
            execute(connection, create)
    except DBAPIError as error:
        if isinstance(error.orig, errors.InvalidTableDefinition):
            return False
        raise
    return True


def _build_table(connection: Connection, model: SqlModel) -> Counts:
    create = SQL("CREATE TABLE {} (LIKE {} INCLUDING INDEXES)").format(relation(model), STAGED)
    _stage(connection, model)
    found = relations.kind(connection, model)
    if found is None:
        execute(connection, create)
    elif found == "view" or not relations.has_shape(connection, model, STAGED):
        _make_anew(connection, model, create)
    merged = execute(connection, _merge(model)).one()
    execute(connection, SQL("DROP TABLE {}").format(STAGED))
    return Counts(_count(connection, model), merged.inserted, merged.updated, merged.deleted)


def _stage(connection: Connection, model: SqlModel) -> None:
    """Put the query's rows into a temporary table. Its primary key finds the duplicates that MERGE would not."""
    statement = SQL(
        "CREATE TEMP TABLE {name} AS {query}; ALTER TABLE {staged} ADD PRIMARY KEY ({key}); ANALYZE {staged}"
    )
    execute(
        connection,
        statement.format(name=Identifier("staged"), staged=STAGED, query=query(model), key=names(model.key)),
    )


def _make_anew(connection: Connection, model: SqlModel, create: Composable) -> None:
    """Drop and create, and grant again what was granted. No data is lost: all of it comes from the query."""
    granted = relations.grants(connection, model)
    relations.drop(connection, model)
    execute(connection, create)
    relations.grant(connection, model, granted)


def _merge(model: SqlModel) -> Composable:
    """Insert, update and delete only the rows that differ between the query and the table, and count them."""
    others = [column for column in model.columns if column not in model.key]
    same_key = listed(
        (SQL("{} = {}").format(Identifier("old", column), Identifier("new", column)) for column in model.key), " AND "
    )
    return SQL(
        """WITH merged AS (
            MERGE INTO {table} AS old USING {staged} AS new ON {same_key}
            {update}
            WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({new_values})
            WHEN NOT MATCHED BY SOURCE {of_these_days} THEN DELETE
            RETURNING merge_action() AS action
        )
        SELECT count(*) FILTER (WHERE action = 'INSERT') AS inserted,
               count(*) FILTER (WHERE action = 'UPDATE') AS updated,
               count(*) FILTER (WHERE action = 'DELETE') AS deleted
        FROM merged"""
    ).format(
        table=relation(model),
        staged=STAGED,
        same_key=same_key,
        update=_update(others) if others else SQL(""),
        of_these_days=SQL("AND {} IN (SELECT marts.days())").format(Identifier("old", model.partition))
        if model.partition
        else SQL(""),
        columns=names(model.columns),
        new_values=names(model.columns, of="new"),
    )


def _update(columns: list[str]) -> Composable:
    return SQL("WHEN MATCHED AND ROW({old}) IS DISTINCT FROM ROW({new}) THEN UPDATE SET {assignments}").format(
        old=names(columns, of="old"),
        new=names(columns, of="new"),
        assignments=listed(SQL("{} = {}").format(Identifier(column), Identifier("new", column)) for column in columns),
    )


def _count(connection: Connection, model: SqlModel) -> int:
    return execute(connection, SQL("SELECT count(*) FROM {}").format(relation(model))).scalar_one()


def _tests(model: SqlModel, source: Composable) -> Iterator[tuple[ModelTest, Composable]]:
    """Each test of the model, and the query for the rows of `source` that fail it."""
    if model.key:
        no_key = listed((SQL("{} IS NULL").format(Identifier(column)) for column in model.key), " OR ")
        description = "Each row has the model's key, and no two rows have the same."
        yield (
            ModelTest("key", None, description),
            _grouped(source, model.key, SQL("HAVING count(*) > 1 OR {}").format(no_key)),
        )
    for name, column in model.columns.items():
        for test, failing in _column_tests(name, column.tests, source):
            yield ModelTest(test, name, _description(test, name, column.tests)), failing


def _description(test: str, column: str, tests: ColumnTests) -> str:
    """What a test of a column asks."""
    if test == "accepted_values":
        return f"{column} is one of {', '.join(map(str, tests.accepted_values or ()))}."
    if test == "relationships":
        return f"Each {column} is one of {tests.relationships}."
    return f"No two rows have the same {column}." if test == "unique" else f"{column} has a value in every row."


def _column_tests(name: str, tests: ColumnTests, source: Composable) -> Iterator[tuple[str, Composable]]:
    column = Identifier(name)
    if tests.not_null:
        yield "not_null", SQL("SELECT * FROM {} WHERE {} IS NULL").format(source, column)
    if tests.unique:
        yield "unique", _grouped(source, (name,), SQL("HAVING count(*) > 1 AND {} IS NOT NULL").format(column))
    if tests.accepted_values:
        accepted = literals(tests.accepted_values)
        yield "accepted_values", SQL("SELECT * FROM {} WHERE {} NOT IN ({})").format(source, column, accepted)
    if tests.relationships:
        yield "relationships", _orphans(source, name, *tests.relationships.split("."))


def _grouped(source: Composable, key: tuple[str, ...], having: Composable) -> Composable:
    return SQL("SELECT {key}, count(*) AS times FROM {source} GROUP BY {key} {having}").format(
        key=names(key), source=source, having=having
    )


def _orphans(source: Composable, column: str, schema: str, table: str, target: str) -> Composable:
    return SQL(
        "SELECT * FROM {source} AS child WHERE {value} IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM {parents} AS parent WHERE {target} = {value})"
    ).format(
        source=source,
        value=Identifier("child", column),
        parents=Identifier(schema, table),
        target=Identifier("parent", target),
    )


@contextmanager
def _refusals(model: SqlModel) -> Iterator[None]:
    """Turn what Postgres refuses into a SqlModelError, which names the line. A lost connection is raised as it is."""
    try:
        yield
    except (DataError, IntegrityError, NotSupportedError, ProgrammingError) as error:
        if not isinstance(error.orig, errors.Error):
            raise
        told = error.orig.diag
        said = ". ".join(filter(None, (told.message_primary, told.message_detail, told.message_hint)))
        if isinstance(error.orig, NOT_A_KEY) and told.table_name == "staged":
            key = ", ".join(model.key)
            problem = f"its key ({key}) is null or not unique in its rows: correct the key or the query. {said}"
            raise SqlModelError(model.path, problem, model.lines.key) from error
        problem = f"Postgres refuses it: correct the query. {said}"
        raise SqlModelError(model.path, problem, _line(model, error.statement, told.statement_position)) from error


def _line(model: SqlModel, statement: str | None, position: str | None) -> int | None:
    """The file's line of a place in a statement that holds the model's query; None where it is not in the query."""
    begins = (statement or "").find(model.sql)
    place = int(position) - 1 - begins if position and begins >= 0 else -1
    if not statement or not 0 <= place <= len(model.sql):
        return None
    return model.lines.in_query(model.sql.count("\n", 0, place) + 1)
