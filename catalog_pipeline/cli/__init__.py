"""The `catalog-pipeline` command: thin verbs over the rest. Imports wait for the verb that needs them."""

from __future__ import annotations

import sys

import typer

from catalog_pipeline.cli import associations, mail, partner, sample, verbs
from catalog_pipeline.errors import CatalogError, ExitCode

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="An Open edX course catalog, kept by a pipeline.",
)
app.add_typer(verbs.app)
app.add_typer(associations.app, name="associations")
app.add_typer(mail.app, name="mail")
app.add_typer(partner.app, name="partner")
app.add_typer(sample.app, name="sample")


def main() -> None:
    """Run the command; errors of ours are one line, with the exit status that tells their kind."""
    try:
        app()
    except CatalogError as error:
        _fail(str(error), error.exit_code)
    except UnicodeEncodeError as error:
        if error.object not in sys.argv:
            raise
        _fail(f"The argument {error.object!r} is not UTF-8: what has such a key is not here.", ExitCode.USAGE)
    except Exception as error:
        if type(error).__module__.startswith(("sqlalchemy", "psycopg")) and "OperationalError" in type(error).__name__:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            _fail(f"The database went out of reach: {cause}. Run again when it is back.", ExitCode.UNREACHABLE)
        raise


def _fail(message: str, code: ExitCode) -> None:
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(int(code))
