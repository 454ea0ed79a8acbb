"""`catalog-pipeline assignments`: content that customers assigned to learners."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsOf, AsWide, DryRun, database

app = typer.Typer(no_args_is_help=True, help="Content that customers assigned to learners.")


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
