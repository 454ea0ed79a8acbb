"""`catalog-pipeline enterprise`: what is replicated of enterprise catalogs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database

app = typer.Typer(no_args_is_help=True, help="What enterprise catalogs have, as last replicated.")

InCatalog = Annotated[UUID | None, typer.Option("--catalog", help="Only of this catalog, by its uuid.")]


@app.command()
def catalogs(wide: AsWide = False, as_json: AsJson = False) -> None:
    """List the enterprise catalogs, how much each has, and when it was last read.

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
    """Show what each enterprise catalog says of a course, program or run.

    Example: catalog-pipeline enterprise content edX+DemoX
    """
    from catalog_pipeline.cli.enterprise_output import print_content
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.enterprise import show_content

    with database() as (_, engine), connected(engine) as connection:
        found = show_content(connection, key, catalog)
    print_content(found, as_json=as_json)
