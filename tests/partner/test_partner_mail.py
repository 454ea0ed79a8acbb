"""The summary of a feed that was really ingested: there when the feed is, and saying what the report says."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from support.feeds import NOW, TYPE, FedCatalog, fed, variant

from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.summary import summarizer


@pytest.fixture
def summarize(fed_catalog: FedCatalog) -> Any:
    rules = load_rules().model_copy(update={"recipients": {TYPE: {"2u": ["Ann <ann@example.org>"]}}})
    return summarizer(fed_catalog.settings, rules)


def mails(catalog: FedCatalog) -> list[EmailMessage]:
    """The queued mails, oldest first."""
    found = catalog.rows("SELECT content FROM ops.outbox ORDER BY id")
    return [message_from_bytes(content, policy=policy.default) for (content,) in found]  # pyright: ignore[reportReturnType]


def text_of(message: EmailMessage) -> str:
    return " ".join(message.get_body(("plain",)).get_content().split())  # pyright: ignore[reportOptionalMemberAccess]


def test_each_outcome_of_real_feeds_is_in_their_mails(fed_catalog: FedCatalog, summarize: Any) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w", restriction_type="custom-b2c"), summarize=summarize)
    second = fed_catalog.feed(
        fed("1", "v", "2026-09-01"),
        fed("1", "x", "2026-11-01", is_future_variant="True"),
        fed("3", "bad", verified_price="-", colour="red"),
        summarize=summarize,
    )
    first_mail, second_mail = mails(fed_catalog)
    title = "2U - Executive Education data ingestion"
    assert first_mail["Subject"] == f"{title}: 2 new products"
    assert "A+2 course-v1:A+2+2T2026 Product id 2 Variant" in text_of(first_mail)
    assert "Restriction custom-b2c" in text_of(first_mail)
    assert second_mail["Subject"] == f"{title}: 1 new variant, 1 updated, 1 rejected, 1 archived"
    told = text_of(second_mail)
    assert f"Variant {variant('x')} Future variant" in told
    for row in second["rows"]:
        assert f"Row {row['row']} " in told
        assert all(error["message"] in told for error in row["errors"])
    assert "start: 2026-07-01 00:00 UTC → 2026-09-01 00:00 UTC" in told
    assert "ARCHIVED (1)" in told
    assert "A+2 Product id 2" in told
    assert "colour: No column of a feed has this name; it is ignored. (UNKNOWN_COLUMN)" in told


def test_a_refused_feed_is_told_and_nobody_is_told_of_a_dry_run_or_of_the_same_bytes(
    fed_catalog: FedCatalog, summarize: Any
) -> None:
    with pytest.raises(FeedRefusedError) as caught:
        fed_catalog.feed(data=b"\x00\x01\x02", summarize=summarize)
    (refused,) = mails(fed_catalog)
    assert refused["Subject"].endswith("data ingestion: refused")
    assert " ".join(str(caught.value).split()) in text_of(refused)
    fed_catalog.feed(fed("1", "v"), dry_run=True, summarize=summarize)
    fed_catalog.feed(fed("1", "v"), summarize=summarize)
    fed_catalog.feed(fed("1", "v"), summarize=summarize)
    assert len(mails(fed_catalog)) == 2


def test_a_feed_that_is_held_back_or_superseded_is_told(fed_catalog: FedCatalog, summarize: Any) -> None:
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"removal_share": 0.2})
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    fed_catalog.feed(fed("1", "v"), accept_removals=False, summarize=summarize)
    fed_catalog.feed(fed("1", "v"), received_at=NOW, summarize=summarize)
    held, superseded = mails(fed_catalog)
    assert [mail["Subject"].rpartition(": ")[2] for mail in (held, superseded)] == ["held back", "superseded"]
    assert "NOT LISTED (1) Products that are on sale, and that the feed does not list. Course 2 A+2" in text_of(held)
    to_partner, to_operator = text_of(held).split("For those who run the catalog:")
    assert "CATALOG_" not in to_partner
    assert f"partner ingest 2.csv --source 2u --product-type {TYPE} --accept-removals" in to_operator


def test_a_feed_that_cannot_be_told_is_not_taken(fed_catalog: FedCatalog, summarize: Any) -> None:
    def fails(connection: Any, report: Any) -> None:
        summarize(connection, report)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fed_catalog.feed(fed("1", "v"), summarize=fails)
    assert mails(fed_catalog) == []
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 0
    assert fed_catalog.runs() == []
