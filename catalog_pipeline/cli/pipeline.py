"""The verbs that keep the catalog: run, up, refresh and migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database, load_settings, parse_uuid
from catalog_pipeline.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catalog_pipeline.replication.enterprise_refresh import EnterpriseRefresh
    from catalog_pipeline.sources.upstreams import Upstreams

app = typer.Typer()

AcceptRemovals = Annotated[
    bool, typer.Option("--accept-removals", help="Archive what the last load held back and is still missing.")
]


@app.command()
def run(accept_removals: AcceptRemovals = False, wide: AsWide = False, as_json: AsJson = False) -> None:
    """Run the whole pipeline once, in this process.

    It walks the nightly jobs through Dagster and ends with a summary.
    Rejected rows do not change the exit status; the summary counts them.

    Example: catalog-pipeline run
    """
    settings = load_settings()
    from catalog_pipeline.cli.night import walk_night
    from catalog_pipeline.definitions import defs

    raise SystemExit(int(walk_night(settings, defs, accept_removals=accept_removals, as_json=as_json)))


@app.command()
def up() -> None:
    """Serve the Dagster UI and its daemon until Ctrl-C.

    The daemon runs the nightly schedule and the sensors. The embedded
    database runs as long as this command does.

    Example: catalog-pipeline up
    """
    from catalog_pipeline.cli.up import bring_up

    raise SystemExit(int(bring_up(load_settings())))


@app.command()
def refresh(
    source: Annotated[str, typer.Argument(help="discovery, lms, enterprise, enrollments or all.")] = "all",
    full: Annotated[bool, typer.Option("--full", help="Read every document, so that removals are noticed.")] = False,
    accept_removals: AcceptRemovals = False,
    catalog: Annotated[
        list[UUID] | None,
        typer.Option(
            "--catalog", parser=parse_uuid, metavar="U", help="Of enterprise, only this catalog's content; repeatable."
        ),
    ] = None,
    program: Annotated[
        list[UUID] | None,
        typer.Option(
            "--program", parser=parse_uuid, metavar="P", help="Of enrollments, only this program's; repeatable."
        ),
    ] = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Read upstream and publish what changed.

    Without --full, discovery is asked only for what was modified since
    the last crawl, and enterprise catalogs only for content that their list
    has or assignments need. The LMS's enrollments are always read whole.
    With --accept-removals all is read: what
    upstream lists again by now is not archived, nor what was not held back
    before.

    A source that fails does not keep the next from being read; the exit
    status is the largest of all.

    Example: catalog-pipeline refresh discovery --full
    Example: catalog-pipeline refresh enterprise
    """
    from catalog_pipeline.cli.output import print_refreshes
    from catalog_pipeline.replication.enrollments import are_replicated, refresh_enrollments
    from catalog_pipeline.replication.refresh import refresh_each
    from catalog_pipeline.sources.enrollments import SOURCE as ENROLLMENTS
    from catalog_pipeline.sources.enterprise import SOURCE as ENTERPRISE
    from catalog_pipeline.sources.upstreams import SOURCES, upstreams

    if source not in ("all", *SOURCES, ENROLLMENTS):
        raise UsageError(f"{source!r} is no source; the sources are {', '.join([*SOURCES, ENROLLMENTS])} and all.")
    if catalog and source != ENTERPRISE:
        raise UsageError("--catalog is for `refresh enterprise`.")
    if program and source != ENROLLMENTS:
        raise UsageError("--program is for `refresh enrollments`.")
    options = {"full": full, "accept_removals": accept_removals}
    with database() as (settings, engine), upstreams(settings) as found:
        sources = found.configured() if source == "all" else [source]
        others = [one for one in sources if one not in (ENTERPRISE, ENROLLMENTS)]
        done, failed = refresh_each(engine, found, others, **options)
        enterprise = _refresh_enterprise(engine, found, catalog or [], options) if ENTERPRISE in sources else None
        enrolled = []
        if source == ENROLLMENTS or (source == "all" and are_replicated(settings)):
            enrolled = refresh_enrollments(engine, found, program or [], accept_removals=accept_removals)
        print_refreshes(done, failed, enterprise, enrolled, as_json=as_json)
    loads = [*(enterprise.loads if enterprise else []), *enrolled]
    ended = [*(one.report for one in done), *(one.error for one in failed), *loads]
    raise SystemExit(max((int(one.exit_code) for one in ended), default=0))


def _refresh_enterprise(
    engine: Engine, found: Upstreams, catalogs: list[UUID], options: dict[str, bool]
) -> EnterpriseRefresh:
    """Refresh, then rebuild the expirations of the assignments that this changes."""
    from datetime import UTC, datetime

    from catalog_pipeline.assignments.expirations import rebuild_since_last
    from catalog_pipeline.replication.enterprise_refresh import EnterpriseRefresh, refresh_enterprise

    loads = refresh_enterprise(engine, found, [str(uuid) for uuid in catalogs], **options)
    rebuilt = rebuild_since_last(engine, as_of=datetime.now(UTC))
    return EnterpriseRefresh(loads, {"rebuilt": rebuilt.rebuilt, "moved": rebuilt.moved})


@app.command()
def migrate() -> None:
    """Bring the database schema to this version.

    Only a database of your own (CATALOG_DATABASE_URL) needs it. The embedded
    one is migrated by every command. It also makes the roles catalog_reader,
    catalog_analyst, catalog_learner and catalog_writer, or prints the SQL.

    Example: catalog-pipeline migrate
    """
    from catalog_pipeline.cli.console import say
    from catalog_pipeline.database import roles
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.database.schema import migrate as migrate_schema

    with database(migrated=False) as (_, engine):
        migrate_schema(engine)
        with connected(engine) as connection:
            missing = roles.missing(connection)
    say("The schema is up to date.")
    if missing:
        say(
            "Roles for analysts and others are missing, and this login may not make them. All works without them, for"
            " the owner alone. Let somebody who may run these statements, then migrate again, to grant what they read:"
        )
        say("\n".join(f"{statement};" for statement in missing))
