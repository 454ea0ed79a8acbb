"""The ingestion summary: everything of the report is in it, in text and HTML alike, and nothing else is."""

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.models.feed import FEED_ROW_OUTCOMES
from catalog_pipeline.partner.columns import RAW_ERROR_COLUMNS, WARNING_COLUMNS, FeedName, RawFeed, messages
from catalog_pipeline.partner.configuration import SHIPPED, PartnerRules
from catalog_pipeline.partner.corrections import corrections
from catalog_pipeline.partner.plan import Product
from catalog_pipeline.partner.report import FeedReport, RowError, RowReport, RowWarning
from catalog_pipeline.partner.summary import LISTED, compose_summary, summarizer
from catalog_pipeline.settings import Settings

Report = dict[str, Any]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TITLE = "2U - Executive Education data ingestion"
VARIANT = "5f2c9c1e-7b1f-4c36-9d53-0c0b5a4b7e11"


def row(number: int, outcome: str, **more: Any) -> Report:
    return {
        "row": number,
        "outcome": outcome,
        "reason": f"Reason {number}.",
        "course_key": f"MITx+C{number}",
        "run_key": f"course-v1:MITx+C{number}+1T2026",
        "variant_id": VARIANT,
        "title": f"Course {number}",
        "external_identifier": f"{number}000",
        "restriction_type": None,
        "is_future_variant": False,
        "changes": {"start": ["2026-01-01", "2026-02-01"]} if outcome == "updated" else {},
        "errors": [error()] if outcome == "rejected" else [],
        "warnings": [],
        **more,
    }


def error(**more: Any) -> Report:
    return {"code": "INVALID_DATE", "column": "start_date", "value": "31/31/2026", "message": "It is no date.", **more}


def product(key: str) -> Report:
    return {"course_key": key, "title": f"Title of {key}", "external_identifier": "7", "reason": "As the feed says."}


def report(*rows: Report, **more: Any) -> Report:
    found = {
        "feed": {"name": "march.csv", "source": "2u", "product_type": "executive-education-2u", "sha256": "ab12" * 16},
        "outcome": "applied",
        "detail": None,
        "rows": list(rows),
        "warnings": [],
        "archived": [],
        "reactivated": [],
        **more,
    }
    counts = {outcome: sum(one["outcome"] == outcome for one in found["rows"]) for outcome in FEED_ROW_OUTCOMES}
    products = {name: len(found[name]) for name in ("archived", "reactivated")}
    return {"counts": {"rows": len(found["rows"]), **counts, **products}, **found}


def typed(found: Report) -> FeedReport:
    """The report that has this JSON."""
    return FeedReport(
        feed=FeedName(**found["feed"], received_at=NOW),
        feed_id=1,
        outcome=found["outcome"],
        detail=found["detail"],
        counts=found["counts"],
        warnings=[RowWarning(**warning) for warning in found["warnings"]],
        rows=[
            RowReport(**{
                **row,
                "errors": [RowError(**error) for error in row["errors"]],
                "warnings": [RowWarning(**warning) for warning in row["warnings"]],
            })
            for row in found["rows"]
        ],
        archived=[Product(**product) for product in found["archived"]],
        reactivated=[Product(**product) for product in found["reactivated"]],
        missing=[Product(**product) for product in found.get("missing", [])],
    )  # fmt: skip


def raw_of(found: Report) -> RawFeed:
    """The feed as read of which the report tells."""
    cells = [
        {"row": one["row"], "title": one["title"], "start_date": next((e["value"] for e in one["errors"]), None)}
        for one in found["rows"]
    ]
    columns = ("title", "start_date")
    return RawFeed(
        name="march.csv", sha256="ab12" * 16, received_at=NOW, format="csv",
        frame=pd.DataFrame(cells, columns=["row", *columns]), columns=columns, unknown=(),
        errors=messages([], RAW_ERROR_COLUMNS), warnings=messages([], WARNING_COLUMNS),
    )  # fmt: skip


def mail(found: Report, *, title: str = TITLE, recipients: tuple[str, ...] = ("ann@example.org",)) -> EmailMessage:
    """The message as its reader gets it: made, written as bytes, and parsed again."""
    at = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
    report = typed(found)
    rejects = corrections(report.rows, raw_of(found)) if found["counts"]["rejected"] else None
    made = compose_summary(report, rejects, title=title, sender="Catalog <c@example.org>", recipients=recipients, at=at)
    return message_from_bytes(made.as_bytes(), policy=policy.default)  # pyright: ignore[reportReturnType]


