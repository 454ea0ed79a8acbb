# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false
"""Judges records cell by cell: typed columns of what is right, and an error for each cell that is not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from catalog_pipeline.enterprise.fields import ABSENT, ALLOCATION_EVIDENCE, FIELDS, Field
from catalog_pipeline.rules.allocated_at import LATEST, allocated_at
from catalog_pipeline.rules.course_keys import LONGEST, TEXT
from catalog_pipeline.rules.emails import are_emails
from catalog_pipeline.rules.instants import INSTANT, parse_instants
from catalog_pipeline.schemas.catalog import UUID_PATTERN
from catalog_pipeline.schemas.parsing import (
    ACCEPTED,
    FLAG,
    NUMBER,
    Column,
    failures,
    parse_flag,
    parse_number,
    parse_text,
)

Cells = Sequence[Any]
MOST = 2**63 - 1
KEY_PATTERN = rf"[^\s\pC\pZ]{{1,{LONGEST}}}"


@dataclass(frozen=True)
class Records:
    """Some records of one kind, each with the number that it is known by: its line, or its document's id."""

    kind: str
    numbers: Sequence[int]
    documents: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Judged:
    """The typed rows of the records that are right, and the errors of the others.

    `frame`: row (the record's number), given (bit n is set where the record has the kind's nth field), and a column
    for each field. `errors`: row, column, rule, value, message.
    """

    frame: pd.DataFrame
    errors: pd.DataFrame


def _text(cells: Cells, _field: Field) -> Column:
    return parse_text(cells)


def _matching(cells: Cells, rule: str, matches: Callable[[pd.Series], pd.Series]) -> Column:
    """Texts that match, and the others as bad."""
    read = parse_text(cells)
    bad = read.bad | (read.values.notna() & ~matches(read.values)).to_numpy(dtype=bool)
    return Column(read.values.mask(bad), bad, rule)


def _uuid(cells: Cells, _field: Field) -> Column:
    return _matching(cells, "not_a_uuid", lambda texts: texts.str.fullmatch(UUID_PATTERN, na=False))


def _reference(cells: Cells, field: Field) -> Column:
    """The uuid of something, or the object itself with its uuid."""
    return _uuid([cell.get("uuid") if isinstance(cell, dict) else cell for cell in cells], field)


def _uuids(cells: Cells, field: Field) -> Column:
    """A list of uuids, as Postgres writes an array."""
    lists = [cell if isinstance(cell, list) else [] for cell in cells]
    owner = np.repeat(np.arange(len(cells)), [len(items) for items in lists])
    found = _reference([item for items in lists for item in items], field)
    wrong = found.bad | found.values.isna().to_numpy()
    bad = np.array([cell is not None and not isinstance(cell, list) for cell in cells], dtype=bool)
    bad[owner[wrong]] = True
    texts = found.values.groupby(owner).agg(",".join) if len(owner) and not wrong.any() else pd.Series(dtype=TEXT)
    if wrong.any():
        texts = found.values[~wrong].groupby(owner[~wrong]).agg(",".join)
    values = "{" + texts.reindex(range(len(cells)), fill_value="").astype(TEXT) + "}"
    return Column(values.mask([cell is None for cell in cells]), bad, "not_a_uuid")


def _email(cells: Cells, _field: Field) -> Column:
    return _matching(cells, "not_an_email", are_emails)


def _key(cells: Cells, _field: Field) -> Column:
    return _matching(cells, "not_a_key", lambda texts: texts.str.fullmatch(KEY_PATTERN, na=False))


def _instant(cells: Cells, field: Field) -> Column:
    """An instant; unreadable text is bad."""
    read = _readable_instant(cells, field)
    unread = read.values.isna().to_numpy() & np.array([cell not in (None, "") for cell in cells], dtype=bool)
    return Column(read.values, read.bad | unread, "not_an_instant")


