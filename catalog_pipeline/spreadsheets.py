"""Writes CSV that people open in spreadsheets, where no text may run as a formula."""

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TextIO

FORMULA_SIGNS = frozenset("=+-@")
NUMBER = re.compile(r"-[0-9]+([.][0-9]+)?")
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Signs that show nothing themselves, but act on a terminal or turn the direction of text; halves of signs."""


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows by position.

    A text that a spreadsheet would run as a formula gets a quote in front. UNSEEN signs are left out. Objects and lists
    are JSON, booleans `t` and `f`.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dict | list):
        value = json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    value = UNSEEN.sub("", value)
    return f"'{value}" if _may_be_formula(value) and not NUMBER.fullmatch(value) else value


def _may_be_formula(value: str) -> bool:
    """Whether a spreadsheet may run the text. Some skip blanks before a formula, and read full-width signs."""
    begins_with_blank = value[:1] in ("\t", "\r", "\n")
    return begins_with_blank or unicodedata.normalize("NFKC", value.lstrip()[:1]) in FORMULA_SIGNS


def protected(text: str) -> str:
    """A text as a cell of CSV in which no spreadsheet runs it; `as_typed` gives it back."""
    return f"'{text}" if _runs(text) or as_typed(text) != text else text


def as_typed(cell: str) -> str:
    """A cell without the quote that keeps a spreadsheet from running it."""
    rest = cell[1:]
    return rest if cell[:1] == "'" and (rest[:1] == "'" or _runs(rest)) else cell


def _runs(text: str) -> bool:
    return _may_be_formula(UNSEEN.sub("", text))
