"""The `catalog-pipeline` command. A verb is thin: it calls one function of the pipeline, or a few in turn.

Each verb imports what it needs when it is called, so that `--help` is there at once.
"""

from __future__ import annotations

import gc
import logging
import sys
from typing import Annotated

import typer

from catalog_pipeline.cli import (
    assigning,
    associations,
    enrolling_lms,
    enterprise,
    mail,
    marts,
    partner,
    pipeline,
    query,
    questions,
    retention,
    sample,
    site,
    upstream,
)
from catalog_pipeline.errors import CatalogError, ExitCode

SELDOM = 200_000
"""New objects between two searches for unreachable cycles, against Python's 700: most verbs end before the first."""
NO_MEMORY = "Memory ran out, and nothing was changed. Ask for fewer rows or columns, or give the process more memory."

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Keep an Open edX course catalog in Postgres.",
)
app.add_typer(pipeline.app)
app.add_typer(questions.app)
app.add_typer(query.app)
app.add_typer(associations.app, name="associations")
app.add_typer(assigning.app, name="assignments")
app.add_typer(enrolling_lms.app, name="enrollments")
app.add_typer(enterprise.app, name="enterprise")
app.add_typer(marts.app, name="marts")
app.add_typer(site.app, name="site")
app.add_typer(partner.app, name="partner")
app.add_typer(mail.app, name="mail")
app.add_typer(upstream.app, name="upstream")
app.add_typer(retention.app, name="retention")
app.add_typer(sample.app, name="sample")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        from catalog_pipeline.cli.console import say

        say(version("catalog-pipeline"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


class _PlainText(logging.Formatter):
    """Writes warnings as all else is printed."""

    def format(self, record: logging.LogRecord) -> str:
        from catalog_pipeline.cli.console import visible

        return visible(super().format(record))


def main() -> None:
    """Run the command, whose status is the process's. An expected error is one line on stderr."""
    gc.set_threshold(SELDOM)
    try:
        _run()
    finally:
        gc.freeze()  # Python need not search all once more at its end; both together take a quarter of a verb's time


def _run() -> None:
    if logging.lastResort:
        logging.lastResort.setFormatter(_PlainText())
    try:
        app()
    except CatalogError as error:
        _fail(str(error), error.exit_code)
    except UnicodeEncodeError as error:
        if error.object not in sys.argv:
            raise
        _fail(f"The argument {error.object!r} is not UTF-8, so no key can be equal to it.", ExitCode.USAGE)
    except MemoryError:
        _fail(NO_MEMORY, ExitCode.UNEXPECTED)
    except Exception as error:
        if "out of memory" in str(error).lower():  # libpq's and Postgres's own
            _fail(NO_MEMORY, ExitCode.UNEXPECTED)
        if type(error).__module__.startswith(("sqlalchemy", "psycopg")) and "OperationalError" in type(error).__name__:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            _fail(f"The database went out of reach: {cause}. Run again when it is back.", ExitCode.UNREACHABLE)
        raise


def _fail(message: str, code: ExitCode) -> None:
    from catalog_pipeline.cli.console import complain

    complain(f"error: {message}")
    raise SystemExit(int(code))
