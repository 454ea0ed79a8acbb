"""`catalog-pipeline enterprise`: customers, their catalogs, and what pays for them."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, DryRun, database

app = typer.Typer(no_args_is_help=True, help="Enterprise customers, their catalogs, and what pays for them.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of JSON lines, each with its kind.")],
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Import what no upstream serves.

    A kind is customer, catalog, subsidy, policy, configuration or learner.
    A field that a record lacks keeps what stands. Wrong records are
    rejected, and all others are written.

    Example: catalog-pipeline enterprise import customers.jsonl --dry-run
    """
    from catalog_pipeline.cli.import_output import print_import
    from catalog_pipeline.enterprise.importing import import_records

    with database() as (_, engine):
        report = import_records(engine, file, actor=f"cli:{getpass.getuser()}", dry_run=dry_run)
    print_import(report, dry_run=dry_run, as_json=as_json)
    raise SystemExit(int(report.exit_code))
