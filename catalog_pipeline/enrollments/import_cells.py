# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false
"""Judges the cells of a file of enrollments: typed columns, and what is wrong with the lines that are none."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from catalog_pipeline.database.rows import Row
from catalog_pipeline.learners.texts import BAD_KEY, BAD_USER_NAME, keys, user_names
from catalog_pipeline.rules.program_enrollment import COURSE_STATUSES, PROGRAM_STATUSES
from catalog_pipeline.schemas.catalog import UUID_PATTERN
from catalog_pipeline.schemas.parsing import Column, parse_flag, parse_text
from catalog_pipeline.sources.record_files import RecordFile

COLUMNS = (
    "program_uuid",
    "student_key",
    "status",
    "curriculum_uuid",
    "run_key",
    "course_status",
    "course_staff",
    "mode",
    "user_name",
)
LONGEST_MODE = 100
FLAGS = {"true": True, "false": False, "t": True, "f": False, "": None}
MESSAGES = {
    "bad_key": BAD_KEY.replace("external_key", "student_key"),
    "bad_user_name": BAD_USER_NAME,
    "not_a_uuid": "It is no uuid, such as 3f2b8a52-0c1d-4e6f-9a7b-5d4c3b2a1908.",
    "unknown_run": "There is no such run.",
    "not_a_flag": "It is neither true nor false.",
    "bad_mode": f"It is not text of 1 to {LONGEST_MODE} characters.",
}

Cells = Sequence[Any]


def _text(cells: Cells, rule: str, allowed: Callable[[pd.Series], pd.Series]) -> Column:
    read = parse_text(cells)
    values = read.values.str.strip()
    values = values.mask(values == "")
    bad = read.bad | (values.notna() & ~allowed(values)).to_numpy(dtype=bool)
    return Column(values.mask(bad), bad, rule)


def _uuids(cells: Cells) -> Column:
    return _text(cells, "not_a_uuid", lambda texts: texts.str.fullmatch(UUID_PATTERN, na=False))


def _statuses(allowed: Sequence[str]) -> Callable[[Cells], Column]:
    return lambda cells: _text(cells, "unknown_status", lambda texts: texts.isin(allowed))


def _runs(cells: Cells) -> Column:
    return _text(cells, "unknown_run", pd.Series.notna)


def _modes(cells: Cells) -> Column:
    return _text(cells, "bad_mode", lambda texts: texts.str.len() <= LONGEST_MODE)


def _flags(cells: Cells) -> Column:
    """JSON's booleans, and the words that CSV has for them."""
    return parse_flag([FLAGS.get(cell.strip().lower(), cell) if isinstance(cell, str) else cell for cell in cells])


PARSERS: dict[str, Callable[[Cells], Column]] = {
    "program_uuid": _uuids,
    "student_key": keys,
    "status": _statuses(PROGRAM_STATUSES),
    "curriculum_uuid": _uuids,
    "run_key": _runs,
    "course_status": _statuses(COURSE_STATUSES),
    "course_staff": _flags,
    "mode": _modes,
    "user_name": user_names,
}
OF_A_RUN = ("course_status", "course_staff", "mode")


def judge(records: RecordFile) -> tuple[pd.DataFrame, dict[int, list[Row]]]:
    """The lines whose cells are right: row and `COLUMNS`, null where blank; and by line the errors of the others."""
    documents = list(records.documents.values())
    lines = np.array(list(records.documents), dtype="int64")
    parsed = {name: PARSERS[name]([document.get(name) for document in documents]) for name in COLUMNS}
    frame = pd.DataFrame({"row": lines, **{name: column.values for name, column in parsed.items()}})
    errors = {line: [error("not_an_object", None, why)] for line, why in records.misfits.items()}

    def reject(mask: np.ndarray, rule: str, column: str, message: str) -> None:
        for line in lines[mask]:
            errors.setdefault(int(line), []).append(error(rule, column, message))

    for name, column in parsed.items():
        reject(column.bad, column.rule, name, _message(column.rule, name))
    absent = {name: (parsed[name].values.isna() & ~parsed[name].bad).to_numpy(dtype=bool) for name in COLUMNS}
    reject(absent["program_uuid"], "missing", "program_uuid", "program_uuid is missing.")
    nameless = absent["student_key"] & absent["user_name"]
    reject(nameless, "missing", "student_key", "student_key is missing.")
    says_something = ~np.logical_and.reduce([absent[name] for name in OF_A_RUN])
    reject(absent["run_key"] & says_something, "missing", "run_key", "run_key is missing: of which run is this?")
    return frame[~frame["row"].isin(list(errors))], errors


def error(rule: str, column: str | None, message: str) -> Row:
    """What is wrong with a line, as the report has it."""
    return {"rule": rule, "column": column, "message": message}


def _message(rule: str, name: str) -> str:
    if rule == "unknown_status":
        return f"{name} is none of {', '.join(PROGRAM_STATUSES if name == 'status' else COURSE_STATUSES)}."
    return MESSAGES[rule]
