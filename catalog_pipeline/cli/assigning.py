"""`catalog-pipeline assignments`: the verbs that write to learners, and what they may spend."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.assignments import (
    Configuration,
    ContentKey,
    Email,
    Learner,
    LearnerStates,
    Search,
    States,
    app,
)
from catalog_pipeline.cli.shared import AsJson, AsOf, AsWide, DryRun, database, parse_uuid, read_text
from catalog_pipeline.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catalog_pipeline.assignments.asked import Answers
    from catalog_pipeline.assignments.reading import Filters

    Mailed = tuple[Callable[..., Answers], Sequence[str]]

Uuids = Annotated[list[UUID] | None, typer.Argument(parser=parse_uuid, metavar="[U]...", help="Assignments' uuids.")]
Named = Annotated[list[UUID], typer.Argument(parser=parse_uuid, metavar="U...", help="Assignments' uuids.")]
All = Annotated[bool, typer.Option("--all", help="All that can be, of those that the other options choose.")]
OfConfiguration = Annotated[
    UUID, typer.Option("--configuration", parser=parse_uuid, metavar="U", help="The configuration that they are of.")
]
LARGEST = 2**63 - 1
"""The largest number that the database has."""
MOST_DAYS = 3_650
POLICY = "The policy that assigns, by its uuid."


@app.command()
def allocate(
    policy: Annotated[UUID, typer.Argument(parser=parse_uuid, metavar="POLICY", help=POLICY)],
    content: Annotated[str, typer.Option(metavar="KEY", help="The course or run to assign.")],
    price_cents: Annotated[int, typer.Option(metavar="N", help="What each learner costs, in US cents.")],
    email: Annotated[list[str] | None, typer.Option(metavar="E", help="A learner's address.")] = None,
    emails: Annotated[Path | None, typer.Option(metavar="FILE", help="A file of addresses, one a line.")] = None,
    admin: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, metavar="ID", help="The LMS id of who allocates.")
    ] = None,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Assign a course or run to learners, all of them or none.

    Content that is not held here, or too old, is read from its catalog.

    Example: catalog-pipeline assignments allocate \\
        6f1f5f0e-0000-4000-8000-00000000ca7a \\
        --content AcmeX+LEAD10 --price-cents 260000 --emails addresses.txt
    """
    from catalog_pipeline.assignments.allocation import Request
    from catalog_pipeline.assignments.allocation import allocate as allocate_content
    from catalog_pipeline.cli.assigning_output import print_allocation
    from catalog_pipeline.sources.upstreams import upstreams

    given = [*(email or ()), *(read_text(emails).split() if emails else ())]
    request = Request(policy, content, price_cents, given, admin)
    with database() as (settings, engine), upstreams(settings) as found:
        done = allocate_content(
            engine, found, request, as_of=as_of or datetime.now(UTC), actor=_actor(), dry_run=dry_run
        )
    print_allocation(done, dry_run=dry_run, as_json=as_json)
    raise SystemExit(int(done.exit_code))


def _of_chosen(verb: Callable[[], Mailed]) -> None:
    """Make `verb` a command over assignments that are named, or chosen by the options of `list`.

    It returns what to do to them, and the states that --all looks for. Its docstring is the command's help.
    """

    def command(
        uuids: Uuids = None,
        everything: All = False,
        configuration: Configuration = None,
        states: States = None,
        learner_states: LearnerStates = None,
        email: Email = None,
        learner: Learner = None,
        content: ContentKey = None,
        search: Search = None,
        as_of: AsOf = None,
        dry_run: DryRun = False,
        wide: AsWide = False,
        as_json: AsJson = False,
    ) -> None:
        from catalog_pipeline.assignments.reading import Filters
        from catalog_pipeline.cli.assigning_output import print_answers

        do, all_in = verb()
        filters = Filters(configuration, states or (), learner_states or (), email, learner, content, search)
        with database() as (settings, engine):
            chosen = _chosen(engine, uuids, filters, all_in, everything=everything)
            clock = as_of or datetime.now(UTC)
            found = do(engine, chosen, as_of=clock, settings=settings, actor=_actor(), dry_run=dry_run)
        print_answers(found, dry_run=dry_run, as_json=as_json)
        raise SystemExit(int(found.exit_code))

    app.command(verb.__name__, help=verb.__doc__)(command)


@_of_chosen
def remind() -> Mailed:
    """Remind learners of what is allocated to them.

    A learner is reminded of an assignment once a day at most.

    Example: catalog-pipeline assignments remind --all --learner-state waiting
    """
    from catalog_pipeline.assignments import reminding

    return reminding.remind, reminding.REMINDABLE


