"""Reading partner feeds: any CSV a person may produce, product JSON, and what is refused, with what words."""

import base64
import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog_pipeline.errors import ExitCode, FeedRefusedError
from catalog_pipeline.partner import files, reading
from catalog_pipeline.partner.columns import FEED_COLUMNS, RawFeed
from catalog_pipeline.partner.products import efforts
from catalog_pipeline.partner.reading import Limits, parse_feed, read_feed

LIMITS = Limits(size=1_000_000, cell=1_000)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HEADER = "organization,number,title"


def parse(data: bytes | str, name: str = "feed.csv") -> RawFeed:
    return parse_feed(data.encode() if isinstance(data, str) else data, name, LIMITS, NOON)


def cells(raw: RawFeed) -> list[dict[str, Any]]:
    """The rows of a feed, without their blank cells."""
    return [{k: v for k, v in row.items() if not pd.isna(v)} for row in raw.frame.to_dict("records")]


def errors(raw: RawFeed) -> list[tuple[int, str]]:
    return list(zip(raw.errors["row"], raw.errors["code"], strict=True))


def refusal(data: bytes | str, name: str = "feed.csv") -> str:
    with pytest.raises(FeedRefusedError) as caught:
        parse(data, name)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert str(caught.value).startswith(name)
    return str(caught.value)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # of no time: the same bytes in every process
    return buffer.getvalue()


# -- encodings, delimiters, line ends, packing -----------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_encoding_delimiter_and_line_end_gives_the_same_rows(encoding: str, delimiter: str, newline: str) -> None:
    lines = ["organization", "number", "title"], ["edX", "CS1", "Büroökonomie – “neu”"], ["edX", "CS2", '"a\nb"']
    raw = parse(newline.join(delimiter.join(line) for line in lines).encode(encoding))
    assert cells(raw) == [
        {"row": 2, "organization": "edX", "number": "CS1", "title": "Büroökonomie – “neu”"},
        {"row": 3, "organization": "edX", "number": "CS2", "title": "a\nb"},
    ]


@pytest.mark.parametrize("hint", ["sep=;\r\n", "SEP=,\n"])
def test_a_first_line_that_tells_excel_the_delimiter_is_no_row(hint: str) -> None:
    raw = parse(f"{hint}number;title\nA1;One\n")
    assert cells(raw) == [{"row": 2, "number": "A1", "title": "One"}]


@pytest.mark.parametrize("piece", [1, 2, 3, 5])
def test_a_letter_is_whole_where_pieces_meet(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(files, "MEGABYTE", piece)
    text = f"{HEADER}\nedX,1,é€😀\n".encode()
    assert files.to_utf8(text, "x") is text
    assert files.to_utf8(f"{HEADER}\nedX,1,é".encode("cp1252"), "x") == f"{HEADER}\nedX,1,é".encode()


def test_a_feed_is_the_same_packed_and_plain_but_for_its_hash() -> None:
    plain = f"{HEADER}\nedX,CS1,T\n".encode()
    packed = [
        gzip.compress(plain, mtime=0),
        zipped(**{"inner.csv": plain}),
        zipped(**{"a.csv": plain, "__MACOSX/._a.csv": b""}),
    ]
    for data in packed:
        assert cells(parse(data)) == cells(parse(plain))
    assert len({parse(data).sha256 for data in [plain, *packed]}) == 4


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped(**{"a.csv": b"x", "b.csv": b"y"}), "holds 2 files"),
        (zipped(), "holds 0 files"),
        (zipped(**{"xl/workbook.xml": b"", "a.csv": b""}), "spreadsheet's workbook. Save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "spreadsheet's workbook"),
        (gzip.compress(b"organization,number,title\n" * 9, mtime=0)[:-12], "cannot be unpacked"),
        (b"\x1f\x8bnot gzip", "cannot be unpacked"),
        (b"PK\x03\x04not zip", "cannot be unpacked"),
        (gzip.compress(bytes(2_000_000), mtime=0), "larger than 1 MB"),
        (zipped(**{"bomb.csv": bytes(2_000_000)}), "larger than 1 MB"),
        (bytes(2_000_000), "larger than 1 MB"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x81\x8d", "is no text"),
        (bytes(range(256)), "is no text"),
        (b"\x00\x01\x02\x03", "has no header"),
        (b"%PDF-1.7\n", "has no header"),
        ("organization;é".encode("utf-16")[:-1], "is not whole UTF-16"),
        (f"{HEADER}\nédX,ü,ö\n".encode() + b"edX,\xe9,x\n", "broken letters, first in line 3"),
        (b"", "has no header"),
        (b"\n\n", "has no header"),
        ("edX,CS1,A title\nedX,CS2,Another", "has no header"),
        (HEADER, "has no rows"),
        (f"{HEADER}\n\n , ,\n", "has no rows"),
        ("organization,Title, title \nedX,a,b", "more than one column 'title'"),
        ("organization,Course Level,course_level\nedX,a,b", "more than one column 'course_level'"),
        ("organization,notes,Notes\nedX,a,b", "more than one column 'notes'"),
        (f'{HEADER}\nedX,CS1,"open\nedX,CS2,b\n', "quote in row 2 that is never closed"),
        (f'{HEADER}\nedX\nedX,"CS1\nedX,CS2,b\n', "quote in row 3 that is never closed"),
        (f'{HEADER}\nedX,CS1,b\n"', "quote in row 3 that is never closed"),
        ('{"products": [', "is not JSON"),
        ("[]", 'has no list "products"'),
        ('{"products": {}}', 'has no list "products"'),
        ('{"products": []}', "has no rows"),
        ('{"products": [{"name": "\\ud800"}]}', "is not JSON"),
    ],
)
def test_what_is_no_feed_is_refused_with_what_is_wrong(data: bytes | str, said: str) -> None:
    assert said in refusal(data)


