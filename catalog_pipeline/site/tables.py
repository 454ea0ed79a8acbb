"""What the site tells of each table and view: from the database, the SQL models and the registry of fields."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.loading.checks import CHECKS, DOCUMENTS_VALID, CheckResult, last_results
from catalog_pipeline.models import fields
from catalog_pipeline.models.tables import metadata
from dbt_like_sql import lineage, runner
from dbt_like_sql.model import SqlModel, SqlModelError

SCHEMAS = {
    "marts": "Tables and views made for analysts.",
    "catalog": "The catalog itself.",
    "ops": "What the pipeline did: loads, feeds, checks, and the history of every change.",
    "landing": "What upstream sent, as it was received.",
}
"""The schemas in the order in which the site tells of them, with what is in each."""
OWNER = "data-engineering"
"""The team that owns what is no SQL model, as its assets name it."""
_SERVED_OR_IMPORTED = "or `enterprise import`"
_ENROLLED = "the LMS; of programs whose enrollments are ours, the verbs of `enrollments`"
WRITERS = {
    "catalog.organization": "course-discovery; where it lists none, the keys of courses, and feeds",
    "catalog.catalog_course": "course-discovery, feeds; where neither lists a course, the keys of its runs",
    "catalog.course_run": "course-discovery, the LMS, feeds",
    "catalog.course_variant": "course-discovery, feeds",
    "catalog.program": "course-discovery",
    "catalog.program_course": "course-discovery",
    "catalog.program_organization": "course-discovery",
    "catalog.curriculum": "course-discovery",
    "catalog.curriculum_course": "course-discovery",
    "catalog.curriculum_program": "course-discovery",
    "catalog.learner": f"{_ENROLLED}; `enrollments link`, `enrollments retire`",
    "catalog.learner_key": f"{_ENROLLED}; `enrollments link`, `enrollments retire`",
    "catalog.program_enrollment": _ENROLLED,
    "catalog.course_enrollment": _ENROLLED,
    "catalog.program_course_enrollment": _ENROLLED,
    "catalog.run_association": "the job `associate_runs`, `associations set`",
    "catalog.enterprise_customer": "`enterprise import`; the services that mention a customer",
    "catalog.enterprise_catalog": f"enterprise-catalog, {_SERVED_OR_IMPORTED}",
    "catalog.enterprise_learner": "`enterprise import`",
    "catalog.subsidy": f"enterprise-subsidy, {_SERVED_OR_IMPORTED}",
    "catalog.access_policy": f"enterprise-access, {_SERVED_OR_IMPORTED}",
    "catalog.assignment_configuration": f"enterprise-access, {_SERVED_OR_IMPORTED}; `assignments adopt` makes one ours",
    "catalog.content_assignment": "enterprise-access; of configurations that are ours, the verbs of `assignments`",
    "catalog.assignment_action": "enterprise-access; of configurations that are ours, the verbs of `assignments`",
    "catalog.assignment_expiration": "the job `rebuild_expirations`",
    "catalog.assignment_transition": "the migrations",
    "catalog.content_metadata": "enterprise-catalog",
    "catalog.content_run": "enterprise-catalog",
}
"""Who writes the rows of each table of the catalog. `writer` says it of the columns that several write."""
ColumnName = tuple[str, str]
"""A column: its table as schema.table, and its name."""

# Both leave out the table in which Alembic keeps the schema's version.
RELATIONS = """
    SELECT c.oid, format('%s.%s', n.nspname, c.relname) AS name, c.relkind IN ('v', 'm') AS is_view,
           coalesce(obj_description(c.oid, 'pg_class'), '') AS description,
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS query
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> 'alembic_version'"""
COLUMNS = f"""
    SELECT r.name AS "table", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS is_required, coalesce(col_description(r.oid, a.attnum), '') AS description
    FROM ({RELATIONS}) AS r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY r.name, a.attnum"""
FOREIGN_KEYS = f"""
    SELECT r.name AS "table", a.attname AS name, target.name AS to_table, b.attname AS to_name
    FROM ({RELATIONS}) AS r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f'
    CROSS JOIN unnest(k.conkey, k.confkey) AS pair (from_number, to_number)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.from_number
    JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.to_number
    JOIN ({RELATIONS}) AS target ON target.oid = k.confrelid"""
RULES = f"""
    SELECT r.name AS "table", pg_get_constraintdef(k.oid) AS rule
    FROM ({RELATIONS}) AS r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype IN ('p', 'u', 'c', 'x')
    UNION ALL
    SELECT r.name, format('UNIQUE %s', substring(pg_get_indexdef(i.indexrelid) FROM '\\(.*'))
    FROM ({RELATIONS}) AS r JOIN pg_index i ON i.indrelid = r.oid AND i.indisunique
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
    ORDER BY 1, 2"""


@dataclass(frozen=True)
class Column:
    """A column. `type` is as Postgres writes it; empty while its model was not built."""

    table: str
    name: str
    type: str
    description: str
    is_required: bool = False
    is_personal: bool = False
    refers_to: ColumnName | None = None
    """The column that a foreign key names."""
    writer: str = ""
    """Who writes it, where the registry of fields says so."""
    sources: tuple[ColumnName, ...] = ()
    """The columns that it is computed from."""
    readers: tuple[ColumnName, ...] = ()
    """The columns that are computed from it."""


@dataclass(frozen=True)
class Check:
    """A check of a table, with its last result where it was run."""

    name: str
    description: str
    column: str | None = None
    result: CheckResult | None = None

    @property
    def outcome(self) -> Literal["passed", "failed", "warned", "not run yet"]:
        """How it ended last."""
        if self.result is None:
            return "not run yet"
        if self.result.failing_rows == 0:
            return "passed"
        return "failed" if self.result.severity == "error" else "warned"


@dataclass(frozen=True)
class Table:
    """A table or view. `query` is what a view or a model selects."""

    name: str
    is_view: bool
    description: str
    owner: str
    columns: tuple[Column, ...]
    rules: tuple[str, ...] = ()
    """Its keys and constraints, as SQL."""
    checks: tuple[Check, ...] = ()
    query: str | None = None
    model: SqlModel | None = None
    is_built: bool = True
    writers: str = ""
    """Who writes its rows, where they are no query's."""
    reads: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        """Its schema."""
        return self.name.split(".")[0]

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return "view" if self.is_view else "table"


