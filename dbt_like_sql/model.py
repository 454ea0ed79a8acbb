"""Reads and validates the file of one SQL model. It needs no database and knows no other model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from catalog_pipeline.errors import CatalogError
from dbt_like_sql import lineage

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
FRONT_MATTER = re.compile(r"\A\s*/\*(?P<yaml>.*?)\*/(?P<sql>.*)\Z", re.DOTALL)

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class SqlModelError(CatalogError):
    """A SQL model is wrong, or cannot be built. Says which file, and what to do."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


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
    front_matter, sql = _split(path)
    sql = sql.strip().removesuffix(";").rstrip()
    try:
        lineage.check_query(sql)
    except lineage.QueryError as error:
        raise SqlModelError(path, str(error)) from error
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
    )


def _check_names(path: Path) -> None:
    for name in (path.parent.name, path.stem):
        if not IDENTIFIER.fullmatch(name):
            raise SqlModelError(
                path, f"{name!r} becomes a name in the database: rename it to a-z, 0-9 and _, at most 63 characters"
            )


def _split(path: Path) -> tuple[FrontMatter, str]:
    """The front matter and the text that follows it."""
    found = FRONT_MATTER.match(path.read_text(encoding="utf-8"))
    if not found:
        raise SqlModelError(path, "it has no front matter: begin it with /* description: … */, as other models do")
    if "/*" in found["yaml"]:
        raise SqlModelError(path, "the front matter holds a second /*, which psql reads as a nested comment: remove it")
    try:
        return FrontMatter.model_validate(yaml.safe_load(found["yaml"])), found["sql"]
    except yaml.YAMLError as error:
        raise SqlModelError(path, f"the front matter is no valid YAML: {error}") from error
    except ValidationError as error:
        raise SqlModelError(path, f"the front matter is not valid. {_readable(error)}") from error


def _readable(error: ValidationError) -> str:
    """`columns.status.tests.notnull: unknown, …; owner: Field required`."""
    problems = []
    for detail in error.errors():
        place = ".".join(str(part) for part in detail["loc"])
        message = "unknown key" if detail["type"] == "extra_forbidden" else detail["msg"].removeprefix("Value error, ")
        problems.append(f"{place}: {message}" if place else message)
    return "; ".join(problems)
