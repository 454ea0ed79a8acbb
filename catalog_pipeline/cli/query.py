"""The verbs for those who write SQL themselves: sql and psql."""

from __future__ import annotations

from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsCsv, AsJson, database, load_settings

app = typer.Typer()


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One query; it cannot write.")],
    as_of: Annotated[
        str | None,
        typer.Option(help="The instant that views such as marts.run_availability answer for; now if not given."),
    ] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Run a read-only query.

    It is asked by a login that may read marts, catalog and ops, and no mail:
    that of CATALOG_ANALYST_URL, where one is set.

    Example: catalog-pipeline sql "select * from marts.catalog_overview"
    Example: catalog-pipeline sql "select * from marts.run_calendar" --csv
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.queries.sql import ask, reading

    with database() as (settings, engine), reading(settings, engine) as reader:
        columns, rows = ask(reader, query, as_of)
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    print_rows(found, as_json=as_json, as_csv=as_csv, columns=columns, nothing="No rows.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database.

    All options but --help are psql's.

    Example: catalog-pipeline psql -c '\\dt catalog.*'
    """
    import os
    import signal
    import subprocess

    from catalog_pipeline.database.engine import ensure_database, serving
    from catalog_pipeline.embedded.postgres import binary

    with serving(load_settings()) as server:
        ensure_database(server)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: we stay, and hold the server
        where, password = server.for_psql()
        code = subprocess.call([binary("psql"), where, *context.args], env={**os.environ, **password})
    raise SystemExit(code)