def _allocation_instant(cells: Cells, field: Field) -> Column:
    """An instant of which there is one ninety days later."""
    read = _instant(cells, field)
    late = (read.values > LATEST).to_numpy(dtype=bool)
    return Column(read.values.mask(late), read.bad | late, read.rule)


def _readable_instant(cells: Cells, _field: Field) -> Column:
    """An instant, or none where a text cannot be read: the text is kept beside it, and other dates decide."""
    read = parse_text(cells)
    return Column(parse_instants(read.values), read.bad, "not_an_instant")


def _number(cells: Cells, field: Field) -> Column:
    read = parse_number(cells)
    too_small = read.values < field.least if field.least is not None else False
    too_large = read.values > field.most if field.most is not None else False
    outside = pd.Series(too_small | too_large, index=read.values.index).fillna(False).to_numpy(dtype=bool)
    return Column(read.values.mask(outside), read.bad | outside, read.rule)


def _amount(cells: Cells, field: Field) -> Column:
    """Cents that were spent: upstream writes them with either sign."""
    read = _number(cells, replace(field, least=-MOST))  # the one number beyond it has no counterpart above zero
    return Column(read.values.abs(), read.bad, read.rule)


def _flag(cells: Cells, _field: Field) -> Column:
    return parse_flag(cells)


def _choice(cells: Cells, field: Field) -> Column:
    return _matching(cells, "unknown_value", lambda texts: texts.isin(field.choices))


def _state(cells: Cells, field: Field) -> Column:
    return _matching(cells, "unknown_state", lambda texts: texts.isin(field.choices))


@dataclass(frozen=True)
class Form:
    """What the values of a field must be."""

    parse: Callable[[Cells, Field], Column]
    sql: str
    """The type of its column in a staging table."""
    dtype: Any = TEXT


FORMS = {
    "text": Form(_text, "text"),
    "key": Form(_key, "text"),
    "uuid": Form(_uuid, "uuid"),
    "reference": Form(_reference, "uuid"),
    "uuids": Form(_uuids, "uuid[]"),
    "email": Form(_email, "text"),
    "instant": Form(_instant, "timestamptz", INSTANT),
    "allocation_instant": Form(_allocation_instant, "timestamptz", INSTANT),
    "readable_instant": Form(_readable_instant, "timestamptz", INSTANT),
    "number": Form(_number, "bigint", NUMBER),
    "amount": Form(_amount, "bigint", NUMBER),
    "flag": Form(_flag, "boolean", FLAG),
    "choice": Form(_choice, "text"),
    "state": Form(_state, "text"),
}
"""The forms that values may have."""

WANTED = {
    **ACCEPTED,
    "not_a_uuid": "a uuid, such as 3f2b8a52-0c1d-4e6f-9a7b-5d4c3b2a1908",
    "not_an_email": "one mail address, such as ann@example.org",
    "not_a_key": f"a key of 1 to {LONGEST} characters without blanks",
    "not_an_instant": "an instant with its zone, such as 2026-03-02T00:00:00Z",
}


def judge(records: Records) -> Judged:
    """Judge all cells of some records of one kind."""
    columns, given, found = _cells(FIELDS[records.kind], records)
    if records.kind == "assignment":
        evidence, _, unread = _cells(ALLOCATION_EVIDENCE, records)
        evidence["first_action_at"] = _first_actions(records.documents)
        columns |= dict(allocated_at(pd.DataFrame(evidence)))
        found += unread
    frame = pd.DataFrame({"row": np.array(records.numbers, dtype="int64"), "given": given, **columns})
    errors = join_errors(found, frame["row"])
    return Judged(frame[~frame["row"].isin(errors["row"])], errors)


def join_errors(found: Sequence[pd.DataFrame], rows: pd.Series) -> pd.DataFrame:
    """One frame of errors, whose `row` is a position in `rows` before and the row's number after."""
    kept = [frame for frame in found if not frame.empty]
    if not kept:
        return failures(np.array([], dtype="int64"), "", "", [], "")
    errors = pd.concat(kept, ignore_index=True)
    return errors.assign(row=rows.to_numpy()[errors["row"].to_numpy(dtype="int64")])


