"""What the verbs that write to learners print: a few lines for people, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from catalog_pipeline.cli.console import print_fields, print_json, print_table, say
from catalog_pipeline.database.rows import Row

if TYPE_CHECKING:
    from catalog_pipeline.assignments.acknowledging import Acknowledgement
    from catalog_pipeline.assignments.allocation import Allocation
    from catalog_pipeline.assignments.asked import Answers
    from catalog_pipeline.assignments.mails import AssignmentMail
    from catalog_pipeline.assignments.nudging import Nudges
    from catalog_pipeline.assignments.privacy import Clearing

SHOWN = 100
"""Rows of a table at most; --json has all."""
DRY = " Nothing was written, and nobody was mailed."

WHY = {
    "unknown": "There is no such assignment: `catalog-pipeline assignments list` shows those there are.",
    "owned_elsewhere": "enterprise-access owns it: change it there, or adopt its configuration.",
    "already_reminded": "It was today (UTC) already: a learner is reminded once a day.",
}
"""Why something was not done, and what to do, by outcome."""
WHY_OF_STATE = {
    "accepted": "The learner has accepted it: only reversing its payment ends it.",
    "errored": "The learner's enrollment failed: allocate it again.",
    "cancelled": "It was cancelled: allocate it again if it is wanted.",
    "expired": "It has expired, and costs nothing any more: allocate it again if it is wanted.",
    "reversed": "Its payment was reversed: allocate it again if it is wanted.",
}
"""The same where the state does not allow it, by the state."""


def print_allocation(done: Allocation, *, dry_run: bool, as_json: bool) -> None:
    """Print what became of an allocation."""
    if as_json:
        print_json(asdict(done))
        return
    for warning in done.warnings:
        say(warning, "yellow")
    if done.outcome == "refused":
        say(f"Nothing was allocated ({done.reason}). {done.message}", "red")
        return
    lists = {"created": done.created, "updated": done.updated, "no change": done.no_change}
    told = [
        {"outcome": name, **{column: one[column] for column in ("uuid", "learner_email", "state")}}
        for name, found in lists.items()
        for one in found
    ]
    _print_some(told, ["uuid", "outcome", "learner_email", "state"])
    say(f"{', '.join(f'{len(found):,} {name}' for name, found in lists.items())}.{DRY if dry_run else ''}")


def print_answers(found: Answers, *, dry_run: bool, as_json: bool) -> None:
    """Print what became of each assignment that a person named."""
    if as_json:
        print_json(found.as_json())
        return
    told = [{**row, "why": _why(row)} for row in found.assignments]
    _print_some(told, ["uuid", "outcome", *(["why"] if any(row["why"] for row in told) else [])])
    _print_counts(found.counts, dry_run=dry_run)


def print_nudges(done: Nudges, *, dry_run: bool, as_json: bool) -> None:
    """Print who was nudged, and why others were not."""
    if as_json:
        print_json({"nudged": done.nudged, "not_nudged": done.not_nudged})
        return
    told = [{"uuid": uuid, "outcome": "nudged"} for uuid in done.nudged]
    left = [{"uuid": row["uuid"], "outcome": row["reason"]} for row in done.not_nudged]
    _print_some([*told, *(left if done.named else ())], ["uuid", "outcome"])
    _print_counts(Counter(row["outcome"] for row in (*told, *left)), dry_run=dry_run)


def print_acknowledgement(done: Acknowledgement, *, as_json: bool) -> None:
    """Print which assignments were acknowledged."""
    if as_json:
        print_json(asdict(done))
        return
    _print_counts({name.replace("_", " "): len(found) for name, found in asdict(done).items()}, dry_run=False)


def print_clearing(done: Clearing, *, dry_run: bool, as_json: bool) -> None:
    """Print whose addresses were cleared, by the assignments' uuids."""
    if as_json:
        print_json({"cleared": len(done.assignments), "assignments": done.assignments})
        return
    _print_some([{"uuid": uuid} for uuid in done.assignments], ["uuid"])
    said = "would be cleared" if dry_run else "cleared"
    say(f"{len(done.assignments):,} {said}.")


def print_mails(found: Sequence[AssignmentMail], *, as_json: bool) -> None:
    """Print mails as they would be sent: as text, or all of them as JSON."""
    if as_json:
        print_json([mail.as_json() for mail in found])
        return
    for mail in found:
        print_fields({"assignment": mail.uuid, "to": mail.recipient, "subject": mail.content.subject})
        say()
        say(mail.text)


def print_credits(found: Sequence[Row], *, as_json: bool) -> None:
    """Print what a learner may spend."""
    if as_json:
        print_json(found)
        return
    if not found:
        say("No policy is open to this learner.")
        return
    told = [{**policy, "assignments": len(policy["learner_content_assignments"])} for policy in found]
    columns = ["uuid", "access_method", "remaining_balance", "spend_limit", "subsidy_expiration_date", "assignments"]
    print_table(told, columns=columns, essential=2)


def _why(row: Row) -> str | None:
    """Why something was not done with an assignment, in a sentence; None where it was done."""
    if row["outcome"] in ("not_remindable", "not_cancelable"):
        return WHY_OF_STATE[row["state"]]
    return WHY.get(row["outcome"])


def _print_some(told: Sequence[Row], columns: Sequence[str]) -> None:
    if told:
        print_table(told[:SHOWN], columns=columns, essential=2)
    if len(told) > SHOWN:
        say(f"{len(told) - SHOWN:,} more are not shown; --json has all.")


def _print_counts(counts: dict[str, int], *, dry_run: bool) -> None:
    said = ", ".join(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in counts.items() if n)
    say(f"{said or 'There is nothing to do'}.{DRY if dry_run else ''}")
