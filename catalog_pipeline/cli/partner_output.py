"""How the verbs of `partner` print feeds: as tables, as JSON, or as CSV that can be corrected and fed again."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from catalog_pipeline.cli.console import print_csv, print_json, print_table, say
from catalog_pipeline.database.rows import Row
from catalog_pipeline.partner.columns import REASONS_COLUMN, RawFeed
from catalog_pipeline.partner.report import FeedReport, RowReport

SHOWN = 50
"""Rows that a table shows of a feed; JSON has them all."""
WIDEST = 120
"""Characters of a value in a table."""
FEED_COLUMNS = ["id", "name", "source", "product_type", "received_at", "outcome", "rows", "new_product", "new_variant",
                "updated", "unchanged", "rejected", "deferred", "archived"]  # fmt: skip


def print_feed(found: FeedReport, *, as_json: bool) -> None:
    """Print what became, or would become, of a feed: first the feed as a whole, then its rows."""
    if as_json:
        print_json(found.to_json())
        return
    say(_headline(found))
    print_table([found.counts])
    if found.rows:
        say()
        print_table([_line(row) for row in found.rows])
    more = found.counts["rows"] - found.counts["unchanged"] - len(found.rows)
    if more:
        say(f"… and {more} more rows; --json prints all.")
    for title, products in (("Archived", found.archived), ("Reactivated", found.reactivated)):
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
    print_table([{**feed, **feed["counts"]} for feed in feeds], columns=FEED_COLUMNS)
    told = [feed for feed in feeds if feed["outcome"] != "applied"]
    if told:
        say()
    for feed in told:
        say(f"{feed['id'] or feed['name']}, {feed['outcome']}: {feed['detail']}")


def print_rejects(found: FeedReport, raw: RawFeed | None, *, as_json: bool) -> None:
    """Print the rejected rows of a feed; given the feed as read, as a CSV of their cells with a column of reasons."""
    rejected = [row for row in found.rows if row.outcome == "rejected"]
    if raw is not None:
        _write_rejects(rejected, raw)
    elif as_json:
        print_json([row.to_json() for row in rejected])
    elif rejected:
        errors = [{**vars(row), **vars(error)} for row in rejected for error in row.errors]
        print_table(errors, columns=["row", "course_key", "code", "column", "value", "message"])
    else:
        say("No row of this feed is rejected.")


def _write_rejects(rejected: Sequence[RowReport], raw: RawFeed) -> None:
    reasons = {row.row: " ".join(error.message for error in row.errors) for row in rejected}
    cells = pd.DataFrame(raw.frame[raw.frame["row"].isin(list(reasons))]).astype(object)
    records = pd.DataFrame(cells.where(cells.notna(), None)).to_dict("records")
    corrected = [[*(record[name] for name in raw.columns), reasons[record["row"]]] for record in records]
    print_csv([*raw.columns, REASONS_COLUMN], corrected)


def _headline(found: FeedReport) -> str:
    feed = found.feed
    what = "would be applied" if found.is_dry_run and found.is_applied else found.outcome
    skipped = " The same bytes were applied before: nothing was to do; --force decides them anew."
    detail = skipped if found.skipped else f" {found.detail}" if found.detail else ""
    number = f" (feed {found.feed_id})" if found.feed_id else ""
    return f"{feed.name}, {feed.source}/{feed.product_type}{number}: {what}.{detail}"


def _line(row: RowReport) -> Row:
    changes = [f"{field}: {_shown(old)} → {_shown(new)}" for field, (old, new) in row.changes.items()]
    messages = [f"{one.code}: {one.message}" for one in (*row.errors, *row.warnings)]
    why = [] if row.errors else [row.reason]
    return {
        "row": row.row,
        "outcome": row.outcome,
        "course": row.course_key,
        "run": row.run_key,
        "why": "\n".join([*why, *messages, *(changes if row.outcome == "updated" else [])]),
    }


def _shown(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
