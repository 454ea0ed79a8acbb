"""Reads a partner's feed, CSV or product JSON, into one frame of text. Only the form of the file is judged here.

pyarrow reads what is well formed, in parallel; where a row is ragged it reads again, in order, and tells which.
"""

# pyright: reportAttributeAccessIssue=false

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.columns import (
    COLUMNS,
    RAW_ERROR_COLUMNS,
    REASONS_COLUMN,
    REWRITTEN,
    WARNING_COLUMNS,
    RawFeed,
    messages,
)
from catalog_pipeline.partner.files import MEGABYTE, read_file, to_utf8, unpack
from catalog_pipeline.partner.products import flatten_products
from catalog_pipeline.rules.run_values import CLEARS
from catalog_pipeline.schemas.parsing import NUMBER, TEXT, shown
from catalog_pipeline.settings import Settings

DELIMITERS = ",;\t"
HEADER_BYTES = 1 << 20
LARGE_TEXT = pa.large_string()
SPREADSHEETS_HINT = re.compile(rb"(?i)sep=.\r?\n")
"""A first line that tells Excel the delimiter. Excel neither shows nor counts it."""
OUR_QUOTE = rf"^'([=+\-@]|(?:{REWRITTEN})$)"
"""The quote that our own CSV puts in front of a formula, and of a text that a spreadsheet would rewrite."""
END = "\x1eend\x1e"
"""Put after the text: a quote that is never closed swallows it, which shows that the quote is open."""

csv.field_size_limit(2**31 - 1)  # its own limit of 128 KB would make a ragged row with a long cell unreadable


@dataclass(frozen=True)
class Limits:
    """How large a feed may be: bytes once unpacked, and characters of a cell."""

    size: int
    cell: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the settings name."""
        return cls(settings.feed_size_limit * MEGABYTE, settings.feed_cell_limit)


class Sheet(NamedTuple):
    """Rows of text by column as they stand in the feed, their numbers, and what is wrong with some of them."""

    numbers: np.ndarray
    names: list[str]
    columns: list[pa.ChunkedArray]
    errors: list[tuple[Any, ...]]
    """By RAW_ERROR_COLUMNS."""
    warnings: list[tuple[Any, ...]]
    """By WARNING_COLUMNS."""
    without_rows: Sequence[str] = ()
    """The product numbers of products without a variant."""


def read_feed(path: Path, limits: Limits, received_at: datetime | None = None) -> RawFeed:
    """Read the feed in a file; received now, unless told otherwise. Raises FeedRefusedError."""
    return parse_feed(read_file(path, limits.size), path.name, limits, received_at or datetime.now(UTC))


def parse_feed(data: bytes, name: str, limits: Limits, received_at: datetime) -> RawFeed:
    """Parse a feed's bytes: CSV or product JSON, plain or in a .gz or .zip; the content tells which.

    Raises FeedRefusedError for what is no feed: not text, no header, no rows, two columns of one name, an open quote.
    """
    text = to_utf8(unpack(data, name, limits.size), name)
    is_json = text.lstrip()[:1] in (b"{", b"[")
    sheet = _read_products(text, name) if is_json else _read_csv(text, name)
    escapes = not is_json and re.search(rb"'[=+\-@0-9]", text) is not None
    sheet = _clean(sheet, limits.cell, nuls=is_json or b"\0" in text, escapes=escapes)
    if not len(sheet.numbers):
        raise FeedRefusedError(f"{name} has no rows. An empty feed is not applied: feed one with rows.")
    known = {name: cells for name, cells in zip(sheet.names, sheet.columns, strict=True) if name in COLUMNS}
    frame = pa.table(known).to_pandas(types_mapper={LARGE_TEXT: TEXT}.get)
    frame.insert(0, "row", pd.Series(sheet.numbers, dtype=NUMBER))
    return RawFeed(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        received_at=received_at,
        format="json" if is_json else "csv",
        frame=frame,
        columns=tuple(known),
        unknown=_unknown(sheet),
        corrects=REASONS_COLUMN in sheet.names,
        errors=messages(sheet.errors, RAW_ERROR_COLUMNS),
        warnings=messages(sheet.warnings, WARNING_COLUMNS),
        without_rows=tuple(sheet.without_rows),
    )


def normalised(name: str) -> str:
    """The form in which a header's name is compared: trimmed, in small letters, with underscores for spaces."""
    return name.strip().lower().replace(" ", "_")


