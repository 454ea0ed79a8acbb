"""`catalog-pipeline associations`: plan, apply and set by hand which course each run belongs to."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database
from catalog_pipeline.errors import ExitCode, UsageError

app = typer.Typer(no_args_is_help=True, help="Decide which course each run belongs to.")


@app.command()
def plan(wide: AsWide = False, as_json: AsJson = False) -> None:
    """Show which course each run would get; change nothing.

    Example: catalog-pipeline associations plan
    """
    from catalog_pipeline.associations.planning import plan as plan_associations
    from catalog_pipeline.cli.output import print_plan
    from catalog_pipeline.database.engine import connected

    with database() as (_, engine), connected(engine) as connection:
        print_plan(plan_associations(connection), as_json=as_json)


@app.command()
def apply(
    expected: Annotated[
        str | None, typer.Option("--plan", help="Refuse when the plan is no longer the one with this hash.")
    ] = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Give each run its course, in one transaction.

    Example: catalog-pipeline associations apply
    Example: catalog-pipeline associations apply --plan 5f0c7a1be2d4
    """
    from catalog_pipeline.associations.planning import associate
    from catalog_pipeline.cli.output import print_plan

    with database() as (_, engine):
        report, planned = associate(engine, expected=expected)
        print_plan(planned, as_json=as_json)
    raise SystemExit(int(report.exit_code))


@app.command("set")
def set_(
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN_KEY COURSE_KEY", help="The key of a run, then the key of its course."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV file with the columns run_key and course_key.")] = None,
    reason: Annotated[str | None, typer.Option(help="The reason that `explain` shows later.")] = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Set the courses of runs by hand.

    No refresh and no rebuild changes what is set, until it is unset.

    Example: catalog-pipeline associations set course-v1:A+1+2026 A+Basics
    Example: catalog-pipeline associations set --file associations.csv
    """
    import pandas as pd

    from catalog_pipeline.associations.manual import SET_OUTCOMES, read_file, set_courses
    from catalog_pipeline.cli.output import print_said

    if (file is None) == (not keys) or (keys and len(keys) != 2):
        raise UsageError("Give a run's key and a course's key, or --file with a CSV file of them.")
    wanted = read_file(file) if file else pd.DataFrame([(1, *(keys or ()))], columns=["line", "run_key", "course_key"])
    with database() as (_, engine):
        said = set_courses(engine, wanted, actor=f"cli:{getpass.getuser()}", reason=reason)
    print_said(said, as_json=as_json)
    raise SystemExit(int(ExitCode.DONE if set(said.counts) <= set(SET_OUTCOMES) else ExitCode.SOME_ROWS_LEFT))


@app.command()
def unset(
    run_keys: Annotated[list[str], typer.Argument(help="The keys of runs.")],
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Take back what was set by hand.

    Discovery decides the course again, else a feed, else the run's key.

    Example: catalog-pipeline associations unset course-v1:A+1+2026
    """
    from catalog_pipeline.associations.manual import unset_courses
    from catalog_pipeline.cli.output import print_said

    with database() as (_, engine):
        said = unset_courses(engine, run_keys, actor=f"cli:{getpass.getuser()}")
    print_said(said, as_json=as_json)
    left = any(row["course_key"] is None or row["outcome"] == "unknown_run" for row in said.rows)
    raise SystemExit(int(ExitCode.SOME_ROWS_LEFT if left else ExitCode.DONE))
