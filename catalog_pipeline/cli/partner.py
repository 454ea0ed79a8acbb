"""`catalog-pipeline partner`: feeds of partners."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsOf, AsWide, database, load_settings, one_format
from catalog_pipeline.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from catalog_pipeline.partner.columns import FeedName, RawFeed
    from catalog_pipeline.partner.configuration import PartnerRules
    from catalog_pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Feeds of partners: CSV, or product JSON.")

FeedFile = Annotated[Path, typer.Argument(help="A .csv or .json file, or either in a .gz or .zip.")]
Source = Annotated[str | None, typer.Option(help="Slug of the product source, such as 2u.")]
ProductType = Annotated[str | None, typer.Option(help="Slug of the course type, such as executive-education-2u.")]
ArrivalGiven = Annotated[
    str, typer.Argument(help="The file's name or path, the beginning of its SHA-256, or its ID: as the error names it.")
]
FeedGiven = Annotated[str, typer.Argument(help="A feed's number, file name, or the beginning of its SHA-256.")]


@app.command()
def check(
    file: FeedFile,
    source: Source = None,
    product_type: ProductType = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Validate a feed, without a database.

    If the source or the course type is not given, it is taken from the folders
    that the file is in. Else the source is the first of the rules, and the
    course type is the first known one in the file.

    Example: catalog-pipeline partner check products.csv --source 2u
    """
    from catalog_pipeline.cli.output import print_checked
    from catalog_pipeline.partner.columns import Reference
    from catalog_pipeline.partner.configuration import load_rules
    from catalog_pipeline.partner.decisions import reject_repeats
    from catalog_pipeline.partner.reading import Limits, read_feed
    from catalog_pipeline.partner.validation import validate_feed

    settings = load_settings()
    rules = load_rules(settings.partner_rules)
    raw = read_feed(file, Limits.of(settings))
    its_source, its_type = _by_folders(file, rules)
    source = source or its_source or next(iter(rules.sources))
    product_type = product_type or its_type or _type_of(raw, rules)
    checked = reject_repeats(
        validate_feed(raw, product_type=product_type, source=source, rules=rules, reference=Reference())
    )
    print_checked(raw, checked, source=source, product_type=product_type, as_json=as_json)
    raise SystemExit(int(ExitCode.DONE if checked.errors.empty else ExitCode.SOME_ROWS_LEFT))


@app.command()
def template() -> None:
    """Print an empty feed: a CSV with all columns.

    Example: catalog-pipeline partner template > products.csv
    """
    from catalog_pipeline.cli.console import print_csv
    from catalog_pipeline.partner.columns import FEED_COLUMNS

    print_csv([column.name for column in FEED_COLUMNS if column.kind != "ignored"], [])


