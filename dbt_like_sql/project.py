"""Reads all SQL models, puts them in order, and checks that the tables and columns they name exist.

It needs no database.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from catalog_pipeline.errors import UsageError
from catalog_pipeline.models.tables import metadata
from dbt_like_sql import lineage
from dbt_like_sql.model import SqlModel, SqlModelError, read_model

MODELS = Path(__file__).parent / "models"

VIEWS = frozenset(
    {"catalog.program_run", "catalog.run", "ops.column_change", "ops.former_association", "ops.former_run_key"}
)
"""Views that migrations make. Their columns are unknown here: Postgres checks them when a model is built."""


def load_models(folder: Path = MODELS) -> tuple[SqlModel, ...]:
    """Every model below `folder`, each after those that it reads.

    Raises SqlModelError for an invalid file, a name already taken, an unknown table, or a cycle.
    It is fast, because columns are left to `check_columns`.
    """
    models = {model.full_name: model for model in map(read_model, _files(folder))}
    for model in models.values():
        _check_tables(model, models.keys())
    graph = {name: [read for read in model.dependencies if read in models] for name, model in models.items()}
    try:
        return tuple(models[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        first, read = models[error.args[1][-1]], error.args[1][-2]
        raise SqlModelError(
            first.path,
            f"the models read each other in a circle: {circle}; cut it somewhere",
            first.lines.in_query(lineage.line_of_table(first.sql, read)),
        ) from error


def select(models: Sequence[SqlModel], wanted: Iterable[str] | None) -> tuple[SqlModel, ...]:
    """The wanted models, in the order of `models`; all where nothing is wanted.

    `name` is a model, with or without its schema; `name+` is also the models that read it, at any distance, `+name`
    also those that it reads. Raises UsageError for a name that no model has.
    """
    if not wanted:
        return tuple(models)
    reads = {model.full_name: model.dependencies for model in models}
    chosen: set[str] = set()
    for given in wanted:
        name = _full_name(models, given.strip("+"))
        chosen.add(name)
        if given.endswith("+"):
            chosen |= _reached(name, reads, readers=True)
        if given.startswith("+"):
            chosen |= _reached(name, reads, readers=False)
    return tuple(model for model in models if model.full_name in chosen)


def _full_name(models: Sequence[SqlModel], given: str) -> str:
    names = {name: model.full_name for model in models for name in (model.name, model.full_name)}
    if given not in names:
        close = difflib.get_close_matches(given, names, n=1)
        hint = f"did you mean {close[0]}?" if close else "`catalog-pipeline marts list` lists them."
        raise UsageError(f"{given!r} is no model; {hint}")
    return names[given]


def _reached(name: str, reads: dict[str, tuple[str, ...]], *, readers: bool) -> set[str]:
    """The models that read a model, at any distance, or those that it reads."""
    edges = {one: {other for other in reads if one in reads[other]} for one in reads} if readers else reads
    found, ahead = set[str](), [name]
    while ahead:
        following = [one for one in edges.get(ahead.pop(), ()) if one in reads and one not in found]
        found.update(following)
        ahead += following
    return found


def check_columns(models: Iterable[SqlModel]) -> None:
    """Raise SqlModelError unless each model selects columns that exist, and declares just those it selects."""
    models = tuple(models)
    known = known_columns(models)
    for model in models:
        try:
            selected = lineage.output_columns(model.sql, known)
        except lineage.QueryError as error:
            raise SqlModelError(model.path, str(error), model.lines.in_query(error.line)) from error
        _check_declared(model, selected)
        _check_relationships(model, known)


def column_lineage(model: SqlModel, models: Iterable[SqlModel]) -> dict[str, list[tuple[str, str]]]:
    """For each column of `model`, the (`schema.table`, column) pairs it is computed from.

    It takes tens of milliseconds.
    """
    try:
        return lineage.column_lineage(model.sql, known_columns(models))
    except lineage.QueryError as error:
        raise SqlModelError(model.path, str(error), model.lines.in_query(error.line)) from error


def known_columns(models: Iterable[SqlModel]) -> dict[str, tuple[str, ...]]:
    """The columns of every table and model by `schema.table`; without the views that migrations make."""
    return _table_columns() | {model.full_name: tuple(model.columns) for model in models}


@cache
def _table_columns() -> dict[str, tuple[str, ...]]:
    return {table.fullname: tuple(column.name for column in table.columns) for table in metadata.tables.values()}


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.sql"))
    for path in files:
        if path.parent.parent != folder:
            raise SqlModelError(path, f"move it to {folder}/<schema>/{path.name}: the folder names the schema")
    return files


def _check_tables(model: SqlModel, models: Iterable[str]) -> None:
    """Raise SqlModelError unless what the model reads exists, and its name is not that of a catalog table."""
    ours = metadata.tables.keys() | VIEWS
    if model.full_name in ours:
        raise SqlModelError(model.path, f"the catalog has a table {model.full_name} already: choose another name")
    if unknown := [name for name in model.dependencies if name not in ours | set(models)]:
        known = {*ours, *models}
        problems = [
            (model.lines.in_query(lineage.line_of_table(model.sql, name)), _unknown_table(name, known))
            for name in unknown
        ]
        (line, first), *more = sorted(problems)
        raise SqlModelError(model.path, first, line, more=more)


def _unknown_table(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "correct the name"
    return f"it reads {name}, which is neither a table nor a model: {hint}"


def _check_declared(model: SqlModel, selected: tuple[str, ...]) -> None:
    def where(name: str) -> int:
        return model.lines.in_query(lineage.line_of_output(model.sql, name))

    undeclared = [name for name in selected if name not in model.columns]
    twice = sorted({name for name in selected if selected.count(name) > 1})
    unselected = [name for name in model.columns if name not in selected]
    problems = [
        *_by_line(undeclared, where, "it selects {}: describe that under `columns`, or drop it"),
        *_by_line(twice, where, "it selects {} twice: rename one with AS"),
        *_by_line(unselected, model.lines.columns.get, "it declares {}: select that, or drop it from `columns`"),
    ]
    if problems:
        (line, first), *more = problems
        raise SqlModelError(model.path, first, line, more=more)


def _by_line(
    names: Iterable[str], where: Callable[[str], int | None], problem: str
) -> Iterator[tuple[int | None, str]]:
    """A problem of some columns, once for each line of the file that names any of them."""
    lines: dict[int | None, list[str]] = {}
    for name in names:
        lines.setdefault(where(name), []).append(name)
    return ((line, problem.format(", ".join(found))) for line, found in lines.items())


def _check_relationships(model: SqlModel, known: dict[str, tuple[str, ...]]) -> None:
    for name, column in model.columns.items():
        if column.tests.relationships is None:
            continue
        table, _, target = column.tests.relationships.rpartition(".")
        if table not in VIEWS and target not in known.get(table, ()):
            raise SqlModelError(
                model.path,
                f"column {name} refers to {column.tests.relationships}, which does not exist: correct it",
                model.lines.columns[name],
            )
