"""Validates a partner feed, all rows at once and before anything is written: valid rows, errors, warnings.

The values of each column are judged in `cells.py`; here are the rules across columns and across rows. All errors of a
row are reported, not only the first.
"""

# pyarrow makes its compute functions at import, where pyright does not see them; pandas' annotations are guesses.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false, reportCallIssue=false

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.cells import joined, json_objects, judged_cells, text_series
from catalog_pipeline.partner.columns import (
    ACCEPTED,
    COLUMNS,
    ERROR_COLUMNS,
    FEED_COLUMNS,
    LEVEL_CODES,
    PUBLISH_NOW,
    VALID_ROW,
    WARNING_COLUMNS,
    FeedColumn,
    RawFeed,
    Reference,
    ValidatedFeed,
)
from catalog_pipeline.partner.configuration import PartnerRules
from catalog_pipeline.partner.values import LARGE_TEXT, instants
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY, NUMBER, TEXT, shown

SCHEDULE = {
    "start": ("start_date", "start_time"),
    "end": ("end_date", "end_time"),
    "enrollment_end": ("reg_close_date", "reg_close_time"),
    "upgrade_deadline": ("upgrade_deadline_override_date", "upgrade_deadline_override_time"),
    "go_live": ("publish_date", None),
}
"""Instant of the run: the columns of its date and its time."""
NEEDS_ITS_TIME = "reg_close_date"
SHOWN_VALUE = 80

Found = pd.DataFrame
"""Errors or warnings: position (of the row in the frame), code, column, value, message."""


def validate_feed(
    raw: RawFeed, *, product_type: str, source: str, rules: PartnerRules, reference: Reference
) -> ValidatedFeed:
    """Judge every row of a feed of this course type and source.

    `product_type` and `source` are slugs. Raises FeedRefusedError when the rules know either not, or when the header
    lacks a column without which no row can be told from another, or that every row must fill.
    """
    rules.check_scope(source, product_type)
    feed = _Feed(raw, product_type, source, rules, reference)
    if missing := feed.missing_columns():
        raise FeedRefusedError(
            f"{raw.name} has no column {', '.join(missing)}. A feed of {product_type} of {source} needs it;"
            " add it, fill it in, and feed again."
        )
    errors = _together(
        [*map(feed.blanks, FEED_COLUMNS), *map(feed.problems, FEED_COLUMNS), *feed.halves(), *feed.contradictions(),
         feed.collisions()]
    )  # fmt: skip
    errors = _together([feed.unreadable, errors[~errors["position"].isin(feed.unreadable["position"])]])
    valid = np.setdiff1d(np.arange(len(raw.frame)), errors["position"])
    warnings = _together([*map(feed.doubts, FEED_COLUMNS), *feed.conflicts(valid)])
    warnings = warnings[warnings["position"].isin(valid)]
    return ValidatedFeed(
        rows=feed.rows(valid),
        errors=feed.told(errors, ERROR_COLUMNS),
        warnings=pd.concat([raw.warnings, feed.told(warnings, WARNING_COLUMNS)], ignore_index=True),
    )


