"""`catalog-pipeline assignments`: content that customers assigned to learners."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.shared import AsJson, AsOf, AsWide, DryRun, database, parse_uuid

app = typer.Typer(no_args_is_help=True, help="Content that customers assigned to learners.")

MOST_ROWS = 10**9
Configuration = Annotated[
    UUID | None,
    typer.Option("--configuration", parser=parse_uuid, metavar="U", help="Only those of this configuration."),
]
States = Annotated[list[str] | None, typer.Option("--state", help="Only those in one of these states.")]
LearnerStates = Annotated[
    list[str] | None, typer.Option("--learner-state", help="Only notifying, waiting, expired or failed ones.")
]
Email = Annotated[str | None, typer.Option("--email", help="Only those of this address.")]
Learner = Annotated[int | None, typer.Option("--learner", metavar="ID", help="Only those of this learner of the LMS.")]
ContentKey = Annotated[str | None, typer.Option("--content", metavar="KEY", help="Only those of this course or run.")]
Search = Annotated[
    str | None,
    typer.Option("--search", metavar="TEXT", help="Only those with this in title, address, key or partner."),
]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of JSON lines, or of CSV if its name ends with .csv.")],
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Import assignments of configurations that no upstream serves.

    A row is the assignment with its uuid, else the one of its configuration,
    learner and content. A field that it lacks keeps what stands. Wrong rows
    are rejected, and all others are written.

    Example: catalog-pipeline assignments import assignments.jsonl --dry-run
    Example: catalog-pipeline assignments import assignments.csv
    """
    from catalog_pipeline.assignments.importing import import_assignments
    from catalog_pipeline.cli.import_output import print_import

    with database() as (_, engine):
        report = import_assignments(engine, file, actor=f"cli:{getpass.getuser()}", as_of=as_of, dry_run=dry_run)
    print_import(report, dry_run=dry_run, as_json=as_json)
    raise SystemExit(int(report.exit_code))


@app.command()
def adopt(
    configuration: Annotated[UUID, typer.Argument(parser=parse_uuid, metavar="U", help="The configuration's uuid.")],
    as_json: AsJson = False,
) -> None:
    """Take a configuration over from enterprise-access, for good.

    They are no longer replicated, and the verbs that change assignments work
    on them. Switch off the jobs of enterprise-access for them first, or
    learners get two mails. There is no way back.

    Example: catalog-pipeline assignments adopt \\
        3f2b8a52-0c1d-4e6f-9a7b-5d4c3b2a1908
    """
    from dataclasses import asdict

    from catalog_pipeline.assignments.adopting import adopt as adopt_configuration
    from catalog_pipeline.cli.console import print_json, say

    with database() as (_, engine):
        adopted = adopt_configuration(engine, configuration, actor=f"cli:{getpass.getuser()}")
    if as_json:
        print_json(asdict(adopted))
    else:
        say(f"Configuration {adopted.configuration} is ours, with {adopted.assignments:,} assignments.")


@app.command("list")
def list_(
    configuration: Configuration = None,
    states: States = None,
    learner_states: LearnerStates = None,
    email: Email = None,
    learner: Learner = None,
    content: ContentKey = None,
    search: Search = None,
    sort: Annotated[
        str,
        typer.Option(
            help="recent_action_time, learner_state, content_quantity, title, start, enroll_by or expiration;"
            " with - before it, downwards."
        ),
    ] = "-recent_action_time",
    limit: Annotated[int, typer.Option(min=0, max=MOST_ROWS, help="The most to show.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=MOST_ROWS, help="How many to pass over.")] = 0,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """List assignments, with their content and when they expire.

    Example: catalog-pipeline assignments list --state allocated --sort expiration
    Example: catalog-pipeline assignments list --search leadership --json
    """
    from catalog_pipeline.assignments.reading import Filters, list_assignments
    from catalog_pipeline.cli.assignments_output import print_page
    from catalog_pipeline.database.engine import connected

    filters = Filters(configuration, states or (), learner_states or (), email, learner, content, search)
    with database() as (_, engine), connected(engine) as connection:
        page = list_assignments(connection, filters, sort=sort, limit=limit, offset=offset)
    print_page(page, as_json=as_json)


@app.command()
def show(
    uuid: Annotated[UUID, typer.Argument(parser=parse_uuid, metavar="U", help="The assignment's uuid.")],
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show one assignment, with its actions, content and expiration.

    Why it expires when it does: catalog-pipeline explain U.

    Example: catalog-pipeline assignments show 6f1f5f0e00004000800000000000ca7a
    """
    from catalog_pipeline.assignments.reading import show_assignment
    from catalog_pipeline.cli.assignments_output import print_assignment
    from catalog_pipeline.database.engine import connected

    with database() as (_, engine), connected(engine) as connection:
        found = show_assignment(connection, uuid)
    print_assignment(found, as_json=as_json)


@app.command()
def rebuild(
    full: Annotated[bool, typer.Option("--full", help="Look at all, not just at what changed since the last one.")] = (
        False
    ),
    as_of: AsOf = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Decide anew when assignments expire.

    Only what differs is written. Refreshes, imports and the sensor do it, too.

    Example: catalog-pipeline assignments rebuild --full
    """
    from catalog_pipeline.assignments.expirations import EVERYTHING, rebuild_since_last
    from catalog_pipeline.assignments.expirations import rebuild as rebuild_expirations
    from catalog_pipeline.cli.assignments_output import print_rebuilt

    clock = as_of or datetime.now(UTC)
    with database() as (_, engine):
        if full:
            rebuilt = rebuild_expirations(engine, EVERYTHING, as_of=clock)
        else:
            rebuilt = rebuild_since_last(engine, as_of=clock)
    print_rebuilt(rebuilt, as_json=as_json)


@app.command()
def expire(
    configuration: Configuration = None,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Expire the allocated assignments whose date has come.

    Each learner gets one mail. The date is decided anew at that moment.

    Example: catalog-pipeline assignments expire --dry-run
    Example: catalog-pipeline assignments expire --as-of 2026-12-01
    """
    from catalog_pipeline.assignments.expiring import expire as expire_due
    from catalog_pipeline.cli.assignments_output import print_expiry

    with database() as (settings, engine):
        expiry = expire_due(
            engine,
            settings,
            as_of=as_of or datetime.now(UTC),
            configuration=configuration,
            dry_run=dry_run,
            actor=f"cli:{getpass.getuser()}",
        )
    print_expiry(expiry, as_json=as_json)
    raise SystemExit(int(expiry.exit_code))
