"""The verbs for those who write SQL themselves: sql and psql."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from catalog_pipeline.cli.shared import AsCsv, AsJson, database, load_settings
from catalog_pipeline.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from catalog_pipeline.database.rows import Row

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

    Example: catalog-pipeline sql "select * from marts.catalog_overview"
    Example: catalog-pipeline sql "select * from marts.run_calendar" --csv
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.engine import connected

    with database() as (_, engine), connected(engine) as connection:
        columns, found = _read_only(connection, query, as_of)
    print_rows(found, as_json=as_json, as_csv=as_csv, columns=columns, nothing="No rows.")


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


def _read_only(connection: Connection, query: str, as_of: str | None) -> tuple[list[str], list[Row]]:
    """The columns and rows of a query. Raises UsageError when the database refuses it or it returns no rows."""
    import psycopg
    from sqlalchemy import text

    from catalog_pipeline.database.bulk import driver

    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(text("SELECT set_config('catalog.as_of', :as_of, true)"), {"as_of": as_of or ""})
    try:
        # A prepared statement is one statement: no COMMIT can end the read-only transaction before a second.
        cursor = driver(connection).execute(query.encode(), prepare=True)
    except psycopg.Error as error:
        raise UsageError(f"The database refuses this query: {str(error).strip()}") from None
    if cursor.description is None:
        raise UsageError("That is no query: it returns no rows.")
    columns = [column.name for column in cursor.description]
    return columns, [dict(zip(columns, row, strict=True)) for row in cursor]
