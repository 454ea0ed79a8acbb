"""`make run`: the jobs of the night, run by Dagster in this process, and a summary for people."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, Definitions
from dagster_shared.error import SerializableErrorInfo

from catalog_pipeline.assignments.expirations import causes, last_change
from catalog_pipeline.assignments.sample import import_sample
from catalog_pipeline.cli.console import complain, print_json, print_table, say
from catalog_pipeline.cli.enrollments_output import conflict_line
from catalog_pipeline.database.engine import connected, ensure_database, make_engine, serving
from catalog_pipeline.database.rows import Row
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.models.vocabulary import ROW_OUTCOMES
from catalog_pipeline.partner.report import feeds
from catalog_pipeline.queries import status
from catalog_pipeline.queries.enrollments import open_conflicts, titles
from catalog_pipeline.settings import Settings
from resources.instance import instance
from sensors.nightly import run_night, stages

MOST_CONFLICTS = 10
"""How many conflicts the summary lists."""
COUNTED = (("created", "updated"), ("rejected",))
"""The outcomes of rows that the summary adds up: what was changed, and what was rejected."""


@dataclass(frozen=True)
class Stage:
    """A stage of the night that was run, and how its run ended."""

    job: str
    status: str


@dataclass(frozen=True)
class Check:
    """An asset check that was evaluated."""

    asset: str
    check: str
    passed: bool
    severity: str


@dataclass(frozen=True)
class Failure:
    """A step that failed: what happened, and the exit status that follows."""

    step: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class Summary:
    """What `run` prints. With `--json` its fields are the keys."""

    tables: list[Row]
    """For each table of the catalog its rows, and how many of them have each outcome."""
    feeds: list[Row]
    associations: dict[str, int]
    conflicts: list[Row]
    """The seats that the LMS has active in several programs: learner_id, run, programs, reason."""
    expirations_moved: list[Row]
    """How many expirations of assignments moved: cause, new_reason, expirations."""
    stages: list[Stage]
    checks: list[Check]
    failures: list[Failure]
    seconds: float


def walk_night(
    settings: Settings, defs: Definitions, *, accept_removals: bool = False, as_json: bool = False
) -> ExitCode:
    """Run the night and print its summary. Returns DONE when all stages succeeded, else the first failure's code.

    Rejected rows do not fail a night: the summary counts them.
    """
    started = time.monotonic()
    with serving(settings) as server:
        ensure_database(server)
        engine = make_engine(server)
        migrate(engine)
        import_sample(engine, settings, datetime.now(UTC))
        with connected(engine) as connection:
            before = status.last_load(connection)
            moved = last_change(connection)
            fed = max((row["id"] for row in feeds(connection, 1)), default=0)
        with instance(settings, server) as found:
            runs = []
            for stage, run in run_night(defs, found, stages(settings), accept_removals=accept_removals):
                if run is None:
                    say(f"{stage.job} …", style="dim") if not as_json else None
                else:
                    runs.append(run)
            checks = [check for run in runs for check in _checks(found, run)]
            failures = [failure for run in runs for failure in _failures(found, run)]
        with connected(engine) as connection:
            summary = Summary(
                tables=_tables(status.table_counts(connection), status.loaded_since(connection, before)),
                feeds=[row for row in reversed(feeds(connection, 50)) if row["id"] > fed],
                associations=status.association_outcomes(connection, before),
                conflicts=open_conflicts(connection),
                expirations_moved=causes(connection, moved),
                stages=[Stage(run.job_name, run.status.value) for run in runs],
                checks=checks,
                failures=failures,
                seconds=round(time.monotonic() - started, 1),
            )
            names = titles(connection)
        engine.dispose()
    print_json(asdict(summary)) if as_json else _print(summary, names)
    return ExitCode(failures[0].exit_code) if failures else ExitCode.DONE


def _tables(counts: dict[str, int], loaded: dict[str, Row]) -> list[Row]:
    rows = []
    for name, n in counts.items():
        done = {outcome: int(loaded.get(name, {}).get(outcome, 0)) for outcome in ROW_OUTCOMES}
        # Two loads of a night may write one row: what none of them wrote is unchanged.
        done["unchanged"] = max(0, n - done["created"] - done["updated"])
        rows.append({"table": name, "rows": n, **done})
    return rows


def _checks(found: DagsterInstance, run: DagsterRun) -> list[Check]:
    records = found.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [record.dagster_event.asset_check_evaluation_data for record in records if record.dagster_event]
    return [
        Check(check.asset_key.to_user_string(), check.check_name, check.passed, check.severity.value)
        for check in evaluations
    ]


def _failures(found: DagsterInstance, run: DagsterRun) -> list[Failure]:
    """The steps of a run that failed; the run itself where it failed outside its steps, as without its database."""
    steps = [event for event in _events(found, run, DagsterEventType.STEP_FAILURE) if event.step_key]
    if steps:
        return [_step_failure(event) for event in steps]
    return [
        Failure(run.job_name, _cause(event.job_failure_data.error) or str(event.message), int(ExitCode.UNEXPECTED))
        for event in _events(found, run, DagsterEventType.RUN_FAILURE)
    ]


def _step_failure(event: DagsterEvent) -> Failure:
    failure, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
    code = failure.metadata.get("exit_code") if failure else None
    return Failure(
        step=str(event.step_key),
        message=(failure.description if failure else None) or _cause(error) or "failed",
        exit_code=int(str(code.value)) if code else int(ExitCode.UNEXPECTED),
    )


def _cause(error: SerializableErrorInfo | None) -> str:
    """The message of the error that the others follow from; Dagster wraps it in errors of its own."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else ""


