"""`catalog-pipeline enrollments`: the verbs about what the LMS lists."""

from __future__ import annotations

import getpass
from typing import Annotated
from uuid import UUID

import typer

from catalog_pipeline.cli.enrolled import app
from catalog_pipeline.cli.shared import AsJson, AsWide, database, parse_uuid


@app.command()
def conflicts(wide: AsWide = False, as_json: AsJson = False) -> None:
    """List the seats that the LMS has active in several programs.

    One of them counts here; the others are inactive until that is mended in
    the LMS.

    Example: catalog-pipeline enrollments conflicts
    """
    from catalog_pipeline.cli.enrollments_output import print_conflicts
    from catalog_pipeline.database.engine import connected
    from catalog_pipeline.queries.enrollments import open_conflicts, titles

    with database() as (_, engine), connected(engine) as connection:
        print_conflicts(open_conflicts(connection), titles(connection), as_json=as_json)


@app.command()
def adopt(
    program: Annotated[UUID, typer.Argument(parser=parse_uuid, metavar="PROGRAM", help="The program's uuid.")],
    as_json: AsJson = False,
) -> None:
    """Take a program's enrollments over from the LMS, for good.

    They are no longer read from there, and the verbs that change enrollments
    work on them. There is no way back.

    Example: catalog-pipeline enrollments adopt \\
        00000000-0000-4000-8000-000000000001
    """
    from dataclasses import asdict

    from catalog_pipeline.cli.console import print_json, say
    from catalog_pipeline.enrollments.adopting import adopt as adopt_program

    with database() as (_, engine):
        adopted = adopt_program(engine, program, actor=f"cli:{getpass.getuser()}")
    if as_json:
        print_json(asdict(adopted))
    else:
        say(f"The {adopted.enrollments:,} enrollments of program {adopted.program} are ours.")
