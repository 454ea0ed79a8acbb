"""`catalog-pipeline mail`: send the mail of the outbox, list it, and say which database sends it."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database

app = typer.Typer(no_args_is_help=True, help="Send queued mail, and list it.")


@app.command("send")
def mail_send(
    again: Annotated[
        bool, typer.Option("--again", help="Also try now what waits for its next try, or was given up.")
    ] = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Send the mail that is due.

    Example: catalog-pipeline mail send
    Example: catalog-pipeline mail send --again
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.notifications import outbox
    from catalog_pipeline.notifications.transport import transport

    with database() as (settings, engine):
        if again:
            with connected(engine) as connection:
                outbox.make_due(connection)
        done = outbox.send_due(engine, transport(settings))
    columns = ["kind", "subject", "outcome", "error"]
    print_rows([asdict(one) for one in done], as_json=as_json, as_csv=False, columns=columns, nothing="No mail is due.")
    raise SystemExit(int(outbox.exit_code(done)))


@app.command("send-from-here")
def mail_send_from_here() -> None:
    """Let this copied or restored database send its mail.

    The mail that waits in a copy may have been sent by its original.

    Example: catalog-pipeline mail send-from-here
    """
    from catalog_pipeline.cli.console import say
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.notifications.sender import send_from_here

    with database() as (_, engine), connected(engine) as connection:
        waiting = send_from_here(connection, f"cli:{getpass.getuser()}")
    say(f"This database sends its mail from now on. {waiting} mails wait.")


@app.command("list")
def mail_list(
    limit: Annotated[int, typer.Option(min=1, help="How many mails at most.")] = 50,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """List unsent mail and why, then the newest sent mail.

    Example: catalog-pipeline mail list
    """
    from catalog_pipeline.cli.output import print_rows
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.notifications import outbox

    with database() as (_, engine), connected(engine) as connection:
        found = outbox.listed(connection, limit)
    print_rows(found, as_json=as_json, as_csv=False, columns=outbox.COLUMNS, nothing="The outbox is empty.")
