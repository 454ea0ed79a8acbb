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
from catalog_pipeline.settings import Settings

Row = Mapping[str, Any]
Details = Callable[[Row], list[str]]
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


def summarizer(settings: Settings, rules: PartnerRules) -> Callable[[Connection, Row], int | None]:
    """What `loading.partner.ingest` calls with each report: queues its mail, in the transaction that keeps the feed.

    Returns the mail's id in the outbox; None, and no mail, where the rules name nobody for the source and type.
    """

    def summarize(connection: Connection, report: Row) -> int | None:
        source, product_type = report["feed"]["source"], report["feed"]["product_type"]
        recipients = rules.recipients_of(product_type, source)
        if not recipients:
            return None
        title = f"{rules.sources[source]} - {rules.course_types[product_type].title} data ingestion"
        message = compose_summary(
            report, title=title, sender=settings.mail_from, recipients=recipients, at=datetime.now(UTC)
        )
        return enqueue(connection, message, KIND)

    return summarize


def compose_summary(report: Row, *, title: str, sender: str, recipients: Sequence[str], at: datetime) -> EmailMessage:
    """The mail about a report, as `loading.partner_report` makes it. Raises UsageError for a wrong address.

    Of a feed that was not applied it tells what is wrong with it, and nothing that did not come to pass.
    """
    lists = [(one, rows) for one in LISTS if (rows := one.rows_of(report))]
    summary = _summary(report, title, [one.section(rows) for one, rows in lists], at)
    return compose(
        Path(__file__).with_suffix(""),
        summary,
        subject=f"{summary.title}: {summary.headline}",
        sender=sender,
        recipients=recipients,
        at=at,
        attachments=[one.attachment(rows) for one, rows in lists if one.is_attached(rows)],
    )


def _problem(problem: Row) -> str:
    column = f" in {problem['column']}" if problem.get("column") else ""
    value = f" (found: {_value(problem['value'])})" if problem.get("value") is not None else ""
    return f"{problem['code']}{column}: {one_line(problem['message'])}{value}"


def _errors(row: Row) -> list[str]:
    return [_problem(error) for error in row["errors"]]


def _warnings(row: Row) -> list[str]:
    return [_problem(warning) for warning in row["warnings"]]


def _changes(row: Row) -> list[str]:
    return [f"{field}: {_value(old)} → {_value(new)}" for field, (old, new) in row["changes"].items()]


def _reason(row: Row) -> list[str]:
    return [one_line(row["reason"])] if row.get("reason") else []


def _value(value: Any) -> str:
    if instant := INSTANT.fullmatch(str(value)):
        return "{} {} UTC".format(*instant.groups())
    return "nothing" if value in (None, "") else one_line(value, 80)


@dataclass(frozen=True)
class List:
    """A list of the mail: the outcome or key that it shows of a report, and what it says of each row."""

    key: str
    title: str
    tone: str
    note: str
    details: Details
    is_told_always: bool = False

    def rows_of(self, report: Row) -> list[Row]:
        """The rows or products of a report that belong here."""
        if not (self.is_told_always or report["outcome"] == "applied"):
            return []
        if self.key == "warnings":
            of_the_feed = [{"title": "The feed", "warnings": report["warnings"]}] if report["warnings"] else []
            return [*of_the_feed, *(row for row in report["rows"] if row["warnings"])]
        if self.key in ("archived", "reactivated"):
            return report[self.key]
        return [row for row in report["rows"] if row["outcome"] == self.key]

    def is_attached(self, rows: Sequence[Row]) -> bool:
        """Whether the whole list goes with the mail: rejects always, the others when the mail cuts them."""
        return self.key == "rejected" or len(rows) > LISTED

    def section(self, rows: Sequence[Row]) -> Section:
        """The list as the mail shows it."""
        entries = [_entry(row, self.details(row)) for row in rows[:LISTED]]
        attached = f"{self.key}.csv" if self.is_attached(rows) else None
        return Section(self.title, self.tone, self.note, len(rows), entries, len(rows) - len(entries), attached)

    def attachment(self, rows: Sequence[Row]) -> Attachment:
        """The whole list, one line a row; of rejects, one line an error."""
        if self.key == "rejected":
            lines = [{**_fields(row, IDENTITY), **error} for row in rows for error in row["errors"]]
            return Attachment(self.key, [*IDENTITY, *PROBLEM], lines)
        lines = [{**_fields(row, IDENTITY), "details": "\n".join(self.details(row))} for row in rows]
        return Attachment(self.key, [*IDENTITY, "details"], lines)


LISTS = [
    List("rejected", "Rejected", "bad", "Nothing of these was taken. Correct them and feed them again.", _errors, True),
    List("deferred", "Deferred", "held", "Nothing of these rows is lost: they are decided again every night.", _reason),
    List("new_product", "New products", "new", "Courses that the catalog did not have.", _reason),
    List("new_variant", "New variants", "new", "New runs of courses that the catalog had.", _reason),
    List("updated", "Updated", "good", "The fields that changed, with their old and new values.", _changes),
    List("reactivated", "Reactivated", "good", "Archived products that the feed lists again.", _reason),
    List("archived", "Archived", "held", "Products that the feed no longer lists.", _reason),
    List("warnings", "Warnings", "held", "None of this stopped a row. Look whether it is meant.", _warnings, True),
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


def _summary(report: Row, title: str, sections: list[Section], at: datetime) -> Summary:
    feed, counts, applied = report["feed"], report["counts"], report["outcome"] == "applied"
    told = COUNTED | COUNTED_PRODUCTS if applied else {"rejected": COUNTED["rejected"]}
    tiles = [Count(_plural(label, counts[key]), counts[key], tone) for key, (label, tone) in told.items()]
    some = [f"{tile.n:,} {tile.label}" for tile in tiles if tile.n and tile.tone != "quiet"]
    return Summary(
        title=one_line(title),
        headline=(", ".join(some) or "nothing changed") if applied else OUTCOMES[report["outcome"]].lower(),
        feed=one_line(feed["name"], 120),
        sha256=feed["sha256"],
        outcome=OUTCOMES[report["outcome"]],
        at=f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        applied=applied,
        detail=one_line(report["detail"], 1000) if report["detail"] else None,
        rows=counts["rows"],
        counts=tiles if counts["rows"] else [],
        sections=sections,
    )


def _plural(label: str, n: int) -> str:
    return label if n == 1 or not label.startswith("new") else f"{label}s"


def _entry(row: Row, details: list[str]) -> Entry:
    number, restriction = row.get("external_identifier"), row.get("restriction_type")
    more = len(details) - DETAILS
    return Entry(
        row=f"Row {row['row']}" if row.get("row") is not None else "",
        product=[
            *(one_line(row[key], 200) for key in ("title", "course_key", "run_key") if row.get(key)),
            *([f"Product {one_line(number, 80)}"] if number else []),
        ],
        variant=[
            *([f"Variant {one_line(row['variant_id'], 80)}"] if row.get("variant_id") else []),
            *([f"Restriction {one_line(restriction, 80)}"] if restriction not in (None, CLEARS) else []),
            *(["Future variant"] if row.get("is_future_variant") else []),
        ],
        details=[*details[:DETAILS], *([f"and {more} more"] if more > 0 else [])],
    )


def _fields(row: Row, names: Sequence[str]) -> Row:
    return {name: row.get(name) for name in names}
