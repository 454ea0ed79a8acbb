"""Reads files of records: JSON lines, or CSV for assignments. A record is known by its line."""

import codecs
import csv
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog_pipeline.enterprise.fields import ALLOCATION_EVIDENCE, FIELDS, NESTED, SHOWN_ONLY
from catalog_pipeline.errors import UsageError
from catalog_pipeline.sources.documents import decode

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
FLAGS = {"true": True, "false": False}


@dataclass
class RecordFile:
    """The records of a file by their lines, and why the other lines are none."""

    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    misfits: dict[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    """What a person may have meant otherwise, though it is no error."""


def read_json_lines(path: Path) -> RecordFile:
    """Read a file with a JSON object on each line; empty lines are passed over. Raises UsageError."""
    found = RecordFile()
    for number, line in enumerate(_content(path).split(b"\n"), 1):
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


def read_csv(path: Path) -> RecordFile:
    """Read assignments from CSV with the names of their fields in its first line. Raises UsageError.

    An empty cell is no value, as if the column were not there. Lists and objects are JSON.
    """
    found = RecordFile()
    try:
        text = _content(path).decode("utf-8")
        lines = _numbered(text)
        _, header = next(lines, (1, []))
        names = [name.strip() for name in header]
        if len(set(names)) < len(names):
            raise UsageError(
                f"{path} names a column twice: {', '.join(sorted({n for n in names if names.count(n) > 1}))}."
            )
        found.warnings += _doubts(path, names)
        for number, cells in lines:
            if len(cells) > len(names):
                found.misfits[number] = (
                    f"The row has {len(cells)} cells, and the first line names {len(names)} columns."
                )
            elif any(cells):
                found.documents[number] = _document(dict(zip(names, cells, strict=False)))
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


FORMS = {field.name: field.form for field in FIELDS["assignment"]}
REQUIRED = [field.name for field in FIELDS["assignment"] if field.required]
COLUMNS = {*FORMS, *(field.paths[0][0] for field in ALLOCATION_EVIDENCE), *NESTED, *SHOWN_ONLY}


def _doubts(path: Path, names: list[str]) -> list[str]:
    """What a header makes one doubt: columns that it lacks, and such as mean nothing."""
    lacking = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    return [
        *([f"{path} has no column {', '.join(lacking)}: commas must stand between columns."] if lacking else []),
        *([f"No field of an assignment is called {', '.join(map(repr, unknown))}: not read."] if unknown else []),
    ]


def _document(cells: dict[str, str]) -> dict[str, Any]:
    """The record that a row of CSV is: what its cells mean as JSON. What means nothing is left to be judged."""
    return {name: _value(name, cell) for name, cell in cells.items() if cell}


def _value(name: str, cell: str) -> Any:
    form = FORMS.get(name)
    if form == "number" and WHOLE_NUMBER.fullmatch(cell):
        return int(cell)
    if form == "flag":
        return FLAGS.get(cell.lower(), cell)
    if name in NESTED:
        try:
            return decode(cell.encode())
        except ValueError:
            return cell
    return cell
