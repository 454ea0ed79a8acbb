"""What each verb prints of what it found: one function for each, as a table for people or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from catalog_pipeline.cli.console import complain, print_csv, print_fields, print_json, print_table, say, to_the_minute
from catalog_pipeline.database.rows import Row
from catalog_pipeline.models.vocabulary import ROW_OUTCOMES

if TYPE_CHECKING:  # what the verbs that only ask need not load
    import pandas as pd

    from catalog_pipeline.associations.manual import ManualChanges
    from catalog_pipeline.associations.planning import AssociationPlan
    from catalog_pipeline.loading.clearing import Cleared
    from catalog_pipeline.loading.landing import Crawl
    from catalog_pipeline.loading.publication import LoadReport
    from catalog_pipeline.partner.columns import RawFeed, ValidatedFeed
    from catalog_pipeline.queries.doctor import Finding
    from catalog_pipeline.replication.enrollments import EnrollmentLoad
    from catalog_pipeline.replication.enterprise_refresh import EnterpriseRefresh
    from catalog_pipeline.replication.refresh import Failure, Refresh
    from catalog_pipeline.replication.switching import Switch, SwitchPlan

MOST_SHOWN = 100
"""Rows of a table at most; --json prints all."""
REJECT_COLUMNS = ["source", "record_key", "column_name", "rule", "value", "message"]
"""The columns of CSV. A table has them in the order of what they matter."""
STATUS_COLUMNS = {
    "crawls": [
        "source",
        "kind",
        "lists",
        "mode",
        "outcome",
        "finished_at",
        "documents",
        "created",
        "changed",
        "missing",
        "watermark",
    ],
    "loads": ["source", "outcome", "finished_at", "documents", "rejected_documents", "detail"],
}
REJECT_TABLE = ["record_key", "rule", "message", "source", "value", "column_name"]


def print_rows(rows: Sequence[Row], *, as_json: bool, as_csv: bool, columns: Sequence[str], nothing: str) -> None:
    """Print rows as they are, or the text `nothing` when there are none."""
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(columns, [[row.get(name) for name in columns] for row in rows])
    elif rows:
        print_table(rows, columns=columns, essential=3)
    else:
        say(nothing)


def print_refreshes(
    done: Sequence[Refresh],
    failed: Sequence[Failure],
    enterprise: EnterpriseRefresh | None = None,
    enrollments: Sequence[EnrollmentLoad] = (),
    *,
    as_json: bool,
) -> None:
    """Print each crawl, then the rows of each table by outcome; what failed, a line each on stderr."""
    loaded = [({"catalog": load.catalog}, load) for load in (enterprise.loads if enterprise else [])]
    loaded += [({"program": load.program}, load) for load in enrollments]
    for error in (*(failure.error for failure in failed), *(error for _, load in loaded for error in load.errors)):
        complain(f"error: {error}")
    crawls = [_crawl(crawl) for one in done for crawl in one.crawls]
    crawls += [{**_crawl(crawl), **named} for named, load in loaded for crawl in load.crawls]
    loads = [_load(one.report) for one in done]
    loads += [{**_load(load.report), **named, "outcome": load.outcome, "detail": load.detail} for named, load in loaded]
    if as_json:
        failures = [{"source": one.source, "error": str(one.error)} for one in failed]
        rebuilt = {"rebuild": enterprise.rebuild} if enterprise else {}
        print_json({"crawls": crawls, "loads": loads, "failures": failures, **rebuilt})
        return
    if crawls:
        print_table(crawls, essential=5)
        say()
    if published := [load for load in loads if load["outcome"] not in ("refused", "failed")]:
        _print_loads(published)
    if enterprise:
        say("Expirations: {rebuilt} rebuilt, {moved} of them moved.".format(**enterprise.rebuild))


def _crawl(crawl: Crawl) -> Row:
    return {
        "source": crawl.listing.source,
        "kind": crawl.listing.kind,
        "mode": crawl.mode,
        "pages": crawl.pages,
        "documents": len(crawl.seen),
        **crawl.counts,
    }


def _load(report: LoadReport) -> Row:
    return {
        "source": report.source,
        "outcome": report.outcome,
        "detail": report.detail,
        "documents": report.documents,
        "rejected_documents": report.rejected_documents,
        "seconds": round(report.seconds, 3),
        "counts": {table: dict(counts) for table, counts in report.counts.items() if counts},
    }


def _print_loads(loads: Sequence[Row]) -> None:
    """Print the rows of each table by outcome, and why a load held removals back."""
    rows = [
        {"source": load["source"], "table": table, **{outcome: counts.get(outcome, 0) for outcome in ROW_OUTCOMES}}
        for load in loads
        for table, counts in load["counts"].items()
    ]
    if rows:
        some = [outcome for outcome in ("deferred", "deleted", "duplicate") if any(row[outcome] for row in rows)]
        print_table(rows, columns=["source", "table", "created", "updated", "unchanged", "rejected", *some])
    else:
        say("Nothing changed upstream: no document is pending.")
    for load in loads:
        if load["outcome"] == "held":
            complain(f"{load['source']} held back: {load['detail']}", style="red")


def print_moved(switch: Switch, *, dry_run: bool, as_json: bool) -> None:
    """Print that a system moved."""
    if as_json:
        print_json({**asdict(switch), "moved": not dry_run})
        return
    told = f"{switch.service} at {switch.before} is the same system as at {switch.after}"
    say(f"{told}: the dry run changed nothing." if dry_run else f"{told}. The next refresh reads it whole.")


def print_switch(planned: SwitchPlan, *, applied: bool, as_json: bool) -> None:
    """Print what becomes of the rows of two systems: counts by table, then the rows that are new or do not go on."""
    if as_json:
        told = {"plan": planned.digest, "applied": applied, "counts": planned.counts, "rows": planned.rows}
        print_json({**asdict(planned.switch), **told})
        return
    print_table(planned.counts)
    for outcome in planned.counts[0]:
        shown = [row for row in planned.rows if row["outcome"] == outcome != "goes_on"]
        if shown:
            say()
            print_table(shown[:MOST_SHOWN], columns=["outcome", "table", "key"])
        if len(shown) > MOST_SHOWN:
            say(f"… and {len(shown) - MOST_SHOWN:,} more; --json prints all.")
    service, digest = planned.switch.service, planned.digest
    say()
    if applied:
        say(f"{service} is read at {planned.switch.after} from now on.")
    else:
        say(f"Plan {digest}: `catalog-pipeline upstream switch {service} --plan {digest}` applies it.")


def print_cleared(cleared: Cleared, *, as_json: bool) -> None:
    """Print how many rows of each table, and which files, were removed."""
    files = [str(path) for path in cleared.files]
    if as_json:
        print_json({"rows": cleared.rows, "files": files})
        return
    if cleared.rows:
        print_table([{"table": table, "rows": n} for table, n in cleared.rows.items()])
    say(f"The database is empty. {len(files)} of the sample's feeds were removed.")


def print_status(status: Row, *, as_json: bool) -> None:
    """Print row counts, last crawls and loads, and what waits."""
    if as_json:
        print_json(status)
        return
    print_table([{"table": table, "rows": n} for table, n in status["tables"].items()])
    titles = {
        "crawls": "Last crawls",
        "loads": "Last loads",
        "pending": "Pending",
        "open_rejects": "Open rejects",
        "held_removals": "Removals that are held back",
        "mail": "Mail that is not sent",
    }
    for name, title in titles.items():
        if status[name]:
            say()
            print_table(status[name], title, STATUS_COLUMNS.get(name))
    if status["waiting_events"]["blockers"]:
        say()
        print_table(status["waiting_events"]["blockers"], "Transactions that hold change events back")


def print_shown(found: Row, *, as_json: bool) -> None:
    """Print a run, course or organization, then what belongs to it."""
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if isinstance(value, list):
            say()
            if value:
                print_table(value, name.capitalize())
            else:
                say(f"{name.capitalize()}: none.")
        else:
            print_fields(value, name.capitalize())


def print_history(events: Sequence[Row], *, as_json: bool) -> None:
    """Print change events: one line for each changed column, one for each created or deleted row."""
    if as_json:
        print_json(events)
        return
    lines = [
        {
            "at": event["at"],
            "what": f"{event['entity']} {event['action']}",
            **{name: event[name] for name in ("program", "run") if name in event},
            "changes": _changes(event),
            "by": event["actor"],
            "login": event["login"],
        }
        for event in events
    ]
    print_table(lines, essential=4)


STATES = ("status", "is_active")
"""Columns that are shown of a new row, too."""


def _changes(event: Row) -> str | None:
    """The columns that changed, a line each; of a learner's new row its state, which nothing else tells."""
    shown = event["changes"].items() if event["action"] == "updated" else ()
    if event["action"] == "created" and "program" in event:
        shown = [change for change in event["changes"].items() if change[0] in STATES]
    return "\n".join(_change(*change) for change in shown) or None