# -- rows and cells --------------------------------------------------------------------------------------------------


def test_the_header_is_matched_whatever_its_case_and_spaces() -> None:
    raw = parse("  Organization ,Course Enrollment Track,NUMBER\nedX,t,1\n")
    assert raw.columns == ("organization", "course_enrollment_track", "number")


def test_values_are_trimmed_and_blank_ones_are_null() -> None:
    raw = parse("organization,number,title,restriction_type\n edX\u00a0,\t,None,None\n")
    assert cells(raw) == [{"row": 2, "organization": "edX", "restriction_type": "None"}]


def test_unknown_columns_are_told_and_left_out() -> None:
    raw = parse(f"{HEADER},My Notes,,reasons,\nedX,1,t,x,,because,\nedX,2,t,x,,,y\n")
    assert raw.columns == ("organization", "number", "title")
    assert raw.unknown == ("my_notes", "(without a name)")


def test_ragged_rows_are_errors_of_their_own_and_keep_their_cells() -> None:
    raw = parse(f'{HEADER}\nedX,1,t\nedX,2\n\n"edX",3,"a,b",more\n   \nedX,4,t\n')
    assert [row["row"] for row in cells(raw)] == [2, 3, 5, 7]
    assert cells(raw)[2] == {"row": 5, "organization": "edX", "number": "3", "title": "a,b"}
    assert errors(raw) == [(3, "RAGGED_ROW"), (5, "RAGGED_ROW")]
    assert raw.errors["message"][1].startswith("The row has 4 cells and the header 3")


def test_rows_count_as_a_spreadsheet_counts_them() -> None:
    raw = parse(f'"organization",number,"title"\n\nedX,1,"two\nlines"\n,,\nedX,2,t\n{HEADER}\n')
    assert [row["row"] for row in cells(raw)] == [3, 5, 6]


def test_a_nul_or_a_cell_that_is_too_long_rejects_its_row_alone() -> None:
    long = "é" * 1_001
    raw = parse(f"{HEADER}\nedX,1,a\0b\nedX,2,{long}\nedX,3,{long[1:]}\n")
    assert errors(raw) == [(2, "INVALID_TEXT"), (3, "INVALID_TEXT")]
    assert [row.get("title") for row in cells(raw)] == [None, None, long[1:]]
    assert raw.errors["value"][0] == "a\\x00b"


def test_a_formula_is_text_and_loses_the_quote_that_our_own_csv_gives_it() -> None:
    raw = parse(f'{HEADER}\nedX,1,"=HYPERLINK(""x"")"\nedX,2,\'=1+1\nedX,3,\'tis\n')
    assert [row["title"] for row in cells(raw)] == ['=HYPERLINK("x")', "=1+1", "'tis"]
    raw = parse(f"{HEADER}\nedX,1,'+1\nedX,2,'-1\nedX,3,'@SUM(1)\n")
    assert [row["title"] for row in cells(raw)] == ["+1", "-1", "@SUM(1)"]


def test_a_record_larger_than_what_is_read_at_once_is_whole() -> None:
    limits = Limits(size=10_000_000, cell=4_000_000)
    title = "line\n" * 700_000
    raw = parse_feed(f'{HEADER}\nedX,1,"{title}"\nedX,2\nedX,3,t\n'.encode(), "x.csv", limits, NOON)
    assert raw.frame["title"][0] == title.strip()
    assert errors(raw) == [(3, "RAGGED_ROW")]
    raw = parse_feed(f'{HEADER}\nedX,"{title}"\nedX,3,t\n'.encode(), "x.csv", limits, NOON)
    assert errors(raw) == [(2, "RAGGED_ROW")]