def _cells(fields: Sequence[Field], records: Records) -> tuple[dict[str, pd.Series], np.ndarray, list[pd.DataFrame]]:
    """The typed columns of some fields, which fields each record has, and the failures."""
    given = np.zeros(len(records.documents), dtype="int64")
    columns, found = {}, []
    names = set().union(*records.documents)
    for bit, field in enumerate(fields):
        # Most records lack most fields: what none of them has need not be looked for.
        if names.isdisjoint(path[0] for path in field.paths):
            cells, column = [None] * len(given), _nothing(field, len(given))
        else:
            cells = field.cells(records.documents)
            given |= np.array([cell is not ABSENT for cell in cells], dtype="int64") << bit
            cells = [None if cell is ABSENT else cell for cell in cells]
            column = FORMS[field.form].parse(cells, field)
        columns[field.column] = column.values.reset_index(drop=True)
        found += _failures(field, cells, column)
    return columns, given, found


def _nothing(field: Field, length: int) -> Column:
    values = pd.Series(None, index=range(length), dtype=FORMS[field.form].dtype)
    return Column(values, np.zeros(length, dtype=bool), "")


def _failures(field: Field, cells: Cells, column: Column) -> list[pd.DataFrame]:
    """What is wrong with the cells of a field: they are not what they must be, or missing."""
    found = []
    if column.bad.any():
        at = np.flatnonzero(column.bad)
        found.append(failures(at, field.name, column.rule, [cells[i] for i in at], message(field, column.rule)))
    if field.required:
        at = np.flatnonzero(column.values.isna().to_numpy() & ~column.bad)
        found.append(failures(at, field.name, "missing", [None] * len(at), f"{field.name} is missing."))
    return found


def message(field: Field, rule: str) -> str:
    """What an error says of a cell that breaks a rule."""
    if rule in ("unknown_value", "unknown_state"):
        return f"{field.name} is none of {', '.join(field.choices)}."
    limits = [("at least", field.least), ("at most", field.most)]
    bounds = " and ".join(f"{words} {limit}" for words, limit in limits if limit is not None)
    return f"{field.name} is not {f'a whole number of {bounds}' if bounds else WANTED[rule]}."


def judge_actions(assignments: Records) -> Judged:
    """Judge the actions of assignments: the frame has a row for each action, with the number of its assignment."""
    lists = [document.get("actions") for document in assignments.documents]
    wrong = [i for i, actions in enumerate(lists) if not isinstance(actions, list | None)]
    owners = [(i, action) for i, actions in enumerate(lists) if isinstance(actions, list) for action in actions]
    misfits = sorted({i for i, action in owners if not isinstance(action, dict)})
    found = [
        failures(np.array(at, dtype="int64"), "actions", rule, [lists[i] for i in at], f"actions is not {what}.")
        for at, rule, what in (
            (wrong, "not_a_list", "a list"),
            (misfits, "not_an_object", "a list of objects"),
        )
    ]
    errors = join_errors(found, pd.Series(np.array(assignments.numbers, dtype="int64")))
    actions = [(assignments.numbers[i], {"actions": action}) for i, action in owners if isinstance(action, dict)]
    judged = judge(Records("action", [number for number, _ in actions], [action for _, action in actions]))
    return Judged(judged.frame, pd.concat([errors, judged.errors], ignore_index=True))


def _first_actions(documents: Sequence[dict[str, Any]]) -> pd.Series:
    """When the first action of each assignment was made; null where none says so."""
    at = [
        [action.get("created") for action in actions if isinstance(action, dict)]
        if isinstance(actions := document.get("actions"), list)
        else []
        for document in documents
    ]
    owner = np.repeat(np.arange(len(at)), [len(instants) for instants in at])
    instants = parse_instants(parse_text([instant for instants in at for instant in instants]).values)
    return instants.groupby(owner).min().reindex(range(len(at))).astype(INSTANT)
