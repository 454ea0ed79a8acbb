"""A model's view or table as it stands in the database: its kind, columns, key, comments and grants."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import errors
from psycopg.sql import SQL, Composable, Identifier, Literal
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.errors import UsageError
from dbt_like_sql.model import SqlModel, SqlModelError
from dbt_like_sql.statements import execute, listed, names, raw, relation

KINDS = {"v": "view", "r": "table"}


@dataclass(frozen=True)
class Grant:
    """One privilege of one role, on the whole relation or on one column of it."""

    privilege: str
    role: str | None
    """None: everybody (PUBLIC)."""
    grantable: bool
    column: str | None


@dataclass(frozen=True)
class Surplus:
    """A view or table of `marts` that no model makes: its model was deleted or renamed."""

    name: str
    kind: str


def surplus(connection: Connection, models: Iterable[SqlModel]) -> list[Surplus]:
    """The views and tables of `marts` that no model makes, by name."""
    found = connection.execute(
        text("""SELECT 'marts.' || relname AS name, relkind::text AS kind FROM pg_class
                WHERE relnamespace = 'marts'::regnamespace AND relkind IN ('v', 'r') ORDER BY relname""")
    )
    made = {model.full_name for model in models}
    return [Surplus(row.name, KINDS[row.kind]) for row in found if row.name not in made]


def drop_surplus(connection: Connection, left: Iterable[Surplus]) -> None:
    """Drop what no model makes, in one statement of each kind. Raises UsageError where something else depends on it."""
    for kind_ in ("view", "table"):
        relations = [Identifier(*one.name.split(".", 1)) for one in left if one.kind == kind_]
        if not relations:
            continue
        try:
            execute(connection, SQL("DROP {} {} RESTRICT").format(raw(kind_.upper()), listed(relations)))
        except DBAPIError as error:
            if not isinstance(error.orig, errors.DependentObjectsStillExist):
                raise
            raise UsageError(
                f"Nothing was dropped, for others depend on it ({error.orig.diag.message_detail}). Drop those first."
            ) from error


def kind(connection: Connection, model: SqlModel) -> str | None:
    """`view`, `table` or None where nothing has the model's name. Raises SqlModelError for anything else."""
    relkind = connection.execute(
        text("""SELECT c.relkind::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = :schema AND c.relname = :name"""),
        _name(model),
    ).scalar()
    if relkind is not None and relkind not in KINDS:
        raise SqlModelError(
            model.path, f"{model.full_name} is neither view nor table: drop or rename what has its name"
        )
    return KINDS.get(relkind) if relkind else None


def column_types(connection: Connection, model: SqlModel) -> dict[str, str]:
    """The type of each column, as Postgres writes it (`timestamp with time zone`), by the column's name."""
    rows = connection.execute(
        text("""SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE n.nspname = :schema AND c.relname = :name ORDER BY a.attnum"""),
        _name(model),
    )
    return {row.name: row.type for row in rows}


def first_rows(connection: Connection, model: SqlModel, limit: int) -> list[tuple[Any, ...]]:
    """At most `limit` rows in the order of the key, the latest days first; values in the order of the front matter."""
    ordered = [
        SQL("{} DESC").format(Identifier(name)) if name == model.partition else Identifier(name) for name in model.key
    ]
    statement = SQL("SELECT {} FROM {}{} LIMIT {}").format(
        names(model.columns),
        relation(model),
        SQL(" ORDER BY {}").format(listed(ordered)) if ordered else SQL(""),
        Literal(limit),
    )
    return [tuple(row) for row in execute(connection, statement)]


def drop(connection: Connection, model: SqlModel) -> None:
    """Drop the model's view or table. Raises SqlModelError, naming them, where others depend on it."""
    statement = SQL("DROP {} {} RESTRICT").format(raw(str(kind(connection, model)).upper()), relation(model))
    try:
        with connection.begin_nested():
            execute(connection, statement)
    except DBAPIError as error:
        if not isinstance(error.orig, errors.DependentObjectsStillExist):
            raise
        raise SqlModelError(
            model.path,
            f"its columns changed, so {model.full_name} must be made anew, but others depend on it "
            f"({error.orig.diag.message_detail}): drop those, build this model, and make them again",
        ) from error


