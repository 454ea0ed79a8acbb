"""`catalog-pipeline enrollments`: the verbs about learners, who they are and what is known of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.enrollments import AProgram, Learner, app, asked
from catalog_pipeline.cli.shared import AsJson, AsOf, AsWide, DryRun, database


@app.command()
def link(
    file: Annotated[Path, typer.Argument(help="CSV with external_key and user_name, or JSON lines; - is stdin.")],
    org: Annotated[
        str | None, typer.Option("--org", metavar="O", help="Whose keys they are, where a line does not say.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to make one of two learners who hold a run both.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Note keys that nobody has yet.")] = False,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Say which user a key of an organization is.

    The learner of the key gets the user's name, or is merged into the
    learner who has it. A key that was linked to somebody else is taken from
    him with its enrollments. Wrong lines are rejected, all others are done.

    Example: catalog-pipeline enrollments link users.csv --org GTx --dry-run
    """
    from catalog_pipeline.cli.enrolled_output import print_links
    from catalog_pipeline.enrollments.linking import LinkOptions, link_file

    options = LinkOptions(org, strict, create)
    with database() as (settings, engine):
        report = link_file(engine, file, options, asked(settings, as_of, dry_run=dry_run))
    print_links(report, as_json=as_json)
    raise SystemExit(int(report.exit_code))


@app.command()
def show(
    learner: Learner,
    personal: Annotated[bool, typer.Option("--personal", help="Show the user name and the keys.")] = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show a learner's enrollments in programs and runs, and the seats.

    What happened to them: catalog-pipeline history learner:17.

    Example: catalog-pipeline enrollments show user:ann --personal
    """
    from catalog_pipeline.cli.enrolled_output import print_learner
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.enrollments.showing import show_learner
    from catalog_pipeline.learners.finding import find_learner

    with database() as (settings, engine), connected(engine) as connection:
        secret = asked(settings, None, dry_run=True).secret
        found = show_learner(connection, find_learner(connection, learner, secret), personal=personal)
    print_learner(found, as_json=as_json)


@app.command()
def expire(
    days: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Days without a change; else CATALOG_WAITING_ENROLLMENT_DAYS."),
    ] = None,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove enrollments that wait for a user in vain.

    Only those of programs whose enrollments are ours. What then holds
    nothing goes along: seats, keys, and learners without a user.

    Example: catalog-pipeline enrollments expire --days 60 --dry-run
    """
    from dataclasses import asdict

    from catalog_pipeline.cli.console import print_json, say
    from catalog_pipeline.enrollments.expiring import expire as expire_waiting

    with database() as (settings, engine):
        done = expire_waiting(engine, asked(settings, as_of, dry_run=dry_run), days)
    if as_json:
        print_json(asdict(done))
        return
    before = "No enrollment has" if not done.expired else f"{done.expired:,} enrollments, with"
    rows = "" if not done.expired else f" {done.course_enrollments:,} in runs, have"
    rest = "" if not done.expired else " They were removed." if not dry_run else " Nothing was written."
    say(f"{before}{rows} waited for a user for {done.days:,} days without a change.{rest}")


@app.command()
def retire(learner: Learner, as_of: AsOf = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Forget a learner's name and keys, for good.

    Hashes take their place wherever they were kept; enrollments stay. By
    the hash the learner is known, and comes back by no way. Keep the
    secret, CATALOG_RETIREMENT_SECRET or retirement_secret in the home
    folder: without it nobody is known again.

    Example: catalog-pipeline enrollments retire key:GTx:901234567
    """
    from dataclasses import asdict

    from catalog_pipeline.cli.console import print_json, say
    from catalog_pipeline.enrollments.retiring import retire as retire_learner

    with database() as (settings, engine):
        done = retire_learner(engine, learner, asked(settings, as_of or datetime.now(UTC), dry_run=dry_run))
    if as_json:
        print_json(asdict(done))
        return
    if not done.replaced:
        say(f"Learner {done.learner_id} was retired {done.retired_at:%Y-%m-%d %H:%M} UTC. Nothing is left to replace.")
        return
    told = ", ".join(f"{n:,} of {table}" for table, n in done.replaced.items())
    say(f"Learner {done.learner_id} is retired. Rows that changed: {told}.{' Nothing was written.' if dry_run else ''}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines with the columns of `export`; - is stdin.")],
    as_of: AsOf = None,
    dry_run: DryRun = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Apply a file of enrollments, a line each.

    A line is an enrollment by program, key and curriculum, and its row on
    a run where it names one. What is blank stays as it is. A wrong line is
    rejected whole, and all others are applied.

    Example: catalog-pipeline enrollments import fall.csv --dry-run
    """
    from catalog_pipeline.cli.enrolled_output import print_import
    from catalog_pipeline.enrollments.importing import import_enrollments

    with database() as (settings, engine):
        report = import_enrollments(engine, file, asked(settings, as_of, dry_run=dry_run))
    print_import(report, dry_run=dry_run, as_json=as_json)
    raise SystemExit(int(report.exit_code))


@app.command()
def export(
    program: AProgram,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of JSON lines.")] = False,
) -> None:
    """Print a program's enrollments, as `import` reads them.

    It holds keys and user names. Retired learners are left out.

    Example: catalog-pipeline enrollments export \\
        00000000-0000-4000-8000-000000000001 --csv > enrollments.csv
    """
    from catalog_pipeline.cli.console import standard_output
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.enrollments.exporting import export_enrollments

    with database() as (_, engine), connected(engine) as connection:
        export_enrollments(connection, program, standard_output(), as_csv=as_csv)
