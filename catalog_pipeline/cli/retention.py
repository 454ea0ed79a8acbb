"""`catalog-pipeline retention`: remove what is old, and archive the history."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database, parse_day

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


@app.command("archive")
def retention_archive(
    before: Annotated[
        date, typer.Option(parser=parse_day, metavar="DAY", help="The first day (UTC) that is not archived.")
    ],
    to: Annotated[Path, typer.Option(help="The file to write: CSV, compressed by zstd.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be archived.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move the history before a day into a file.

    Each row that lived then keeps one event, a baseline, with all its values.
    Snapshots of days before it stay as they are, and are not built again.
    `history` and `run_history` begin with the baselines.

    Example: catalog-pipeline retention archive --before 2026-01-01 --to 2025.zst
    """
    from catalog_pipeline.cli.console import print_json, say
    from catalog_pipeline.retention import archive

    with database() as (_, engine):
        if dry_run:
            done = archive.plan(engine, before, to)
        else:
            done = archive.archive(engine, before, to, f"cli:{getpass.getuser()}")
    if as_json:
        print_json({**asdict(done), "dry_run": dry_run})
        return
    if dry_run:
        say(f"{done.events} events from before {done.before} would be moved into {done.file}.")
    else:
        say(f"{done.events} events from before {done.before} are in {done.file} (SHA-256 {done.sha256}).")
        say(f"{done.baselines} rows that lived then have a baseline in their place.")
    if done.unbuilt_days:
        then = "could not be built any more" if dry_run else "cannot be built any more"
        say(f"{done.unbuilt_days} days before it have no snapshot in marts.catalog_daily; they {then}.")
    if not dry_run:
        say("`VACUUM FULL ops.change_event` gives the space back to the disk; nobody can write meanwhile.")
