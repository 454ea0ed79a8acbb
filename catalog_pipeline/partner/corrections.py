"""The rejected rows of a feed as they were, each with its reasons, for the partner to correct and feed again.

The command and the mail give out the same file. It survives a spreadsheet: what is saved there is read as it was.
"""

# pyright: reportArgumentType=false, reportReturnType=false

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from catalog_pipeline.notifications.composing import Attachment
from catalog_pipeline.notifications.text import one_line
from catalog_pipeline.partner.columns import REASONS_COLUMN, REWRITTEN, RawFeed
from catalog_pipeline.partner.reading import Limits, parse_feed
from catalog_pipeline.partner.report import FeedReport, RowError, RowReport, read_document

NAME = "rejected"
QUOTED = re.compile(REWRITTEN)


def read_corrections(connection: Connection, found: FeedReport, limits: Limits) -> Attachment:
    """The rejected rows of an ingested feed, read from its bytes. Raises UsageError where these were not kept."""
    assert found.feed_id is not None
    name, data = read_document(connection, found.feed_id)
    return corrections(found.rows, parse_feed(data, name, limits, found.feed.received_at))


def corrections(rows: Sequence[RowReport], raw: RawFeed) -> Attachment:
    """Those of the rows that are rejected, with the cells of the feed's known columns, and their reasons."""
    reasons = {row.row: _reasons(row) for row in rows if row.outcome == "rejected"}
    cells = pd.DataFrame(raw.frame[raw.frame["row"].isin(list(reasons))]).astype(object)
    records = pd.DataFrame(cells.where(cells.notna(), None)).to_dict("records")
    rejected = [
        {**{name: _kept(record[name]) for name in raw.columns}, REASONS_COLUMN: reasons[record["row"]]}
        for record in records
    ]
    return Attachment(NAME, [*raw.columns, REASONS_COLUMN], rejected)


def in_words(error: RowError) -> str:
    """An error in words: the column, its value, what is wrong with it, and what is accepted."""
    message, value = one_line(error.message), one_line(error.value or "", 80)
    if error.column is None or message.startswith(error.column):
        return message
    return (
        f"{error.column} {value!r}: {message}" if value and repr(value) not in message else f"{error.column}: {message}"
    )


def _reasons(row: RowReport) -> str:
    return "\n".join([f"Row {row.row}.", *map(in_words, row.errors)])


def _kept(value: Any) -> Any:
    """A cell, with a quote in front where a spreadsheet would take its text for a number; reading takes it away."""
    return f"'{value}" if isinstance(value, str) and QUOTED.fullmatch(value) else value
