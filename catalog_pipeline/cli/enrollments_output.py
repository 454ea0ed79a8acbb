"""What the verbs of `enrollments` print: a few lines for people, or JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from catalog_pipeline.cli.console import print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog_pipeline.database.rows import Row
    from catalog_pipeline.enrollments.changing import Changed
    from catalog_pipeline.enrollments.writing import Answers

SHOWN = 100
"""Rows of a table at most; --json has all."""
DRY = " Nothing was written."


def print_answers(answers: Answers, *, as_json: bool) -> None:
    """Print what became of each learner of a batch."""
    if as_json:
        print_json(answers.as_json())
        return
    if answers.refused:
        say(f"Nothing was written ({answers.refused.reason}). {answers.refused.message}", "red")
        return
    told = [
        {"key": key, "status": result["status"], "detail": result["detail"] and result["detail"]["message"]}
        for key, result in answers.results.items()
    ]
    if told:
        print_table(told[:SHOWN], columns=["key", "status", "detail"])
    if len(told) > SHOWN:
        say(f"… and {len(told) - SHOWN:,} more: --json prints them all.")
    for result in answers.results.values():
        if result["detail"] and result["detail"]["free_by"]:
            say(f"To free a seat: catalog-pipeline {result['detail']['free_by']}")
            break
    counts = Counter(result["status"] for result in answers.results.values())
    counted = ", ".join(f"{n:,} {status}" for status, n in counts.items()) or "Nobody was sent"
    say(f"{counted}.{DRY if answers.dry_run else ''}")


def print_changes(changed: Changed, *, as_json: bool) -> None:
    """Print what changed of a learner's enrollments, and which seats stay."""
    if as_json:
        print_json(changed.as_json())
        return
    if changed.refused:
        say(f"Nothing was changed ({changed.refused.reason}). {changed.refused.message}", "red")
        return
    rows = [change.as_json() for change in changed.changes]
    if rows:
        print_table(rows, columns=["table", "program", "run", "from", "to"], essential=5)
    for seat in changed.staying or ():
        say(f"The seat in {seat['run']} stays active, as it is since {seat['since']:%Y-%m-%d %H:%M} UTC.", "yellow")
    said = f"{len(rows)} changed." if rows else "It is so already: nothing changed."
    say(f"{said}{DRY if changed.dry_run else ''}")


def print_conflicts(conflicts: Sequence[Row], titles: Mapping[str, str], *, as_json: bool) -> None:
    """Print the open conflicts, a line each."""
    if as_json:
        print_json(conflicts)
        return
    if not conflicts:
        say("No seat is active in several programs.")
        return
    print_table([conflict_line(conflict, titles) for conflict in conflicts[:SHOWN]], essential=4)
    if len(conflicts) > SHOWN:
        say(f"… and {len(conflicts) - SHOWN:,} more: --json prints them all.")
    say("Make all but one of each inactive in the LMS, and refresh.")


def conflict_line(conflict: Row, titles: Mapping[str, str]) -> Row:
    """A conflict as a row of a table."""
    by_counting = {counted: [titles[one["program"]] for one in conflict["programs"] if one["counted"] == counted]
                   for counted in (True, False)}  # fmt: skip
    return {
        "learner": f"id:{conflict['learner_id']}",
        "run": conflict["run"],
        "counts": ", ".join(by_counting[True]),
        "inactive": ", ".join(by_counting[False]),
        "reason": conflict["reason"],
    }