@dataclass
class _Found:
    """What the database says of its tables, by table or column."""

    relations: dict[str, Row]
    columns: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    foreign_keys: dict[ColumnName, ColumnName] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def read_tables(connection: Connection, models: Sequence[SqlModel]) -> dict[str, Table]:
    """Every table and view of the database, and every model, by schema.table, in the order of schemas and names.

    Raises SqlModelError for a model that selects what is not there.
    """
    found = _read(connection)
    by_name = {model.full_name: model for model in models}
    names = sorted({*found.relations, *by_name}, key=lambda name: (list(SCHEMAS).index(name.split(".")[0]), name))
    results = {(one.table, one.check): one for one in last_results(connection)}
    tables = {name: _table(name, found, by_name.get(name), results) for name in names}
    return _joined(tables)


def _read(connection: Connection) -> _Found:
    schemas = list(SCHEMAS)
    found = _Found({row["name"]: row for row in rows(connection, RELATIONS, schemas=schemas)})
    for row in rows(connection, COLUMNS, schemas=schemas):
        found.columns[row["table"]].append(row)
    for row in rows(connection, FOREIGN_KEYS, schemas=schemas):
        found.foreign_keys[row["table"], row["name"]] = (row["to_table"], row["to_name"])
    for row in rows(connection, RULES, schemas=schemas):
        found.rules[row["table"]].append(row["rule"])
    return found


def _table(name: str, found: _Found, model: SqlModel | None, results: Mapping[tuple[str, str], CheckResult]) -> Table:
    relation = found.relations.get(name)
    checks = _checks_of_model(model) if model else _checks_of_table(name)
    return Table(
        name=name,
        is_view=model.materialized == "view" if model else relation is not None and relation["is_view"],
        description=model.description if model else relation["description"] if relation else "",
        owner=model.owner if model else OWNER,
        columns=tuple(_columns_of_model(model, found) if model else _columns_of_table(name, found)),
        rules=tuple(found.rules[name]),
        checks=tuple(replace(check, result=results.get((name, check.name))) for check in checks),
        query=model.sql if model else relation["query"] if relation else None,
        model=model,
        is_built=relation is not None,
        writers=WRITERS.get(name, ""),
    )


