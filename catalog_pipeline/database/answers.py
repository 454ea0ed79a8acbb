"""What a query that a person wrote returns: columns by position, for two of them may share a name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import psycopg
from psycopg.abc import Loader
from psycopg.adapt import Transformer
from psycopg.pq import Format

EXACT = (bool, int, float, str, list, dict, date, time)
"""Types of values that JSON has, or has an agreed text for. Any other value is the text that Postgres writes."""


@dataclass(frozen=True)
class Answer:
    """The columns and rows of a query."""

    columns: Sequence[str]
    texts: Sequence[Sequence[str | None]]
    """Each value as Postgres writes it."""
    _loaders: Sequence[Loader]

    @classmethod
    def of(cls, cursor: psycopg.Cursor[Any]) -> Answer | None:
        """The answer that a cursor holds; None where the statement returned no rows."""
        result = cursor.pgresult
        if result is None or cursor.description is None:
            return None
        loaders = Transformer(cursor)
        width = range(len(cursor.description))
        texts = [[_text(result.get_value(row, column)) for column in width] for row in range(result.ntuples)]
        found = [loaders.get_loader(column.type_code, Format.TEXT) for column in cursor.description]
        return cls([column.name for column in cursor.description], texts, found)

    def records(self) -> list[dict[str, Any]]:
        """The rows as JSON objects. A second column of a name is numbered: `status`, `status_2`."""
        names = _numbered(self.columns)
        return [
            {name: _value(text, loader) for name, text, loader in zip(names, row, self._loaders, strict=True)}
            for row in self.texts
        ]

    def rows(self) -> list[list[Any]]:
        """The rows as text, as Postgres writes it; instants are a datetime."""
        return [[_time(text, loader) for text, loader in zip(row, self._loaders, strict=True)] for row in self.texts]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _numbered(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names or (number > 1 and name in columns):
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _value(text: str | None, loader: Loader) -> Any:
    """A value for JSON; what Python cannot hold, as infinity or a year beyond 9999, is text."""
    if text is None:
        return None
    try:
        value = loader.load(text.encode())
    except psycopg.DataError:
        return text
    if not isinstance(value, EXACT) or (isinstance(value, float) and not math.isfinite(value)):
        return text
    return value


def _time(text: str | None, loader: Loader) -> Any:
    value = _value(text, loader)
    return value if isinstance(value, datetime) else text
