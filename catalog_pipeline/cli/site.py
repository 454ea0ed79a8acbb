"""`catalog-pipeline site`: builds the site of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import database

app = typer.Typer(no_args_is_help=True, help="The site that describes every table and column.")


@app.callback()
def group() -> None:
    """Make this a group, though it has one verb."""


@app.command()
def build(
    to: Annotated[
        Path | None, typer.Option(help="The folder to write it into. If not given, site in the home folder.")
    ] = None,
) -> None:
    """Build the site of the tables: columns, lineage, checks and last results.

    It is a folder of pages that open without a server. `up` and the night
    build it too.

    Example: catalog-pipeline site build --to /tmp/tables
    """
    from catalog_pipeline.cli.console import say
    from catalog_pipeline.folders import make_private
    from catalog_pipeline.site.pages import build_site

    with database() as (settings, engine):
        make_private(settings.folder)
        first = build_site(engine, to or settings.site_folder)
    say(first.as_uri())