def _read_csv(text: bytes, name: str) -> Sheet:
    if hint := SPREADSHEETS_HINT.match(text):
        text = text[hint.end() :]
    header, delimiter = _header(text, name)
    names = [normalised(cell) for cell in header]
    twice = [column for column, n in Counter(names).items() if n > 1 and column]
    if twice:
        raise FeedRefusedError(f"{name} has more than one column {shown(twice[0])!r}. Keep one and feed it again.")
    records, numbers, ragged = _records(text, len(names), delimiter)
    if _last_record(records, numbers, ragged) != END:
        opened = max([*numbers[-1:], *ragged])
        raise FeedRefusedError(
            f"{name} has a quote in row {opened} that is never closed, so the rows after it cannot be told apart."
            " Close it and feed the file again."
        )
    whole = Sheet(numbers[1:-1], names, records.slice(1, len(records) - 2).columns, [], [])
    return _with_ragged(whole, {row: cells for row, cells in ragged.items() if any(map(str.strip, cells))})


def _header(text: bytes, name: str) -> tuple[list[str], str]:
    """The cells of the header, and the delimiter with which it names the most columns."""
    start = text[:HEADER_BYTES].decode("utf-8", "ignore")
    found = [(_first_record(start, delimiter), delimiter) for delimiter in DELIMITERS]
    header, delimiter = max(found, key=lambda one: sum(normalised(cell) in COLUMNS for cell in one[0]))
    if not any(normalised(cell) in COLUMNS for cell in header):
        raise FeedRefusedError(
            f"{name} has no header: its first line names no column of a feed."
            " Feed a CSV whose first line names the columns, as `catalog-pipeline partner template` prints them."
        )
    return header, delimiter


def _first_record(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _records(text: bytes, width: int, delimiter: str) -> tuple[pa.Table, np.ndarray, dict[int, list[str]]]:
    """All records, header and END included: those of the header's width, their numbers from 1, the others by number."""
    newline = b"" if text.endswith((b"\n", b"\r")) else b"\n"
    closed = b"".join((text, newline, END.encode(), delimiter.encode() * (width - 1), b"\n"))
    ragged: dict[int, list[str]] = {}

    def keep(record: Any) -> str:
        ragged[record.number] = _first_record(record.text, delimiter)
        return "skip"

    try:
        records = _parse(closed, width, delimiter)
    except pa.ArrowInvalid:  # a ragged row, or a record larger than a block
        records = _parse(closed, width, delimiter, use_threads=False, block_size=len(closed) + 1, on_ragged=keep)
    numbers = np.setdiff1d(np.arange(1, len(records) + len(ragged) + 1), list(ragged), assume_unique=True)
    return records, numbers, ragged


def _parse(text: bytes, width: int, delimiter: str, on_ragged: Any = None, **reading: Any) -> pa.Table:
    names = [str(position) for position in range(width)]
    return pyarrow.csv.read_csv(
        pa.BufferReader(text),
        pyarrow.csv.ReadOptions(column_names=names, **reading),
        pyarrow.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=on_ragged
        ),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, LARGE_TEXT)),
    )


def _last_record(records: pa.Table, numbers: np.ndarray, ragged: dict[int, list[str]]) -> str | None:
    """The first cell of the last record, unless that is a ragged one."""
    return None if ragged and max([*numbers[-1:], *ragged]) in ragged else records.column(0)[-1].as_py()


