"""What the import verbs print: how many rows had which outcome, and what is wrong with those that were rejected."""

from catalog_pipeline.cli.console import complain, print_json, print_table, say
from catalog_pipeline.enterprise.report import OUTCOMES, ImportReport

SHOWN = 50
"""Errors that a person is shown; --json has all."""


def print_import(report: ImportReport, *, dry_run: bool, as_json: bool) -> None:
    """Print what an import did, or would do."""
    for warning in report.warnings:
        complain(warning, "yellow")
    if as_json:
        print_json(report.as_json())
        return
    counts = report.counts
    told = ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in OUTCOMES if counts[outcome])
    rows = "1 row" if counts["rows"] == 1 else f"{counts['rows']:,} rows"
    say(f"{rows}{': ' if told else ''}{told}.{' Nothing was written.' if dry_run else ''}")
    errors = [
        {"row": row.row, "rule": error.rule, "column": error.column, "value": error.value, "message": error.message}
        for row in report.rows
        for error in row.errors
    ]
    if errors:
        print_table(errors[:SHOWN], "Rejected")
    if len(errors) > SHOWN:
        say(f"{len(errors) - SHOWN:,} more are not shown; --json has all.")
