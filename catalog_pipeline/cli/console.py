"""Prints rows: as tables for people, as JSON and CSV for programs. `output.py` decides what is printed."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from catalog_pipeline.database.rows import Row
from catalog_pipeline.spreadsheets import write_csv

WIDTH_WITHOUT_TERMINAL = 160
console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON. Times are ISO 8601; other values that JSON does not have are text."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def print_json_lines(rows: Sequence[Row]) -> None:
    """Print one JSON object a line."""
    for row in rows:
        sys.stdout.write(json.dumps(row, default=_plain, ensure_ascii=False) + "\n")


def print_csv(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Print CSV that is safe to open in a spreadsheet."""
    write_csv(sys.stdout, rows, columns)


def print_table(rows: Sequence[Row], title: str | None = None, columns: Sequence[str] | None = None) -> None:
    """Print rows as a table. Numbers are on the right; a null is an empty cell."""
    names = list(columns or (rows[0] if rows else []))
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(
            name.replace("_", " "), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    console.print(table)


def print_fields(row: Row, title: str | None = None) -> None:
    """Print one row, a field a line, without the fields that are null."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in row.items():
        if value is not None:
            table.add_row(name.replace("_", " "), _cell(value))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list):
        return _cell(", ".join(map(str, value)))
    return str(value).replace("[", "\\[")


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
