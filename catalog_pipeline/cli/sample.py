"""`catalog-pipeline sample`: the bundled sample upstream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database, load_settings
from catalog_pipeline.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="The bundled sample upstream.")


@app.command("serve")
def sample_serve(
    courses: Annotated[int | None, typer.Option(help="How many courses; CATALOG_SAMPLE_COURSES if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed; CATALOG_SAMPLE_SEED if not given.")] = None,
    day: Annotated[int, typer.Option(help="Days to advance before serving.")] = 0,
    port: Annotated[int, typer.Option(help="The port on loopback.")] = 8018,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[LIST/][PLACE:]KIND[@PAGE][*TIMES]",
            help="What goes wrong while a list is read; may be given more than once."
            " LIST is the list, courses if not given, or a uuid in its address, such as an enterprise catalog's."
            " PLACE is headers, redirect or token; without one, the answer itself goes wrong."
            " PAGE is a page of the list or any (2 if not given), TIMES a number or always (1 if not given)."
            " An unknown KIND or LIST is refused with a list of them. Such as server-error@2*always.",
        ),
    ] = None,
) -> None:
    """Serve the sample upstream until Ctrl-C.

    It prints the settings that make the pipeline read it. With --fault, it
    answers as a failing upstream does.

    Example: catalog-pipeline sample serve --courses 2000 --seed 1
    """
    from starlette.middleware import Middleware

    from catalog_pipeline.cli.console import say
    from catalog_pipeline.sample.catalog import build_catalog
    from catalog_pipeline.sample.faults import Fault, Faults
    from catalog_pipeline.sample.server import CLIENT_ID, CLIENT_SECRET, serve

    settings = load_settings()
    try:
        faults = [Fault.parse(text) for text in fault or ()]
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    catalog = build_catalog(
        settings.sample_courses if courses is None else courses, settings.sample_seed if seed is None else seed
    )

    def tell(url: str) -> None:
        services = ("DISCOVERY", "LMS", "ENTERPRISE_CATALOG", "ENTERPRISE_ACCESS", "SUBSIDY")
        for service in services:
            say(f"CATALOG_{service}_URL={url}")
        say(f"CATALOG_DISCOVERY_CLIENT_ID={CLIENT_ID}\nCATALOG_DISCOVERY_CLIENT_SECRET={CLIENT_SECRET}")

    serve(catalog, port=port, day=day, middleware=[Middleware(Faults, faults=faults)], on_ready=tell)


@app.command("advance")
def sample_advance(
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 1, wide: AsWide = False, as_json: AsJson = False
) -> None:
    """Let days pass in the sample, and say what changes.

    The next refresh reads the changes. The partner feeds of those days are
    delivered too.

    Example: catalog-pipeline sample advance --days 3
    """
    from catalog_pipeline.cli.output import print_changes
    from catalog_pipeline.sample.catalog import build_catalog
    from catalog_pipeline.sources.upstreams import deliver_sample_feeds, sample_day, set_sample_day

    settings = load_settings()
    if not settings.uses_sample:
        raise UsageError("The upstreams are configured; the bundled sample is not in use.")
    day = sample_day(settings)
    catalog = build_catalog(settings.sample_courses, settings.sample_seed)
    catalog.advance(day)
    changes = catalog.advance(days)
    set_sample_day(settings, day + days)
    deliver_sample_feeds(settings)
    print_changes(changes, as_json=as_json)


@app.command("feeds")
def sample_feeds(
    folder: Annotated[Path, typer.Argument(help="The folder to write to, made if need be.")],
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 3,
    courses: Annotated[
        int | None, typer.Option(help="Size of the catalog; CATALOG_SAMPLE_COURSES if not given.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed; CATALOG_SAMPLE_SEED if not given.")] = None,
) -> None:
    """Write the sample's partner feeds of some days.

    A feed is written to <source>/<course type>/<date> below the folder. One
    that is there already stays as it is.

    Example: catalog-pipeline sample feeds --days 3 .catalog/feeds
    """
    from catalog_pipeline.cli.console import say
    from catalog_pipeline.sample.feeds import write_feeds

    settings = load_settings()
    for path in write_feeds(
        folder,
        settings.sample_courses if courses is None else courses,
        settings.sample_seed if seed is None else seed,
        days,
    ):
        say(str(path))


@app.command("enterprise")
def sample_enterprise(
    folder: Annotated[Path, typer.Argument(help="The folder to write to, made if need be.")],
    courses: Annotated[
        int | None, typer.Option(help="Size of the catalog; CATALOG_SAMPLE_COURSES if not given.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed; CATALOG_SAMPLE_SEED if not given.")] = None,
) -> None:
    """Write the sample's enterprise records that it does not serve.

    enterprise.jsonl has customers and learners, assignments.jsonl the
    assignments of two customers. A file that is there already stays as it is.

    Example: catalog-pipeline sample enterprise .catalog/enterprise
    """
    from catalog_pipeline.cli.console import say
    from catalog_pipeline.sample.enterprise_files import write_enterprise_files

    settings = load_settings()
    for path in write_enterprise_files(
        folder,
        settings.sample_courses if courses is None else courses,
        settings.sample_seed if seed is None else seed,
    ):
        say(str(path))


@app.command("clear")
def sample_clear(as_json: AsJson = False) -> None:
    """Empty a database that holds only the sample's data.

    If it holds anything else, it says what, and changes nothing. The
    sample's feeds are removed from the home folder too.

    Example: catalog-pipeline sample clear
    """
    from catalog_pipeline.cli.output import print_cleared
    from catalog_pipeline.loading.clearing import clear_sample

    with database() as (settings, engine):
        print_cleared(clear_sample(engine, settings), as_json=as_json)
