"""Every parser against a reading of each cell by hand, and checks that name each bad cell once, in words."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import compress
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog_pipeline.models.run import RUN_STATUSES
from catalog_pipeline.schemas.catalog import CATALOG_COURSE, COURSE_RUN, FRAMES, ORGANIZATION, PROGRAM_COURSE
from catalog_pipeline.schemas.parsing import (
    ACCEPTED,
    FLAG,
    INSTANT,
    MONEY,
    NUMBER,
    PARSERS,
    TEXT,
    no_failures,
    parse,
    parse_flag,
    parse_instant,
    parse_money,
    parse_number,
    parse_text,
    shown,
    validate,
)

BAD = object()
"""What the oracles answer for a reject."""
UUID = "3f2b8a52-0c1d-4e6f-9a7b-5d4c3b2a1908"


def text_by_hand(cell: Any) -> Any:
    if cell is None or cell == "":
        return None
    return cell if isinstance(cell, str) and not re.search("[\0\ud800-\udfff]", cell) else BAD


def instant_by_hand(cell: Any) -> Any:
    text = text_by_hand(cell)
    if text is None or text is BAD:
        return text
    form = re.fullmatch(
        r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)", text, re.ASCII
    )
    if form is None:
        return BAD
    fraction = (form[2] or "").ljust(6, "0")[:6]
    try:
        return datetime.fromisoformat(f"{form[1]}.{fraction}{form[3]}").astimezone(UTC)
    except (ValueError, OverflowError):
        return BAD


def money_by_hand(cell: Any) -> Any:
    if type(cell) in (int, float):
        cell = str(cell)
    text = text_by_hand(cell)
    if text is None or text is BAD:
        return text
    return Decimal(text) if re.fullmatch(r"-?\d{1,10}(\.\d{1,2})?", text, re.ASCII) else BAD


def flag_by_hand(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, bool) else BAD


def number_by_hand(cell: Any) -> Any:
    if cell is None:
        return None
    return cell if type(cell) is int and -(2**63) <= cell <= 2**63 - 1 else BAD


# Beyond a double, since that is what such a number is read as; NaN and infinities too.
NUMBERS = st.integers(-(10**400), 10**400) | st.integers(-(2**65), 2**65) | st.floats()
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(st.characters(), max_size=6),
    st.sampled_from(["", "\0", "a\0b", "\ud800", "😀\udc00", "true", "null", "NaN", "٣", " 1", "1\n"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
DIGITS = st.integers(0, 99).map("{:02}".format)
INSTANTS = st.one_of(
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.builds(
        "{}-{}-{}T{}:{}:{}{}{}".format,
        st.sampled_from(["0000", "0001", "1969", "2024", "2026", "9999", "10000", "٢٠٢٦"]),
        st.sampled_from(["01", "02", "12", "13", "00"]),
        st.sampled_from(["01", "28", "29", "31", "32", "00"]),
        st.sampled_from(["00", "23", "24", "25"]) | DIGITS,
        st.sampled_from(["00", "59", "60"]) | DIGITS,
        st.sampled_from(["00", "59", "60", "61"]),
        st.sampled_from(["", ".0", ".123456", ".1234567", ".999999999", ".1234567890", ".", ",5"]),
        st.sampled_from(["Z", "+00:00", "-00:00", "+23:59", "-23:59", "+24:00", "+05:60", "+99:99", "+0530", "z", ""]),
    ),
    st.sampled_from(["2026-03-02", "2026-03-02 00:00:00Z", "2026-03-02T00:00Z", "2026-03-02T00:00:00Z\n", "now"]),
)
AMOUNTS = st.one_of(
    st.decimals(-(10**11), 10**11, places=2).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.floats(-1e11, 1e11).map(lambda amount: round(amount, 2)),
    st.sampled_from(["1", "+1", "1.", ".5", "1e3", "1,000.00", "-0.00", "$5", "NaN", "9999999999.99", "10000000000"]),
)


@pytest.mark.parametrize(
    ("parser", "by_hand", "usual", "dtype"),
    [
        (parse_text, text_by_hand, st.text(max_size=5), TEXT),
        (parse_instant, instant_by_hand, INSTANTS, INSTANT),
        (parse_money, money_by_hand, AMOUNTS, MONEY),
        (parse_flag, flag_by_hand, st.booleans(), FLAG),
        (parse_number, number_by_hand, st.integers(-(2**63), 2**63 - 1), NUMBER),
    ],
)
@given(data=st.data())
def test_a_column_is_parsed_as_each_of_its_cells_would_be_by_hand(
    parser: Callable[[list[Any]], Any], by_hand: Callable[[Any], Any], usual: st.SearchStrategy, dtype: Any, data: Any
) -> None:
    cells = data.draw(st.one_of(st.lists(usual), st.lists(st.none() | usual), st.lists(usual | STRANGE)))
    column = parser(cells)
    expected = [by_hand(cell) for cell in cells]
    assert column.bad.tolist() == [value is BAD for value in expected]
    assert column.bad.dtype == bool
    assert column.values.dtype == dtype
    got = [None if pd.isna(value) else value for value in column.values]
    assert got == [None if value is BAD else value for value in expected]
    assert column.rule in ACCEPTED


@pytest.mark.parametrize("dtype", list(PARSERS))
@pytest.mark.parametrize("cells", [[], [None], [None] * 5])
def test_empty_columns_and_columns_of_nulls_have_their_type(dtype: Any, cells: list[None]) -> None:
    column = PARSERS[dtype](cells)
    assert (column.values.dtype, len(column.values), column.bad.tolist()) == (dtype, len(cells), [False] * len(cells))
    assert column.values.isna().all()


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2026-03-02T00:00:00Z", "2026-03-02T00:00:00+00:00"),
        ("2026-03-02T01:30:00+05:30", "2026-03-01T20:00:00+00:00"),
        ("2026-03-02T00:00:00.123456789Z", "2026-03-02T00:00:00.123456+00:00"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_an_instant_is_kept_to_the_microsecond_in_utc(cell: str, value: str) -> None:
    assert parse_instant([cell]).values[0] == pd.Timestamp(value)


@pytest.mark.parametrize(
    "cell",
    [
        "9999-12-31T23:59:59-00:01",
        "0001-01-01T00:00:00+00:01",
        "0000-06-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-03-02T00:00:60Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T00:00:00+99:99",
        "2026-03-02T00:00:00",
        1_700_000_000,
    ],
)
def test_an_instant_that_is_none_is_a_reject_beside_good_ones(cell: Any) -> None:
    column = parse_instant(["2026-03-02T00:00:00Z", cell, None])
    assert column.bad.tolist() == [False, True, False]
    assert column.values.isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    "cell", [1e300, math.nan, math.inf, -math.inf, 10**30, 1e-7, 0.1 + 0.2, True, "１", "1 ", 1e10]
)
def test_an_amount_that_is_none_is_a_reject_and_never_rounded(cell: Any) -> None:
    assert parse_money([cell, "150.00"]).bad.tolist() == [True, False]


RUN = {"document": 0, "run_key": "course-v1:A+1+r", "title": "T", "status": "published"}
PLACE = {"document": 0, "program_uuid": UUID, "course_key": "A+1"}
COURSE = {"document": 0, "key": "A+1", "uuid": UUID, "title": "T"}


def check(schema: pa.DataFrameSchema, *rows: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parse and validate rows, what they leave out being null: (frame, failures)."""
    frame, unparsed = parse({name: [row.get(name) for row in rows] for name in schema.columns}, schema)
    assert unparsed.empty
    return frame, validate(frame, schema)


