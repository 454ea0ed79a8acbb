"""The verbs for those who write SQL themselves: sql and psql."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import (
    AsCsv,
    AsExpanded,
    AsJson,
    AsWide,
    database,
    load_settings,
    parse_instant,
    read_text,
)
from catalog_pipeline.errors import UsageError

app = typer.Typer()


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One query; it cannot write.")] = None,
    file: Annotated[Path | None, typer.Option(help="Read the query from a file; - is standard input.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_instant,
            metavar="T",
            help="The instant that views such as marts.run_availability answer for, not now;"
            " UTC where it names no zone.",
        ),
    ] = None,
    expanded: AsExpanded = False,
    as_csv: AsCsv = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Run a read-only query.

    It is asked by a login that may read marts, catalog and ops, and no mail:
    that of CATALOG_ANALYST_URL, where one is set.

    Example: catalog-pipeline sql "select * from marts.catalog_overview"
    Example: catalog-pipeline sql "select * from marts.run_calendar" --csv
    Example: catalog-pipeline sql --file report.sql --json
    """
    from catalog_pipeline.cli.answer_output import print_answer
    from catalog_pipeline.queries.sql import ask, reading

    asked = read_text(file) if file else query
    if asked is None or (file and query is not None):
        raise UsageError("Give a query, or --file with a file of one.")
    with database() as (settings, engine), reading(settings, engine) as reader:
        answer = ask(reader, asked, as_of)
    print_answer(answer, as_json=as_json, as_csv=as_csv, expanded=expanded)


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