def _events(found: DagsterInstance, run: DagsterRun, kind: DagsterEventType) -> list[DagsterEvent]:
    return [record.dagster_event for record in found.all_logs(run.run_id, of_type=kind) if record.dagster_event]


def _feed_line(feed: Row) -> Row:
    first = {name: feed["counts"][name] for name in ("rows", "rejected", "deferred")}
    counted = first | {name: n for name, n in feed["counts"].items() if name not in ("archived", "reactivated") or n}
    return {"feed": f"{feed['source']}/{feed['product_type']}/{feed['name']}", "outcome": feed["outcome"], **counted}


def _print(summary: Summary, titles: Mapping[str, str]) -> None:
    always = ["table", "rows", "created", "updated", "unchanged", "rejected", "deferred"]
    some = [name for name in ("deleted", "duplicate") if any(row[name] for row in summary.tables)]
    say()
    print_table(
        [{**row, "table": row["table"].removeprefix("catalog.")} for row in summary.tables], columns=always + some
    )
    if summary.feeds:
        say()
        print_table([_feed_line(feed) for feed in summary.feeds], "Partner feeds")
        for feed in summary.feeds:
            if feed["outcome"] != "applied":
                say(f"{feed['name']}, {feed['outcome']}: {feed['detail']}")
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in summary.associations.items())
    say(f"\nRuns and their courses: {outcomes}." if outcomes else "")
    if summary.conflicts:
        say()
        shown = [conflict_line(conflict, titles) for conflict in summary.conflicts[:MOST_CONFLICTS]]
        print_table(shown, "Active in several programs, says the LMS", essential=4)
        say(f"{len(summary.conflicts)} in all: `catalog-pipeline enrollments conflicts` lists them.")
    if summary.expirations_moved:
        say()
        print_table(summary.expirations_moved, "Expirations that moved")
        say("`catalog-pipeline sql 'SELECT * FROM marts.expirations_moved'` says which, from when to when.")
    say()
    failed = [check for check in summary.checks if not check.passed]
    say(f"Checks: {len(summary.checks) - len(failed)} passed, {len(failed)} failed.")
    for told in dict.fromkeys(f"  {check.severity.lower()}: {check.asset} {check.check}" for check in failed):
        say(told, style="yellow")
    for failure in summary.failures:
        complain(f"{failure.step} failed: {failure.message}", style="red")
    changed, rejected = (sum(row[name] for row in summary.tables for name in names) for names in COUNTED)
    if changed or not summary.failures:
        say(f"{changed} rows created or updated." if changed else "Nothing changed.")
    if rejected:
        say(f"{rejected} rows rejected: `catalog-pipeline rejects`, of feeds `partner rejects`, says why.")
    say(f"{summary.seconds} seconds.")
