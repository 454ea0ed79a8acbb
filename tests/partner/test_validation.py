"""The validation of partner feeds: every rule by an example, and all of them against a plain row-by-row oracle."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner import cells
from catalog_pipeline.partner.columns import (
    COLUMNS,
    ERROR_CODES,
    ERROR_COLUMNS,
    FEED_COLUMNS,
    RAW_ERROR_COLUMNS,
    VALID_ROW,
    WARNING_CODES,
    WARNING_COLUMNS,
    RawFeed,
    Reference,
    ValidatedFeed,
    messages,
)
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.validation import validate_feed
from catalog_pipeline.partner.values import LARGE_TEXT, amounts, html, judges, times
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.schemas.parsing import NUMBER, shown

RULES = load_rules()
VARIANT = "7e57d004-2b97-4e7a-b45f-5387367791cd"
ROW = {
    "organization": "edX",
    "number": "CS1",
    "title": "Leading Change",
    "course_enrollment_track": "Executive Education(2U)",
    "course_run_enrollment_track": "Unpaid Executive Education",
    "image": "https://cdn.example.org/card.jpg",
    "short_description": "<p>Short</p>",
    "long_description": "Long",
    "what_will_you_learn": "Much",
    "course_level": "Introductory",
    "primary_subject": "Computer Science",
    "verified_price": "2400",
    "publish_date": "2026-01-15",
    "start_date": "2026-03-02",
    "start_time": "00:00",
    "end_date": "2026-04-20",
    "end_time": "23:59:59",
    "course_pacing": "Instructor-Paced",
    "minimum_effort": "6",
    "maximum_effort": "8",
    "length": "7",
    "content_language": "English - United States",
    "transcript_language": "en-us, Spanish",
    "external_identifier": "12345678",
    "redirect_url": "https://partner.example.org/lp",
    "variant_id": VARIANT,
}
KNOWN = Reference(
    organizations=pd.Series(["edX", "MITx", "Übung.X"], dtype=TEXT),
    subjects=pd.Series(["Basket Weaving", None], dtype=TEXT),
    levels=pd.Series(["Expert"], dtype=TEXT),
)


def raw_feed(*rows: dict[str, str | None], columns: list[str] | None = None, kind: Any = "csv", **more: Any) -> RawFeed:
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    frame = pd.DataFrame({name: pd.Series([row.get(name) or None for row in rows], dtype=TEXT) for name in names})
    frame.insert(0, "row", pd.Series(range(2, len(rows) + 2), dtype=NUMBER))
    errors = messages(more.get("errors", []), RAW_ERROR_COLUMNS)
    received = datetime(2026, 3, 2, tzinfo=UTC)
    return RawFeed("f.csv", "0" * 64, received, kind, frame, tuple(names), (), errors, messages([], WARNING_COLUMNS))


def validate(
    *rows: dict[str, str | None],
    product_type: str = "executive-education-2u",
    source: str = "2u",
    reference: Reference = KNOWN,
    **more: Any,
) -> ValidatedFeed:
    feed = raw_feed(*rows, **more)
    done = validate_feed(feed, product_type=product_type, source=source, rules=RULES, reference=reference)
    VALID_ROW.validate(done.rows)
    assert list(done.errors.columns) == ERROR_COLUMNS
    assert list(done.warnings.columns) == WARNING_COLUMNS
    assert set(done.errors["code"]) <= set(ERROR_CODES)
    assert set(done.warnings["code"]) <= set(WARNING_CODES)
    assert sorted([*done.rows["row"], *done.errors["row"].unique()]) == list(feed.frame["row"])
    return done


def told(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """(row, code, column), in order."""
    plain = frame.astype(object).where(frame.notna(), None)
    return list(plain[["row", "code", "column"]].itertuples(index=False, name=None))


def one(**cells: str | None) -> ValidatedFeed:
    return validate(ROW | cells)


# -- what a valid row becomes ----------------------------------------------------------------------------------------


def test_a_valid_row_is_typed_and_keeps_the_rest_as_attributes() -> None:
    row = one(reg_close_date="02/24/2026", reg_close_time="12:30 PM -05:00", fixed_price_usd="$1,250").rows.iloc[0]
    attributes = json.loads(row.pop("attributes"))
    assert {name: None if pd.isna(value) else value for name, value in row.items()} == {
        "row": 2,
        "course_key": "edX+CS1",
        "organization": "edX",
        "number": "CS1",
        "course_type": "executive-education-2u",
        "product_source": "2u",
        "title": "Leading Change",
        "short_description": "<p>Short</p>",
        "full_description": "Long",
        "topic": "Computer Science",
        "language": "en-us",
        "external_identifier": "12345678",
        "variant_id": VARIANT,
        "start": pd.Timestamp("2026-03-02T00:00:00Z"),
        "end": pd.Timestamp("2026-04-20T23:59:59Z"),
        "enrollment_end": pd.Timestamp("2026-02-24T17:30:00Z"),
        "go_live": pd.Timestamp("2026-01-15T00:00:00Z"),
        "upgrade_deadline": None,
        "pacing": "instructor_paced",
        "price": Decimal("2400.00"),
        "currency": "USD",
        "restriction_type": None,
        "is_future_variant": False,
        "on_sale": False,
    }
    assert attributes == {
        "course_enrollment_track": "Executive Education(2U)",
        "course_run_enrollment_track": "Unpaid Executive Education",
        "image": "https://cdn.example.org/card.jpg",
        "what_will_you_learn": "Much",
        "course_level": "Introductory",
        "fixed_price_usd": "1250.00",
        "minimum_effort": "6",
        "maximum_effort": "8",
        "length": "7",
        "transcript_language": "en-us, es",
        "redirect_url": "https://partner.example.org/lp",
    }


def test_every_column_is_either_typed_or_an_attribute_or_ignored() -> None:
    targets = {column.target for column in FEED_COLUMNS if not column.is_attribute and column.target}
    assert targets == {
        "organization.key",
        *(f"catalog_course.{name}" for name in
          ("course_code", "title", "short_description", "full_description", "topic", "external_identifier")),
        *(f"course_run.{name}" for name in
          ("price", "go_live", "start", "end", "enrollment_end", "upgrade_deadline", "pacing", "language",
           "restriction_type")),
        "course_variant.variant_id",
    }  # fmt: skip
    assert len(COLUMNS) == len(FEED_COLUMNS)


@pytest.mark.parametrize("text", ['"', "\\", "a\nb\r\tc", "\x01\x1f", "\\u0041", "ü€😀", '","x":"', "=HYPERLINK(1)"])
def test_attributes_are_json_whatever_the_text(text: str) -> None:
    assert json.loads(one(meta_title=text).rows["attributes"][0])["meta_title"] == text


def test_attributes_are_the_same_however_many_rows_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [ROW | {"number": f"CS{n}", "meta_title": str(n)} for n in range(5)]
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", 2)
    attributes = validate(*rows, ROW | {"title": ""}).rows["attributes"]
    assert [json.loads(text)["meta_title"] for text in attributes] == list("01234")


def test_the_text_none_is_the_only_restriction_that_clears() -> None:
    rows = validate(ROW, ROW | {"restriction_type": "None"}, ROW | {"restriction_type": "CUSTOM-B2C"}).rows
    assert rows["restriction_type"].astype(object).where(rows["restriction_type"].notna(), None).tolist() == [
        None,
        "None",
        "custom-b2c",
    ]


@pytest.mark.parametrize(
    ("cell", "known"), [("True", True), ("yes", True), ("1", True), ("FALSE", False), (None, False)]
)
def test_a_future_variant_is_told_by_a_flag(cell: str | None, known: bool) -> None:
    assert one(is_future_variant=cell).rows["is_future_variant"][0] == known


# -- what a cell may be ----------------------------------------------------------------------------------------------

GOOD_AND_BAD: list[tuple[str, str, list[str], list[str]]] = [
    # column, code of a bad value, good values, bad values
    ("organization", "MISSING_ORGANIZATION", ["EDX", "übung.x"], ["edY", "ed X", "edX+"]),
    ("number", "COURSE_CREATE_ERROR", ["a.B-c_1~", "Übung"], ["CS 1", "CS/1", "CS+1", "a@b", "x" * 101]),
    ("title", "COURSE_UPDATE_ERROR", ["é" * 255, "=1+1"], ["é" * 256]),
    ("course_enrollment_track", "MISSING_COURSE_TYPE", ["executive education(2u)"], ["Bootcamp(2U)", "Executive"]),
    ("course_run_enrollment_track", "MISSING_COURSE_RUN_TYPE", ["Paid Executive Education"], ["Free"]),
    ("image", "IMAGE_DOWNLOAD_FAILURE", ["http://x", "HTTPS://a.b/c?d#e"],
     ["x.jpg", "ftp://a/b", "https://", "https://a b/"]),
    ("organization_logo_override", "LOGO_IMAGE_DOWNLOAD_FAILURE", ["https://x/y"], ["logo.svg"]),
    ("redirect_url", "COURSE_UPDATE_ERROR", ["https://x/" + "y" * 501], ["https://x/" + "y" * 502, "https://ann:pw@x/"]),
    ("course_level", "COURSE_UPDATE_ERROR", ["beginner", "expert"], ["Hard"]),
    ("primary_subject", "COURSE_UPDATE_ERROR", ["computer  science", "Basket Weaving"], ["Alchemy"]),
    ("secondary_subject", "COURSE_UPDATE_ERROR", ["Law"], ["Alchemy"]),
    ("verified_price", "COURSE_CREATE_ERROR", ["150", "150.00", "1,250", "$1,250", "$ 1,250.5", "0", "1234567890.12"],
     ["-1", "1,25", "12,50", "1.250,00", "150.005", "150 USD", "€150", "1e3", "12345678901", "١٥٠", "free", "$", ".5"]),
    ("fixed_price_usd", "COURSE_RUN_UPDATE_ERROR", ["123.4"], ["x"]),
    ("minimum_effort", "COURSE_RUN_UPDATE_ERROR", ["4", "007"], ["4.0", "four", "-1", "٤", "1234567"]),
    ("length", "COURSE_RUN_UPDATE_ERROR", ["10"], ["10 weeks", "7.5"]),
    ("course_pacing", "COURSE_RUN_UPDATE_ERROR", ["self-paced", "INSTRUCTOR-PACED"], ["self paced", "fast"]),
    ("content_language", "COURSE_RUN_UPDATE_ERROR", ["EN-US", "Spanish - Spain (Modern)"],
     ["Klingon", "en-us, Klingon", ","]),
    ("transcript_language", "COURSE_RUN_UPDATE_ERROR", ["de, fr", "Arabic"], ["de, Klingon"]),
    ("variant_id", "INVALID_VARIANT_ID",
     [VARIANT.upper(), VARIANT.replace("-", ""), f"{{{VARIANT}}}", f"urn:uuid:{VARIANT}"],
     [VARIANT[:-1], VARIANT + "0", "12345", "nan", VARIANT.replace("7", "g", 1)]),
    ("restriction_type", "COURSE_RUN_UPDATE_ERROR", ["custom-b2c", "none"], ["custom", "b2b"]),
    ("is_future_variant", "COURSE_RUN_UPDATE_ERROR", ["no"], ["maybe"]),
    ("external_identifier", "COURSE_UPDATE_ERROR", ["x" * 255], ["x" * 256]),
    ("external_course_marketing_type", "COURSE_UPDATE_ERROR", ["Sprint"], ["marathon"]),
    ("expected_program_type", "COURSE_RUN_UPDATE_ERROR", ["XSeries"], ["series"]),
    ("short_description", "COURSE_UPDATE_ERROR",
     ["plain", "5 < 6 > 4", "<p class='a'>b<br/></p>", "<!-- no --><UL><li>x</li></UL>", "javascript is taught"],
     ["<script>x</script>", "<p onclick=x>", "<p\nOnLoad = 'x'>", "<a href='javascript:x'>", "<iframe src=x>",
      "<scr<b>ipt>", "<svg/onload=x>", "<!doctype html>", "<?php ?>"]),
    ("start_date", "INVALID_DATE", ["2026-03-02", "03/02/2026", "3/2/2026", "March 2, 2026", "2 March 2026"],
     ["2026-02-30", "13/02/2020", "25 January", "2026", "26-03-02", "02.03.2026", "46083", "0026-03-02", "2226-03-02",
      "2026-03-02T00:00:00Z", "tomorrow", "٢٠٢٦-٠٣-٠٢"]),
    ("publish_date", "INVALID_DATE", ["2026-03-02"], ["soon"]),
    ("start_time", "INVALID_DATE",
     ["0:00", "09:30:15", "9:30 am", "12:00AM", "00:00Z", "00:00 UTC", "00:00-0500", "23:59+14:00"],
     ["24:00", "9", "9:60", "13:00 PM", "0:00 AM", "00:00+15:00", "00:00+01", "noon", "00:00:60", "٠٠:٠٠"]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "code", "good", "bad"), GOOD_AND_BAD, ids=[column for column, *_ in GOOD_AND_BAD])
def test_good_values_are_accepted_and_bad_ones_reject_their_row(
    column: str, code: str, good: list[str], bad: list[str]
) -> None:
    errors = validate(*(ROW | {column: value} for value in [*good, *bad])).errors
    assert errors["row"].tolist() == list(range(len(good) + 2, len(good) + len(bad) + 2))
    assert set(errors["code"]) == {code}
    assert set(errors["column"]) == {column}
    assert errors["value"].tolist() == [shown(value) for value in bad]
    assert errors["message"].str.len().min() > 20
    keys = [f"{v if column == 'organization' else 'edX'}+{v if column == 'number' else 'CS1'}" for v in bad]
    assert errors["course_key"].tolist() == keys


def test_every_kind_that_can_be_wrong_has_a_bad_value_above() -> None:
    judged = {*judges(RULES, "audit", KNOWN), "organization", "number", "line"} - {"names"}
    assert judged == {COLUMNS[column].kind for column, *_ in GOOD_AND_BAD}


@pytest.mark.parametrize(
    ("column", "value", "normal"),
    [
        ("organization", "EDX", "edX"),
        ("variant_id", VARIANT.upper().replace("-", ""), VARIANT),
        ("verified_price", "$ 1,250.5", Decimal("1250.50")),
        ("content_language", "Spanish - Spain (Modern)", "es-es"),
        ("primary_subject", "computer SCIENCE", "Computer Science"),
    ],
)
def test_a_value_comes_to_its_normal_form(column: str, value: str, normal: Any) -> None:
    names = {"verified_price": "price", "content_language": "language", "primary_subject": "topic"}
    assert one(**{column: value}).rows[names.get(column, column)][0] == normal


def test_a_list_keeps_its_order_and_names_each_thing_once() -> None:
    done = one(
        transcript_language="Spanish, en-us, ES", staff="B, A,, B", collaborators=" , ", content_language="de, fr"
    )
    attributes = json.loads(done.rows["attributes"][0])
    assert (attributes["transcript_language"], attributes["staff"]) == ("es, en-us", "B, A")
    assert "collaborators" not in attributes
    assert done.rows["language"][0] == "de"
    assert told(done.warnings) == [(2, "IGNORED_VALUE", "content_language")]


def test_a_rejected_row_is_told_its_errors_and_no_warnings() -> None:
    done = validate(ROW, ROW | {"content_language": "de, fr", "title": "Other", "length": "x"})
    assert told(done.errors) == [(3, "COURSE_RUN_UPDATE_ERROR", "length")]
    assert told(done.warnings) == []


def test_amounts_and_times_are_exact() -> None:
    texts = pa.array(["1,234,567.8", "0.1", "9999999999.99"], LARGE_TEXT)
    assert amounts(texts).values.to_pylist() == ["1234567.80", "0.10", "9999999999.99"]
    hours = [
        int(text) / 3_600_000_000
        for text in times(pa.array(["12:30 AM", "12:00 pm", "01:00+02:30"])).values.to_pylist()
    ]
    assert hours == [0.5, 12, -1.5]


def test_no_tag_gets_past_by_hiding_in_another() -> None:
    judge = html(["b", "i"])
    texts = ["<scr<i>ipt>", "<<b>script>", "<b <i>script>", "<b/onclick=x>", "<b>ok</b>", "a < b", "<B\n>"]
    assert sorted(judge(pa.array(texts, LARGE_TEXT)).problems) == [0, 1, 2, 3]


# -- required columns ------------------------------------------------------------------------------------------------


def test_every_missing_value_of_a_row_is_told_at_once() -> None:
    blank = dict.fromkeys(ROW, "")
    errors = told(validate(blank | {"variant_id": VARIANT}).errors)
    assert errors[0] == (2, "MISSING_ORGANIZATION", "organization")
    assert (2, "MISSING_COURSE_TYPE", "course_enrollment_track") in errors
    assert (2, "MISSING_COURSE_RUN_TYPE", "course_run_enrollment_track") in errors
    missing = [column for _, code, column in errors if code == "MISSING_REQUIRED_DATA"]
    assert missing == sorted(RULES.required.always, key=list(COLUMNS).index)
    assert len(missing) == 20


def test_what_is_required_goes_by_course_type_and_source() -> None:
    sets = RULES.required.by_course_type_and_source
    assert sets["audit"]["openedx"] == ["staff"]
    blank = dict.fromkeys(sets["executive-education-2u"]["ext_source"], "")
    errors = validate(blank | ROW, source="ext_source").errors
    filled = {"redirect_url", "external_identifier", "variant_id"}
    assert set(errors["column"]) == set(sets["executive-education-2u"]["ext_source"]) - filled
    assert set(errors["code"]) == {"MISSING_REQUIRED_DATA"}
    assert "ext_source" in errors["message"][0]
    audit = {**ROW, "staff": "", "course_enrollment_track": "Audit Only", "course_run_enrollment_track": "Audit Only"}
    assert told(validate(audit, product_type="audit", source="openedx").errors) == [
        (2, "MISSING_REQUIRED_DATA", "staff")
    ]
    assert told(validate(audit, product_type="audit", source="edx").errors) == []


def test_a_sprint_needs_no_certificate() -> None:
    more = {"external_course_marketing_type": "sprint"}
    blank = dict.fromkeys(RULES.required.by_course_type_and_source["executive-education-2u"]["ext_source"], "")
    with_it, without_it = (
        set(validate(blank | ROW | cells, source="ext_source").errors["column"]) for cells in ({}, more)
    )  # fmt: skip
    assert with_it - without_it == {"certificate_header", "certificate_text"}


def test_a_publish_date_is_a_date_or_the_word_now() -> None:
    rows = validate(ROW, ROW | {"publish_date": "Now", "variant_id": ""}).rows
    assert rows["on_sale"].tolist() == [False, True]
    assert rows["go_live"].notna().tolist() == [True, False]
    assert told(validate(ROW | {"publish_date": ""}).errors) == [(2, "MISSING_REQUIRED_DATA", "publish_date")]
    refused = validate(ROW | {"publish_date": "at once"}).errors
    assert told(refused) == [(2, "INVALID_DATE", "publish_date")]
    assert "accepted are now, 2026-03-22" in refused["message"][0]
    assert told(validate(ROW | {"start_date": "now"}).errors) == [(2, "INVALID_DATE", "start_date")]


@pytest.mark.parametrize("column", ["organization", "number", "title", "external_identifier", "redirect_url"])
def test_a_header_without_a_key_column_refuses_the_feed(column: str) -> None:
    with pytest.raises(FeedRefusedError, match=f"f.csv has no column {column}"):
        validate({name: cell for name, cell in ROW.items() if name != column})


def test_a_required_column_that_the_header_lacks_is_told_once() -> None:
    lacking = {name: cell for name, cell in ROW.items() if name not in ("image", "publish_date")}
    with pytest.raises(
        FeedRefusedError, match=r"f\.csv has no column image, publish_date\. A feed of exec.* of 2u needs"
    ):
        validate(lacking, lacking)
    sprint = {
        **dict.fromkeys(RULES.required.by_course_type_and_source["executive-education-2u"]["ext_source"], ""),
        **ROW,
    }
    sprint = {name: "x" if cell == "" else cell for name, cell in sprint.items() if "certificate" not in name}
    sprint |= {"external_course_marketing_type": "sprint", "reg_close_date": "", "variant_id": VARIANT}
    assert "certificate_text" not in set(validate(sprint, source="ext_source").errors["column"])


@pytest.mark.parametrize("rounded", ["1.23457E+11", "1,23457E+11", "1E+12"])
def test_a_product_number_that_a_spreadsheet_rounded_is_left_out_with_a_warning(rounded: str) -> None:
    done = validate(ROW | {"external_identifier": rounded})
    assert done.rows["external_identifier"].isna().all()
    assert done.warnings[["code", "column"]].values.tolist() == [["IGNORED_VALUE", "external_identifier"]]
    kept = validate(ROW | {"external_identifier": "123E4"})
    assert kept.rows["external_identifier"].tolist() == ["123E4"]


def test_a_language_code_may_have_an_underscore() -> None:
    rows = validate(ROW | {"content_language": "en_US", "transcript_language": "EN_us, es_419"}).rows
    assert rows["language"].tolist() == ["en-us"]


def test_an_unknown_source_or_product_type_refuses_the_feed_and_names_the_known_ones() -> None:
    with pytest.raises(FeedRefusedError, match="'3u' is no known source: there are edx, 2u"):
        validate(ROW, source="3u")
    with pytest.raises(FeedRefusedError, match="'EXECUTIVE' is no known product type: there are"):
        validate(ROW, product_type="EXECUTIVE")


# -- rules over several cells and rows -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"end_date": "2026-03-01"}, [("COURSE_RUN_UPDATE_ERROR", "end_date")]),
        ({"end_date": "2026-03-02", "end_time": "00:00"}, []),
        ({"end_date": "2026-03-02", "end_time": "00:00+00:01"}, [("COURSE_RUN_UPDATE_ERROR", "end_date")]),
        ({"minimum_effort": "8"}, [("COURSE_RUN_UPDATE_ERROR", "minimum_effort")]),
        ({"minimum_effort": "10", "maximum_effort": "9"}, [("COURSE_RUN_UPDATE_ERROR", "minimum_effort")]),
        ({"reg_close_date": "2026-02-24"}, [("MISSING_REQUIRED_DATA", "reg_close_time")]),
        ({"reg_close_time": "00:00"}, [("INVALID_DATE", "reg_close_time")]),
        ({"upgrade_deadline_override_date": "2026-04-01"}, []),
        ({"upgrade_deadline_override_time": "00:00"}, [("INVALID_DATE", "upgrade_deadline_override_time")]),
    ],
)
def test_cells_of_a_row_must_fit_each_other(cells: dict[str, str], found: list[tuple[str, str]]) -> None:
    assert [(code, column) for _, code, column in told(one(**cells).errors)] == found


def test_a_course_spelled_in_two_cases_is_rejected_where_it_is_not_as_at_first() -> None:
    spelled = [ROW | {"number": number} for number in ("cs1", "CS1", "cs1", "Cs1")]
    done = validate(*spelled, ROW | {"organization": "EDX", "number": "cs1"})
    assert told(done.errors) == [(3, "CASE_COLLISION", "number"), (5, "CASE_COLLISION", "number")]
    assert done.errors["message"][0] == "Row 2 spells this course edX+cs1; spell it the same."
    assert done.rows["course_key"].tolist() == ["edX+cs1"] * 3


def test_what_later_rows_say_otherwise_of_the_course_is_told_with_both_values() -> None:
    done = validate(
        ROW | {"title": "", "number": "CS1"},
        ROW | {"content_language": "en-us"},
        ROW | {"title": "Other", "stat1": "9", "start_date": "2026-03-03", "verified_price": "1", "redirect_url": ""},
        ROW | {"number": "CS2", "title": "Third"},
    )
    assert told(done.errors) == [(2, "MISSING_REQUIRED_DATA", "title")]
    assert told(done.warnings) == [
        (4, "CONFLICTING_COURSE_VALUES", "title"),
        (4, "CONFLICTING_COURSE_VALUES", "stat1"),
    ]
    assert done.warnings["message"].tolist() == [
        "title is 'Other' here and 'Leading Change' in row 3; the first row that is taken counts.",
        "stat1 is '9' here and blank in row 3; the first row that is taken counts.",
    ]


def test_without_a_catalog_organizations_are_not_judged_and_unlisted_names_are_doubted() -> None:
    rows = [ROW | {"organization": "Nobody", "primary_subject": "Alchemy", "course_level": "Hard"},
            ROW | {"organization": "NOBODY", "content_language": "de, fr"}]  # fmt: skip
    done = validate(*rows, reference=Reference())
    assert told(done.errors) == []
    assert done.rows["course_key"].tolist() == ["Nobody+CS1"] * 2
    assert told(done.warnings)[:3] == [
        (2, "UNKNOWN_VALUE", "course_level"),
        (2, "UNKNOWN_VALUE", "primary_subject"),
        (3, "CONFLICTING_COURSE_VALUES", "course_level"),
    ]
    assert told(done.warnings)[-1] == (3, "IGNORED_VALUE", "content_language")
    assert (
        told(validate(ROW | {"organization": "No body"}, reference=Reference()).errors)[0][1] == "MISSING_ORGANIZATION"
    )


def test_a_partners_code_of_an_organization_is_its_key() -> None:
    rules = RULES.model_copy(update={"organization_codes": {"2u": {"HARV": "edX"}}})
    for source, codes in (("2u", []), ("edx", ["MISSING_ORGANIZATION"])):
        done = validate_feed(
            raw_feed(ROW | {"organization": "HARV"}),
            product_type="executive-education-2u",
            source=source,
            rules=rules,
            reference=KNOWN,
        )
        assert done.errors["code"].tolist() == codes


def test_a_row_that_could_not_be_read_is_not_judged_further_but_keeps_its_keys() -> None:
    errors = [(3, "RAGGED_ROW", None, "x", "The row has 2 cells.")]
    done = validate(ROW, {"organization": "edX", "number": "cs1"}, ROW, errors=errors)
    assert told(done.errors) == [(3, "RAGGED_ROW", None)]
    assert done.errors["course_key"][0] == "edX+cs1"
    assert done.rows["row"].tolist() == [2, 4]


def test_an_error_names_what_would_be_accepted() -> None:
    said = one(primary_subject="Compter Science", course_pacing="x", verified_price="x").errors["message"].tolist()
    assert "'Compter Science' is not known. Accepted are, among others: Computer Science" in said[0]
    assert "150, 150.00, 1,250 or $1,250" in said[1]
    assert "Instructor-Paced or Self-Paced" in said[2]


# -- all rules at once, against one row after the other --------------------------------------------------------------

CHOICES: dict[str, list[tuple[str | None, str | None]]] = {
    # column: (cell, its normal form; None where it is refused or blank)
    "organization": [("edX", "edX"), ("EDX", "edX"), ("MITx", "MITx"), ("who", None), (None, None)],
    "number": [("CS1", "CS1"), ("cs1", "cs1"), ("B2", "B2"), ("C 3", None), (None, None)],
    "title": [("One", "One"), ("Two", "Two"), (None, None)],
    "course_enrollment_track": [
        ("Bootcamp(2U)", "Bootcamp(2U)"),
        ("bootcamp(2u)", "Bootcamp(2U)"),
        ("Audit Only", None),
    ],
    "course_run_enrollment_track": [("Paid Bootcamp", "Paid Bootcamp")],
    "verified_price": [("150", "150.00"), ("$1,250", "1250.00"), ("x", None), (None, None)],
    "start_date": [("2026-03-02", "2026-03-02"), ("03/04/2026", "2026-03-04"), ("2026-02-30", None), (None, None)],
    "start_time": [("00:00", "0"), ("01:00-05:00", "6"), ("25:00", None)],
    "end_date": [("2026-03-02", "2026-03-02"), ("2026-03-03", "2026-03-03"), ("soon", None)],
    "end_time": [("00:00", "0"), ("6:00 AM", "6"), ("x", None)],
    "reg_close_date": [("2026-02-24", "2026-02-24"), ("x", None), (None, None)],
    "reg_close_time": [("12:00", "12"), ("x", None), (None, None)],
    "minimum_effort": [("2", "2"), ("4", "4"), ("x", None)],
    "maximum_effort": [("3", "3"), ("04", "4"), ("x", None)],
    "content_language": [("en-us", "en-us"), ("German", "de"), ("Klingon", None)],
    "meta_title": [("m", "m"), ("n", "n"), (None, None)],
    "length": [("7", "7"), ("07", "7"), ("8", "8")],
    "restriction_type": [("None", "None"), ("custom-b2c", "custom-b2c"), ("b2c", None), (None, None)],
    "external_course_marketing_type": [("sprint", "sprint"), (None, None)],
    "certificate_text": [("c", "c"), (None, None)],
}
REQUIRED = ["number", "title", "verified_price", "start_date", "start_time", "end_date", "end_time", "minimum_effort",
            "maximum_effort", "content_language", "length", "certificate_text"]  # fmt: skip
OWN_CODES = {"organization": "MISSING_ORGANIZATION", "course_enrollment_track": "MISSING_COURSE_TYPE"}
FEW_RULES = RULES.model_copy(
    update={
        "columns": RULES.columns.model_copy(update={"always": ["organization", "number"], "by_course_type": {}}),
        "required": RULES.required.model_copy(update={"always": REQUIRED, "by_course_type_and_source": {}}),
    }
)
COURSE_VALUES = ["title", "course_enrollment_track", "minimum_effort", "maximum_effort", "length", "meta_title",
                 "external_course_marketing_type", "certificate_text"]  # fmt: skip

Row = dict[str, tuple[str | None, str | None]]


def mostly(good: tuple[Any, Any], others: list[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.sampled_from([good] * 30 + others)


ROWS = st.fixed_dictionaries({column: mostly(cells[0], cells[1:]) for column, cells in CHOICES.items()})


def moment(row: Row, day: str, time: str) -> datetime | None:
    if row[day][1] is None:
        return None
    midnight = datetime.fromisoformat(f"{row[day][1]}T00:00:00+00:00")
    return midnight + timedelta(hours=int(row[time][1] or 0))


def date_errors_by_hand(row: Row) -> Iterator[tuple[str, str]]:
    if row["reg_close_date"][0] is None and row["reg_close_time"][0] is not None:
        yield "INVALID_DATE", "reg_close_time"
    if row["reg_close_date"][0] is not None and row["reg_close_time"][0] is None:
        yield "MISSING_REQUIRED_DATA", "reg_close_time"
    if row["start_date"][0] is None and row["start_time"][0] is not None:
        yield "INVALID_DATE", "start_time"
    start, end = moment(row, "start_date", "start_time"), moment(row, "end_date", "end_time")
    if start and end and end < start:
        yield "COURSE_RUN_UPDATE_ERROR", "end_date"


def cell_errors_by_hand(row: Row) -> Iterator[tuple[str, str]]:
    for column, (cell, normal) in row.items():
        if cell is not None and normal is None:
            yield COLUMNS[column].error_code, column
        sprint = row["external_course_marketing_type"][1] == "sprint" and column == "certificate_text"
        if cell is None and column in REQUIRED and not sprint:
            yield "MISSING_REQUIRED_DATA", column
        if cell is None and column in OWN_CODES:
            yield OWN_CODES[column], column


def errors_by_hand(row: Row, number: int, first_spellings: dict[str, str]) -> list[tuple[int, str, str]]:
    """The errors of one row, in the order of the columns."""
    found = [*cell_errors_by_hand(row), *date_errors_by_hand(row)]
    least, most = row["minimum_effort"][1], row["maximum_effort"][1]
    if least and most and int(least) >= int(most):
        found.append(("COURSE_RUN_UPDATE_ERROR", "minimum_effort"))
    if row["organization"][1] and row["number"][1]:
        key = f"{row['organization'][1]}+{row['number'][1]}"
        if first_spellings.setdefault(key.lower(), key) != key:
            found.append(("CASE_COLLISION", "number"))
    return [(number, code, column) for code, column in sorted(found, key=lambda one: [*COLUMNS].index(one[1]))]


@settings(max_examples=80)
@given(st.lists(ROWS, min_size=1, max_size=8))
def test_many_rows_are_judged_as_each_would_be_by_hand(rows: list[Row]) -> None:
    done = validate_feed(
        raw_feed(*({name: cell for name, (cell, _) in row.items()} for row in rows), columns=list(CHOICES)),
        product_type="bootcamp-2u",
        source="2u",
        rules=FEW_RULES,
        reference=KNOWN,
    )
    spellings: dict[str, str] = {}
    errors = [errors_by_hand(row, number, spellings) for number, row in enumerate(rows, start=2)]
    assert told(done.errors) == [error for of_row in errors for error in of_row]
    valid = [(number, row) for number, row in enumerate(rows, start=2) if not errors[number - 2]]
    assert [tuple(found) for found in typed(done)] == [row_by_hand(row, number) for number, row in valid]
    assert told(done.warnings) == warnings_by_hand(valid)


def typed(done: ValidatedFeed) -> Any:
    columns = ["row", "course_key", "title", "price", "start", "end", "enrollment_end", "language", "restriction_type"]
    plain = done.rows[columns].astype(object).where(done.rows[columns].notna(), None)
    return plain.assign(attributes=done.rows["attributes"].map(json.loads)).itertuples(index=False, name=None)


def row_by_hand(row: Row, number: int) -> tuple[Any, ...]:
    normal = {column: value for column, (_, value) in row.items()}
    kept = ["course_enrollment_track", "course_run_enrollment_track", *COURSE_VALUES[2:]]
    return (
        number,
        f"{normal['organization']}+{normal['number']}",
        normal["title"],
        Decimal(str(normal["verified_price"])),
        moment(row, "start_date", "start_time"),
        moment(row, "end_date", "end_time"),
        moment(row, "reg_close_date", "reg_close_time"),
        normal["content_language"],
        normal["restriction_type"],
        {column: normal[column] for column in kept if normal[column] is not None},
    )


def warnings_by_hand(valid: list[tuple[int, Row]]) -> list[tuple[int, str, str]]:
    """One for each value of the course that is not blank and not that of the course's first valid row."""
    first: dict[str, Row] = {}
    found = []
    for number, row in valid:
        kept = first.setdefault(f"{row['organization'][1]}+{row['number'][1]}".lower(), row)
        differing = [c for c in COURSE_VALUES if row[c][1] is not None and row[c][1] != kept[c][1]]
        found += [(number, "CONFLICTING_COURSE_VALUES", c) for c in sorted(differing, key=[*COLUMNS].index)]
    return found


ANYTHING = st.none() | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)


@settings(max_examples=40)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, ANYTHING)), min_size=1, max_size=3))
def test_any_text_in_any_column_is_a_value_or_an_error(rows: list[dict[str, str | None]]) -> None:
    done = validate(*rows, columns=list(COLUMNS))
    assert done.errors["message"].notna().all()
    for text in done.rows["attributes"]:
        json.loads(text)
