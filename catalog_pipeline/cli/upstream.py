"""`catalog-pipeline upstream`: where services are read, and how that changes."""

from __future__ import annotations

from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, database
from catalog_pipeline.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Which upstream each service is read from.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the services, and the addresses they are read at.

    Example: catalog-pipeline upstream list
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.upstreams import COLUMNS, list_upstreams

    with database() as (settings, engine), connected(engine) as connection:
        found = list_upstreams(connection, settings)
    print_rows(found, as_json=as_json, as_csv=False, columns=COLUMNS, nothing="No service is configured or was read.")


@app.command()
def switch(
    service: Annotated[str, typer.Argument(help="The service; see upstream list.")],
    moved: Annotated[
        bool, typer.Option("--moved", help="It is the same system at a new address: nothing is read.")
    ] = False,
    expected: Annotated[
        str | None, typer.Option("--plan", help="Apply the plan with this hash; refuse when it has changed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a service at the configured address from now on.

    Without --moved it is another system, which is read whole. What is new,
    what goes on under its key and what would be archived is printed as a
    plan with a hash. Only --plan with that hash applies it. Of the services
    for enterprises only --moved is offered.

    Example: catalog-pipeline upstream switch discovery --moved
    Example: catalog-pipeline upstream switch discovery --plan 5f0c7a1be2d4
    """
    from catalog_pipeline.cli.output import print_moved, print_switch
    from catalog_pipeline.replication import switching
    from catalog_pipeline.settings import SERVICES
    from catalog_pipeline.sources.upstreams import SOURCES, upstreams

    if service not in SERVICES:
        raise UsageError(f"{service!r} is no service; the services are {', '.join(SERVICES)}.")
    if service not in SOURCES and not moved:
        raise UsageError(
            f"Only --moved is for {service}: another system's catalogs and assignments need a database of their own."
        )
    if expected and (moved or dry_run):
        raise UsageError("--plan applies a plan: leave out --moved and --dry-run.")
    with database() as (settings, engine):
        if moved:
            print_moved(switching.move(engine, settings, service, dry_run=dry_run), dry_run=dry_run, as_json=as_json)
            return
        with upstreams(settings) as found:
            if not expected:
                print_switch(switching.plan_switch(engine, found, service), applied=False, as_json=as_json)
                return
            planned = switching.switch(engine, found, service, expected)
    print_switch(planned, applied=True, as_json=as_json)
    raise SystemExit(int(planned.report.exit_code))