@_of_chosen
def cancel() -> Mailed:
    """Take assignments back that nobody has accepted.

    Each learner gets a mail.

    Example: catalog-pipeline assignments cancel \\
        6f1f5f0e-0000-4000-8000-00000000ca7a
    """
    from catalog_pipeline.assignments import cancelling

    return cancelling.cancel, cancelling.CANCELABLE


@app.command()
def nudge(
    uuids: Uuids = None,
    configuration: Configuration = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How many days before the start.")] = 30,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Tell learners of executive education that it begins soon.

    Without uuids: all learners who accepted and whose run begins in so
    many days. Days that were missed are caught up.

    Example: catalog-pipeline assignments nudge --days 14 --dry-run
    """
    from catalog_pipeline.assignments import nudging
    from catalog_pipeline.cli.assigning_output import print_nudges

    if bool(uuids) != bool(configuration):
        raise UsageError("Give uuids and the --configuration that they are of, or neither.")
    clock = as_of or datetime.now(UTC)
    with database() as (settings, engine):
        ask = nudging.Ask(days, clock, settings, _actor(), dry_run)
        done = (
            nudging.nudge(engine, uuids, configuration, ask)
            if uuids and configuration
            else nudging.nudge_all(engine, ask)
        )
    print_nudges(done, dry_run=dry_run, as_json=as_json)
    raise SystemExit(int(done.exit_code))


@app.command()
def acknowledge(
    uuids: Named,
    configuration: OfConfiguration,
    learner: Annotated[int, typer.Option(metavar="ID", help="The learner's id in the LMS.")],
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Note that a learner saw what expired or was cancelled.

    Example: catalog-pipeline assignments acknowledge \\
        6f1f5f0e-0000-4000-8000-00000000ca7a \\
        --configuration 0a0a0a0a-1111-4222-8333-444444444444 --learner 7
    """
    from catalog_pipeline.assignments.acknowledging import acknowledge as acknowledge_them
    from catalog_pipeline.cli.assigning_output import print_acknowledgement

    with database() as (_, engine):
        done = acknowledge_them(
            engine,
            uuids,
            of=configuration,
            learner=learner,
            as_of=as_of or datetime.now(UTC),
            actor=_actor(),
            dry_run=dry_run,
        )
    print_acknowledgement(done, as_json=as_json)


@app.command("clear-pii")
def clear_pii(as_of: AsOf = None, dry_run: DryRun = False, wide: AsWide = False, as_json: AsJson = False) -> None:
    """Clear the addresses of learners who let ninety days pass.

    Example: catalog-pipeline assignments clear-pii --dry-run
    """
    from catalog_pipeline.assignments.privacy import clear_personal_data
    from catalog_pipeline.cli.assigning_output import print_clearing

    with database() as (_, engine):
        done = clear_personal_data(engine, as_of=as_of or datetime.now(UTC), actor=_actor(), dry_run=dry_run)
    print_clearing(done, dry_run=dry_run, as_json=as_json)


@app.command()
def preview(
    uuids: Named,
    mail: Annotated[str, typer.Option(help="Which mail: create, remind, cancel, expire or nudge.")],
    as_of: AsOf = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show mails to learners, and send none.

    Example: catalog-pipeline assignments preview \\
        6f1f5f0e-0000-4000-8000-00000000ca7a --mail create
    """
    from catalog_pipeline.assignments.mails import preview as preview_mails
    from catalog_pipeline.cli.assigning_output import print_mails
    from catalog_pipeline.database.engine import connected

    with database() as (settings, engine), connected(engine) as connection:
        found = preview_mails(connection, mail, uuids, as_of=as_of or datetime.now(UTC), settings=settings)
    print_mails(found, as_json=as_json)


def _chosen(
    engine: Engine, uuids: Sequence[UUID] | None, filters: Filters, states: Sequence[str], *, everything: bool
) -> list[UUID]:
    """The named assignments, or with `everything` those that match, can be changed here, and are in these states."""
    from catalog_pipeline.assignments.reading import Filters, ours
    from catalog_pipeline.database.engine import connected

    if everything == bool(uuids) or (uuids and filters != Filters()):
        raise UsageError("Give uuids, or --all with the options that choose among all.")
    if uuids:
        return list(uuids)
    with connected(engine) as connection:
        return ours(connection, filters, states)


def _actor() -> str:
    return f"cli:{getpass.getuser()}"
