"""`catalog-pipeline enrollments`: the verbs that change enrollments in programs and in their runs."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.shared import AsJson, AsOf, AsWide, DryRun, database, parse_uuid
from catalog_pipeline.errors import UsageError

if TYPE_CHECKING:
    from catalog_pipeline.enrollments.asked import Asked
    from catalog_pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Enrollments in programs, and in the runs that they share.")
METHODS = ("post", "patch", "put")

Learner = Annotated[
    str, typer.Argument(metavar="LEARNER", help="The learner: id:17, user:ann, key:ORG:KEY, or a key alone.")
]
AProgram = Annotated[UUID, typer.Argument(parser=parse_uuid, metavar="PROGRAM", help="The program's uuid.")]


def parse_method(value: str) -> str:
    """A method as people type it. Raises UsageError."""
    if value.lower() not in METHODS:
        raise UsageError(f"{value!r} is no method: give {', '.join(METHODS)}.")
    return value.lower()


def asked(settings: Settings, as_of: datetime | None, *, dry_run: bool) -> Asked:
    """The user of the machine asks."""
    from catalog_pipeline.enrollments.asked import Asked

    return Asked(f"cli:{getpass.getuser()}", as_of or datetime.now(UTC), settings, dry_run)


@app.command()
def write(
    program: AProgram,
    file: Annotated[Path, typer.Argument(help="A JSON list of learners with their statuses; - is standard input.")],
    method: Annotated[
        str,
        typer.Option(parser=parse_method, metavar="M", help="post makes rows, patch sets them, put does either."),
    ],
    run: Annotated[str | None, typer.Option(metavar="R", help="A run of the program, to enroll in that.")] = None,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Enroll learners in a program or a run of it, each by itself.

    A seat in a run is active in one program at a time: the second one is
    told which has it.

    Example: catalog-pipeline enrollments write \\
        00000000-0000-4000-8000-000000000001 learners.json --method post
    """
    from catalog_pipeline.cli.enrollments_output import print_answers
    from catalog_pipeline.enrollments.requests import read_items
    from catalog_pipeline.enrollments.writing import Request
    from catalog_pipeline.enrollments.writing import write as write_enrollments

    request = Request(program, method, read_items(file), run)
    with database() as (settings, engine):
        answers = write_enrollments(engine, request, asked(settings, as_of, dry_run=dry_run))
    print_answers(answers, as_json=as_json)
    raise SystemExit(int(answers.exit_code))


@app.command()
def move(
    learner: Learner,
    from_: Annotated[UUID, typer.Option("--from", parser=parse_uuid, metavar="P", help="The program that has it.")],
    to: Annotated[UUID, typer.Option("--to", parser=parse_uuid, metavar="P", help="The program that gets it.")],
    run: Annotated[str | None, typer.Option(metavar="R", help="The run whose seat moves.")] = None,
    all_runs: Annotated[bool, typer.Option("--all-runs", help="All seats that are active there.")] = False,
    enroll: Annotated[bool, typer.Option("--enroll", help="Enroll the learner in the other program.")] = False,
    curriculum: Annotated[
        UUID | None, typer.Option(parser=parse_uuid, metavar="U", help="The curriculum by which to enroll.")
    ] = None,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Move a learner's seats from one program to another, at once.

    Example: catalog-pipeline enrollments move id:17 \\
        --run course-v1:GTx+CS6250+1T2026 \\
        --from 00000000-0000-4000-8000-000000000001 \\
        --to 00000000-0000-4000-8000-000000000002
    """
    from catalog_pipeline.cli.enrollments_output import print_changes
    from catalog_pipeline.enrollments.moving import Move
    from catalog_pipeline.enrollments.moving import move as move_seats

    if (run is None) != all_runs:
        raise UsageError("Give --run, or --all-runs, and not both.")
    wish = Move(learner, from_, to, run, enroll, curriculum)
    with database() as (settings, engine):
        changed = move_seats(engine, wish, asked(settings, as_of, dry_run=dry_run))
    print_changes(changed, as_json=as_json)
    raise SystemExit(int(changed.exit_code))


@app.command()
def cancel(
    learner: Learner,
    program: Annotated[UUID, typer.Option(parser=parse_uuid, metavar="P", help="The program to leave.")],
    curriculum: Annotated[
        UUID | None, typer.Option(parser=parse_uuid, metavar="U", help="Only the enrollment by this curriculum.")
    ] = None,
    cascade: Annotated[bool, typer.Option("--cascade", help="Make its seats inactive with it.")] = False,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a learner's enrollment in a program.

    Its seats stay active unless --cascade takes them along.

    Example: catalog-pipeline enrollments cancel user:ann \\
        --program 00000000-0000-4000-8000-000000000001
    """
    from catalog_pipeline.cli.enrollments_output import print_changes
    from catalog_pipeline.enrollments.cancelling import cancel as cancel_enrollment

    with database() as (settings, engine):
        who = asked(settings, as_of, dry_run=dry_run)
        changed = cancel_enrollment(engine, learner, program, who, curriculum=curriculum, cascade=cascade)
    print_changes(changed, as_json=as_json)
    raise SystemExit(int(changed.exit_code))