CELL = st.text(st.sampled_from('ab ,;"\n\r\té'), max_size=5)
LINE = st.lists(CELL, min_size=1, max_size=4).map(",".join)


@settings(max_examples=300)
@given(st.lists(LINE, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
@example(['a,"b', 'c",d'], "\n", False)
@example(['"a"b"c",d,e'], "\n", True)
@example(["a", '"'], "\r", True)
def test_every_text_is_read_as_the_plain_reader_reads_it(lines: list[str], newline: str, ends: bool) -> None:
    text = newline.join([HEADER, *lines]) + (newline if ends else "")
    expected = read_plainly(text)
    if isinstance(expected, str):
        assert expected in refusal(text)
        return
    raw = parse(text)
    found = [[None if pd.isna(cell) else cell for cell in row] for row in raw.frame.itertuples(index=False)]
    assert (found, [row for row, _ in errors(raw)]) == expected


def read_plainly(text: str) -> tuple[list[list[Any]], list[int]] | str:
    """Rows and the numbers of the ragged ones, one record after the other; or the words of the refusal."""
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=False))
        records = list(csv.reader(io.StringIO(text + "\n~end~,,\n", newline="")))
    except csv.Error:
        raise AssertionError("the plain reader reads everything") from None
    while records and records[-1] == []:
        records.pop()
    if not records or records[-1] != ["~end~", "", ""]:
        return "never closed"
    rows, ragged = [], []
    for number, record in enumerate(records[1:-1], start=2):
        trimmed = [cell.strip() or None for cell in record]
        if not any(trimmed):
            continue
        if len(record) != 3:
            ragged.append(number)
        if any((trimmed + [None] * 3)[:3]) or len(record) != 3:
            rows.append([number, *(trimmed + [None] * 3)[:3]])
    return (rows, ragged) if rows else "has no rows"


@settings(max_examples=200)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"organization,number\n", b'{"products": [', b"\x1f\x8b", b"PK\x03\x04"]),
)
def test_any_bytes_are_a_feed_or_are_refused_in_words(data: bytes, start: bytes) -> None:
    try:
        found = f"feed.csv: {len(parse(start + data).frame)} rows"
    except FeedRefusedError as error:
        found = str(error)
    assert found.startswith("feed.csv")
    assert found != "feed.csv: 0 rows"


FIELDS = [
    "variant",
    "variants",
    "id",
    "name",
    "effort",
    "faqs",
    "curriculum",
    "modules",
    "stats",
    "cardUrl",
    "finalPrice",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS]), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.lists(JSON, min_size=1, max_size=4))