class Visible(HTMLParser):
    """What a browser shows of a page, and the elements that it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.elements: set[str] = set()
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.add(tag)
        self.hidden += tag in ("title", "style")
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("title", "style")
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        self.parts += [] if self.hidden else [data]


def text_of(message: EmailMessage) -> str:
    return message.get_body(("plain",)).get_content().replace("\r\n", "\n")  # pyright: ignore[reportOptionalMemberAccess]


def html_of(message: EmailMessage) -> Visible:
    return Visible(message.get_body(("html",)).get_content())  # pyright: ignore[reportOptionalMemberAccess]


def words_of_text(message: EmailMessage) -> list[str]:
    return text_of(message).casefold().split()


def words_of_html(message: EmailMessage) -> list[str]:
    return "".join(html_of(message).parts).casefold().split()


def sections(message: EmailMessage) -> dict[str, str]:
    """The lists of the text, by title."""
    parts = text_of(message).split("\n\n\n")[1:]
    return {part.split(" (")[0]: part for part in parts}


def attachments(message: EmailMessage) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_payload(decode=True) for part in message.iter_attachments()}  # pyright: ignore[reportReturnType]


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_new_products_and_new_variants_are_told_apart_by_row_course_run_variant_and_restriction() -> None:
    found = report(
        row(2, "new_product", restriction_type="custom-b2b-enterprise"), row(3, "new_variant", is_future_variant=True)
    )
    message = mail(found)
    assert message["Subject"] == f"{TITLE}: 1 new product, 1 new variant"
    assert sections(message)["NEW PRODUCTS"].splitlines()[3:] == [
        "Row 2", "  Course 2", "  MITx+C2", "  course-v1:MITx+C2+1T2026", "  Product 2000",
        f"  Variant {VARIANT}", "  Restriction custom-b2b-enterprise", "    Reason 2.",
    ]  # fmt: skip
    assert sections(message)["NEW VARIANTS"].splitlines()[3:11] == [
        "Row 3", "  Course 3", "  MITx+C3", "  course-v1:MITx+C3+1T2026", "  Product 3000",
        f"  Variant {VARIANT}", "  Future variant", "    Reason 3.",
    ]  # fmt: skip


def test_a_row_that_clears_the_restriction_has_none() -> None:
    assert "Restriction" not in text_of(mail(report(row(2, "new_product", restriction_type="None"))))


def test_an_updated_row_says_which_fields_changed_from_what_to_what() -> None:
    changes = {"price": ["150.00", "200.00"], "variant_id": [None, VARIANT], "restriction_type": ["custom-b2c", None]}
    changes["start"] = ["2026-01-01T10:30:00+00:00", "2026-01-01T10:30:01Z"]
    listed = sections(mail(report(row(2, "updated", changes=changes))))["UPDATED"]
    assert "    start: 2026-01-01 10:30 UTC → 2026-01-01T10:30:01Z\n" in listed
    assert "    price: 150.00 → 200.00\n" in listed
    assert f"    variant: nothing → {VARIANT}\n" in listed
    assert "    restriction: custom-b2c → nothing\n" in listed


def test_a_rejected_row_says_all_its_errors_with_column_and_value() -> None:
    errors = [error(), error(code="MISSING_REQUIRED_DATA", column="image", value=None, message="image is empty.")]
    message = mail(report(row(5, "rejected", errors=errors, run_key=None)))
    assert sections(message)["REJECTED"].splitlines()[4:10] == [
        "Row 5", "  Course 5", "  MITx+C5", "  Product 5000", f"  Variant {VARIANT}",
        "    start_date '31/31/2026': It is no date. (INVALID_DATE)",
    ]  # fmt: skip
    assert "    image is empty. (MISSING_REQUIRED_DATA)\n" in text_of(message)
    assert "reasons: rejected.csv, attached." in " ".join(text_of(message).split())
    assert table(attachments(message)["rejected.csv"]) == [
        {
            "title": "Course 5",
            "start_date": "31/31/2026",
            "reasons": "Row 5.\nstart_date '31/31/2026': It is no date.\nimage is empty.",
        }
    ]


def test_unchanged_rows_are_only_counted() -> None:
    message = mail(report(row(2, "unchanged"), row(3, "unchanged")))
    assert message["Subject"] == f"{TITLE}: nothing changed"
    assert "\n        2 unchanged\n" in text_of(message)
    assert "MITx" not in text_of(message)


def test_archived_and_reactivated_products_deferred_rows_and_warnings_have_lists() -> None:
    warning = {"code": "UNKNOWN_COLUMN", "column": "colour", "message": "It is ignored."}
    found = report(
        row(2, "deferred", reason="The run is in review."),
        row(3, "updated", warnings=[{"code": "COURSE_VALUE", "column": "title", "message": "Two titles."}]),
        archived=[product("MITx+Old")],
        reactivated=[product("MITx+Back")],
        warnings=[warning],
    )
    message = mail(found)
    listed = sections(message)
    assert list(listed) == ["DEFERRED", "UPDATED", "REACTIVATED", "ARCHIVED", "WARNINGS"]
    assert "The run is in review." in listed["DEFERRED"]
    assert "Title of MITx+Old\n  MITx+Old\n  Product 7\n" in listed["ARCHIVED"]
    assert "Title of MITx+Back\n" in listed["REACTIVATED"]
    assert "The feed\n    colour: It is ignored. (UNKNOWN_COLUMN)\n" in listed["WARNINGS"]
    assert "title: Two titles. (COURSE_VALUE)" in listed["WARNINGS"]
    assert message["Subject"].endswith("1 updated, 1 deferred, 1 archived, 1 reactivated")


@pytest.mark.parametrize(
    ("outcome", "said", "why"),
    [
        ("refused", "Refused", "It would archive too much."),
        ("held", "Held back", "It does not list products that are on sale: see below."),
        ("superseded", "Superseded", "A newer feed was taken before."),
    ],
)
def test_of_a_feed_that_was_not_applied_just_the_reason_and_what_is_wrong_is_told(
    outcome: str, said: str, why: str
) -> None:
    planned = [row(2, "new_product"), row(3, "rejected")]
    message = mail(
        report(*planned, outcome=outcome, detail="It would archive too much.", archived=[product("MITx+Old")])
    )
    assert message["Subject"] == f"{TITLE}: {said.lower()}"
    assert f"\n{said} 2026-03-01 02:15 UTC\n" in text_of(message)
    assert f"Nothing of this feed was taken.\n{why}" in text_of(message)
    assert "It would archive too much." in text_of(message)
    assert list(sections(message)) == ["REJECTED"]
    assert "new product" not in text_of(message).lower()


def test_a_feed_of_which_nothing_could_be_read_is_told_by_the_errors_words() -> None:
    message = mail(report(outcome="refused", detail="march.csv has no header: its first line is empty."))
    assert "march.csv has no header: its first line is empty." in " ".join(text_of(message).split())
    assert attachments(message) == {}
    assert " rows" not in text_of(message)


def test_a_long_list_is_cut_and_attached_whole() -> None:
    found = report(*(row(n, "new_variant") for n in range(2, 2 + LISTED + 312)))
    message = mail(found)
    assert sections(message)["NEW VARIANTS"].count("\nRow") == LISTED
    assert "and 312 more\n" in text_of(message)
    assert "All of them: new_variant.csv, attached." in text_of(message)
    lines = table(attachments(message)["new_variant.csv"])
    assert [line["row"] for line in lines] == [str(one["row"]) for one in found["rows"]]
    assert lines[-1]["run_key"] == found["rows"][-1]["run_key"]


def test_a_mail_about_the_worst_feed_is_small_enough_for_any_server() -> None:
    errors = [error(code=f"CODE_{n}", message="x" * 100) for n in range(3)]
    rows = [row(n, "rejected", errors=errors) for n in range(2, 10_002)]
    message = mail(report(*rows))
    (content,) = attachments(message).values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(table(archive.read("rejected.csv"))) == 10_000
    assert len(message.as_bytes()) < 1_000_000


def test_many_changes_of_one_row_are_cut_in_the_mail() -> None:
    changes = {f"field_{n}": ["a", "b" * 500] for n in range(30)}
    message = mail(report(row(2, "updated", changes=changes)))
    listed = sections(message)["UPDATED"]
    assert "and 22 more\n" in listed
    assert "All of them: updated.csv, attached." in listed
    lines = table(attachments(message)["updated.csv"])
    assert [(one["row"], one["field"], one["new"]) for one in lines] == [("2", name, "b" * 500) for name in changes]
    assert max(map(len, listed.splitlines())) < 120


def test_the_fields_that_matter_most_are_told_first_in_the_words_of_partner_managers() -> None:
    changes = {
        "meta_title": ["a", "b"],
        "dropped_since": ["2026-01-01T00:00:00Z", None],
        "variant_id": [None, VARIANT],
        "enrollment_end": [None, "2026-03-01T00:00:00Z"],
        "price": ["1.00", "2.00"],
        "start": [None, "2026-04-01T00:00:00Z"],
    }
    told = sections(mail(report(row(2, "updated", changes=changes))))["UPDATED"]
    lines = [line.strip() for line in told.splitlines() if " → " in line]
    assert [line.partition(":")[0] for line in lines] == [
        "price", "start", "registration closes", "variant", "meta title", "not listed since",
    ]  # fmt: skip


def test_a_held_feed_lists_the_missing_products_and_leaves_settings_to_who_runs_the_catalog() -> None:
    detail = "It does not list 30 of 90 products, over the 20% of CATALOG_REMOVAL_SHARE."
    found = report(row(2, "new_product"), outcome="held", detail=detail)
    found["missing"] = [product(f"MITx+Old{n}") for n in range(30)]
    message = mail(found)
    assert list(sections(message)) == ["NOT LISTED"]
    assert sections(message)["NOT LISTED"].count("\n  MITx+Old") == LISTED
    lines = table(attachments(message)["missing.csv"])
    assert [one["course_key"] for one in lines] == [f"MITx+Old{n}" for n in range(30)]
    assert lines[0]["external_identifier"] == "7"
    to_partner, to_operator = " ".join(text_of(message).split()).split("For those who run the catalog:")
    assert "CATALOG_" not in to_partner
    assert detail in to_operator
    assert "catalog-pipeline partner show 1 " in to_operator


def test_a_list_that_is_too_large_for_a_mail_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog_pipeline.notifications.composing.LARGEST", 10)
    message = mail(report(row(2, "rejected")))
    assert attachments(message) == {}
    said = " ".join(text_of(message).split())
    assert "too large for a mail. Those who run the catalog get it by catalog-pipeline partner rejects 1 --csv." in said


def test_names_from_outside_make_no_header_and_no_line_of_their_own() -> None:
    evil = "Course\r\nBcc: eve@example.org\r\n\r\nREJECTED (9)\nRow 9\u202egpj.exe\x00\ud800"
    message = mail(report(row(2, "new_product", title=evil)), title=f"2U {evil}")
    assert "Bcc" not in message
    assert message["Subject"].strip().startswith("2U Course Bcc: eve@example.org REJECTED (9) Row 9 gpj.exe: ")
    assert list(sections(message)) == ["NEW PRODUCTS"]
    assert "\u202e" not in text_of(message)


def test_unicode_arrives_in_subject_bodies_names_and_attachments() -> None:
    name = "Größe “管理” 🎓 Ελλάδα"
    found = report(row(2, "rejected", title=name, errors=[error(value=name, message=name)]))
    message = mail(found, title=name, recipients=("Ann Müller <ann@example.org>", "bob@example.org"))
    assert message["Subject"].strip().startswith(name)
    assert message["To"].addresses[0].display_name == "Ann Müller"
    assert [address.addr_spec for address in message["To"].addresses] == ["ann@example.org", "bob@example.org"]
    assert name in text_of(message)
    assert name in "".join(html_of(message).parts)
    assert table(attachments(message)["rejected.csv"])[0]["title"] == name


def test_markup_from_outside_is_shown_and_never_run() -> None:
    markup = "<script>alert(1)</script><img src=x onerror='alert(2)'>&amp;"
    errors = [error(value=markup, message=markup, column=markup)]
    found = report(
        row(2, "rejected", title=markup, course_key=markup, variant_id=markup, errors=errors),
        row(3, "updated", changes={markup: [markup, markup]}),
        outcome="applied", detail=markup, archived=[{**product("a"), "title": markup}],
    )  # fmt: skip
    plain = mail(report(row(2, "rejected"), row(3, "updated"), detail="d", archived=[product("a")]))
    shown = html_of(mail(found, title=markup))
    assert shown.elements == html_of(plain).elements
    assert "".join(shown.parts).count(markup) >= 9


def test_formulas_of_the_feed_are_text_in_the_attachment() -> None:
    formula = '=HYPERLINK("http://evil.example")'
    found = report(row(2, "rejected", title="@SUM(1)", errors=[error(value=formula)]))
    (line,) = table(attachments(mail(found))["rejected.csv"])
    assert (line["start_date"], line["title"]) == (f"'{formula}", "'@SUM(1)")


def test_each_mail_has_an_id_of_its_own_and_asks_for_no_answer_by_machines() -> None:
    first, second = mail(report()), mail(report())
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Message-ID"].endswith("@example.org>")
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Date"].datetime == datetime(2026, 3, 1, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("wrong", ["ann", "ann@example.org, bob@example.org", "ann@exämple.org", ""])
def test_a_wrong_address_is_told(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no mail address: give one address in ASCII"):
        mail(report(), recipients=(wrong,))


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["<b>", "* x", "--", "&lt;"]
)
maybe = st.none() | any_text


def _rows(outcome: str) -> st.SearchStrategy[Report]:
    problem = st.builds(error, code=any_text, column=maybe, value=maybe, message=any_text)
    doubt = st.builds(dict, code=any_text, column=maybe, message=any_text)
    return st.builds(
        row,
        st.integers(2, 99),
        st.just(outcome),
        reason=any_text,
        course_key=maybe,
        run_key=maybe,
        variant_id=maybe,
        title=maybe,
        restriction_type=maybe,
        is_future_variant=st.booleans(),
        changes=st.dictionaries(any_text, st.tuples(maybe, maybe), max_size=10),
        errors=st.lists(problem, max_size=10),
        warnings=st.lists(doubt, max_size=2),
    )


reports = st.builds(
    lambda rows, **more: report(*rows, **more),
    st.lists(st.sampled_from(FEED_ROW_OUTCOMES).flatmap(_rows), max_size=6),
    outcome=st.sampled_from(["applied", "held", "refused", "superseded"]),
    detail=maybe,
    archived=st.lists(st.builds(product, any_text), max_size=30),
)


@trying(max_examples=150)
@given(reports)
def test_text_and_html_say_the_same_words_in_the_same_order(found: Report) -> None:
    message = mail(found)
    assert words_of_text(message) == words_of_html(message)


@trying(max_examples=50)
@given(reports)
def test_the_mail_counts_what_the_report_counts(found: Report) -> None:
    words = " ".join(words_of_html(mail(found)))
    for outcome in FEED_ROW_OUTCOMES if found["outcome"] == "applied" else []:
        n = found["counts"][outcome]
        said = f"{n} {outcome.replace('_', ' ')}{'s' if outcome.startswith('new') and n != 1 else ''}"
        assert (f" {said} " in words) is (found["counts"]["rows"] > 0)


@pytest.fixture
def rules() -> Callable[..., PartnerRules]:
    shipped = yaml.safe_load(SHIPPED.read_text())
    return lambda recipients: PartnerRules.model_validate({**shipped, "recipients": recipients})


def test_the_summary_goes_to_whom_the_rules_name_for_its_type_and_source(
    engine: Engine, settings: Settings, rules: Callable[..., PartnerRules]
) -> None:
    summarize = summarizer(settings, rules({"executive-education-2u": {"2u": ["ann@example.org"]}}))
    elsewhere = report(row(2, "new_product"))
    elsewhere["feed"] = {**elsewhere["feed"], "source": "edx"}
    with connected(engine) as connection:
        assert summarize(connection, typed(report(row(2, "new_product")))) is not None
        assert summarize(connection, typed(elsewhere)) is None
        queued = connection.execute(text("SELECT kind, subject, sender, recipients FROM ops.outbox")).all()
    assert queued == [
        ("ingestion_summary", f"{TITLE}: 1 new product", "catalog-pipeline@localhost", ["ann@example.org"])
    ]