class _Feed:
    """One feed under validation."""

    def __init__(self, raw: RawFeed, product_type: str, source: str, rules: PartnerRules, reference: Reference) -> None:
        self.raw, self.product_type, self.source, self.rules = raw, product_type, source, rules
        self.length = len(raw.frame)
        self.numbers = raw.frame["row"].to_numpy(dtype=np.int64)
        self.cells = judged_cells(raw, product_type, source, rules, reference)
        self.required = rules.required_columns(product_type, source)

    def missing_columns(self) -> list[str]:
        """The columns that the header lacks, and that it must name, or else every row would be rejected for a blank."""
        named = self.rules.header_columns(self.product_type)
        needed = [name for name in self.required if not self._is_excused(name).any()]
        return [name for name in dict.fromkeys([*named, *needed]) if name not in self.raw.columns]

    # -- what is wrong with a cell -------------------------------------------------------------------------------

    def problems(self, column: FeedColumn) -> Found:
        """Values that are not of the column's kind."""
        if column.kind == "ignored":
            return _found()
        cells = self.cells[column.name]
        positions, values, said = cells.with_any(cells.judged.problems)
        return _found(positions, column.error_code, column.name, values, said)

    def doubts(self, column: FeedColumn) -> Found:
        """Values that are taken, though not wholly or not for sure."""
        if column.kind == "ignored":
            return _found()
        cells = self.cells[column.name]
        positions, values, said = cells.with_any(cells.judged.doubts)
        code = "IGNORED_VALUE" if column.kind in ("language", "product_number") else "UNKNOWN_VALUE"
        return _found(positions, code, column.name, values, said)

    def blanks(self, column: FeedColumn) -> Found:
        """Required cells that are blank."""
        if column.kind in ("organization", "course_track", "run_track"):
            code = column.error_code
        elif column.name in self.required:
            code = "MISSING_REQUIRED_DATA"
        else:
            return _found()
        blank = self._is_blank(column.name) & ~self._is_excused(column.name)
        such = f", such as {column.example}" if column.example else ""
        said = (
            f"{column.name} is blank; it is required for {self.product_type} of {self.source}."
            f" Accepted: {ACCEPTED[column.kind].replace('`', '')}{such}."
        )
        return _found(np.flatnonzero(blank), code, column.name, None, said)

    def _is_blank(self, column: str) -> np.ndarray:
        return self.cells[column].places < 0

    def _is_excused(self, column: str) -> np.ndarray:
        excusing = [
            kind for kind, columns in self.rules.required.but_not_for_marketing_type.items() if column in columns
        ]
        kinds = self._values("external_course_marketing_type")
        return np.asarray(pc.is_in(kinds, pa.array(excusing, LARGE_TEXT)))

    # -- what is wrong between cells -----------------------------------------------------------------------------

    def halves(self) -> list[Found]:
        """Times without a date, and dates that need their time."""
        found = []
        for day, time in SCHEDULE.values():
            if time is None:
                continue
            alone = np.flatnonzero(self._is_blank(day) & ~self._is_blank(time))
            said = f"{time} is given without {day}; give both or neither."
            found.append(_found(alone, "INVALID_DATE", time, self._fed(time, alone), said))
            if day == NEEDS_ITS_TIME and time not in self.required:
                alone = np.flatnonzero(self._is_blank(time) & ~self._is_blank(day))
                said = f"{time} is blank, though {day} is given; give both or neither."
                found.append(_found(alone, "MISSING_REQUIRED_DATA", time, None, said))
        return found

    def contradictions(self) -> list[Found]:
        """Runs that end before they start, and efforts whose least is not less than their most."""
        early = _where(pc.less(self._instants("end"), self._instants("start")))
        least, most = (self._values(name).cast(pa.int64()) for name in ("minimum_effort", "maximum_effort"))
        efforts = _where(pc.greater_equal(least, most))
        code = LEVEL_CODES["run"]
        return [
            _found(early, code, "end_date", self._fed("end_date", early), "The run ends before it starts."),
            _found(efforts, code, "minimum_effort", self._fed("minimum_effort", efforts),
                   "minimum_effort must be less than maximum_effort."),
        ]  # fmt: skip

    def collisions(self) -> Found:
        """Courses whose key is spelled otherwise, in its case alone, than in the first row that has it."""
        keys = self.course_keys.drop(self.unreadable["position"]).dropna()
        grouped = keys.groupby(fold(keys))
        first = grouped.transform("first")
        differs = keys != first
        positions = keys.index[differs].to_numpy()
        at = pd.Series(keys.index, keys.index).groupby(fold(keys)).transform("first")[differs]
        said = [
            f"Row {self.numbers[there]} spells this course {spelled}; spell it the same."
            for there, spelled in zip(at, first[differs], strict=True)
        ]
        return _found(positions, "CASE_COLLISION", "number", keys[differs].tolist(), said)

    def conflicts(self, valid: np.ndarray) -> list[Found]:
        """Values kept with the course that differ from those of the first valid row of their course."""
        keys = fold(self.course_keys.iloc[valid])
        first = pd.Series(valid, keys.index).groupby(keys).transform("first").to_numpy()
        return [
            self._conflicts(column.name, valid, first)
            for column in FEED_COLUMNS
            if column.is_attribute or column.target.startswith("catalog_course.")
        ]

    def _conflicts(self, column: str, valid: np.ndarray, first: np.ndarray) -> Found:
        codes = self.cells[column].codes
        differs = (codes[valid] != codes[first]) & (codes[valid] >= 0)
        if not differs.any():
            return _found()
        here, there = valid[differs], first[differs]
        pairs = zip(self._fed(column, here), self._fed(column, there), self.numbers[there], strict=True)
        said = [
            f"{column} is {_quoted(mine)} here and {_quoted(kept)} in row {row}; the first row that is taken counts."
            for mine, kept, row in pairs
        ]
        return _found(here, "CONFLICTING_COURSE_VALUES", column, None, said)

    # -- what comes of it ----------------------------------------------------------------------------------------

    @cached_property
    def unreadable(self) -> Found:
        """The errors of reading."""
        errors = self.raw.errors
        return pd.DataFrame(
            {
                "position": np.searchsorted(self.numbers, errors["row"].to_numpy(dtype=np.int64)),
                **{name: errors[name] for name in ("code", "column", "value", "message")},
            }
        )

    def told(self, found: Found, columns: list[str]) -> pd.DataFrame:
        """Errors or warnings in the order of rows, then of columns, with the row's number, course and variant."""
        order = {name: place for place, name in enumerate(COLUMNS)}
        found = found.assign(place=found["column"].map(order)).sort_values(["position", "place"], kind="stable")
        at = found["position"].to_numpy(dtype=np.int64)
        return pd.DataFrame(
            {
                "row": pd.array(self.numbers[at], dtype=NUMBER),
                **{name: pd.array(found[name], dtype=TEXT) for name in ("code", "column", "value", "message")},
                "course_key": self._keys_as_fed.take(at).array,
                "variant_id": self._variants_as_fed.take(at).array,
            }
        )[columns]

    def rows(self, valid: np.ndarray) -> pd.DataFrame:
        """The valid rows, by VALID_ROW."""

        def text(column: str) -> pd.Series:
            return text_series(self._values(column, valid))

        price = self._values("verified_price", valid).cast(pa.decimal128(12, 2))
        on_sale = pc.fill_null(pc.equal(self._values("publish_date", valid), PUBLISH_NOW), False)
        future = pc.fill_null(pc.equal(self._values("is_future_variant", valid), "true"), False)
        attributes = {column.name: self.cells[column.name] for column in FEED_COLUMNS if column.is_attribute}
        frame = {
            "row": pd.Series(self.numbers[valid], dtype=NUMBER),
            "course_key": self.course_keys.iloc[valid].reset_index(drop=True),
            "organization": text("organization"),
            "number": text("number"),
            "course_type": pd.Series(self.product_type, range(len(valid)), dtype=TEXT),
            "product_source": pd.Series(self.source, range(len(valid)), dtype=TEXT),
            "title": text("title"),
            "short_description": text("short_description"),
            "full_description": text("long_description"),
            "topic": text("primary_subject"),
            "language": text("content_language"),
            "external_identifier": text("external_identifier"),
            "variant_id": text("variant_id"),
            **{name: self._instants(name, valid).to_pandas().astype(INSTANT) for name in SCHEDULE},
            "pacing": text("course_pacing"),
            "price": pd.Series(price, dtype=MONEY),
            "currency": text_series(pc.if_else(pc.is_valid(price), "USD", pa.scalar(None, LARGE_TEXT))),
            "restriction_type": text("restriction_type"),
            "is_future_variant": pd.Series(future, dtype=FLAG),
            "on_sale": pd.Series(on_sale, dtype=FLAG),
            "attributes": json_objects(attributes, valid),
        }
        return pd.DataFrame(frame)[list(VALID_ROW.columns)]

    @cached_property
    def course_keys(self) -> pd.Series:
        """`Org+Number` of every row; null where either part is not valid."""
        return text_series(joined(self._values("organization"), "+", self._values("number")))

    @cached_property
    def _keys_as_fed(self) -> pd.Series:
        fed = [text_series(self.cells[name].taken(self.cells[name].fed)) for name in ("organization", "number")]
        return self.course_keys.fillna(fed[0] + "+" + fed[1])

    @cached_property
    def _variants_as_fed(self) -> pd.Series:
        cells = self.cells["variant_id"]
        return text_series(cells.taken(pc.coalesce(cells.judged.values, cells.fed)))

    def _values(self, column: str, positions: np.ndarray | None = None) -> pa.Array:
        cells = self.cells[column]
        return cells.taken(cells.judged.values, positions)

    def _fed(self, column: str, positions: np.ndarray) -> list[str | None]:
        cells = self.cells[column]
        return [shown(value) for value in cells.taken(cells.fed, positions).to_pylist()]

    def _instants(self, name: str, positions: np.ndarray | None = None) -> pa.Array:
        day, time = SCHEDULE[name]
        nothing = pa.nulls(self.length if positions is None else len(positions), LARGE_TEXT)
        days = self._values(day, positions)
        days = pc.if_else(pc.equal(days, PUBLISH_NOW), None, days)
        return instants(days, self._values(time, positions) if time else nothing)


def _where(condition: pa.Array) -> np.ndarray:
    return np.flatnonzero(np.asarray(pc.fill_null(condition, False)))


def _quoted(value: str | None) -> str:
    return "blank" if value is None else repr(value[:SHOWN_VALUE])


NOTHING: Found = pd.DataFrame({"position": np.array([], dtype=np.int64)}).assign(
    code="", column="", value="", message=""
)


def _together(found: Iterable[Found]) -> Found:
    some = [one for one in found if len(one)]  # hundreds of empty frames would take longer than a small feed
    return pd.concat(some, ignore_index=True) if some else NOTHING


def _found(
    positions: np.ndarray | None = None,
    code: str = "",
    column: str = "",
    values: list[str | None] | None = None,
    messages: list[str] | str = "",
) -> Found:
    if positions is None or not len(positions):
        return NOTHING
    return pd.DataFrame({"position": positions, "code": code, "column": column, "value": values, "message": messages})