def test_any_product_json_comes_to_rows_or_is_refused_for_having_none(made: list[Any]) -> None:
    data = json.dumps({"products": made}).encode("utf-8", "surrogatepass")
    try:
        numbers = parse_feed(data, "p.json", LIMITS, NOON).frame["row"]
        found = "p.json: each row has a number of its own" if numbers.is_unique else "two rows have one number"
    except FeedRefusedError as error:
        found = str(error)
    assert found.startswith("p.json")


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_read_with_its_name_hash_and_time(tmp_path: Path) -> None:
    file = tmp_path / "spring.csv"
    file.write_text(f"{HEADER}\nedX,1,t\n")
    raw = read_feed(file, LIMITS, NOON)
    assert (raw.name, raw.received_at, raw.format, len(raw.sha256)) == ("spring.csv", NOON, "csv", 64)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: None, "does not exist"),
        (lambda file: file.mkdir(), "is a folder or a device"),
        (os.mkfifo, "is a folder or a device"),
        (lambda file: file.symlink_to(file), "cannot be read"),
        (lambda file: file.write_bytes(bytes(1_000_001)), "larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    file = tmp_path / "feed.csv"
    make(file)
    with pytest.raises(FeedRefusedError) as caught:
        read_feed(file, LIMITS)
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_text(f"{HEADER}\nedX,1,t\n")
    file.chmod(0)
    ours = os.geteuid()
    os.seteuid(ours or 65534)  # root reads everything
    try:
        with pytest.raises(FeedRefusedError, match="may not be read by this user"):
            read_feed(file, LIMITS)
    finally:
        os.seteuid(ours)


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (lambda file: file.write_text(f"{HEADER}\nedX,1,u\nedX,2,v\n"), "was changed while it was read"),
        (lambda file: os.utime(file, ns=(0, 0)), "was changed while it was read"),
        (lambda file: file.unlink(), "does not exist (any more)"),
        (lambda file: (file.parent / "new").rename(file), "was changed while it was read"),
    ],
)
def test_a_file_that_changes_or_goes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], Any], said: str
) -> None:
    file = tmp_path / "feed.csv"
    file.write_text(f"{HEADER}\nedX,1,t\n")
    (tmp_path / "new").write_text(f"{HEADER}\nedX,1,t\n")
    real = os.fstat

    def fstat_then_meanwhile(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        monkeypatch.setattr(os, "fstat", real)
        meanwhile(file)
        return status

    monkeypatch.setattr(os, "fstat", fstat_then_meanwhile)
    with pytest.raises(FeedRefusedError) as caught:
        read_feed(file, LIMITS)
    assert said in str(caught.value)


def test_a_damaged_zip_of_lzma_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("feed.csv", f"{HEADER}\nedX,1,t\n" * 100)
    whole = buffer.getvalue()
    assert "cannot be unpacked" in refusal(whole[:50] + b"\xff" * 8 + whole[58:], "feed.zip")


@pytest.mark.parametrize("levels", [300, 1000, 5000])
def test_product_json_that_is_nested_too_deep_is_refused(levels: int) -> None:
    told = refusal(b'{"products": [{"name": ' + b"[" * levels + b"]" * levels + b"}]}", "feed.json")
    assert told.startswith("feed.json")


def test_no_nul_of_a_feed_is_told() -> None:
    products = [
        {"abbreviation": "a\0", "id": "b\0"},
        {"abbreviation": "a", "id": "b", "variants": [{"id": "v", "currency": "E\0", "finalPrice": "1\0"}]},
    ]
    for raw in (parse(json.dumps({"products": products}), "feed.json"), parse(f"{HEADER},un\0known\nedX,1,t,u\n")):
        assert "\0" not in "".join([*raw.unknown, *raw.without_rows])
        for told in (raw.errors, raw.warnings):
            texts = told.astype(object).where(told.notna(), "").to_numpy().ravel().tolist()
            assert not any("\0" in str(text) for text in texts)


# -- product JSON ----------------------------------------------------------------------------------------------------

PRODUCT = {
    "id": 8412,
    "name": "Leading Change",
    "altName": "Leading Change, Online",
    "abbreviation": "LC1",
    "blurb": "<p>Short</p>",
    "language": "English",
    "altSubjectMatter": "Business & Management",
    "altUniversityAbbreviation": "HarborlightX",
    "cardUrl": base64.b64encode(b"https://cdn.example/card.jpg").decode(),
    "edxPlpUrl": "https://partner.example/lp/",
    "edxRedirectUrl": "https://partner.example/",
    "lcfURL": "https://partner.example/f",
    "durationWeeks": 7,
    "effort": "7–10 hours per week",
    "introduction": "<p>One.</p>",
    "isThisCourseForYou": "<p>Two.</p>",
    "whatWillSetYouApart": "<p>Skills</p>",
    "metaKeywords": ["k1", "k2"],
    "productType": "sprint",
    "curriculum": {
        "heading": "Path",
        "blurb": "Weekly",
        "modules": [{"module_number": 1, "heading": "A", "description": "B"}],
    },
    "testimonials": [{"name": "Ann", "title": "Dean", "text": "Good"}],
    "faqs": [{"id": 1, "headline": "Why?", "blurb": "<p>Because</p>"}],
    "certificate": {"headline": "H", "blurb": "C"},
    "stats": {"stat1": "90%", "stat1Blurb": "finish", "stat2": None, "stat2Blurb": ""},
}
PUBLIC = {
    "id": "7e57d004-2b97-4e7a-b45f-5387367791cd",
    "finalPrice": 2400.5,
    "enterprisePriceUsd": "2000",
    "startDate": "2026-03-02",
    "endDate": "2026-04-20",
    "regCloseDate": "2026-02-01",
    "finalRegCloseDate": "2026-02-24",
    "websiteVisibility": "public",
    "status": "active",
}
FUTURE = {**PUBLIC, "id": "7e57d004-2b97-4e7a-b45f-000000000002", "websiteVisibility": "private", "status": "scheduled"}


def products(*made: Any) -> RawFeed:
    return parse(json.dumps({"products": made}), "products.json")


def test_product_json_is_flattened_to_one_row_for_each_variant() -> None:
    raw = products(
        {**PRODUCT, "variant": PUBLIC, "futureVariants": [FUTURE]}, {**PRODUCT, "customPresentations": [PUBLIC]}
    )
    assert raw.format == "json"
    assert [row["row"] for row in cells(raw)] == [2, 3, 4]
    first, second, _ = cells(raw)
    expected = {
        "organization": "HarborlightX",
        "number": "LC1",
        "title": "Leading Change, Online",
        "course_enrollment_track": "Executive Education(2U)",
        "course_run_enrollment_track": "Unpaid Executive Education",
        "image": "https://cdn.example/card.jpg",
        "short_description": "<p>Short</p>",
        "long_description": "<p>One.</p><p>Two.</p>",
        "what_will_you_learn": "<p>Skills</p>",
        "course_level": "Introductory",
        "primary_subject": "Business & Management",
        "verified_price": "2400.5",
        "fixed_price_usd": "2000",
        "start_date": "2026-03-02",
        "start_time": "00:00:00",
        "end_date": "2026-04-20",
        "end_time": "00:00:00",
        "reg_close_date": "2026-02-24",
        "reg_close_time": "00:00:00",
        "course_pacing": "Instructor-Paced",
        "minimum_effort": "7",
        "maximum_effort": "10",
        "length": "7",
        "content_language": "English - United States",
        "transcript_language": "English - United States",
        "variant_id": "7e57d004-2b97-4e7a-b45f-5387367791cd",
        "restriction_type": "None",
        "is_future_variant": "False",
        "external_identifier": "8412",
        "redirect_url": "https://partner.example/lp/",
        "organic_url": "https://partner.example/",
        "lead_capture_form_url": "https://partner.example/f",
        "post_submit_url": "https://partner.example/info/",
        "certificate_header": "H",
        "certificate_text": "C",
        "stat1": "90%",
        "stat1_text": "finish",
        "external_course_marketing_type": "sprint",
        "meta_keywords": "k1, k2",
        "syllabus": "<p>Path</p><p>Weekly</p><ul><li><b>1: A</b> B</li></ul>",
        "frequently_asked_questions": "<p><b>Why?</b></p><p>Because</p>",
        "learner_testimonials": "<p>Good</p><p>Ann, Dean</p>",
    }
    assert {column: first.get(column) for column in expected} == expected
    assert first["publish_date"] == "now"
    assert second["publish_date"] == "2026-03-02"
    assert (second["restriction_type"], second["is_future_variant"]) == ("custom-b2b-enterprise", "True")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("www.example.org/lp?a=1", "www.example.org/lp?a=1"),
        ("//cdn.example.org", "//cdn.example.org"),
        ("HTTPS://example.org/é", "HTTPS://example.org/é"),
        ("no address", None),
        ("abc", None),
    ],
)
def test_an_address_in_base64_is_shown_as_text_even_without_a_scheme(given: str, read: str | None) -> None:
    encoded = base64.b64encode(given.encode()).decode()
    (row,) = cells(products({**PRODUCT, "cardUrl": encoded, "variant": PUBLIC}))
    assert row["image"] == (read or encoded)