def has_shape(connection: Connection, model: SqlModel, staged: Composable) -> bool:
    """Whether the model's table has the columns of `staged`, by name, type and order, and the model's key."""
    same_columns = _shape(connection, relation(model)) == _shape(connection, staged)
    return same_columns and _primary_key(connection, model) == model.key


def grants(connection: Connection, model: SqlModel) -> list[Grant]:
    """What was granted on the model's view or table and on its columns, without the owner's own rights."""
    rows = connection.execute(
        text("""
            WITH relation AS (
                SELECT c.oid, c.relowner, c.relacl FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = :schema AND c.relname = :name
            ), item AS (
                SELECT acl.*, relowner, NULL AS column FROM relation, aclexplode(relacl) AS acl
                UNION ALL
                SELECT acl.*, relowner, a.attname FROM relation JOIN pg_attribute AS a ON a.attrelid = oid,
                    aclexplode(a.attacl) AS acl
            )
            SELECT privilege_type AS privilege, pg_roles.rolname AS role, is_grantable AS grantable, item.column
            FROM item LEFT JOIN pg_roles ON pg_roles.oid = item.grantee
            WHERE grantee <> relowner ORDER BY item.column NULLS FIRST, role, privilege"""),
        _name(model),
    )
    return [Grant(**row._mapping) for row in rows]


def grant(connection: Connection, model: SqlModel, granted: list[Grant]) -> None:
    """Grant again what was granted before the relation was made anew; a column that is gone takes its own along."""
    for one in granted:
        if one.column is not None and one.column not in model.columns:
            continue
        statement = SQL("GRANT {}{} ON {} TO {}{}").format(
            raw(one.privilege),
            SQL(" ({})").format(Identifier(one.column)) if one.column else SQL(""),
            relation(model),
            Identifier(one.role) if one.role else SQL("PUBLIC"),
            SQL(" WITH GRANT OPTION") if one.grantable else SQL(""),
        )
        execute(connection, statement)


def comment(connection: Connection, model: SqlModel) -> None:
    """Give relation and columns the front matter's descriptions. Comments that are right already stay untouched."""
    found = _comments(connection, model)
    wanted = {None: model.description} | {name: column.description for name, column in model.columns.items()}
    for column, description in wanted.items():
        if found.get(column) == description:
            continue
        if column is None:
            target = SQL("{} {}").format(raw(model.materialized.upper()), relation(model))
        else:
            target = SQL("COLUMN {}").format(Identifier(model.schema, model.name, column))
        execute(connection, SQL("COMMENT ON {} IS {}").format(target, Literal(description)))


def _comments(connection: Connection, model: SqlModel) -> dict[str | None, str]:
    """Comments by column; the relation's own under None."""
    rows = connection.execute(
        text("""SELECT a.attname, d.description
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass
                LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
                WHERE n.nspname = :schema AND c.relname = :name"""),
        _name(model),
    )
    return {row.attname: row.description for row in rows}


def _shape(connection: Connection, source: Composable) -> list[tuple[Any, ...]]:
    """Name, type, sizes, precision and scale of each column of a table."""
    result = execute(connection, SQL("SELECT * FROM {} LIMIT 0").format(source))
    assert result.cursor is not None
    return [tuple(column)[:6] for column in result.cursor.description]


def _primary_key(connection: Connection, model: SqlModel) -> tuple[str, ...]:
    rows = connection.execute(
        text("""SELECT a.attname
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
                CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS part (attnum, position)
                JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = part.attnum
                WHERE n.nspname = :schema AND c.relname = :name ORDER BY part.position"""),
        _name(model),
    )
    return tuple(rows.scalars())


def _name(model: SqlModel) -> dict[str, str]:
    return {"schema": model.schema, "name": model.name}
