"""What the verbs of assignments print: a table or some lines for people, or JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from catalog_pipeline.cli.console import print_fields, print_json, print_table, say
from catalog_pipeline.database.rows import Row

if TYPE_CHECKING:
    from catalog_pipeline.assignments.expirations import Rebuilt
    from catalog_pipeline.assignments.expiring import Expiry
    from catalog_pipeline.assignments.reading import Page

SHOWN = 100
"""Rows of a table at most; --json has all."""
COLUMNS = ["uuid", "state", "expires_at", "reason", "content_key", "title", "learner_email", "recent_action"]


def print_page(page: Page, *, as_json: bool) -> None:
    """Print a part of a list of assignments."""
    if as_json:
        print_json(asdict(page))
        return
    if page.assignments:
        print_table([_listed(one) for one in page.assignments], columns=COLUMNS, essential=3)
    counts = ", ".join(f"{row['count']:,} {row['learner_state']}" for row in page.learner_state_counts)
    of = f"{len(page.assignments):,} of {page.count:,}" if page.count > len(page.assignments) else f"{page.count:,}"
    say(f"{of} assignment{'' if page.count == 1 else 's'}{f': {counts}' if counts else ''}.")


def _listed(one: Row) -> Row:
    expiration = one["expiration"] or {}
    title = (one["content"] or {}).get("title") or one["content_title"]
    return {
        **one,
        "expires_at": expiration.get("expires_at"),
        "reason": expiration.get("reason"),
        "title": title,
        "recent_action": one["recent_action"]["action_type"],
    }


def print_assignment(one: Row, *, as_json: bool) -> None:
    """Print one assignment."""
    if as_json:
        print_json(one)
        return
    parts = ("actions", "content", "expiration", "earliest_possible_expiration", "recent_action", "error_reason")
    print_fields({name: value for name, value in one.items() if name not in parts}, "Assignment")
    for name in ("expiration", "content"):
        if one[name]:
            say()
            print_fields(one[name], name.capitalize())
    if one["actions"]:
        say()
        columns = ["action_type", "created", "completed_at", "error_reason", "uuid"]
        print_table(one["actions"], "Actions", columns)


def print_rebuilt(rebuilt: Rebuilt, *, as_json: bool) -> None:
    """Print what a rebuild of expirations did."""
    if as_json:
        print_json(asdict(rebuilt))
        return
    say(f"{rebuilt.rebuilt:,} expirations written, {rebuilt.moved:,} of them moved; {rebuilt.unchanged:,} unchanged.")


def print_expiry(expiry: Expiry, *, as_json: bool) -> None:
    """Print what expired, or would."""
    if as_json:
        print_json(expiry.as_json())
        return
    told = [vars(one) for one in expiry.assignments]
    if told:
        print_table(told[:SHOWN], columns=["uuid", "outcome", "date", "reason", "error"], essential=3)
    if len(told) > SHOWN:
        say(f"{len(told) - SHOWN:,} more are not shown; --json has all.")
    found = Counter(one.outcome.replace("_", " ") for one in expiry.assignments)
    counts = ", ".join(f"{n:,} {outcome}" for outcome, n in found.items())
    say(f"{len(told):,} due{f': {counts}' if counts else ''}.{' Nothing was written.' if expiry.dry_run else ''}")
    if expiry.revivable:
        shown = ", ".join(map(str, expiry.revivable[:SHOWN]))
        say(f"Expired, but their date is in the future by now. Allocate them again if they are wanted: {shown}")
