"""The triggers that write the history of tracked tables into `ops.change_event`, and keep `updated_at`.

They work at statement level, on transition tables, so that every path is seen, psql included. Each table has a
function of its own that spells out the columns: a generic diff over jsonb is several times slower.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import quoted
from catalog_pipeline.database.changes import changes, member, pair_of
from catalog_pipeline.database.engine import driver
from catalog_pipeline.models.tracking import Tracking

UNTRACKED_COLUMNS = {"id", "created_at", "updated_at", "listed_by_id"}
"""Columns that the history leaves out: they say nothing about the catalog."""
NOTHING_TOLD = "JSON_ARRAY(RETURNING jsonb)"

# Who may run a trigger function may hang it on a table of his own, and so write any history: nobody but the owner may.
SHARED_FUNCTIONS = (
    """\
CREATE OR REPLACE FUNCTION catalog.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$""",
    "REVOKE EXECUTE ON FUNCTION catalog.touch() FROM PUBLIC",
    """\
CREATE OR REPLACE FUNCTION catalog.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of %.% would leave no history: use DELETE', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $$""",
    "REVOKE EXECUTE ON FUNCTION catalog.refuse_truncate() FROM PUBLIC",
)

TRANSITIONS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


@dataclass(frozen=True)
class TrackedColumn:
    """A column of a tracked table, as the database has it."""

    name: str
    is_text: bool


def install_shared_functions(connection: Connection) -> None:
    """Make the functions that all tracked tables share."""
    execute(connection, SHARED_FUNCTIONS)


def track(
    connection: Connection,
    table: str,
    *,
    key: str,
    personal: tuple[str, ...] = (),
    long_text: tuple[str, ...] = (),
    left_out: tuple[str, ...] = (),
) -> None:
    """Make, or make anew, the triggers of a table, by the columns that it has now. For the options see `Tracking`.

    Migrations call it: with a new table, and again after each change of a tracked table's columns. Raises ValueError
    when the table has no such column.
    """
    columns = _columns(connection, table)
    if unknown := {*personal, *long_text, *left_out} - {column.name for column in columns}:
        raise ValueError(f"{table} has no column {', '.join(sorted(unknown))} to track in a way of its own.")
    shown = [column for column in columns if column.name not in left_out]
    execute(connection, _statements(Tracking(table, key, personal, long_text, left_out), shown))


def execute(connection: Connection, statements: Iterable[str]) -> None:
    """Run statements that have no parameters."""
    for statement in statements:
        driver(connection).execute(statement.encode())  # as it is: SQLAlchemy would take its colons for parameters


def _columns(connection: Connection, table: str) -> list[TrackedColumn]:
    """The columns that the history of a table shows, in the table's order."""
    found = connection.execute(
        text("""
            SELECT attname AS name, atttypid IN ('text'::regtype, 'varchar'::regtype) AS is_text FROM pg_attribute
            WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""),
        {"table": table},
    )
    return [TrackedColumn(row.name, row.is_text) for row in found if row.name not in UNTRACKED_COLUMNS]


def _statements(tracking: Tracking, columns: Sequence[TrackedColumn]) -> Iterator[str]:
    table, function = tracking.table, f"{tracking.table}_changed()"
    yield _function(tracking, columns)
    yield f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"
    for event, tables in TRANSITIONS.items():
        yield (
            f"CREATE OR REPLACE TRIGGER changed_{event.lower()} AFTER {event} ON {table}"
            f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {function}"
        )
    yield (
        f"CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()"
    )
    yield f"CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION catalog.touch()"


def _function(tracking: Tracking, columns: Sequence[TrackedColumn]) -> str:
    """The function that writes the events of one table."""
    old, new = (", ".join(f"{row}.{quoted(column.name)}" for column in columns) for row in ("o", "n"))
    changed = f"old_rows o JOIN new_rows n ON n.id = o.id\n        WHERE ({old}) IS DISTINCT FROM ({new})"
    return f"""\
CREATE OR REPLACE FUNCTION {tracking.table}_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_insert(tracking, "created", _changes(tracking, columns, None, "n"), "new_rows n")}
    ELSIF TG_OP = 'DELETE' THEN
        {_insert(tracking, "deleted", _changes(tracking, columns, "o", None), "old_rows o")}
    ELSE
        {_insert(tracking, "updated", _changes(tracking, columns, "o", "n"), changed)}
    END IF;
    RETURN NULL;
END $$"""


def _insert(tracking: Tracking, action: str, changed: str, source: str) -> str:
    row = "o" if action == "deleted" else "n"
    return f"""\
INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT '{tracking.table.split(".")[1]}', {row}.id, {tracking.key.format(row=row)}, '{action}',
               {changed}, who
        FROM {source};"""


def _changes(tracking: Tracking, columns: Sequence[TrackedColumn], old: str | None, new: str | None) -> str:
    """SQL of the JSON of what differs between the rows `old` and `new`; None for no row."""
    members = []
    for column in columns:
        before, after = (f"{row}.{quoted(column.name)}" if row else "NULL" for row in (old, new))
        shown = (_shown(tracking, column, value) for value in (before, after))
        told = NOTHING_TOLD if column.name in tracking.personal else pair_of(*shown)
        members.append(member(column.name, before, after, told))
    return changes(members, between=",\n            ")


def _shown(tracking: Tracking, column: TrackedColumn, value: str) -> str:
    if column.name not in tracking.long_text or value == "NULL":
        return value
    return f"md5({value})" if column.is_text else f"md5({value}::text)"
