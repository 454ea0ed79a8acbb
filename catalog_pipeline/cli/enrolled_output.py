"""What the verbs about learners print: a few lines and tables for people, or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog_pipeline.cli.console import print_fields, print_json, print_table, say
from catalog_pipeline.cli.enrollments_output import DRY, SHOWN

if TYPE_CHECKING:
    from catalog_pipeline.database.rows import Row
    from catalog_pipeline.enrollments.importing import ImportReport
    from catalog_pipeline.enrollments.linking import LinkReport


def print_links(report: LinkReport, *, as_json: bool) -> None:
    """Print what became of each line, those that need no look left out."""
    if as_json:
        print_json(report.as_json())
        return
    _say_counts(report.counts, dry_run=report.dry_run)
    rejected = [
        {"row": row["row"], "reason": row["reason"], "message": row["message"]}
        for row in report.rows
        if row["outcome"] == "rejected"
    ]
    deactivated = [{"row": row["row"], **seat} for row in report.rows for seat in row["deactivated"]]
    for rows, title in ((rejected, "Rejected"), (deactivated, "Inactive now, for another program holds the run")):
        _print_some(rows, title)


def print_import(report: ImportReport, *, dry_run: bool, as_json: bool) -> None:
    """Print how many lines had which outcome, and what is wrong with those that were rejected."""
    if as_json:
        print_json(report.as_json())
        return
    _say_counts(report.counts, dry_run=dry_run)
    _print_some([{"row": row["row"], **wrong} for row in report.rows for wrong in row["errors"]], "Rejected")


def _say_counts(counts: dict[str, int], *, dry_run: bool) -> None:
    told = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.items() if n and outcome != "rows")
    lines = "1 line" if counts["rows"] == 1 else f"{counts['rows']:,} lines"
    say(f"{lines}{': ' if told else ''}{told}.{DRY if dry_run else ''}")


def _print_some(rows: list[Row], title: str) -> None:
    if rows:
        print_table(rows[:SHOWN], title)
    if len(rows) > SHOWN:
        say(f"… and {len(rows) - SHOWN:,} more: --json prints them all.")


def print_learner(found: Row, *, as_json: bool) -> None:
    """Print what is known of a learner."""
    if as_json:
        print_json(found)
        return
    keys = [f"{key['organization']}: {key['external_key'] or 'a key'}" for key in found["keys"]]
    shown = {name: found[name] for name in ("learner_id", "user_name", "retired_at")}
    linked = "yes" if found["linked"] else "no: it waits for a user"
    print_fields({**shown, "linked": linked, "keys": keys or None}, "Learner")
    enrollments = [
        {name: row[name] for name in ("program", "curriculum", "status", "since", "id")}
        for row in found["program_enrollments"]
    ]
    rows = [
        {"run": row["run"], "program": enrollment["program"], "status": row["status"], "since": row["since"]}
        for enrollment in found["program_enrollments"]
        for row in enrollment["course_enrollments"]
    ]
    seats = [{name: row[name] for name in ("run", "is_active", "mode")} for row in found["course_enrollments"]]
    tables = ((enrollments, "Enrollments in programs"), (rows, "Their rows in runs"), (seats, "Seats"))
    for table, title in tables:
        if table:
            say()
            print_table(table, title)
