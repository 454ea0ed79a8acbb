"""The verbs of the command itself; groups of verbs have modules of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, database, load_settings
from catalog_pipeline.errors import ExitCode, UsageError

app = typer.Typer()


@app.command()
def run(
    accept_removals: Annotated[bool, typer.Option(help="Archive what is gone upstream, however much.")] = False,
    as_json: AsJson = False,
) -> None:
    """Materialize the whole pipeline through Dagster, in this process. Example: catalog-pipeline run"""
    settings = load_settings()
    from catalog_pipeline.cli.night import walk_night
    from catalog_pipeline.definitions import defs

    raise SystemExit(int(walk_night(settings, defs, accept_removals=accept_removals, as_json=as_json)))


@app.command()
def up() -> None:
    """Bring up the Dagster UI, the daemon and what they need, until Ctrl-C. Example: catalog-pipeline up"""
    from catalog_pipeline.cli.up import bring_up

    raise SystemExit(int(bring_up(load_settings())))


@app.command()
def migrate() -> None:
    """Bring the database's schema to this version. Example: catalog-pipeline migrate"""
    from catalog_pipeline.database.schema import migrate as migrate_schema

    with database(migrated=False) as (_, engine):
        migrate_schema(engine)
    typer.echo("The schema is up to date.")


@app.command()
def refresh(
    source: Annotated[str, typer.Argument(help="discovery, lms or all")] = "all",
    full: Annotated[bool, typer.Option("--full", help="Read everything, so that removals are seen.")] = False,
    accept_removals: Annotated[bool, typer.Option(help="Archive what is gone upstream, however much.")] = False,
    as_json: AsJson = False,
) -> None:
    """Crawl upstreams and publish what changed. Example: catalog-pipeline refresh discovery --full"""
    from catalog_pipeline.cli.output import print_refreshes
    from catalog_pipeline.replication.refresh import refresh as refresh_source
    from catalog_pipeline.sources.upstreams import SOURCES, upstreams

    if source not in ("all", *SOURCES):
        raise UsageError(f"{source!r} is no source; the sources are {', '.join(SOURCES)} and all.")
    with database() as (settings, engine), upstreams(settings) as found:
        sources = found.configured() if source == "all" else [source]
        done = [refresh_source(engine, found, name, full=full, accept_removals=accept_removals) for name in sources]
        print_refreshes(done, as_json=as_json)
    raise SystemExit(int(max(one.report.exit_code for one in done)))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Tables, last crawls and loads, what is pending and rejected. Example: catalog-pipeline status --json"""
    from catalog_pipeline.cli.output import print_status
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.status import status as describe

    with database() as (_, engine), connected(engine) as connection:
        print_status(describe(connection), as_json=as_json)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="A run's, course's or organization's key, or a uuid.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the upstream document as received.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the catalog holds under a key. Example: catalog-pipeline show course-v1:edX+DemoX+2026"""
    from catalog_pipeline.cli.console import print_json
    from catalog_pipeline.cli.output import print_shown
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.show import document as find_documents
    from catalog_pipeline.queries.show import show as find

    with database() as (_, engine), connected(engine) as connection:
        if raw:
            print_json(find_documents(connection, key))
        else:
            print_shown(find(connection, key), as_json=as_json)


@app.command()
def history(
    key: Annotated[str, typer.Argument(help="A run's, course's or organization's key, or a program's uuid.")],
    as_json: AsJson = False,
) -> None:
    """When what changed from what to what, and by whom. Example: catalog-pipeline history course-v1:edX+DemoX+2026"""
    from catalog_pipeline.cli.output import print_history
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.history import history as find_history

    with database() as (_, engine), connected(engine) as connection:
        print_history(find_history(connection, key), as_json=as_json)


@app.command()
def explain(key: Annotated[str, typer.Argument(help="A run's or course's key.")], as_json: AsJson = False) -> None:
    """Why it is as it is: course, owners, other values, documents. Example: catalog-pipeline explain edX+DemoX"""
    from catalog_pipeline.cli.output import print_explanation
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.explain import explain as explain_key

    with database() as (_, engine), connected(engine) as connection:
        print_explanation(explain_key(connection, key), as_json=as_json)


@app.command()
def rejects(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only by this rule.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """What did not reach the catalog, and why. Example: catalog-pipeline rejects --rule case_collision"""
    from catalog_pipeline.cli.output import REJECT_COLUMNS, print_rows
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.status import rejects as open_rejects

    with database() as (_, engine), connected(engine) as connection:
        found = open_rejects(connection, source=source, rule=rule)
    print_rows(found, as_json=as_json, as_csv=as_csv, columns=REJECT_COLUMNS, nothing="Nothing is rejected.")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What is configured, reachable and migrated, and what to do about what is not. Example: catalog-pipeline doctor"""
    from catalog_pipeline.cli.output import print_findings
    from catalog_pipeline.database.engine import ensure_database, make_engine, serving
    from catalog_pipeline.database.schema import migrate as migrate_schema
    from catalog_pipeline.queries.doctor import doctor as examine

    settings = load_settings()
    with serving(settings) as server:
        if settings.database_url is None:
            ensure_database(server)
            migrate_schema(make_engine(server))
        findings = examine(settings, server)
    print_findings(findings, as_json=as_json)
    raise SystemExit(int(ExitCode.DONE if all(finding.ok for finding in findings) else ExitCode.UNREACHABLE))


@app.command()
def keys(
    file: Annotated[Path, typer.Argument(help="A file with one key a line, or - for standard input.")],
    as_json: AsJson = False,
) -> None:
    """What course keys say. Example: echo course-v1:edX+DemoX+2026 | catalog-pipeline keys -"""
    from catalog_pipeline.cli.output import print_keys

    if str(file) == "-":
        lines = sys.stdin.buffer.read()
    else:
        try:
            lines = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    all_valid = print_keys(lines.decode("utf-8", "replace").split("\n"), as_json=as_json)
    raise SystemExit(int(ExitCode.DONE if all_valid else ExitCode.SOME_ROWS_LEFT))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One query; it cannot write.")],
    as_of: Annotated[str | None, typer.Option(help="The instant that views of the present speak of.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Query the database, read-only. Example: catalog-pipeline sql "select * from marts.catalog_overview" """
    import psycopg
    from sqlalchemy import text

    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.bulk import driver
    from catalog_pipeline.database.engine import connected

    with database() as (_, engine), connected(engine) as connection:
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
        found = [dict(zip(columns, row, strict=True)) for row in cursor]
    print_rows(found, as_json=as_json, as_csv=as_csv, columns=columns, nothing="No rows.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; options are psql's. Example: catalog-pipeline psql -c '\\dt catalog.*'"""
    import signal
    import subprocess

    from catalog_pipeline.database.engine import ensure_database, serving
    from catalog_pipeline.embedded.postgres import binary

    with serving(load_settings()) as server:
        ensure_database(server)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: we stay, and hold the server
        code = subprocess.call([binary("psql"), server.url("postgresql"), *context.args])
    raise SystemExit(code)
