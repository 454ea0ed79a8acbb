"""`catalog-pipeline marts`: list, show, build and test the SQL models, one by one or all."""

from __future__ import annotations

from typing import Annotated

import typer

from catalog_pipeline.cli.shared import AsJson, AsWide, database
from catalog_pipeline.errors import ExitCode

app = typer.Typer(no_args_is_help=True, help="The SQL models that analysts query.")
Select = Annotated[
    list[str] | None,
    typer.Option(help="A model; `name+` is also what reads it, `+name` what it reads. Repeat it for more."),
]


@app.command("list")
def list_(wide: AsWide = False, as_json: AsJson = False) -> None:
    """List the models, in the order in which they are built.

    Example: catalog-pipeline marts list
    """
    from catalog_pipeline.cli.marts_output import print_models
    from catalog_pipeline.database.engine import connected
    from dbt_like_sql.project import load_models
    from dbt_like_sql.relations import surplus

    models = load_models()
    with database() as (_, engine), connected(engine) as connection:
        print_models(models, surplus(connection, models), as_json=as_json)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A model's name.")], as_json: AsJson = False) -> None:
    """Show a model: its description, columns, tests and query.

    Example: catalog-pipeline marts show run_facts
    """
    from catalog_pipeline.cli.marts_output import print_model
    from dbt_like_sql.project import load_models, select

    (model,) = select(load_models(), [name.strip("+")])
    print_model(model, as_json=as_json)


@app.command()
def build(
    select: Select = None,
    prune: Annotated[bool, typer.Option(help="Also drop the views and tables of models that were deleted.")] = False,
    wide: AsWide = False,
    as_json: AsJson = False,
) -> None:
    """Build models: each becomes what its file says.

    Of a model that is built by days, today is built. A model that cannot
    be built ends the command and stays as it was; those before it are built.

    Example: catalog-pipeline marts build --select run_facts+
    """
    from catalog_pipeline.cli.marts_output import print_built
    from catalog_pipeline.database.engine import connected
    from dbt_like_sql import project, relations, runner

    models = project.load_models()
    selected = project.select(models, select)
    project.check_columns(models)
    counts = {}
    with database() as (_, engine):
        for model in selected:
            with connected(engine) as connection:
                counts[model.full_name] = runner.build(connection, model)
        with connected(engine) as connection:
            left = relations.surplus(connection, models)
            if prune:
                relations.drop_surplus(connection, left)
    print_built(counts, left, pruned=prune, as_json=as_json)


@app.command("test")
def run_tests(select: Select = None, wide: AsWide = False, as_json: AsJson = False) -> None:
    """Run the tests of models that were built.

    The exit status is 3 when a test fails; the first rows that fail it are shown.

    Example: catalog-pipeline marts test --select run_facts
    """
    from catalog_pipeline.cli.marts_output import print_tests
    from catalog_pipeline.database.engine import connected
    from dbt_like_sql import project, runner

    selected = project.select(project.load_models(), select)
    with database() as (_, engine), connected(engine) as connection:
        results = [(model, result) for model in selected for result in runner.run_tests(connection, model)]
    print_tests(results, as_json=as_json)
    if not all(result.passed for _, result in results):
        raise SystemExit(int(ExitCode.SOME_ROWS_LEFT))
