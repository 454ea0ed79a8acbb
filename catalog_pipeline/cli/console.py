"""Prints text, and rows: as tables for people, as JSON and CSV for programs. `output.py` decides what is printed.

All that the command prints goes through here: text from outside is never taken for markup, and signs that would act on
the terminal are shown by their number.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog_pipeline.cli.layout import Layout, lay_out
from catalog_pipeline.database.rows import Row
from catalog_pipeline.spreadsheets import UNSEEN, write_csv

WIDTH_WITHOUT_TERMINAL = 160
LONGEST_CELL = 1_000
"""Characters of a value that a table of a verb shows; --json has all."""
WIDE = 100_000
INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}):[0-9]{2}([.][0-9]+)?(Z|[+]00:00)")
_errors = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


@cache
def _console() -> Console:
    """Standard output, as wide as the terminal or COLUMNS says when it is first asked for."""
    own_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = None if own_width else WIDTH_WITHOUT_TERMINAL
    return Console(highlight=False, markup=False, emoji=False, width=width, tab_size=4)


def widen() -> None:
    """Print tables as wide as they are from now on, whatever the terminal."""
    _console().width = WIDE


def say(text: str = "", style: str = "", *, mark: tuple[str, str] | None = None) -> None:
    """Print a line. `mark` is a word before it, with its style."""
    before = Text.assemble(mark, " ") if mark else Text()
    _console().print(Text.assemble(before, (visible(text), style)), soft_wrap=True)


def complain(text: str, style: str = "") -> None:
    """Print a line on stderr."""
    _errors.print(Text(visible(text), style))


def visible(text: str) -> str:
    """A text in which each sign that acts on a terminal, or turns its direction, is written as its number.

    Line ends and tabs stay.
    """
    return UNSEEN.sub(lambda found: _escaped(ord(found[0])), text)


def to_the_minute(value: Any) -> Any:
    """An ISO 8601 instant in UTC as tables show it; any other value as it is."""
    instant = INSTANT.fullmatch(value) if isinstance(value, str) else None
    return f"{instant[1]} {instant[2]}" if instant else value


def print_json(value: Any) -> None:
    """Print a value as JSON. Times are ISO 8601; other values that JSON does not have are text."""
    sys.stdout.write(_json(value, indent=2) + "\n")


def print_json_lines(rows: Sequence[Row]) -> None:
    """Print one JSON object a line."""
    for row in rows:
        sys.stdout.write(_json(row) + "\n")


def print_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print CSV that is safe to open in a spreadsheet: see `write_csv`."""
    write_csv(sys.stdout, columns, rows)


def standard_output() -> TextIO:
    """Where a file is written that may be too long to be held."""
    return sys.stdout


def print_file(content: bytes) -> None:
    """Print a file as it is."""
    sys.stdout.buffer.write(content)


def print_table(
    rows: Sequence[Row], title: str | None = None, columns: Sequence[str] | None = None, *, essential: int = 2
) -> None:
    """Print rows as a table, the columns in the order of what they matter.

    Where the terminal is too narrow, prose folds, then the last columns are left out and named below, but for the
    first `essential` ones.
    """
    names = list(columns or (rows[0] if rows else []))
    print_grid(names, [[_cut(row.get(name)) for name in names] for row in rows], title, essential=essential)


def _cut(value: Any) -> Any:
    too_long = isinstance(value, str) and len(value) > LONGEST_CELL
    return f"{value[:LONGEST_CELL]}…" if too_long else value


def print_grid(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None, *, essential: int | None = None
) -> None:
    """Print rows by position as a table, which is expanded where the terminal is too narrow for it.

    `essential` is the number of columns that are never left out; all, if it is not given.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    headers = [visible(name.replace("_", " ")) for name in columns]
    layout = lay_out(columns, headers, cells, _console().width, len(columns) if essential is None else essential)
    if title:
        say(title, "bold italic")
    if layout is None:
        print_expanded(columns, rows)
        return
    _console().print(_table(layout, headers, cells))
    left_out = ", ".join(headers[len(layout.columns) :])
    if left_out:
        say(f"Not shown, for the terminal is too narrow: {left_out}. --wide shows all.", "dim")


def print_expanded(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print each row as a list of its values, a column a line."""
    for number, row in enumerate(rows):
        if number:
            say()
        _print_pairs([(name, _cell(value)) for name, value in zip(columns, row, strict=True)])


def print_fields(row: Row, title: str | None = None) -> None:
    """Print one row, a field a line, without the fields that are null."""
    if title:
        say(title, "bold italic")
    _print_pairs([(name, _cell(value)) for name, value in row.items() if value is not None])


def _print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(visible(name.replace("_", " ")), value)
    _console().print(table)


def _table(layout: Layout, headers: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header, column in zip(headers, layout.columns, strict=False):
        table.add_column(
            "\n".join(header.split()) if layout.is_tight else header,
            justify="right" if column.is_numeric else "left",
            overflow="fold",
            no_wrap=column.least == column.widest,
        )
    for row in cells:
        table.add_row(*row[: len(layout.columns)])
    return table


def _cell(value: Any) -> str:
    """A value as text for people; all that is no text looks as in JSON."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return _cell(", ".join(_cell(one) for one in value))
    if isinstance(value, bool | dict | list):
        value = json.dumps(value, default=_plain, ensure_ascii=False)
    return visible(str(value))


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=indent)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _escaped(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
