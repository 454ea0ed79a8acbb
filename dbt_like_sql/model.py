"""Reads and validates the file of one SQL model. It needs no database and knows no other model."""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from catalog_pipeline.errors import CatalogError
from dbt_like_sql import lineage

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
FRONT_MATTER = re.compile(r"\A\s*/\*(?P<yaml>.*?)\*/(?P<sql>.*)\Z", re.DOTALL)

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class SqlModelError(CatalogError):
    """A SQL model is wrong, or cannot be built. Says which file, in which line where one is to blame, and what to do.

    More problems than one are given by `more`, each with its line.
    """

    def __init__(
        self, path: Path, problem: str, line: int | None = None, *, more: Iterable[tuple[int | None, str]] = ()
    ) -> None:
        others = "".join(f"; line {number}: {what}" if number else f"; {what}" for number, what in more)
        super().__init__(f"{path}:{line}: {problem}{others}" if line else f"{path}: {problem}{others}")
        self.path, self.line = path, line


class ColumnTests(BaseModel):
    """What must hold for every value of a column. Nulls pass all of them but `not_null`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    not_null: bool = False
    unique: bool = False
    accepted_values: Annotated[tuple[str | bool | int, ...], Field(min_length=1)] | None = None
    relationships: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+\.[a-z0-9_]+$")] | None = None
    """The column, as `schema.table.column`, that holds each value."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, tests: Any) -> Any:
        """Turn the list that analysts write, `[not_null, accepted_values: [a, b]]`, into one mapping."""
        if not isinstance(tests, list):
            raise ValueError("must be a list, such as [not_null, unique]")
        merged: dict[str, Any] = {}
        for test in tests:
            merged |= test if isinstance(test, dict) else {str(test): True}
        return merged


NO_TESTS = ColumnTests.model_construct()


class Column(BaseModel):
    """What the front matter says of one column."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Sentence
    tests: ColumnTests = NO_TESTS


class FrontMatter(BaseModel):
    """The YAML in the file's leading comment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Sentence
    owner: Sentence
    materialized: Literal["view", "table"]
    key: tuple[str, ...] = ()
    partition: str | None = None
    counted: bool = True
    columns: Annotated[dict[str, Column], Field(min_length=1)]

    @field_validator("key", mode="before")
    @classmethod
    def _as_list(cls, key: Any) -> Any:
        return [key] if isinstance(key, str) else key

    @model_validator(mode="after")
    def _key_is_sound(self) -> "FrontMatter":
        if self.materialized == "table" and not self.key:
            raise ValueError("a table needs a key, the columns that tell its rows apart: add `key: [...]`")
        if undeclared := [name for name in self.key if name not in self.columns]:
            raise ValueError(f"the key's {', '.join(undeclared)} is missing under `columns`")
        if len(set(self.key)) < len(self.key):
            raise ValueError("the key names a column twice")
        if self.partition and (self.materialized != "table" or self.partition not in self.key):
            raise ValueError("`partition` names a column, of days, of the key of a table")
        if not self.counted and (self.materialized != "view" or self._has_tests):
            raise ValueError("`counted: false` is for a view without key and tests, which would read all of it")
        return self

    @property
    def _has_tests(self) -> bool:
        return bool(self.key) or any(column.tests != NO_TESTS for column in self.columns.values())


@dataclass(frozen=True)
class Lines:
    """The lines of a file, counted from 1: where its query begins, its `key`, and the description of each column."""

    query: int
    key: int | None
    columns: Mapping[str, int | None]

    def in_query(self, line: int | None) -> int:
        """The file's line of a line of the query; where that is unknown, the first."""
        return self.query + (line or 1) - 1


@dataclass(frozen=True, eq=False)
class SqlModel:
    """One model. `sql` is the query without front matter and closing semicolon."""

    path: Path
    schema: str
    name: str
    sql: str
    description: str
    owner: str
    materialized: Literal["view", "table"]
    key: tuple[str, ...]
    partition: str | None
    """The column that holds the day, where the model is built by days; its query takes them from `marts.days()`."""
    counted: bool
    """Whether a build counts the rows and shows the first of them; false for a view on the whole history."""
    columns: Mapping[str, Column]
    lines: Lines

    @property
    def full_name(self) -> str:
        """`schema.name`, unquoted."""
        return f"{self.schema}.{self.name}"

    @cached_property
    def dependencies(self) -> tuple[str, ...]:
        """The tables, views and models that the query reads, as `schema.table`."""
        return lineage.dependencies(self.sql)

    @cached_property
    def code_version(self) -> str:
        """Text that changes when the query changes, but not with its comments or layout."""
        return lineage.code_version(self.sql)