def found(failures: pd.DataFrame) -> list[tuple[int, str, str]]:
    return sorted(failures[["row", "column", "rule"]].itertuples(index=False, name=None))


def test_parsing_names_every_bad_cell_with_its_value_and_what_is_wanted() -> None:
    cells: dict[str, list[Any]] = {name: [None] * 3 for name in COURSE_RUN.columns}
    cells.update(title=["A", 7, "\0"], start=["soon", None, "2026-01-01T00:00:00Z"], price=["1.005", 2, None])
    frame, failures = parse(cells, COURSE_RUN)
    not_text = "title is not text without NUL characters and without halves of surrogate pairs."
    assert failures.to_dict("records") == [
        {"row": 1, "column": "title", "rule": "not_text", "value": "7", "message": not_text},
        {"row": 2, "column": "title", "rule": "not_text", "value": "\\x00", "message": not_text},
        {
            "row": 0,
            "column": "start",
            "rule": "not_an_instant",
            "value": "soon",
            "message": "start is not an instant with its zone, such as 2026-03-02T00:00:00Z.",
        },
        {
            "row": 0,
            "column": "price",
            "rule": "not_an_amount",
            "value": "1.005",
            "message": "price is not an amount of at most ten digits and two decimals, such as 150.00.",
        },
    ]  # fmt: skip
    assert list(frame.columns) == list(COURSE_RUN.columns)
    assert frame["title"].tolist()[0] == "A"
    assert frame["title"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("name", list(FRAMES))
def test_no_rows_parse_to_an_empty_frame_that_fits(name: str) -> None:
    frame, failures = parse({column: [] for column in FRAMES[name].columns}, FRAMES[name])
    assert failures.empty
    assert validate(frame, FRAMES[name]).empty
    assert list(failures.columns) == list(no_failures().columns)


def test_rows_that_are_right_have_no_failures() -> None:
    for schema, row in ((COURSE_RUN, RUN), (CATALOG_COURSE, COURSE), (ORGANIZATION, {"document": 0, "key": "A"})):
        _, failures = check(schema, row, row)
        assert failures.empty, failures


def test_each_row_column_and_rule_fails_once() -> None:
    _, failures = check(
        COURSE_RUN,
        {**RUN, "title": None, "uuid": "x", "status": "gone"},
        RUN,
        {**RUN, "title": "t" * 256, "uuid": "y", "price": "-1", "currency": "usd"},
        {**RUN, "run_key": None, "status": None},
    )
    assert found(failures) == [
        (0, "status", "unknown_value"),
        (0, "title", "missing"),
        (0, "uuid", "wrong_form"),
        (2, "currency", "wrong_form"),
        (2, "price", "too_small"),
        (2, "title", "wrong_length"),
        (2, "uuid", "wrong_form"),
        (3, "run_key", "missing"),
        (3, "status", "missing"),
    ]


@settings(max_examples=25)
@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=12))
@example([(True,) * 4] * 3)
def test_no_failure_hides_another(wrong: list[tuple[bool, ...]]) -> None:
    faults = {"title": None, "uuid": "x", "price": "-0.01", "end": "2025-01-01T00:00:00Z"}
    rules = {"title": "missing", "uuid": "wrong_form", "price": "too_small", "end": "end_before_start"}
    chosen = [list(compress(faults, row)) for row in wrong]
    started = {**RUN, "start": "2026-01-01T00:00:00Z"}
    _, failures = check(COURSE_RUN, *({**started, **{name: faults[name] for name in names}} for names in chosen))
    assert found(failures) == sorted((n, name, rules[name]) for n, names in enumerate(chosen) for name in names)


