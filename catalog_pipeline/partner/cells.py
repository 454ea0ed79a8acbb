"""The cells of a partner feed, column by column: the distinct values of a column, and which of them each row has.

Each distinct value is judged once, however many rows have it. `values.py` says what is valid in each kind of column.
"""

# pyarrow makes its compute functions at import, where pyright does not see them; pandas' annotations are guesses.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false, reportCallIssue=false

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from catalog_pipeline.partner.columns import FEED_COLUMNS, FeedColumn, RawFeed, Reference
from catalog_pipeline.partner.configuration import PartnerRules
from catalog_pipeline.partner.values import LARGE_TEXT, Judge, Judged, judges
from catalog_pipeline.rules.course_keys import fold, parse_keys
from catalog_pipeline.schemas.parsing import TEXT, shown

ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Cells:
    """One column of a feed, by its distinct values.

    `places` gives for each row the position of its value among the distinct values, -1 where the cell is blank; `fed`
    has the distinct values as they came, `judged` as they were judged.
    """

    places: np.ndarray
    fed: pa.Array
    judged: Judged

    def with_any(self, values: Mapping[int, str]) -> tuple[np.ndarray, list[str | None], list[str]]:
        """The positions of the rows that have one of these distinct values, the values as fed, and the messages."""
        positions = np.flatnonzero(np.isin(self.places, list(values)))
        places = self.places[positions].tolist()
        fed = {place: shown(self.fed[place].as_py()) for place in values}
        return positions, [fed[place] for place in places], [values[place] for place in places]

    def taken(self, values: pa.Array, positions: np.ndarray | None = None) -> pa.Array:
        """For each row, the entry of `values` for its distinct value; null where the cell is blank."""
        places = self.places if positions is None else self.places[positions]
        return values.take(pa.array(places, mask=places < 0))

    @cached_property
    def codes(self) -> np.ndarray:
        """A number for each row, equal where the judged values are equal; -1 where there is no value."""
        encoded = pc.fill_null(pc.dictionary_encode(self.judged.values).indices, -1)
        return np.append(np.asarray(encoded), -1)[self.places]


def judged_cells(
    raw: RawFeed, product_type: str, source: str, rules: PartnerRules, reference: Reference
) -> dict[str, Cells]:
    """The judged cells of every column of the feed, by the column's name; ignored columns are left out."""
    codes = rules.organization_codes.get(source, {})
    judge = judges(rules, product_type, reference) | {
        "organization": lambda values: _organizations(values, codes, reference.organizations),
        "number": _course_numbers,
    }
    return {
        column.name: _encoded(raw.frame, column, judge.get(column.kind, Judged))
        for column in FEED_COLUMNS
        if column.kind != "ignored"
    }


def json_objects(cells: Mapping[str, Cells], positions: np.ndarray) -> pd.Series:
    """One JSON object, as text, for each row at these positions: its judged values by column, without blank cells."""
    pieces = [(one, _json_piece(name, one.judged.values)) for name, one in cells.items() if len(one.fed)]
    # Some rows at a time: the pieces of all rows would take as much memory as the feed.
    parts = [positions[at : at + ROWS_AT_ONCE] for at in range(0, len(positions), ROWS_AT_ONCE)]
    return text_series(pa.chunked_array([_json_objects(pieces, part) for part in parts], LARGE_TEXT))


def text_series(values: pa.Array) -> pd.Series:
    """Arrow text as a series."""
    return pd.Series(pd.array(values, dtype=TEXT))


def joined(*texts: pa.Array | str) -> pa.Array:
    """The texts joined, value by value; null where any of them is null."""
    parts = (pa.scalar(text, LARGE_TEXT) if isinstance(text, str) else text for text in texts)
    return pc.binary_join_element_wise(*parts, pa.scalar("", LARGE_TEXT))


def _encoded(frame: pd.DataFrame, column: FeedColumn, judge: Judge) -> Cells:
    """The judged cells of one column; all cells are blank if the feed does not have the column."""
    if column.name not in frame:
        return Cells(np.full(len(frame), -1), pa.array([], LARGE_TEXT), Judged(pa.array([], LARGE_TEXT)))
    encoded = pc.dictionary_encode(_arrow(frame[column.name]))
    fed = encoded.dictionary
    judged = judge(fed)
    long = np.flatnonzero(np.asarray(pc.utf8_length(fed)) > (column.longest or np.inf))
    if len(long):
        said = dict.fromkeys(long.tolist(), f"The value is longer than {column.longest} characters.")
        judged = Judged(judged.values, {**judged.problems, **said}, judged.doubts)
    return Cells(np.asarray(pc.fill_null(encoded.indices, -1)), fed, judged)


def _organizations(values: pa.Array, codes: Mapping[str, str], known: pd.Series | None) -> Judged:
    """Organizations as the catalog spells them; without a catalog, as they are spelled first in the feed."""
    keys = pd.Series([codes.get(value, value) for value in values.to_pylist()], dtype=TEXT)
    spellings = keys[_is_key_part(keys)] if known is None else known.dropna().astype(TEXT)
    spelled = pd.Series(spellings.to_numpy(), fold(spellings).to_numpy(), dtype=TEXT)
    found = fold(keys).map(spelled[~spelled.index.duplicated()])
    problems = {
        int(at): f"The catalog has no organization {keys[at]!r}. Correct it, or have it made first."
        for at in np.flatnonzero(found.isna())
    }
    return Judged(_arrow(found.astype(TEXT)), problems)


def _course_numbers(values: pa.Array) -> Judged:
    numbers = pd.Series(values.to_pylist(), dtype=TEXT)
    bad = np.flatnonzero(~_is_key_part(numbers))
    said = "A number has letters, digits and - _ . ~ : only, such as CS101."
    return Judged(_arrow(numbers.where(_is_key_part(numbers))), dict.fromkeys(bad.tolist(), said))


def _is_key_part(texts: pd.Series) -> pd.Series:
    return parse_keys(texts + "+x")["kind"] == "course"


def _json_objects(pieces: list[tuple[Cells, pa.Array]], positions: np.ndarray) -> pa.Array:
    blank = pa.nulls(len(positions), LARGE_TEXT)
    taken = [cells.taken(values, positions) for cells, values in pieces]
    body = pc.binary_join_element_wise(blank, *taken, pa.scalar(",", LARGE_TEXT), null_handling="skip")
    return joined("{", body, "}")


def _json_piece(name: str, values: pa.Array) -> pa.Array:
    """`"name":"value"` of each value, as JSON escapes it."""
    for plain, escaped in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}.items():
        values = pc.replace_substring(values, plain, escaped)
    if pc.any(pc.match_substring_regex(values, r"[\x01-\x1f]")).as_py():
        for code in range(1, 32):
            values = pc.replace_substring(values, chr(code), f"\\u{code:04x}")
    return joined(f'"{name}":"', values, '"')


def _arrow(series: pd.Series) -> pa.Array:
    array = pa.array(series, LARGE_TEXT)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
