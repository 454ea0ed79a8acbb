"""The triggers of the schema `catalog`, generated from its tables; a test compares generated with installed.

`touch` keeps `updated_at`. The others write `ops.change_event`: at statement level, from transition tables, so that
every path is seen, psql included. One function for each table, its columns spelled out: a generic diff over jsonb is
several times slower.
"""

from collections.abc import Iterator

from sqlalchemy import Column, Table
from sqlalchemy.dialects.postgresql import JSONB

from catalog_pipeline.database.changes import changes, member, pair_of
from catalog_pipeline.models import metadata

TOUCH_FUNCTION = """\
CREATE OR REPLACE FUNCTION catalog.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$"""

REFUSE_FUNCTION = """\
CREATE OR REPLACE FUNCTION catalog.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of %.% would leave no history: use DELETE', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $$"""

UNTRACKED_COLUMNS = {"id", "created_at", "updated_at", "listed_by_id"}
NOTHING_TOLD = "JSON_ARRAY(RETURNING jsonb)"
RUN_KEY = "(SELECT r.run_key FROM catalog.course_run r WHERE r.id = {row}.course_run_id)"
PROGRAM_UUID = "(SELECT p.uuid::text FROM catalog.program p WHERE p.id = {row}.program_id)"
KEYS = {
    "organization": "{row}.key",
    "catalog_course": "{row}.key",
    "course_run": "{row}.run_key",
    "run_association": RUN_KEY,
    "course_variant": RUN_KEY,
    "program": "{row}.uuid::text",
    "program_course": PROGRAM_UUID,
}
"""How the key of a tracked table's row is found, as SQL over the row."""


def touched_tables() -> list[Table]:
    """The tables whose `updated_at` a trigger keeps, so that a plain `UPDATE` in psql keeps it too."""
    return [table for table in metadata.sorted_tables if "updated_at" in table.columns]


def touch_trigger(table: Table) -> str:
    """The statement that makes a table's trigger."""
    return (
        f"CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON {table.fullname}"
        " FOR EACH ROW EXECUTE FUNCTION catalog.touch()"
    )


def statements() -> Iterator[str]:
    """All statements that make the triggers and their functions, in order."""
    yield TOUCH_FUNCTION
    yield REFUSE_FUNCTION
    for table in touched_tables():
        yield touch_trigger(table)
        if table.name in KEYS:
            yield from _event_statements(table)


def _event_statements(table: Table) -> Iterator[str]:
    name = f"{table.schema}.{table.name}_changed"
    changed = (
        "old_rows o JOIN new_rows n ON n.id = o.id"
        f"\n        WHERE ({_listed(table, 'o')}) IS DISTINCT FROM ({_listed(table, 'n')})"
    )
    yield f"""\
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_insert(table, "created", None, "n", "new_rows n")}
    ELSIF TG_OP = 'DELETE' THEN
        {_insert(table, "deleted", "o", None, "old_rows o")}
    ELSE
        {_insert(table, "updated", "o", "n", changed)}
    END IF;
    RETURN NULL;
END $$"""
    transitions = {
        "INSERT": "NEW TABLE AS new_rows",
        "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "DELETE": "OLD TABLE AS old_rows",
    }
    for event, tables in transitions.items():
        yield (
            f"CREATE OR REPLACE TRIGGER changed_{event.lower()} AFTER {event} ON {table.fullname}"
            f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    yield (
        f"CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table.fullname}"
        " FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()"
    )


def _insert(table: Table, action: str, old: str | None, new: str | None, source: str) -> str:
    row = new or old
    return f"""\
INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT '{table.name}', {row}.id, {KEYS[table.name].format(row=row)}, '{action}',
               {_changes(table, old, new)}, who
        FROM {source};"""


def _tracked(table: Table) -> list[Column[object]]:
    return [column for column in table.columns if column.name not in UNTRACKED_COLUMNS]


def _listed(table: Table, row: str) -> str:
    return ", ".join(f'{row}."{column.name}"' for column in _tracked(table))


def _changes(table: Table, old: str | None, new: str | None) -> str:
    """The JSON of what differs; of long text its md5, of personal data nothing."""
    parts = []
    for column in _tracked(table):
        before, after = (f'{row}."{column.name}"' if row else "NULL" for row in (old, new))
        pair = pair_of(_shown(column, before), _shown(column, after))
        parts.append(member(column.name, before, after, NOTHING_TOLD if column.info.get("pii") else pair))
    return changes(parts, between=",\n            ")


def _shown(column: Column[object], value: str) -> str:
    if not column.info.get("long_text") or value == "NULL":
        return value
    return f"md5({value}::text)" if isinstance(column.type, JSONB) else f"md5({value})"
