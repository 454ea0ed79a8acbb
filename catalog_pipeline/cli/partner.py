"""`catalog-pipeline partner`: feeds of partners."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, load_settings
from catalog_pipeline.errors import ExitCode

if TYPE_CHECKING:
    from catalog_pipeline.schemas.partner import RawFeed
    from catalog_pipeline.schemas.partner_rules import PartnerRules

app = typer.Typer(no_args_is_help=True, help="Feeds of partners: CSV, or product JSON.")

FeedFile = Annotated[Path, typer.Argument(help="A .csv or .json file, or either in a .gz or .zip.")]
Source = Annotated[str | None, typer.Option(help="Slug of the product source, such as 2u.")]
ProductType = Annotated[str | None, typer.Option(help="Slug of the course type, such as executive-education-2u.")]


@app.command()
def check(file: FeedFile, source: Source = None, product_type: ProductType = None, as_json: AsJson = False) -> None:
    """Validate a feed, without a database. Example: catalog-pipeline partner check products.csv --source 2u

    Source and course type that are not given are taken from the folders the file is in, else from its first row.
    """
    from catalog_pipeline.reports import print_checked
    from catalog_pipeline.schemas.partner import Reference
    from catalog_pipeline.schemas.partner_rules import load_rules
    from catalog_pipeline.schemas.partner_validation import validate_feed
    from catalog_pipeline.sources.partner_feed import Limits, read_feed

    settings = load_settings()
    rules = load_rules(settings.partner_rules)
    raw = read_feed(file, Limits.of(settings))
    folders = [folder.name for folder in file.absolute().parents]
    source = source or next((name for name in folders if name in rules.sources), next(iter(rules.sources)))
    product_type = product_type or next((n for n in folders if n in rules.course_types), None) or _type_of(raw, rules)
    checked = validate_feed(raw, product_type=product_type, source=source, rules=rules, reference=Reference())
    print_checked(raw, checked, source=source, product_type=product_type, as_json=as_json)
    raise SystemExit(int(ExitCode.DONE if checked.errors.empty else ExitCode.SOME_ROWS_LEFT))


@app.command()
def template() -> None:
    """Print an empty feed: a CSV with all columns. Example: catalog-pipeline partner template > products.csv"""
    from catalog_pipeline.schemas.partner import FEED_COLUMNS
    from catalog_pipeline.spreadsheets import write_csv

    write_csv(sys.stdout, [], [column.name for column in FEED_COLUMNS if column.kind != "ignored"])


def _type_of(raw: RawFeed, rules: PartnerRules) -> str:
    """The course type that the first row with a known one names, else the first of the rules."""
    slugs = {course_type.track.lower(): slug for slug, course_type in rules.course_types.items()}
    named = raw.frame["course_enrollment_track"].dropna() if "course_enrollment_track" in raw.columns else []
    return next((slugs[name.lower()] for name in named if name.lower() in slugs), next(iter(slugs.values())))
