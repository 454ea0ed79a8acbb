"""How the columns of a table share the width of a terminal: which stay whole, which fold, which are left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

GAP = 2
"""Blanks between columns."""
PROSE = 24
"""The least width of a column of prose."""
FOLDED = 16
"""The least width of another column that has to fold, if it is no key."""
LONGEST_WORD = 56
"""The longest value without blanks that stays whole, if it is no key."""
NUMBER = re.compile(r"-?[0-9]+([.][0-9]+)?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.+]+")


@dataclass(frozen=True)
class Column:
    """How wide a column of a table may be."""

    widest: int
    least: int
    """It is not folded below this width; equal to `widest` where it stays whole."""
    is_key: bool
    is_numeric: bool


@dataclass(frozen=True)
class Layout:
    """The columns that a table has room for, from the first."""

    columns: Sequence[Column]
    is_tight: bool
    """Whether headers have one word a line."""


def lay_out(
    names: Sequence[str], headers: Sequence[str], cells: Sequence[Sequence[str]], width: int, essential: int
) -> Layout | None:
    """Which columns a table of this width shows; None where it has no room for the first `essential` ones.

    Keys are never broken. Prose folds first, the last columns are left out next, and other values fold last.
    """
    values = list(zip(*cells, strict=True)) if cells else [()] * len(names)
    loose = [_column(*column) for column in zip(names, headers, values, strict=True)]
    if _room([column.widest for column in loose]) <= width:
        return Layout(loose, is_tight=False)
    longest_words = [max(header.split(), key=cell_len, default="") for header in headers]
    columns = [_column(*column) for column in zip(names, longest_words, values, strict=True)]
    while len(columns) > essential and _room([column.least for column in columns]) > width:
        columns.pop()
    if _room([column.least for column in columns]) > width:
        columns = [column if column.is_key else replace(column, least=min(column.least, FOLDED)) for column in columns]
    return Layout(columns, is_tight=True) if _room([column.least for column in columns]) <= width else None


def _column(name: str, header: str, values: Sequence[str]) -> Column:
    said = [value for value in values if value]
    widest = max((cell_len(line) for text in (header, *said) for line in text.splitlines()), default=0)
    is_key = name.endswith("key")
    is_numeric = all(NUMBER.fullmatch(value) for value in said)
    is_prose = any(re.search(r"\s", value) and not TIME.fullmatch(value) for value in said)
    is_whole = is_key or not (is_prose or widest > LONGEST_WORD)
    return Column(widest, widest if is_whole else min(widest, PROSE), is_key, is_numeric)


def _room(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
