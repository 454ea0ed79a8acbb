"""The verbs for those who write SQL themselves: sql and psql."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog_pipeline.cli.shared import AsCsv, AsExpanded, AsJson, AsWide, database, load_settings, read_text
from catalog_pipeline.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from catalog_pipeline.database.answers import Answer

app = typer.Typer()


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One query; it cannot write.")] = None,
    file: Annotated[Path | None, typer.Option(help="Read the query from a file; - is standard input.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="The instant that views such as marts.run_availability answer for; now if not given."),
    ] = None,
    expanded: AsExpanded = False,
    as_csv: AsCsv = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Run a read-only query.

    Example: catalog-pipeline sql "select * from marts.catalog_overview"
    Example: catalog-pipeline sql "select * from marts.run_calendar" --csv
    Example: catalog-pipeline sql --file report.sql --json
    """
    from catalog_pipeline.cli.answer_output import print_answer
    from catalog_pipeline.database.engine import connected

    asked = read_text(file) if file else query
    if asked is None or (file and query is not None):
        raise UsageError("Give a query, or --file with a file of one.")
    with database() as (_, engine), connected(engine) as connection:
        answer = _read_only(connection, asked, as_of)
    print_answer(answer, as_json=as_json, as_csv=as_csv, expanded=expanded)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database.

    All options but --help are psql's.

    Example: catalog-pipeline psql -c '\\dt catalog.*'
    """
    import signal
    import subprocess

    from catalog_pipeline.database.engine import ensure_database, serving
    from catalog_pipeline.embedded.postgres import binary

    with serving(load_settings()) as server:
        ensure_database(server)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: we stay, and hold the server
        code = subprocess.call([binary("psql"), server.url("postgresql"), *context.args])
    raise SystemExit(code)


def _read_only(connection: Connection, query: str, as_of: str | None) -> Answer:
    """What a query returns. Raises UsageError when the database refuses it or it returns no rows."""
    import psycopg
    from sqlalchemy import text

    from catalog_pipeline.database.answers import Answer
    from catalog_pipeline.database.engine import driver

    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(text("SELECT set_config('catalog.as_of', :as_of, true)"), {"as_of": as_of or ""})
    try:
        # A prepared statement is one statement: no COMMIT can end the read-only transaction before a second.
        cursor = driver(connection).execute(query.encode(), prepare=True)
    except psycopg.Error as error:
        raise UsageError(f"The database refuses this query: {str(error).strip()}") from None
    answer = Answer.of(cursor)
    if answer is None:
        raise UsageError("That is no query: it returns no rows.")
    return answer
