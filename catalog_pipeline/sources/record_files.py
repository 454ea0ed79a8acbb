"""Reads files of records that people write: JSON lines, or CSV. A record is known by its line."""

import codecs
import csv
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog_pipeline.errors import UsageError
from catalog_pipeline.sources.documents import decode
from catalog_pipeline.spreadsheets import as_typed

Meaning = Callable[[str, str], Any]
"""What a cell means, by the name of its column and its text."""
Doubts = Callable[[Path, list[str]], list[str]]
"""What is odd about the columns that a file has."""


@dataclass
class RecordFile:
    """The records of a file by their lines, and why the other lines are none."""

    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    misfits: dict[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    """What a person may have meant otherwise, though it is no error."""


def read_records(path: Path, columns: tuple[str, ...]) -> RecordFile:
    """Read a file of CSV, if its name ends with .csv or its first line names `columns`, else of JSON lines.

    Raises UsageError, also where the first line of CSV lacks one of `columns`.
    """
    content = _content(path)
    named = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    lacking = [column for column in columns if column not in {name.strip().strip('"') for name in named.split(",")}]
    if path.suffix.lower() != ".csv" and lacking:
        return _json_lines(content)
    if lacking:
        raise UsageError(f"The first line of {path} must name the columns; it lacks {' and '.join(lacking)}.")
    return _csv(path, content, _as_text, _no_doubts)


def read_json_lines(path: Path) -> RecordFile:
    """Read a file with a JSON object on each line; empty lines are passed over. Raises UsageError."""
    return _json_lines(_content(path))


def _json_lines(content: bytes) -> RecordFile:
    found = RecordFile()
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            document = _json(line)
        except ValueError:
            found.misfits[number] = "The line is not JSON."
            continue
        if isinstance(document, dict):
            found.documents[number] = document
        else:
            found.misfits[number] = "The line is JSON, but not an object."
    return found


def _json(line: bytes) -> Any:
    """Parse a line. Raises ValueError."""
    if b"\0" in line:
        raise ValueError("a NUL")  # json would guess at another encoding than UTF-8
    return decode(line)


def read_csv(path: Path, value_of: Meaning, doubts: Doubts) -> RecordFile:
    """Read CSV with the names of the fields in its first line. Raises UsageError.

    An empty cell is no value, as if the column were not there; `value_of` says what another one means, and `doubts`
    what is odd about the columns.
    """
    return _csv(path, _content(path), value_of, doubts)


def _as_text(_name: str, cell: str) -> Any:
    return as_typed(cell)


def _no_doubts(_path: Path, _columns: list[str]) -> list[str]:
    return []


def _csv(path: Path, content: bytes, value_of: Meaning, doubts: Doubts) -> RecordFile:
    found = RecordFile()
    try:
        text = content.decode("utf-8")
        lines = _numbered(text)
        _, header = next(lines, (1, []))
        names = [name.strip() for name in header]
        if len(set(names)) < len(names):
            raise UsageError(
                f"{path} names a column twice: {', '.join(sorted({n for n in names if names.count(n) > 1}))}."
            )
        found.warnings += doubts(path, names)
        for number, cells in lines:
            if len(cells) > len(names):
                found.misfits[number] = (
                    f"The row has {len(cells)} cells, and the first line names {len(names)} columns."
                )
            elif any(cells):
                found.documents[number] = {
                    name: value_of(name, cell) for name, cell in zip(names, cells, strict=False) if cell
                }
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}. A CSV file in UTF-8 is needed.") from None
    return found


def _content(path: Path) -> bytes:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as Windows writes what it calls Unicode
        try:
            return content.decode("utf-16").encode()
        except ValueError as error:
            raise UsageError(f"{path} cannot be read: {error}. UTF-8 is needed.") from None
    return content.removeprefix(codecs.BOM_UTF8)


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, each with the line on which it begins."""
    usual = csv.field_size_limit(len(text) + 1)  # for everything in this process, so it is put back
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        before = 0
        for cells in reader:
            yield before + 1, [cell.strip() for cell in cells]
            before = reader.line_num
    finally:
        csv.field_size_limit(usual)
