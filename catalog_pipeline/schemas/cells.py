"""Reads one JSON value as `parsing` reads a column of them, without pandas, which takes a second to load.

Each function returns the value, or None where there is none or it does not parse.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from catalog_pipeline.models.fields import Kind

# [0-9] and not \d, which is any script's digit as soon as one cell of the column is not ASCII.
_2 = "[0-9]{2}"
INSTANT_PATTERN = rf"[0-9]{{4}}-{_2}-{_2}T{_2}:{_2}:{_2}(\.[0-9]{{1,9}})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
MONEY_PATTERN = r"-?[0-9]{1,10}(\.[0-9]{1,2})?"


def is_text(cell: Any) -> bool:
    """Whether a value is text that the database can keep."""
    if not isinstance(cell, str) or "\0" in cell:
        return False
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def read_text(cell: Any) -> str | None:
    """A JSON string that is not empty."""
    return cell if cell and is_text(cell) else None


def read_instant(cell: Any) -> datetime | None:
    """An ISO 8601 instant with a zone, in UTC; fractions are cut to microseconds."""
    text = read_text(cell)
    if text and re.fullmatch(INSTANT_PATTERN, text) and text[11:13] != "24":  # newer Pythons read that as midnight
        with suppress(ValueError, OverflowError):
            return datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)).astimezone(UTC)
    return None


def read_money(cell: Any) -> Decimal | None:
    """An amount with two decimals, of a string or a JSON number."""
    text = read_text(str(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else cell)
    return Decimal(text).quantize(Decimal("0.01")) if text and re.fullmatch(MONEY_PATTERN, text) else None


def read_flag(cell: Any) -> bool | None:
    """A JSON boolean."""
    return cell if isinstance(cell, bool) else None


def read_course_key(cell: Any) -> str | None:
    """A course's key in the form in which it is kept: see `course_keys.course_key_form`."""
    key = (read_text(cell) or "").strip()
    return (key.replace("/", "+") if re.fullmatch("[^+/]+/[^+/]+", key) else key) or None


READERS: dict[Kind, Callable[[Any], Any]] = {
    "text": read_text,
    "instant": read_instant,
    "money": read_money,
    "flag": read_flag,
    "course_key": read_course_key,
}