def test_a_check_over_columns_fails_once_a_row_and_blames_one_column() -> None:
    early, late = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    _, failures = check(
        COURSE_RUN,
        {**RUN, "start": late, "end": early},
        {**RUN, "start": early, "end": late},
        {**RUN, "start": early, "end": early},
        {**RUN, "start": early},
        {**RUN, "end": early},
        {**RUN, "start": late, "end": early},
    )
    assert found(failures) == [(0, "end", "end_before_start"), (5, "end", "end_before_start")]
    assert failures["value"].tolist() == ["2026-01-01 00:00:00+00:00"] * 2
    assert failures["message"].tolist() == ["end lies before start."] * 2


@pytest.mark.parametrize(
    ("schema", "row", "message"),
    [
        (COURSE_RUN, {**RUN, "title": None}, "title is missing."),
        (COURSE_RUN, {**RUN, "title": "t" * 256}, "title must have at most 255 characters."),
        (CATALOG_COURSE, {**COURSE, "topic": "t" * 256}, "topic must have at most 255 characters."),
        (COURSE_RUN, {**RUN, "status": "x"}, f"status is none of {', '.join(RUN_STATUSES)}."),
        (COURSE_RUN, {**RUN, "uuid": "x"}, f"uuid must be a uuid, such as {UUID}."),
        (COURSE_RUN, {**RUN, "currency": "usd"}, "currency must be a currency's code, such as USD."),
        (COURSE_RUN, {**RUN, "price": "-1"}, "price must be at least 0."),
        (CATALOG_COURSE, {**COURSE, "key": "A"}, "key must be an organization and a code, such as edX+DemoX."),
        (PROGRAM_COURSE, {**PLACE, "position": 0}, "position must be at least 1."),
    ],
)  # fmt: skip
def test_a_failure_is_told_in_a_sentence(schema: pa.DataFrameSchema, row: dict[str, Any], message: str) -> None:
    assert check(schema, row)[1]["message"].tolist() == [message]