def _change(field: str, values: Sequence[Any] | None) -> str:
    """A changed field, with the values before and after if these may be told."""
    if not values:
        return field
    before, after = ("nothing" if value is None else to_the_minute(value) for value in values)
    return f"{field}: {before} → {after}"


def print_plan(planned: AssociationPlan, *, as_json: bool) -> None:
    """Print runs by outcome, then the runs whose course is to change or cannot be decided."""
    rows = planned.rows()
    if as_json:
        print_json({"counts": planned.counts, "plan": planned.digest, "runs": rows})
        return
    print_table([{"outcome": outcome, "runs": n} for outcome, n in planned.counts.items()])
    shown = [row for row in rows if row["outcome"] not in ("already_linked", "kept_manual")]
    if shown:
        say()
        print_table(shown, columns=["run_key", "outcome", "reason", "course_key", "previous_course_key"], essential=3)
    changes = len(planned.changes)
    say(f"\nPlan {planned.digest}: {changes} runs to associate." if changes else "\nNothing to change.")


def print_said(said: ManualChanges, *, as_json: bool) -> None:
    """Print each line that a person set if there are few, else only the wrong ones; then the counts."""
    from catalog_pipeline.associations.manual import SET_OUTCOMES

    if as_json:
        print_json({"counts": said.counts, "runs": said.rows})
        return
    few = len(said.rows) <= 20
    shown = said.rows if few else [row for row in said.rows if row["outcome"] not in SET_OUTCOMES]
    print_table(shown, columns=["line", "run_key", "outcome", "reason", "course_key"], essential=4) if shown else None
    say((", ".join(f"{n} {outcome}" for outcome, n in said.counts.items()) or "No line to set") + ".")


