"""How the verbs of `partner` print feeds: as tables, as JSON, or as CSV that can be corrected and fed again."""

import json
from collections.abc import Sequence
from typing import Any

from catalog_pipeline.cli.console import complain, print_json, print_table, say, to_the_minute
from catalog_pipeline.database.rows import Row
from catalog_pipeline.partner.report import FeedReport, RowReport

SHOWN = 50
"""Rows that a table shows of a feed; JSON has them all."""
WIDEST = 120
"""Characters of a value in a table."""
FEED_COLUMNS = ["id", "feed", "outcome", "rows", "rejected", "deferred", "received_at", "new_product", "new_variant",
                "updated", "unchanged", "archived"]  # fmt: skip


def print_feed(found: FeedReport, *, as_json: bool) -> None:
    """Print what became, or would become, of a feed: first the feed as a whole, then its rows."""
    if as_json:
        print_json(found.to_json())
        return
    say(_headline(found))
    print_table([found.counts], essential=len(found.counts))
    if found.rows:
        say()
        print_table([_line(row) for row in found.rows], essential=4)
    more = found.counts["rows"] - found.counts["unchanged"] - len(found.rows)
    if more:
        say(f"… and {more} more rows; --json prints all.")
    for title, products in (
        ("Archived", found.archived),
        ("Reactivated", found.reactivated),
        ("Not listed", found.missing),
    ):
        if products:
            say()
            columns = ["course_key", "title", "external_identifier"]
            print_table([vars(product) for product in products[:SHOWN]], f"{title}: {len(products)}", columns)
    for warning in found.warnings:
        say(f"warning: {warning.column}: {warning.message}")


def print_feeds(feeds: Sequence[Row], *, as_json: bool) -> None:
    """Print feeds, one line for each; then why those that were not applied were not, and what to do."""
    if as_json:
        print_json(feeds)
        return
    if not feeds:
        say("No feed was ingested yet.")
        return
    named = [{**feed, "feed": f"{feed['source']}/{feed['product_type']}/{feed['name']}"} for feed in feeds]
    print_table([{**feed, **feed["counts"]} for feed in named], columns=FEED_COLUMNS, essential=3)
    told = [feed for feed in feeds if feed["outcome"] != "applied"]
    if told:
        say()
    for feed in told:
        say(f"{feed['id'] or feed['name']}, {feed['outcome']}: {feed['detail']}")


def print_rejects(found: FeedReport, *, as_json: bool, is_last: bool = False) -> None:
    """Print why the rejected rows of a feed were rejected.

    `is_last` says that nobody named the feed: it is told on stderr which one it is.
    """
    if is_last:
        complain(f"{_named(found)} is the last feed that has rejected rows:")
    rejected = [row for row in found.rows if row.outcome == "rejected"]
    if as_json:
        print_json([row.to_json() for row in rejected])
    elif rejected:
        errors = [{**vars(row), **vars(error)} for row in rejected for error in row.errors]
        print_table(errors, columns=["row", "course_key", "message", "value", "column", "code"], essential=4)
    else:
        say("No row of this feed is rejected.")


def _headline(found: FeedReport) -> str:
    what = "would be applied" if found.is_dry_run and found.is_applied else found.outcome
    skipped = " The same bytes were applied before: nothing was to do; --force decides them anew."
    detail = skipped if found.skipped else f" {found.detail}" if found.detail else ""
    return f"{_named(found)}: {what}.{detail}"


def _named(found: FeedReport) -> str:
    number = f" (feed {found.feed_id})" if found.feed_id else ""
    return f"{found.feed.name}, {found.feed.source}/{found.feed.product_type}{number}"


def _line(row: RowReport) -> Row:
    changes = [f"{field}: {_shown(old)} → {_shown(new)}" for field, (old, new) in row.changes.items()]
    messages = [f"{one.code}: {one.message}" for one in (*row.errors, *row.warnings)]
    why = [] if row.errors else [row.reason]
    return {
        "row": row.row,
        "outcome": row.outcome,
        "key": row.run_key or row.course_key,
        "why": "\n".join([*why, *messages, *(changes if row.outcome == "updated" else [])]),
    }


def _shown(value: Any) -> str:
    text = "nothing" if value is None else to_the_minute(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
