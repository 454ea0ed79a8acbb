"""Stages records: the rows that are right in `staged_<kind>`, what is wrong with the others in `record_error`."""

from collections.abc import Mapping

import pandas as pd
from sqlalchemy import Connection

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enterprise.fields import FIELDS, Field
from catalog_pipeline.enterprise.judging import FORMS, Records, judge, judge_actions
from catalog_pipeline.loading.publication import Publication

CHUNK = 20_000
"""Records that are judged at a time."""
ERROR_COLUMNS = {"row": "bigint", **dict.fromkeys(("rule", "column_name", "value", "message"), "text")}
DERIVED = {"assignment": {"allocated_at": "timestamptz", "allocated_at_from": "text"}}
"""The columns of staging tables that are no fields, by kind."""


def create_tables(connection: Connection, kinds: tuple[str, ...]) -> None:
    """Make `record_error` (row, rule, column_name, value, message), and for each kind `staged_<kind>`.

    These have row (the record's number), given, and a column for each field: see `judging.Judged`.
    """
    create_staging(connection, "record_error", ERROR_COLUMNS)
    for kind in kinds:
        types = {field.column: FORMS[field.form].sql for field in FIELDS[kind]}
        create_staging(
            connection, f"staged_{kind}", {"row": "bigint", "given": "bigint", **types, **DERIVED.get(kind, {})}
        )


def stage(connection: Connection, records: Records) -> None:
    """Stage records of one kind; those of assignments with their actions."""
    for start in range(0, len(records.numbers), CHUNK):
        part = slice(start, start + CHUNK)
        chunk = Records(records.kind, records.numbers[part], records.documents[part])
        judged = judge(chunk)
        copy_frame(connection, f"staged_{records.kind}", judged.frame)
        _keep_errors(connection, judged.errors)
        if records.kind == "assignment":
            actions = judge_actions(chunk)
            copy_frame(connection, "staged_action", actions.frame)
            _keep_errors(connection, actions.errors)


def keep_misfits(connection: Connection, misfits: Mapping[int, str]) -> None:
    """Keep why some records, by their numbers, are none."""
    frame = pd.DataFrame({"row": list(misfits), "rule": "not_an_object", "message": list(misfits.values())})
    copy_frame(connection, "record_error", frame)


def finish(connection: Connection, kinds: tuple[str, ...]) -> None:
    """Let the planner know what was staged."""
    analyze(connection, "record_error", *(f"staged_{kind}" for kind in kinds))


def _keep_errors(connection: Connection, errors: pd.DataFrame) -> None:
    copy_frame(connection, "record_error", errors.rename(columns={"column": "column_name"}))


def reject(publication: Publication, query: str, **parameters: object) -> None:
    """Keep the errors that a query finds: row, rule, column_name, value, message. Only rows without any are asked."""
    publication.execute(
        f"""
        INSERT INTO record_error (row, rule, column_name, value, message)
        SELECT row, rule, column_name, left(value, 200), message FROM ({query}) AS found
        WHERE NOT EXISTS (SELECT FROM record_error e WHERE e.row = found.row)""",
        **parameters,
    )


def errors(connection: Connection) -> list[Row]:
    """All that is wrong: row, rule, column (null for the record itself), value, message; by row."""
    return rows(
        connection,
        'SELECT row, rule, column_name AS "column", value, message FROM record_error ORDER BY row, column_name, rule',
    )


def value_of(kind: str, field: Field) -> str:
    """SQL of what a field's column becomes, over s (staged) and t (what stands, or nulls): what is absent stays."""
    given = f"s.given & {1 << FIELDS[kind].index(field)} <> 0"
    if field.default is None:
        return f"CASE WHEN {given} THEN s.{field.column} ELSE t.{field.column} END"
    return f"coalesce(CASE WHEN {given} THEN s.{field.column} END, t.{field.column}, {field.default})"