def print_explanation(explanation: Row, *, as_json: bool) -> None:
    """Print each part of an explanation under its title."""
    if as_json:
        print_json(explanation)
        return
    for name, found in explanation.items():
        title = name.replace("_", " ").capitalize()
        if isinstance(found, dict):
            print_fields({field: value for field, value in found.items() if not isinstance(value, dict | list)}, title)
        elif isinstance(found, str):
            say(title, "bold italic")
            say(found)
        elif found:
            print_table([_to_the_minute(row) for row in found], title, essential=3)
        else:
            say(f"{title}: none.")
        say()


def _to_the_minute(row: Row) -> Row:
    """A row with instants as tables show them, but for `raw`: that is shown as upstream writes it."""
    return {name: value if name == "raw" else to_the_minute(value) for name, value in row.items()}


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what the doctor found, a line each."""
    if as_json:
        print_json([asdict(finding) for finding in findings])
        return
    width = max(10, *(len(finding.what) for finding in findings))
    for finding in findings:
        say(f"{finding.what:{width}} {finding.detail}", mark=("ok  ", "green") if finding.ok else ("FAIL", "red"))


def print_changes(changes: Sequence[Any], *, as_json: bool) -> None:
    """Print what changed in the sample upstream."""
    if as_json:
        print_json([asdict(change) for change in changes])
        return
    told = [{**asdict(one), "change": _change(one.field, [one.old, one.new]) if one.field else None} for one in changes]
    print_table(told, columns=["key", "kind", "change", "entity", "day"], essential=3)


def print_checked(raw: RawFeed, checked: ValidatedFeed, *, source: str, product_type: str, as_json: bool) -> None:
    """Print what a check of a feed found: the counts, then the first errors and warnings."""
    counts = {
        "rows": len(raw.frame),
        "valid": len(checked.rows),
        "rejected": len(raw.frame) - len(checked.rows),
        "warnings": len(checked.warnings),
    }
    if as_json:
        feed = {"name": raw.name, "source": source, "product_type": product_type, "sha256": raw.sha256}
        found = {"errors": _records(checked.errors), "warnings": _records(checked.warnings)}
        print_json({"feed": feed, "counts": counts, "unknown_columns": list(raw.unknown), **found})
        return
    told = ", ".join(f"{n:,} {what}" for what, n in counts.items())
    say(f"{raw.name}, checked as {product_type} of {source}: {told}")
    if raw.unknown:
        say(f"Columns that no feed has, ignored: {', '.join(raw.unknown)}.")
    _print_first(checked.errors, "Errors")
    _print_first(checked.warnings, "Warnings")


def _print_first(found: pd.DataFrame, title: str) -> None:
    if found.empty:
        return
    say()
    columns = [name for name in ("row", "course_key", "message", "value", "column", "code") if name in found]
    print_table(_records(found.head(MOST_SHOWN)), title, columns=columns, essential=4)
    if len(found) > MOST_SHOWN:
        say(f"… and {len(found) - MOST_SHOWN:,} more; --json prints all.")


def _records(frame: pd.DataFrame) -> list[Row]:
    plain = frame.astype(object)
    return plain.where(plain.notna(), None).to_dict("records")