def _with_ragged(sheet: Sheet, ragged: dict[int, list[str]]) -> Sheet:
    """The sheet with its ragged rows added, each with the cells that it has."""
    if not ragged:
        return sheet
    width = len(sheet.names)
    numbers = np.concatenate([sheet.numbers, list(ragged)])
    order = np.argsort(numbers)
    added = zip(*((cells + [""] * width)[:width] for cells in ragged.values()), strict=True)
    columns = [
        pa.chunked_array([*cells.chunks, pa.array(more, LARGE_TEXT)]).take(order)
        for cells, more in zip(sheet.columns, added, strict=True)
    ]
    errors = [
        (row, "RAGGED_ROW", None, shown(",".join(cells)), _ragged_message(len(cells), width))
        for row, cells in ragged.items()
    ]
    return Sheet(numbers[order], sheet.names, columns, errors, sheet.warnings)


def _ragged_message(cells: int, width: int) -> str:
    return f"The row has {cells} cells and the header {width}; look for a comma or a quote too many or too few."


def _read_products(text: bytes, name: str) -> Sheet:
    rows, errors, warnings, without_rows = flatten_products(text, name)
    columns = [pa.chunked_array([[row.get(column) for row in rows]], LARGE_TEXT) for column in COLUMNS]
    return Sheet(np.arange(2, len(rows) + 2), list(COLUMNS), columns, errors, warnings, without_rows)


def _clean(sheet: Sheet, cell_limit: int, *, nuls: bool, escapes: bool) -> Sheet:
    """The sheet with trimmed cells, null where blank, and without blank rows; cells that cannot be kept are errors.

    `nuls` and `escapes` say whether there may be a NUL, or OUR_QUOTE:
    looking for them in every column would take as long as reading.
    """
    numbers, columns, errors = sheet.numbers, sheet.columns, list(sheet.errors)
    told = {error[0] for error in errors}
    for place, column in enumerate(sheet.names):
        values = pc.utf8_trim_whitespace(columns[place])
        if escapes:
            values = pc.replace_substring_regex(values, OUR_QUOTE, r"\1")
        blanks = [""] if column == "restriction_type" else ["", CLEARS]
        values = pc.if_else(pc.is_in(values, pa.array(blanks, LARGE_TEXT)), None, values)
        columns[place], unkept = _kept(values, cell_limit, nuls=nuls)  # in its place, so that the old one can go
        rows = ((int(numbers[at]), value, why) for at, value, why in unkept)
        errors += [(row, "INVALID_TEXT", column, value, why) for row, value, why in rows if row not in told]
    errors.sort(key=lambda error: error[0])
    filled = _filled(columns) | np.isin(numbers, [error[0] for error in errors])
    if not filled.all():
        numbers, columns = numbers[filled], [cells.filter(pa.array(filled)) for cells in columns]
    return sheet._replace(numbers=numbers, columns=columns, errors=errors)


def _kept(
    values: pa.ChunkedArray, cell_limit: int, *, nuls: bool
) -> tuple[pa.ChunkedArray, list[tuple[int, str | None, str]]]:
    """The column without the cells that no text column takes, and these: position, value, message."""
    if not nuls and (pc.max(pc.binary_length(values)).as_py() or 0) <= cell_limit:
        return values, []
    long = pc.fill_null(pc.greater(pc.utf8_length(values), cell_limit), False)
    nul = pc.fill_null(pc.match_substring(values, "\0"), False)
    unkept = []
    for mask, why in (
        (long, f"The cell is longer than {cell_limit:,} characters."),
        (pc.and_not(nul, long), "The cell has a NUL character; only text is kept."),
    ):
        positions = np.flatnonzero(np.asarray(mask))
        unkept += [(at, shown(values[at].as_py()), why) for at in positions.tolist()]
    return pc.if_else(pc.or_(long, nul), None, values), unkept


def _filled(columns: list[pa.ChunkedArray]) -> np.ndarray:
    """Which rows have any value."""
    filled = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        filled |= np.asarray(pc.is_valid(column))
        if filled.all():
            break
    return filled


def _unknown(sheet: Sheet) -> tuple[str, ...]:
    """The columns that no feed has. A column without a name counts only if it has a value."""
    return tuple(
        shown(column) or "(without a name)"
        for column, cells in zip(sheet.names, sheet.columns, strict=True)
        if column not in COLUMNS and column != REASONS_COLUMN and (column or cells.null_count < len(cells))
    )