def read_model(path: Path) -> SqlModel:
    """Read `<schema>/<name>.sql`. Raises SqlModelError where the file is not a valid model."""
    _check_names(path)
    described, text, line = _split(path)
    front_matter = described.read(path)
    sql = text.strip().removesuffix(";").rstrip()
    lines = Lines(
        query=line + text[: len(text) - len(text.lstrip())].count("\n"),
        key=described.line_of("key"),
        columns={name: described.line_of("columns", name) for name in front_matter.columns},
    )
    try:
        lineage.check_query(sql)
    except lineage.QueryError as error:
        raise SqlModelError(path, str(error), lines.in_query(error.line)) from error
    return SqlModel(
        path=path,
        schema=path.parent.name,
        name=path.stem,
        sql=sql,
        description=front_matter.description,
        owner=front_matter.owner,
        materialized=front_matter.materialized,
        key=front_matter.key,
        partition=front_matter.partition,
        counted=front_matter.counted,
        columns=front_matter.columns,
        lines=lines,
    )


def _check_names(path: Path) -> None:
    for name in (path.parent.name, path.stem):
        if not IDENTIFIER.fullmatch(name):
            raise SqlModelError(
                path, f"{name!r} becomes a name in the database: rename it to a-z, 0-9 and _, at most 63 characters"
            )


@dataclass(frozen=True)
class _Described:
    """The YAML of a front matter: what it says, and in which line. `first` is the file's line in which it begins."""

    value: object
    node: yaml.Node | None
    first: int

    def line_of(self, *place: Hashable) -> int | None:
        """The file's line of a place, such as ("columns", "status"); of the nearest above it where it is missing."""
        line, node = None, self.node
        for part in place:
            found = _member(node, part)
            if found is None:
                break
            line, node = self.first + found[0].start_mark.line, found[1]
        return line

    def read(self, path: Path) -> FrontMatter:
        """The front matter. Raises SqlModelError, with all that is wrong."""
        try:
            return FrontMatter.model_validate(self.value)
        except ValidationError as error:
            found = [(self.line_of(*detail["loc"]) or self.first, _readable(detail)) for detail in error.errors()]
            (line, first), *more = sorted(found)
            raise SqlModelError(path, f"the front matter is not valid: {first}", line, more=more) from error


def _member(node: yaml.Node | None, part: Hashable) -> tuple[yaml.Node, yaml.Node] | None:
    """The nodes of a key and its value. A list of tests is read as the one mapping that ColumnTests makes of it."""
    if isinstance(node, yaml.SequenceNode):
        return next((found for item in node.value if (found := _member(item, part))), None)
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    return (node, node) if isinstance(node, yaml.ScalarNode) and node.value == part else None


def _split(path: Path) -> tuple[_Described, str, int]:
    """The front matter, the text that follows it, and the line of the file in which that text begins."""
    content = path.read_text(encoding="utf-8")
    found = FRONT_MATTER.match(content)
    if not found:
        raise SqlModelError(path, "it has no front matter: begin it with /* description: … */, as other models do", 1)
    first, following = (content.count("\n", 0, found.start(part)) + 1 for part in ("yaml", "sql"))
    if nested := found["yaml"].find("/*") + 1:
        raise SqlModelError(
            path,
            "the front matter holds a second /*, which psql reads as a nested comment: remove it",
            first + found["yaml"].count("\n", 0, nested),
        )
    loader = yaml.SafeLoader(found["yaml"])
    try:
        node = loader.get_single_node()
        return _Described(loader.construct_document(node) if node else None, node, first), found["sql"], following
    except yaml.MarkedYAMLError as error:
        line = first + error.problem_mark.line if error.problem_mark else first
        problem = ", ".join(filter(None, (error.problem, error.context)))
        raise SqlModelError(path, f"the front matter is no valid YAML, correct it: {problem}", line) from error
    except yaml.YAMLError as error:
        raise SqlModelError(path, f"the front matter is no valid YAML, correct it: {error}", first) from error
    finally:
        loader.dispose()


def _readable(detail: ErrorDetails) -> str:
    """`columns.status.tests.notnull: unknown key, correct or drop it`."""
    place = ".".join(str(part) for part in detail["loc"])
    message = (
        "unknown key, correct or drop it"
        if detail["type"] == "extra_forbidden"
        else detail["msg"].removeprefix("Value error, ")
    )
    return f"{place}: {message}" if place else message
