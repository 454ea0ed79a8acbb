# pyarrow makes its compute functions when it is imported, where pyright does not see them.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
"""Turns columns of JSON values into typed columns, and says which cells did not parse.

Parsing never guesses: a cell has its type, or is empty, or is rejected. The schema then checks whether the parsed
value is allowed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa_schema
import pyarrow as pa
import pyarrow.compute as pc

from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.schemas.cells import INSTANT_PATTERN, MONEY_PATTERN, is_text

INSTANT = pd.DatetimeTZDtype("us", "UTC")
MONEY = pd.ArrowDtype(pa.decimal128(12, 2))
FLAG = pd.ArrowDtype(pa.bool_())
NUMBER = pd.ArrowDtype(pa.int64())

ACCEPTED = {
    "not_text": "text without NUL characters and without halves of surrogate pairs",
    "not_an_instant": "an instant with its zone, such as 2026-03-02T00:00:00Z",
    "not_an_amount": "an amount of at most ten digits and two decimals, such as 150.00",
    "not_a_flag": "true or false",
    "not_a_number": "a whole number of at most 64 bits",
}


@dataclass(frozen=True)
class Column:
    """A typed column, the mask of the cells that did not parse (null there), and the rule they broke."""

    values: pd.Series
    bad: np.ndarray
    rule: str


def parse_text(cells: Sequence[Any]) -> Column:
    """JSON strings; empty text counts as no value."""
    try:
        values = pa.array(cells, pa.large_string())
        bad = pc.fill_null(pc.match_substring(values, "\0"), False)
        if pc.any(bad).as_py():
            values = pc.if_else(bad, pa.scalar(None, pa.large_string()), values)
        mask = np.asarray(bad)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        mask = np.array([cell is not None and not is_text(cell) for cell in cells], dtype=bool)
        values = pa.array([None if b else c for c, b in zip(cells, mask, strict=True)], pa.large_string())
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.large_string()), values)
    return Column(_text_series(values), mask, "not_text")


def parse_instant(cells: Sequence[Any]) -> Column:
    """ISO 8601 instants with a zone; fractions are cut to microseconds."""
    text = parse_text(cells)
    matched = text.values.str.fullmatch(INSTANT_PATTERN, na=True).to_numpy(dtype=bool)
    candidates = text.values.where(matched).str.replace(r"(\.\d{6})\d+", r"\1", regex=True)
    values = pd.to_datetime(candidates, format="ISO8601", utc=True, errors="coerce").astype(INSTANT)
    values = values.where(values.dt.year.between(1, 9999))  # pandas goes on to either side, Python does not
    empty = text.values.isna().to_numpy()
    return Column(values, text.bad | (values.isna().to_numpy() & ~empty), "not_an_instant")


def parse_money(cells: Sequence[Any]) -> Column:
    """Decimal strings, as upstreams write amounts, and JSON numbers."""
    text = parse_text([str(c) if isinstance(c, int | float) and not isinstance(c, bool) else c for c in cells])
    matched = text.values.str.fullmatch(MONEY_PATTERN, na=True).to_numpy(dtype=bool)
    amounts = pa.array(text.values.where(matched), pa.large_string()).cast(pa.decimal128(12, 2))
    return Column(pd.Series(amounts, dtype=MONEY), text.bad | ~matched, "not_an_amount")


def parse_flag(cells: Sequence[Any]) -> Column:
    """JSON booleans."""
    bad = [c is not None and type(c) is not bool for c in cells]
    return _typed(cells, bad, pa.bool_(), FLAG, "not_a_flag")


def parse_number(cells: Sequence[Any]) -> Column:
    """JSON whole numbers."""
    bad = [c is not None and (type(c) is not int or not -(2**63) <= c < 2**63) for c in cells]
    return _typed(cells, bad, pa.int64(), NUMBER, "not_a_number")


PARSERS: dict[Any, Callable[[Sequence[Any]], Column]] = {
    TEXT: parse_text,
    INSTANT: parse_instant,
    MONEY: parse_money,
    FLAG: parse_flag,
    NUMBER: parse_number,
}


def failures(index: np.ndarray, column: str, rule: str, values: Sequence[Any], message: str) -> pd.DataFrame:
    """Reject reasons in the shape that all checks share: row, column, rule, value, message."""
    return pd.DataFrame(
        {
            "row": index,
            "column": column,
            "rule": rule,
            "value": [shown(v) for v in values],
            "message": message,
        }
    )


def parse(columns: dict[str, list[Any]], schema: pa_schema.DataFrameSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parse columns by the types of `schema`: (typed frame, failures: row, column, rule, value, message)."""
    parsed, bad = {}, []
    for name, spec in schema.columns.items():
        cells = columns[name]
        column = PARSERS[spec.dtype.type](cells)
        parsed[name] = column.values
        if column.bad.any():
            rows = np.flatnonzero(column.bad)
            message = f"{name} is not {ACCEPTED[column.rule]}."
            bad.append(failures(rows, name, column.rule, [cells[row] for row in rows], message))
    frame = pd.DataFrame(parsed)
    return frame, pd.concat(bad, ignore_index=True) if bad else no_failures()


