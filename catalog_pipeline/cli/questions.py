"""The verbs that ask, and change nothing: status, show, history, explain, rejects, doctor, keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.shared import AsCsv, AsJson, AsOf, AsWide, database, load_settings, parse_uuid, read_text
from catalog_pipeline.errors import ExitCode

if TYPE_CHECKING:
    from catalog_pipeline.database.rows import Row

app = typer.Typer()

KEY_COLUMNS = ["input", "valid", "kind", "org", "course", "run", "course_key", "reason"]


@app.command()
def status(wide: AsWide = False, as_json: AsJson = False) -> None:
    """Show row counts, last loads and what is pending.

    Example: catalog-pipeline status
    """
    from catalog_pipeline.cli.output import print_status
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.status import status as find_status

    with database() as (_, engine), connected(engine) as connection:
        print_status(find_status(connection), as_json=as_json)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="The key of a run, course or organization, or a uuid.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the upstream document as it was received.")] = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show what the catalog holds under a key.

    Example: catalog-pipeline show course-v1:edX+DemoX+2026
    Example: catalog-pipeline show edX+DemoX --raw
    """
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
    key: Annotated[
        str, typer.Argument(help="The key of a run, course or organization, a program's uuid, or learner:17.")
    ],
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show what changed under a key, when, and by whom.

    Example: catalog-pipeline history course-v1:edX+DemoX+2026
    Example: catalog-pipeline history learner:17
    """
    from catalog_pipeline.cli.output import print_history
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.history import history as find_history

    with database() as (_, engine), connected(engine) as connection:
        print_history(find_history(connection, key), as_json=as_json)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="The key of a run or course, the uuid of an assignment, or learner:17.")],
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Explain why a run or course is as it is.

    It shows the course of a run and who decided it, who owns the fields,
    what other sources say, and the documents and feeds behind it. Of an
    assignment, it shows when it expires, why, and what moved that date.
    Of a learner, it shows why each enrollment and seat is active or not.

    Example: catalog-pipeline explain course-v1:edX+DemoX+2026
    Example: catalog-pipeline explain 6f1f5f0e-0000-4000-8000-00000000ca7a
    Example: catalog-pipeline explain learner:17
    """
    from catalog_pipeline.cli.output import print_explanation
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.explain import explain as explain_key

    with database() as (_, engine), connected(engine) as connection:
        print_explanation(explain_key(connection, key), as_json=as_json)


@app.command()
def rejects(
    source: Annotated[str | None, typer.Option(help="Only rejects of this source.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rejects by this rule.")] = None,
    as_csv: AsCsv = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """List what did not reach the catalog, and why.

    Rejected rows of partner feeds: catalog-pipeline partner rejects.

    Example: catalog-pipeline rejects --rule case_collision
    """
    from catalog_pipeline.cli.output import REJECT_COLUMNS, REJECT_TABLE, print_rows
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.status import rejects as open_rejects

    with database() as (_, engine), connected(engine) as connection:
        found = open_rejects(connection, source=source, rule=rule)
    print_rows(
        found,
        as_json=as_json,
        as_csv=as_csv,
        columns=REJECT_COLUMNS if as_csv else REJECT_TABLE,
        nothing="Nothing is rejected.",
    )


@app.command()
def doctor(wide: AsWide = False, as_json: AsJson = False) -> None:
    """Check settings, database, upstreams, feeds and night.

    Example: catalog-pipeline doctor
    """
    from catalog_pipeline.cli.automation import automation
    from catalog_pipeline.cli.output import print_findings
    from catalog_pipeline.database.engine import ensure_database, make_engine, serving
    from catalog_pipeline.database.schema import migrate
    from catalog_pipeline.queries.doctor import doctor as examine

    settings = load_settings()
    with serving(settings) as server:
        if settings.database_url is None:
            ensure_database(server)
            migrate(make_engine(server))
        findings = examine(settings, server)
        if all(finding.ok for finding in findings if finding.what in ("database", "schema")):
            findings += automation(settings, server)
    print_findings(findings, as_json=as_json)
    raise SystemExit(int(ExitCode.DONE if all(finding.ok for finding in findings) else ExitCode.UNREACHABLE))


@app.command()
def keys(
    file: Annotated[Path, typer.Argument(help="A file with one key a line, or - for standard input.")],
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Parse the keys of runs, one a line.

    The exit status is 3 if any line is not the key of a run.

    Example: echo course-v1:edX+DemoX+2026 | catalog-pipeline keys -
    """
    from catalog_pipeline.cli.console import print_json_lines, print_table

    rows = _parse_lines(read_text(file))
    if as_json:
        print_json_lines(rows)
    else:
        print_table(rows, columns=[name for name in KEY_COLUMNS if name != "valid"])
    raise SystemExit(int(ExitCode.DONE if all(row["valid"] for row in rows) else ExitCode.SOME_ROWS_LEFT))


def _parse_lines(content: str) -> list[Row]:
    """What each line says as a key: KEY_COLUMNS. The end of the last line starts no further one."""
    import pandas as pd

    from catalog_pipeline.rules.course_keys import parse_keys
    from catalog_pipeline.schemas.parsing import TEXT

    lines = [line.removesuffix("\r") for line in content.removesuffix("\n").split("\n")] if content else []
    given = pd.Series(lines, dtype=TEXT)
    parsed = parse_keys(given).assign(input=given).reindex(columns=KEY_COLUMNS).astype(object)
    return parsed.where(parsed.notna(), None).to_dict("records")


@app.command("credits-available")
def credits_available(
    customer: Annotated[UUID, typer.Option(parser=parse_uuid, metavar="U", help="The enterprise customer.")],
    learner: Annotated[int, typer.Option(metavar="ID", help="The learner's id in the LMS.")],
    as_of: AsOf = None,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Show what a learner may spend of a customer's policies.

    What the learner has spent so far is not replicated.

    Example: catalog-pipeline credits-available --learner 7 \\
        --customer 0a0a0a0a-1111-4222-8333-444444444444
    """
    from catalog_pipeline.assignments.credits import credits_available as find_credits
    from catalog_pipeline.cli.assigning_output import print_credits
    from catalog_pipeline.database.engine import connected

    with database() as (_, engine), connected(engine) as connection:
        found = find_credits(connection, customer, learner, as_of=as_of or datetime.now(UTC))
    print_credits(found, as_json=as_json)
