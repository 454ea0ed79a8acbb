"""The mail about an ingested partner feed: what became of its rows, told to who manages the partner."""

import re
from collections.abc import Callable, Sequence
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
from catalog_pipeline.partner.plan import Product
from catalog_pipeline.partner.report import FeedReport, RowError, RowReport, RowWarning
from catalog_pipeline.settings import Settings

KIND = "ingestion_summary"
LISTED = 25
"""Entries of a list that the mail shows; a longer list is attached whole."""
DETAILS = 8
"""Lines of details of one entry that the mail shows."""
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):00(?:Z|\+00:00)", re.ASCII)
"""As the report writes them; the mail leaves out what every reader would skip."""
IDENTITY = ["row", "course_key", "run_key", "variant_id", "restriction_type", "is_future_variant"]
PROBLEM = ["code", "column", "value", "message"]


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
        message = compose_summary(
            report, title=title, sender=settings.mail_from, recipients=recipients, at=datetime.now(UTC)
        )
        return enqueue(connection, message, KIND)

    return summarize


def compose_summary(
    report: FeedReport, *, title: str, sender: str, recipients: Sequence[str], at: datetime
) -> EmailMessage:
    """The mail about a report. Raises UsageError for a wrong address.

    If the feed was not applied, the mail tells what is wrong with it, and nothing of what applying it would have done.
    """
    lists = [(one, items) for one in LISTS if (items := one.items_of(report))]
    summary = _summary(report, title, [one.section(items) for one, items in lists], at)
    return compose(
        Path(__file__).with_suffix(""),
        summary,
        subject=f"{summary.title}: {summary.headline}",
        sender=sender,
        recipients=recipients,
        at=at,
        attachments=[one.attachment(items) for one, items in lists if one.is_attached(items)],
    )


def _problem(problem: RowError | RowWarning) -> str:
    column = f" in {problem.column}" if problem.column else ""
    value = problem.value if isinstance(problem, RowError) else None
    found = f" (found: {_value(value)})" if value is not None else ""
    return f"{problem.code}{column}: {one_line(problem.message)}{found}"


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
    problems: Sequence[RowError | RowWarning] = ()

    def cells(self) -> dict[str, Any]:
        """Its cells in an attachment, by IDENTITY."""
        return {name: getattr(self.about, name, None) for name in IDENTITY}


def _rejected(row: RowReport) -> Item:
    return Item(row, [_problem(error) for error in row.errors], row.errors)


def _changed(row: RowReport) -> Item:
    return Item(row, [f"{name}: {_value(old)} → {_value(new)}" for name, (old, new) in row.changes.items()])


def _explained(about: RowReport | Product) -> Item:
    return Item(about, [one_line(about.reason)] if about.reason else [])


def _warned(about: RowReport | None, warnings: Sequence[RowWarning]) -> Item:
    return Item(about, [_problem(warning) for warning in warnings])


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
    is_told_always: bool = False
    """Whether it is shown although the feed was not applied."""

    def items_of(self, report: FeedReport) -> list[Item]:
        """What the mail about this report lists here."""
        return self.items(report) if self.is_told_always or report.is_applied else []

    def is_attached(self, items: Sequence[Item]) -> bool:
        """Whether the whole list goes with the mail: rejects always, the others when the mail cuts them."""
        return self.key == "rejected" or len(items) > LISTED

    def section(self, items: Sequence[Item]) -> Section:
        """The list as the mail shows it."""
        entries = [_entry(item) for item in items[:LISTED]]
        attached = f"{self.key}.csv" if self.is_attached(items) else None
        return Section(self.title, self.tone, self.note, len(items), entries, len(items) - len(entries), attached)

    def attachment(self, items: Sequence[Item]) -> Attachment:
        """The whole list, one line an item; of rejects, one line an error."""
        if self.key == "rejected":
            lines = [{**item.cells(), **vars(error)} for item in items for error in item.problems]
            return Attachment(self.key, [*IDENTITY, *PROBLEM], lines)
        lines = [{**item.cells(), "details": "\n".join(item.details)} for item in items]
        return Attachment(self.key, [*IDENTITY, "details"], lines)


LISTS = [
    MailList("rejected", "Rejected", "bad", "Nothing of these was taken. Correct them and feed them again.",
             _with("rejected", _rejected), is_told_always=True),
    MailList("deferred", "Deferred", "held", "Nothing of these rows is lost: they are decided again every night.",
             _with("deferred", _explained)),
    MailList("new_product", "New products", "new", "Courses that the catalog did not have.",
             _with("new_product", _explained)),
    MailList("new_variant", "New variants", "new", "New runs of courses that the catalog had.",
             _with("new_variant", _explained)),
    MailList("updated", "Updated", "good", "The fields that changed, with their old and new values.",
             _with("updated", _changed)),
    MailList("reactivated", "Reactivated", "good", "Archived products that the feed lists again.",
             lambda report: [_explained(product) for product in report.reactivated]),
    MailList("archived", "Archived", "held", "Products that the feed no longer lists.",
             lambda report: [_explained(product) for product in report.archived]),
    MailList("warnings", "Warnings", "held", "None of this stopped a row. Look whether it is meant.",
             _all_warnings, is_told_always=True),
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
    return Summary(
        title=one_line(title),
        headline=(", ".join(some) or "nothing changed") if applied else OUTCOMES[report.outcome].lower(),
        feed=one_line(feed.name, 120),
        sha256=feed.sha256,
        outcome=OUTCOMES[report.outcome],
        at=f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        applied=applied,
        detail=one_line(report.detail, 1000) if report.detail else None,
        rows=counts["rows"],
        counts=tiles if counts["rows"] else [],
        sections=sections,
    )


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