def _columns_of_model(model: SqlModel, found: _Found) -> Iterable[Column]:
    types = {row["name"]: row["type"] for row in found.columns[model.full_name]}
    for name, column in model.columns.items():
        yield Column(
            model.full_name,
            name,
            types.get(name, ""),
            column.description,
            is_required=column.tests.not_null or name in model.key,
            refers_to=_reference(column.tests.relationships),
        )


def _reference(relationship: str | None) -> ColumnName | None:
    """The column that a model's test names as schema.table.column."""
    if relationship is None:
        return None
    table, _, name = relationship.rpartition(".")
    return table, name


def _columns_of_table(name: str, found: _Found) -> Iterable[Column]:
    described = metadata.tables.get(name)
    for row in found.columns[name]:
        yield Column(
            **row,
            is_personal=described is not None
            and row["name"] in described.columns
            and bool(described.columns[row["name"]].info.get("pii")),
            refers_to=found.foreign_keys.get((name, row["name"])),
            writer=writer(name, row["name"]),
        )


def writer(table: str, column: str) -> str:
    """Who writes a column of courses or runs, as the registry of fields says; empty for any other."""
    of = {
        "catalog.catalog_course": (fields.COURSE_FIELDS, fields.COURSE_BOOKKEEPING),
        "catalog.course_run": (fields.RUN_FIELDS, fields.RUN_BOOKKEEPING),
    }
    registered, derived = of.get(table, ((), ()))
    if column in derived:
        return "derived by loads"
    for one in registered:
        if one.name == column:
            named = [
                "the current feed that lists it" if one.feed == "always" else "",
                "course-discovery" if one.discovery else "",
                "the LMS" if one.lms else "",
                "the current feed" if one.feed == "unlisted" else "",
            ]
            return ", else ".join(filter(None, named))
    return ""


def _checks_of_model(model: SqlModel) -> list[Check]:
    return [Check(str(test), test.description, test.column) for test in runner.tests_of(model)]


def _checks_of_table(name: str) -> list[Check]:
    of_table = [one for one in (*CHECKS, DOCUMENTS_VALID) if f"catalog.{one.table}" == name]
    return [Check(one.name, one.description) for one in of_table]


def _joined(tables: Mapping[str, Table]) -> dict[str, Table]:
    """The tables, each with what it reads and what reads it, and so each column."""
    known = {table.name: [column.name for column in table.columns] for table in tables.values()}
    reads = {name: [one for one in _reads(table) if one in tables] for name, table in tables.items()}
    sources = {name: _sources(table, known) for name, table in tables.items()}
    readers: dict[ColumnName, list[ColumnName]] = defaultdict(list)
    for name, columns in sources.items():
        for column, origins in columns.items():
            for origin in origins:
                readers[origin].append((name, column))
    return {
        name: replace(
            table,
            reads=tuple(reads[name]),
            read_by=tuple(other for other in tables if name in reads[other]),
            columns=tuple(
                replace(
                    column,
                    sources=tuple(sources[name].get(column.name, ())),
                    readers=tuple(readers[name, column.name]),
                )
                for column in table.columns
            ),
        )
        for name, table in tables.items()
    }


def _reads(table: Table) -> tuple[str, ...]:
    if table.model:
        return table.model.dependencies
    try:
        return lineage.dependencies(table.query) if table.query else ()
    except lineage.QueryError:  # a view that a person made, in words that sqlglot does not know
        return ()


def _sources(table: Table, known: lineage.Columns) -> dict[str, list[ColumnName]]:
    """The columns that each column is computed from; of a table that no query fills, none."""
    if table.query is None:
        return {}
    try:
        origins = lineage.column_lineage(table.query, known)
    except lineage.QueryError as error:
        if table.model:
            raise SqlModelError(table.model.path, str(error)) from error
        return {}
    return {name: [one for one in found if one[1] in known.get(one[0], ())] for name, found in origins.items()}