def test_a_product_with_fields_missing_or_of_the_wrong_form_is_no_end_of_the_feed() -> None:
    raw = products({}, 7, {**PRODUCT, "faqs": 3, "curriculum": [], "effort": None, "variants": [PUBLIC, "x"]}, None)
    assert errors(raw) == [(2, "RAGGED_ROW"), (4, "RAGGED_ROW"), (5, "RAGGED_ROW")]
    assert [row.get("number") for row in cells(raw)] == [None, "LC1", "LC1", None]
    assert raw.warnings["message"].tolist() == [
        "Product 1 (without an abbreviation) has no variant.",
        "The effort '' names no hours; 1 to 2 hours a week are assumed.",
    ]
    assert cells(raw)[1]["minimum_effort"] == "1"


def test_a_price_in_another_currency_is_an_error() -> None:
    raw = products({**PRODUCT, "variants": [{**PUBLIC, "currency": "USD"}, {**PUBLIC, "currency": "GBP"}]})
    assert errors(raw) == [(3, "COURSE_CREATE_ERROR")]
    assert "in GBP; only prices in USD" in raw.errors["message"][0]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("7–10 hours per week", ("7", "10")),
        ("7-10", ("7", "10")),
        ("6 hours", ("6", "7")),
        ("siete horas", None),
        ("", None),
    ],
)
def test_efforts_are_the_numbers_in_the_text(text: str, hours: tuple[str, str] | None) -> None:
    assert efforts(text) == hours


def test_json_knows_every_column_that_a_feed_has() -> None:
    raw = products({**PRODUCT, "variant": PUBLIC})
    assert set(raw.columns) == {column.name for column in FEED_COLUMNS}
    assert reading.normalised(" A b ") == "a_b"
