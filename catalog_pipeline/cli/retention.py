"""`catalog-pipeline retention`: remove what is old."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database

app = typer.Typer(no_args_is_help=True, help="Remove what is old, and archive the history.")


@app.command("run")
def retention_run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is older than the settings say, as the night does.

    These are sent mail, rows and bytes of feeds that others took the place of,
    cleared rejects, contents of documents that upstream has long not listed,
    and events of Dagster's runs. The settings are CATALOG_KEEP_…; 0 keeps all.

    Example: catalog-pipeline retention run --dry-run
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.engine import Server, with_password
    from catalog_pipeline.retention.removal import remove
    from resources.event_log import remove_old_events
    from resources.instance import instance

    with database() as (settings, engine):
        removed = remove(engine, settings, dry_run=dry_run)
        with instance(settings, Server(with_password(engine.url))) as found:
            removed.append(remove_old_events(found, settings, dry_run=dry_run))
    rows = [{**asdict(one), "days": one.days or "for ever"} for one in removed]
    columns = ["kind", "setting", "days", "rows", "bytes"]
    print_rows(rows, as_json=as_json, as_csv=False, columns=columns, nothing="")