@app.command()
def ingest(
    file: FeedFile,
    source: Source = None,
    product_type: ProductType = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Apply it even if the same bytes or a newer feed were applied before.")
    ] = False,
    accept_removals: Annotated[
        bool, typer.Option(help="Archive the products that it no longer lists, however many.")
    ] = False,
    as_of: AsOf = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Ingest a feed into the catalog.

    If the source or the course type is not given, it is taken from the folders
    that the file is in.

    Example: catalog-pipeline partner ingest feeds/2u/bootcamp-2u/products.csv
    """
    from catalog_pipeline.cli.partner_output import SHOWN, print_feed
    from catalog_pipeline.partner.configuration import load_rules
    from catalog_pipeline.partner.ingestion import Options
    from catalog_pipeline.partner.ingestion import ingest as ingest_feed
    from catalog_pipeline.partner.summary import summarizer

    settings = load_settings()
    rules = load_rules(settings.partner_rules)
    feed, data = _named_feed(file, source, product_type, settings, rules)
    options = Options(as_of, dry_run, force, accept_removals, shown=None if as_json else SHOWN)
    with database() as (settings, engine):
        found = ingest_feed(engine, data, feed, settings, options, summarizer(settings, rules))
    print_feed(found, as_json=as_json)
    raise SystemExit(int(found.exit_code))


@app.command()
def feeds(
    limit: Annotated[int, typer.Option(min=1, help="How many feeds to list.")] = 20,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """List the feeds that were ingested last.

    First come those that were set aside, because they failed
    CATALOG_FEED_TRIES times.

    Example: catalog-pipeline partner feeds --limit 5
    """
    from catalog_pipeline.cli.partner_output import print_feeds
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.partner.queue import set_aside
    from catalog_pipeline.partner.report import feeds as last_feeds

    with database() as (_, engine), connected(engine) as connection:
        print_feeds([*set_aside(connection), *last_feeds(connection, limit)], as_json=as_json)


@app.command()
def retry(arrival: ArrivalGiven, wide: AsWide = False, as_json: AsJson = False) -> None:
    """Ingest a feed that failed or was set aside.

    If it fails again, the night tries it again, CATALOG_FEED_TRIES times in all.

    Example: catalog-pipeline partner retry products.csv
    """
    from catalog_pipeline.cli.partner_output import SHOWN, print_feed
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.partner.configuration import load_rules
    from catalog_pipeline.partner.ingestion import Options
    from catalog_pipeline.partner.queue import find_arrival, ingest_arrival, put_back
    from catalog_pipeline.partner.summary import summarizer

    with database() as (settings, engine):
        with connected(engine) as connection:
            key = find_arrival(connection, arrival)
        summarize = summarizer(settings, load_rules(settings.partner_rules))
        put_back(engine, key)
        found = ingest_arrival(engine, key, settings, Options(shown=None if as_json else SHOWN), summarize)
    print_feed(found, as_json=as_json)
    raise SystemExit(int(found.exit_code))


@app.command()
def drop(arrival: ArrivalGiven) -> None:
    """Give up a feed that failed or was set aside.

    Its bytes are kept.

    Example: catalog-pipeline partner drop products.csv
    """
    from catalog_pipeline.cli.console import say
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.partner.queue import drop as give_up
    from catalog_pipeline.partner.queue import find_arrival

    with database() as (_, engine):
        with connected(engine) as connection:
            key = find_arrival(connection, arrival)
        give_up(engine, key)
    say(f"{key} is dropped: it will not be ingested.")


@app.command()
def show(feed: FeedGiven, wide: AsWide = False, as_json: AsJson = False) -> None:
    """Show what became of a feed, row by row.

    Example: catalog-pipeline partner show 12
    """
    from catalog_pipeline.cli.partner_output import SHOWN, print_feed
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.partner.report import find_feed, report

    with database() as (_, engine), connected(engine) as connection:
        print_feed(report(connection, find_feed(connection, feed), None if as_json else SHOWN), as_json=as_json)


@app.command()
def rejects(
    feed: Annotated[
        str | None, typer.Argument(help="As for `partner show`; else the last feed that has rejected rows.")
    ] = None,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print the rows themselves, to be corrected and fed again.", callback=one_format),
    ] = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """List the rejected rows of a feed, and why they were rejected.

    Example: catalog-pipeline partner rejects
    Example: catalog-pipeline partner rejects 12 --csv > corrected.csv
    """
    from catalog_pipeline.cli.console import print_file
    from catalog_pipeline.cli.partner_output import print_rejects
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.partner.corrections import read_corrections
    from catalog_pipeline.partner.reading import Limits
    from catalog_pipeline.partner.report import find_feed, last_with_rejects, report

    with database() as (settings, engine), connected(engine) as connection:
        found = report(connection, find_feed(connection, feed) if feed else last_with_rejects(connection))
        if as_csv:
            print_file(read_corrections(connection, found, Limits.of(settings)).content)
        else:
            print_rejects(found, as_json=as_json, is_last=feed is None)


@app.command()
def backpopulate(
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Write the changes, or only show them.")],
    as_of: AsOf = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Copy dates and variants of external courses to runs, once.

    They are read from the metadata of the course (`additional_metadata`).

    The copied values stay until a feed of the partner lists the course. From then
    on the feed decides.

    Example: catalog-pipeline partner backpopulate --dry-run
    """
    from catalog_pipeline.cli.partner_output import print_feed
    from catalog_pipeline.partner.backpopulation import backpopulate as take

    with database() as (_, engine):
        found = take(engine, apply=apply, as_of=as_of)
    print_feed(found, as_json=as_json)
    raise SystemExit(int(found.exit_code))


def _named_feed(
    file: Path, source: str | None, product_type: str | None, settings: Settings, rules: PartnerRules
) -> tuple[FeedName, bytes]:
    """The feed's name and bytes. Raises UsageError if neither the options nor the folders say whose feed it is."""
    import hashlib

    from catalog_pipeline.partner.columns import FeedName
    from catalog_pipeline.partner.files import read_file
    from catalog_pipeline.partner.reading import Limits

    its_source, its_type = _by_folders(file, rules)
    source, product_type = source or its_source, product_type or its_type
    if source is None or product_type is None:
        raise UsageError(f"Say whose feed {file} is: --source and --product-type.")
    rules.check_scope(source, product_type)
    data = read_file(file, Limits.of(settings).size)
    return FeedName(file.name, source, product_type, hashlib.sha256(data).hexdigest(), datetime.now(UTC)), data


def _by_folders(file: Path, rules: PartnerRules) -> tuple[str | None, str | None]:
    """Source and course type by the folders, where these are `<source>/<course type>/`."""
    folder = file.absolute().parent
    source, product_type = folder.parent.name, folder.name
    known = source in rules.sources and product_type in rules.course_types
    return (source, product_type) if known else (None, None)


def _type_of(raw: RawFeed, rules: PartnerRules) -> str:
    """The course type that the first row with a known one names, else the first of the rules."""
    slugs = {course_type.track.lower(): slug for slug, course_type in rules.course_types.items()}
    named = raw.frame["course_enrollment_track"].dropna() if "course_enrollment_track" in raw.columns else []
    return next((slugs[name.lower()] for name in named if name.lower() in slugs), next(iter(slugs.values())))
