"""What the verbs of the SQL models print."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from catalog_pipeline.cli.console import print_fields, print_json, print_table, say
from dbt_like_sql.model import SqlModel
from dbt_like_sql.relations import Surplus
from dbt_like_sql.runner import Counts, TestResult, tests_of


def print_models(models: Sequence[SqlModel], left: Sequence[Surplus], *, as_json: bool) -> None:
    """Print the models, a line each, and what no model makes any more."""
    rows = [
        {
            "model": model.full_name,
            "kind": model.materialized,
            "tests": len(tests_of(model)),
            "description": _flat(model.description),
            "reads": list(model.dependencies),
            "file": str(model.path),
        }
        for model in models
    ]
    if as_json:
        print_json({"models": rows, "surplus": [asdict(one) for one in left]})
        return
    # The first sentence, or what stands before its colon: `show` prints it all.
    first = re.compile(r"(?<=[.])\s|:\s")
    short = [{**row, "description": first.split(row["description"])[0].removesuffix(".")} for row in rows]
    print_table(short, columns=["model", "kind", "tests", "description"])
    _print_surplus(left)


def print_model(model: SqlModel, *, as_json: bool) -> None:
    """Print all that a model's file says."""
    tests = tests_of(model)
    columns = [
        {
            "column": name,
            "description": _flat(column.description),
            "tests": [test.name for test in tests if test.column == name],
        }
        for name, column in model.columns.items()
    ]
    told = {
        "model": model.full_name,
        "description": _flat(model.description),
        "owner": model.owner,
        "materialized": model.materialized,
        "key": list(model.key),
        "reads": list(model.dependencies),
        "file": str(model.path),
    }
    if as_json:
        print_json({**told, "columns": columns, "sql": model.sql})
        return
    print_fields(told)
    say()
    print_table(columns)
    say(f"\n{model.sql}")


def print_built(counts: Mapping[str, Counts], left: Sequence[Surplus], *, pruned: bool, as_json: bool) -> None:
    """Print the rows of each model that was built, and what no model makes any more."""
    rows = [{"model": name, **asdict(one)} for name, one in counts.items()]
    if as_json:
        print_json({"models": rows, "surplus": [asdict(one) for one in left], "pruned": pruned})
        return
    print_table(rows)
    if pruned:
        for one in left:
            say(f"{one.name} is dropped: no model makes it any more.")
    else:
        _print_surplus(left)


def print_tests(results: Sequence[tuple[SqlModel, TestResult]], *, as_json: bool) -> None:
    """Print the tests of each model, and the first rows that fail one."""
    rows = [
        {
            "model": model.full_name,
            "test": str(result.test),
            "passed": result.passed,
            "failing_rows": result.failing_rows,
        }
        for model, result in results
    ]
    if as_json:
        examples = [{"examples": result.examples, "sql": result.sql} for _, result in results]
        print_json([{**row, **more} for row, more in zip(rows, examples, strict=True)])
        return
    print_table(rows)
    for model, result in results:
        if not result.passed:
            say()
            print_table(result.examples, f"Rows of {model.full_name} that fail {result.test}")
            say(f"This query lists them all: {result.sql}")


def _flat(text: str) -> str:
    """A text in one line."""
    return " ".join(text.split())


def _print_surplus(left: Sequence[Surplus]) -> None:
    for one in left:
        say(f"No model makes the {one.kind} {one.name} any more. `catalog-pipeline marts build --prune` drops it.")