@pytest.mark.parametrize(
    ("schema", "row", "column"),
    [
        (COURSE_RUN, {**RUN, "uuid": f"{UUID}\n"}, "uuid"),
        (COURSE_RUN, {**RUN, "variant_id": f"x{UUID}"}, "variant_id"),
        (COURSE_RUN, {**RUN, "currency": "USD\n"}, "currency"),
        (CATALOG_COURSE, {**COURSE, "key": "A+1\n"}, "key"),
        (CATALOG_COURSE, {**COURSE, "key": "A+1+r"}, "key"),
        (CATALOG_COURSE, {**COURSE, "key": "A +1"}, "key"),
        (CATALOG_COURSE, {**COURSE, "key_for_reruns": "A+\u00a01"}, "key_for_reruns"),
        (CATALOG_COURSE, {**COURSE, "key_for_reruns": "A+"}, "key_for_reruns"),
    ],
)
def test_a_form_is_that_of_the_whole_cell(schema: pa.DataFrameSchema, row: dict[str, Any], column: str) -> None:
    assert found(check(schema, row)[1]) == [(0, column, "wrong_form")]


@pytest.mark.parametrize("key", ["key", "key_for_reruns"])
def test_keys_are_as_short_as_an_index_needs_them(key: str) -> None:
    assert found(check(CATALOG_COURSE, {**COURSE, key: f"A+{'x' * 254}"})[1]) == [(0, key, "wrong_length")]
    assert check(CATALOG_COURSE, {**COURSE, key: f"A+{'x' * 253}"})[1].empty


def test_a_frame_that_does_not_fit_its_schema_is_a_bug_and_not_a_reject() -> None:
    frame, _ = check(ORGANIZATION, {"document": 0, "key": "A"})
    for wrong in (
        frame.drop(columns="name"),
        frame.assign(extra=1),
        frame.astype({"document": "float64"}),
        frame.astype({"key": pd.StringDtype("python")}),
    ):
        with pytest.raises(TypeError, match="does not fit its schema"):
            validate(wrong, ORGANIZATION)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (math.nan, None),
        ("x" * 500, "x" * 200),
        ("a\0b", "a\\x00b"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\ud800", "\\ud800"),
        (["a"], "['a']"),
        (0, "0"),
        (False, "False"),
    ],
)
def test_a_value_is_shown_short_and_harmless(value: Any, text: str | None) -> None:
    assert shown(value) == text


@given(STRANGE)
def test_any_value_can_be_shown_in_a_database_and_a_terminal(value: Any) -> None:
    text = shown(value)
    if text is not None:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
        text.encode()
