"""The mail about an ingested partner feed: what became of its rows, told to who manages the partner."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from catalog_pipeline.notifications.composing import Attachment, compose
from catalog_pipeline.notifications.outbox import enqueue
from catalog_pipeline.notifications.text import one_line
from catalog_pipeline.partner.columns import CLEARS
from catalog_pipeline.partner.configuration import PartnerRules
from catalog_pipeline.partner.corrections import NAME, in_words, read_corrections
from catalog_pipeline.partner.plan import Product
from catalog_pipeline.partner.reading import Limits
from catalog_pipeline.partner.report import FeedReport, RowReport, RowWarning
from catalog_pipeline.settings import Settings

KIND = "ingestion_summary"
LISTED = 25
"""Entries of a list that the mail shows; a longer list is attached whole."""
DETAILS = 8
"""Lines of details of one entry that the mail shows; if there are more, the list is attached whole."""
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):00(?:Z|\+00:00)", re.ASCII)
"""As the report writes them; the mail leaves out what every reader would skip."""
IDENTITY = ["row", "course_key", "run_key", "variant_id", "restriction_type", "is_future_variant"]
PRODUCT = ["course_key", "title", "external_identifier", "reason"]
FIELDS = {
    "price": "price",
    "currency": "currency",
    "start": "start",
    "end": "end",
    "enrollment_end": "registration closes",
    "go_live": "publish date",
    "status": "status",
    "restriction_type": "restriction",
    "variant_id": "variant",
    "upgrade_deadline": "upgrade deadline",
    "pacing": "pacing",
    "language": "language",
    "title": "title",
    "external_identifier": "product number",
    "topic": "primary subject",
    "short_description": "short description",
    "full_description": "long description",
}
"""What partner managers call the fields of a course and a run, the important ones first."""
BOOKKEEPING = {
    "product_status": "product status",
    "key": "course key",
    "course_type": "course type",
    "product_source": "source",
    "dropped_since": "not listed since",
    "missing_since": "not listed by upstream since",
}
"""The fields that are told last."""


@dataclass(frozen=True)
class Entry:
    """One row of the feed or one product, in lines: what it is about, its variant, and what is to be said of it."""

    row: str
    product: list[str]
    variant: list[str]
    details: list[str]


@dataclass(frozen=True)
class Section:
    """One list of the mail; `more` entries are in the attachment alone. `tone` names its colours."""

    title: str
    tone: str
    note: str
    n: int
    entries: list[Entry]
    more: int
    attachment: str | None
    """Which file has all of it."""


@dataclass(frozen=True)
class Count:
    """How many rows or products had an outcome."""

    label: str
    n: int
    tone: str


@dataclass(frozen=True)
class Summary:
    """Everything that the mail says, in the order in which it says it."""

    title: str
    headline: str
    feed: str
    sha256: str
    outcome: str
    at: str
    applied: bool
    detail: str | None
    rows: int
    counts: list[Count]
    sections: list[Section]
    operator: list[str]
    """What those who run the catalog want to know, in lines."""


def summarizer(settings: Settings, rules: PartnerRules) -> Callable[[Connection, FeedReport], int | None]:
    """What `ingest` calls with each report: it queues the report's mail, in the transaction that keeps the feed.

    Returns the mail's id in the outbox; None, and no mail, where the rules name nobody for the source and type.
    """

    def summarize(connection: Connection, report: FeedReport) -> int | None:
        source, product_type = report.feed.source, report.feed.product_type
        recipients = rules.recipients_of(product_type, source)
        if not recipients:
            return None
        title = f"{rules.sources[source]} - {rules.course_types[product_type].title} data ingestion"
        rejects = read_corrections(connection, report, Limits.of(settings)) if report.counts["rejected"] else None
        message = compose_summary(
            report, rejects, title=title, sender=settings.mail_from, recipients=recipients, at=datetime.now(UTC)
        )
        return enqueue(connection, message, KIND)

    return summarize


def compose_summary(
    report: FeedReport, rejects: Attachment | None, *, title: str, sender: str, recipients: Sequence[str], at: datetime
) -> EmailMessage:
    """The mail about a report, with the rejected rows if there are any. Raises UsageError for a wrong address.

    If the feed was not applied, the mail tells what is wrong with it, and nothing of what applying it would have done.
    """
    told = [one.told(report, rejects) for one in LISTS if one.items_of(report)]
    summary = _summary(report, title, [section for section, _ in told], at)
    return compose(
        Path(__file__).with_suffix(""),
        summary,
        subject=f"{summary.title}: {summary.headline}",
        sender=sender,
        recipients=recipients,
        at=at,
        attachments=[attachment for _, attachment in told if attachment],
    )


def _value(value: Any) -> str:
    if instant := INSTANT.fullmatch(str(value)):
        return "{} {} UTC".format(*instant.groups())
    return "nothing" if value in (None, "") else one_line(value, 80)


@dataclass(frozen=True)
class Item:
    """A row of the feed, a product, or the feed itself, with what a list of the mail says of it."""

    about: RowReport | Product | None
    """None for the feed itself."""
    details: list[str]
    cells: Sequence[Mapping[str, Any]]
    """The same for the attachment, whole: one line for each, without what it is about."""

    def lines(self) -> list[dict[str, Any]]:
        """Its lines in an attachment."""
        return [{**self._identity(), **cells} for cells in self.cells]

    def _identity(self) -> dict[str, Any]:
        if isinstance(self.about, Product):
            return {name: getattr(self.about, name) for name in PRODUCT[:-1]}
        return {name: getattr(self.about, name, None) for name in IDENTITY}


def _rejected(row: RowReport) -> Item:
    return Item(row, [f"{in_words(error)} ({error.code})" for error in row.errors], [])


def _changed(row: RowReport) -> Item:
    changes = sorted(row.changes.items(), key=lambda change: _place(change[0]))
    said = [f"{_called(name)}: {_value(old)} → {_value(new)}" for name, (old, new) in changes]
    return Item(row, said, [{"field": name, "old": old, "new": new} for name, (old, new) in changes])


def _place(field: str) -> int:
    order = [*FIELDS, None, *BOOKKEEPING]  # what a partner alone says of a course comes between
    return order.index(field if field in order else None)


def _called(field: str) -> str:
    return FIELDS.get(field) or BOOKKEEPING.get(field) or one_line(field.replace("_", " "))


def _explained(about: RowReport | Product) -> Item:
    return Item(about, [one_line(about.reason)] if about.reason else [], [{"reason": about.reason}])


def _warned(about: RowReport | None, warnings: Sequence[RowWarning]) -> Item:
    said = [f"{one.column}: {one.message} ({one.code})" if one.column else f"{one.message} ({one.code})"
            for one in warnings]  # fmt: skip
    return Item(about, [one_line(line) for line in said], [vars(one) for one in warnings])


def _with(outcome: str, item: Callable[[RowReport], Item]) -> Callable[[FeedReport], list[Item]]:
    """The rows of an outcome."""
    return lambda report: [item(row) for row in report.rows if row.outcome == outcome]


def _all_warnings(report: FeedReport) -> list[Item]:
    of_the_feed = [_warned(None, report.warnings)] if report.warnings else []
    return [*of_the_feed, *(_warned(row, row.warnings) for row in report.rows if row.warnings)]


@dataclass(frozen=True)
class MailList:
    """A list of the mail: its key, which names its attachment, how it looks, and what it takes from a report."""

    key: str
    title: str
    tone: str
    note: str
    items: Callable[[FeedReport], list[Item]]
    columns: Sequence[str] = (*IDENTITY, "reason")
    """The columns of the attachment. The rejected rows have the columns of the feed."""
    note_unless_applied: str | None = None
    """What is said of it where the feed was not applied; without that, it is not shown then."""

    def items_of(self, report: FeedReport) -> list[Item]:
        """What the mail about this report lists here."""
        return self.items(report) if report.is_applied or self.note_unless_applied else []

    def told(self, report: FeedReport, rejects: Attachment | None) -> tuple[Section, Attachment | None]:
        """The list as the mail shows it, and the whole of it where the mail cuts it; rejected rows go along always."""
        items = self.items_of(report)
        entries = [_entry(item) for item in items[:LISTED]]
        is_cut = len(items) > LISTED or any(len(item.details) > DETAILS for item in items)
        whole = Attachment(self.key, self.columns, [line for item in items for line in item.lines()])
        whole = rejects if self.key == NAME else whole if is_cut else None
        note = (self.note if report.is_applied else self.note_unless_applied) or ""
        said = _attached(whole, report) if whole else None
        section = Section(self.title, self.tone, note, len(items), entries, len(items) - len(entries), said)
        return section, whole if whole and whole.fits else None


def _attached(whole: Attachment, report: FeedReport) -> str:
    what = "The rows as they were, with the reasons" if whole.name == NAME else "All of them"
    name, _ = whole.file
    if whole.fits:
        return f"{what}: {name}, attached."
    how = "rejects {} --csv" if whole.name == NAME else "show {} --json"
    verb = how.format(report.feed_id)
    return f"{what}: too large for a mail. Those who run the catalog get it by catalog-pipeline partner {verb}."


LISTS = [
    MailList("missing", "Not listed", "held", "Products that stay on sale, although the feed does not list them.",
             lambda report: [_explained(product) for product in report.missing], PRODUCT,
             "Products that are on sale, and that the feed does not list."),
    MailList(NAME, "Rejected", "bad", "Nothing of these rows was taken. Correct them in the attached file and feed that"
             " file. Correct your next feed too.", _with("rejected", _rejected), (),
             "Nothing of these rows can be taken. Correct them in the feed, and feed it whole again."),
    MailList("deferred", "Deferred", "held", "Nothing of these rows is lost: they are decided again every night.",
             _with("deferred", _explained)),
    MailList("new_product", "New products", "new", "Courses that the catalog did not have.",
             _with("new_product", _explained)),
    MailList("new_variant", "New variants", "new", "New runs of courses that the catalog had.",
             _with("new_variant", _explained)),
    MailList("updated", "Updated", "good", "The fields that changed, with their old and new values.",
             _with("updated", _changed), (*IDENTITY, "field", "old", "new")),
    MailList("reactivated", "Reactivated", "good", "Archived products that the feed lists again.",
             lambda report: [_explained(product) for product in report.reactivated], PRODUCT),
    MailList("archived", "Archived", "held", "Products that the feed no longer lists.",
             lambda report: [_explained(product) for product in report.archived], PRODUCT),
    MailList("warnings", "Warnings", "held", "None of this stopped a row. Check whether it is what you mean.",
             _all_warnings, (*IDENTITY, "code", "column", "message"),
             "None of this stops a row. Check whether it is what you mean."),
]  # fmt: skip

COUNTED = {
    "new_product": ("new product", "new"),
    "new_variant": ("new variant", "new"),
    "updated": ("updated", "good"),
    "unchanged": ("unchanged", "quiet"),
    "deferred": ("deferred", "held"),
    "rejected": ("rejected", "bad"),
}
"""The outcomes of rows: each row has one."""
COUNTED_PRODUCTS = {"archived": ("archived", "held"), "reactivated": ("reactivated", "good")}


OUTCOMES = {"applied": "Ingested", "superseded": "Superseded", "held": "Held back", "refused": "Refused"}
"""Of a feed as a whole; all but the first leave the catalog as it was."""


def _summary(report: FeedReport, title: str, sections: list[Section], at: datetime) -> Summary:
    feed, counts, applied = report.feed, report.counts, report.is_applied
    told = COUNTED | COUNTED_PRODUCTS if applied else {"rejected": COUNTED["rejected"]}
    tiles = [Count(_plural(label, counts[key]), counts[key], tone) for key, (label, tone) in told.items()]
    some = [f"{tile.n:,} {tile.label}" for tile in tiles if tile.n and tile.tone != "quiet"]
    detail = DETAIL.get(report.outcome, report.detail)
    return Summary(
        title=one_line(title),
        headline=(", ".join(some) or "nothing changed") if applied else OUTCOMES[report.outcome].lower(),
        feed=one_line(feed.name, 120),
        sha256=feed.sha256,
        outcome=OUTCOMES[report.outcome],
        at=f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        applied=applied,
        detail=one_line(detail, 1000) if detail else None,
        rows=counts["rows"],
        counts=tiles if counts["rows"] else [],
        sections=sections,
        operator=[
            *([one_line(report.detail, 1000)] if report.detail and report.outcome in DETAIL else []),
            f"catalog-pipeline partner show {report.feed_id} prints what became of each row.",
        ],
    )


DETAIL = {
    "held": "It does not list products that are on sale: see below. It waits, so that none is archived by mistake."
    " If these products are no longer sold, tell those who run the catalog, and they let the feed in. If they are, add"
    " them and feed the whole list again.",
    "superseded": "A newer feed was taken before. If this older one is meant all the same, tell those who run the"
    " catalog, and they let it in.",
}
"""What a partner manager has to know where the feed's own detail is about commands and settings."""


def _plural(label: str, n: int) -> str:
    return label if n == 1 or not label.startswith("new") else f"{label}s"


def _entry(item: Item) -> Entry:
    about, more = item.about, len(item.details) - DETAILS
    details = [*item.details[:DETAILS], *([f"and {more} more"] if more > 0 else [])]
    if about is None:
        return Entry(row="", product=["The feed"], variant=[], details=details)
    number = [f"Product {one_line(about.external_identifier, 80)}"] if about.external_identifier else []
    if isinstance(about, Product):
        return Entry("", [*_lines(about.title, about.course_key), *number], [], details)
    product = [*_lines(about.title, about.course_key, about.run_key), *number]
    return Entry(f"Row {about.row}", product, _variant(about), details)


def _lines(*values: str | None) -> list[str]:
    return [one_line(value, 200) for value in values if value]


def _variant(row: RowReport) -> list[str]:
    restriction = row.restriction_type
    return [
        *([f"Variant {one_line(row.variant_id, 80)}"] if row.variant_id else []),
        *([f"Restriction {one_line(restriction, 80)}"] if restriction not in (None, CLEARS) else []),
        *(["Future variant"] if row.is_future_variant else []),
    ]
