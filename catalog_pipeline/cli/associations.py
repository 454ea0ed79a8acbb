"""`catalog-pipeline associations`: which course each run belongs to, planned, applied, and set by hand."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, database
from catalog_pipeline.errors import ExitCode, UsageError

app = typer.Typer(no_args_is_help=True, help="Which course each run belongs to.")


@app.command()
def plan(as_json: AsJson = False) -> None:
    """What would become of each run, and why; changes nothing. Example: catalog-pipeline associations plan"""
    from catalog_pipeline.associations.planning import plan as plan_associations
    from catalog_pipeline.cli.output import print_plan
    from catalog_pipeline.database.engine import connected

    with database() as (_, engine), connected(engine) as connection:
        print_plan(plan_associations(connection), as_json=as_json)


@app.command()
def apply(
    expected: Annotated[str | None, typer.Option("--plan", help="Refuse unless the plan still is this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make it so, in one transaction. Example: catalog-pipeline associations apply"""
    from catalog_pipeline.associations.planning import associate
    from catalog_pipeline.cli.output import print_plan

    with database() as (_, engine):
        report, planned = associate(engine, expected=expected)
        print_plan(planned, as_json=as_json)
    raise SystemExit(int(report.exit_code))


@app.command("set")
def set_(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="RUN_KEY COURSE_KEY", help="The run and its course.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV file with the columns run_key and course_key.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for those who ask later.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give runs their courses by hand. Example: catalog-pipeline associations set course-v1:A+1+2026 A+Basics"""
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
def unset(run_keys: Annotated[list[str], typer.Argument(help="Keys of runs.")], as_json: AsJson = False) -> None:
    """Let discovery, else the key, say again. Example: catalog-pipeline associations unset course-v1:A+1+2026"""
    from catalog_pipeline.associations.manual import unset_courses
    from catalog_pipeline.cli.output import print_said

    with database() as (_, engine):
        said = unset_courses(engine, run_keys, actor=f"cli:{getpass.getuser()}")
    print_said(said, as_json=as_json)
    left = any(row["course_key"] is None or row["outcome"] == "unknown_run" for row in said.rows)
    raise SystemExit(int(ExitCode.SOME_ROWS_LEFT if left else ExitCode.DONE))
