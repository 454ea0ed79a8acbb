"""`catalog-pipeline enterprise`: customers, their catalogs and content, and what pays for them."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, DryRun, database, parse_uuid

app = typer.Typer(no_args_is_help=True, help="Enterprise customers, their catalogs and content.")

InCatalog = Annotated[
    UUID | None, typer.Option("--catalog", parser=parse_uuid, metavar="U", help="Only of this catalog, by its uuid.")
]


@app.command()
def catalogs(wide: AsWide = False, as_json: AsJson = False) -> None:
    """List the enterprise catalogs, and how fresh each is.

    Example: catalog-pipeline enterprise catalogs
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.enterprise import CATALOG_COLUMNS, list_catalogs

    with database() as (_, engine), connected(engine) as connection:
        found = list_catalogs(connection)
    nothing = "No enterprise catalog is known: `catalog-pipeline refresh enterprise` reads them."
    print_rows(found, as_json=as_json, as_csv=False, columns=CATALOG_COLUMNS, nothing=nothing)


@app.command()
def content(
    key: Annotated[str, typer.Argument(help="The key of a course or run, or a program's uuid.")],
    catalog: InCatalog = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show what each catalog says of a course, program or run.

    Example: catalog-pipeline enterprise content edX+DemoX
    """
    from catalog_pipeline.cli.enterprise_output import print_content
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.enterprise import show_content

    with database() as (_, engine), connected(engine) as connection:
        found = show_content(connection, key, catalog)
    print_content(found, as_json=as_json)


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
    from catalog_pipeline.assignments.expirations import rebuild_since_last
    from catalog_pipeline.cli.import_output import print_import
    from catalog_pipeline.enterprise.importing import import_records

    with database() as (_, engine):
        report = import_records(engine, file, actor=f"cli:{getpass.getuser()}", dry_run=dry_run)
        if not dry_run:
            rebuild_since_last(engine, as_of=datetime.now(UTC))
    print_import(report, dry_run=dry_run, as_json=as_json)
    raise SystemExit(int(report.exit_code))