def validate(frame: pd.DataFrame, schema: pa_schema.DataFrameSchema) -> pd.DataFrame:
    """Check a typed frame with a RangeIndex: one failure for each row, column and broken rule.

    A check says its rule and what it wants, `rule(what)`; one over several columns is named `column: rule`, after
    the column that it blames.
    """
    try:
        schema.validate(frame, lazy=True)
    except pa_schema.errors.SchemaErrors as error:
        return _from_cases(error.failure_cases, frame)
    return no_failures()


def no_failures() -> pd.DataFrame:
    """An empty frame of failures."""
    return pd.DataFrame(columns=["row", "column", "rule", "value", "message"])


def shown(value: Any) -> str | None:
    """A value as a reject shows it: short, and without what a database or a terminal cannot take."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    return str(value)[:200].encode("utf-8", "backslashreplace").decode().translate(CONTROLS)


def _from_cases(cases: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    if cases["index"].isna().any():
        # A failure of no row is a mistake in the schema or in the code before it, never the upstream's.
        raise TypeError(f"the frame does not fit its schema:\n{cases[cases['index'].isna()].to_string()}")
    check = cases["check"].astype(str)
    over_columns = check.str.extract(r"^(?P<column>\w+): (?P<rule>\w+)$")
    name = check.str.extract(r"^(?P<rule>\w+)")["rule"].replace(RULE_NAMES)
    column = over_columns["column"].fillna(cases["column"].astype(str))
    rule = over_columns["rule"].fillna(name)
    row = cases["index"].astype("int64")
    failures = pd.DataFrame({"row": row, "column": column, "rule": rule, "check": check}).drop_duplicates()
    return pd.DataFrame(
        {
            **failures[["row", "column", "rule"]],
            "value": [
                shown(frame.at[row, column]) for row, column in zip(failures["row"], failures["column"], strict=True)
            ],
            "message": [_message(*parts) for parts in failures[["column", "rule", "check"]].itertuples(index=False)],
        }
    ).reset_index(drop=True)


CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
"""Control characters, escaped: a NUL breaks the database, an escape sequence rules the terminal."""

RULE_NAMES = {
    "not_nullable": "missing",
    "greater_than_or_equal_to": "too_small",
}


def _message(column: str, rule: str, check: str) -> str:
    detail = re.sub(r"^\w+\((.*)\)$", r"\1", check, flags=re.DOTALL)
    return {
        "missing": f"{column} is missing.",
        "unknown_value": f"{column} is none of {detail}.",
        "wrong_length": f"{column} must have {detail} characters.",
        "wrong_form": f"{column} must be {detail}.",
        "too_small": f"{column} must be at least {detail}.",
        "end_before_start": "end lies before start.",
    }.get(rule, f"{rule.replace('_', ' ')}.")


def _text_series(values: Any) -> pd.Series:
    return pd.Series(pd.array(values, dtype=TEXT))


def _typed(cells: Sequence[Any], bad: list[bool], arrow: pa.DataType, dtype: Any, rule: str) -> Column:
    values = pa.array([None if b else cell for cell, b in zip(cells, bad, strict=True)], arrow)
    return Column(pd.Series(values, dtype=dtype), np.array(bad, dtype=bool), rule)
