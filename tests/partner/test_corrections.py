"""Rejected rows come back to the partner, are corrected in a spreadsheet, and are fed again."""

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from support.feeds import TYPE, FedCatalog, fed, json_of, presented, product

from catalog_pipeline.database.engine import connected
from catalog_pipeline.notifications.composing import Attachment
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.corrections import read_corrections
from catalog_pipeline.partner.reading import Limits
from catalog_pipeline.partner.report import report
from catalog_pipeline.partner.summary import summarizer

Row = dict[str, str]
AWKWARD = {
    "title": 'Größe; "in quotes", and\na second line',
    "external_identifier": "0012345678901",
    "restriction_type": "None",
    "meta_keywords": "-5, =1+1",
    "staff": "'tis, Ann",
    "is_future_variant": "True",
}


def returned(catalog: FedCatalog) -> Attachment:
    """The rejected rows of the last feed."""
    with connected(catalog.engine) as connection:
        found = report(connection, catalog.value("SELECT max(id) FROM ops.feed"))
        return read_corrections(connection, found, Limits.of(catalog.settings))


def rows_of(content: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def as_excel_shows(cell: str) -> str:
    """A cell as Excel (United States) makes a number, a date or a time of its text, and writes it back."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
        day = datetime.fromisoformat(cell)
        return f"{day.month}/{day.day}/{day.year}"
    if re.fullmatch(r"\d\d:\d\d", cell):
        return cell.removeprefix("0")
    if cell.lower() in ("true", "false"):
        return cell.upper()
    if re.fullmatch(r"\d+(\.\d+)?([eE]\d+)?", cell):
        number = float(cell)
        return f"{number:.5E}" if number >= 1e11 or "e" in cell.lower() else f"{number:g}"
    return cell


def saved_by_excel(content: bytes, correct: Callable[[Row], Row], delimiter: str, hint: str = "") -> bytes:
    """The file, opened in Excel, corrected, and saved as CSV UTF-8; where commas are decimal, with semicolons."""
    assert content.startswith(b"\xef\xbb\xbf"), "Excel would read it as Windows-1252"
    rows = [correct({name: as_excel_shows(cell) for name, cell in row.items()}) for row in rows_of(content)]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return f"{hint}{file.getvalue()}".encode("utf-8-sig")


@pytest.mark.parametrize(("delimiter", "hint"), [(",", ""), (";", ""), (";", "sep=;\r\n")])
def test_a_rejected_row_that_is_corrected_in_excel_comes_in_as_if_it_had_never_been_wrong(
    fed_catalog: FedCatalog, delimiter: str, hint: str
) -> None:
    fed_catalog.feed(fed("1", "v"), fed("10E2", "w", verified_price="1.250,00", **AWKWARD))
    data = saved_by_excel(
        returned(fed_catalog).content, lambda row: {**row, "verified_price": "1,250.50"}, delimiter, hint
    )
    found = fed_catalog.feed(data=data, accept_removals=False)
    assert [(row["outcome"], row["course_key"]) for row in found["rows"]] == [("new_product", "A+10E2")]
    assert found["counts"]["archived"] == 0
    assert found["warnings"] == []
    assert fed_catalog.rows("""
        SELECT title, external_identifier, partner_attributes ->> 'meta_keywords', partner_attributes ->> 'staff'
        FROM catalog.catalog_course WHERE key = 'A+10E2'""") == [
        (AWKWARD["title"], "0012345678901", "-5, =1+1", "'tis, Ann")
    ]
    whole = fed("10E2", "w", verified_price="1250.50", **AWKWARD)
    assert fed_catalog.outcomes(fed("1", "v"), whole) == ["unchanged", "unchanged"]


def test_the_reasons_name_column_value_and_what_is_accepted(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v", start_date="31/31/2026", image="", course_level="Expert"), fed("2", "w"))
    (row,) = rows_of(returned(fed_catalog).content)
    assert row["start_date"] == "31/31/2026"
    assert row["reasons"].split("\n") == [
        "Row 2.",
        "image is blank; it is required for executive-education-2u of 2u. Accepted: an http or https address of at most"
        " 511 characters, such as https://cdn.example.org/card.jpg.",
        "course_level: 'Expert' is not known. Accepted: Advanced, Intermediate, Introductory, Beginner.",
        "start_date '31/31/2026': That is no date; accepted are 2026-03-22, 03/22/2026, March 22, 2026, 22 March 2026,"
        " from 1900 to 2199.",
    ]


def test_rejected_variants_of_product_json_come_back_as_rows(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(data=json_of(product("1", presented("v")), product("2", presented("w", finalPrice="dear"))))
    back = returned(fed_catalog).content
    assert [(row["number"], row["verified_price"]) for row in rows_of(back)] == [("2", "dear")]
    data = saved_by_excel(back, lambda row: {**row, "verified_price": "10"}, ",")
    assert fed_catalog.outcomes(data=data) == ["new_product"]
    assert [status for *_, status in fed_catalog.runs()] == ["published", "published"]


def test_the_mail_and_the_command_give_out_the_same_file(fed_catalog: FedCatalog) -> None:
    rules = load_rules().model_copy(update={"recipients": {TYPE: {"2u": ["ann@example.org"]}}})
    rows: list[Any] = [fed("1", "v"), fed("2", "w", verified_price="dear", **AWKWARD)]
    fed_catalog.feed(*rows, summarize=summarizer(fed_catalog.settings, rules))
    mail = message_from_bytes(fed_catalog.value("SELECT content FROM ops.outbox"), policy=policy.default)
    (attached,) = mail.iter_attachments()  # pyright: ignore[reportAttributeAccessIssue]
    assert attached.get_filename() == "rejected.csv"
    assert attached.get_payload(decode=True) == returned(fed_catalog).content
