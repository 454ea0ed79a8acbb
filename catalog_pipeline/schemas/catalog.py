"""What the cells of upstream's documents must be: one pandera schema for each table that they fill.

A row's `document` is the number of its document in the chunk that was read. The schemas are objects rather than
classes, because their types are values (a decimal of 12 digits, an instant in UTC) that annotations cannot state.
"""

# pyright: reportArgumentType=false, reportReturnType=false

from typing import Any

import pandas as pd
import pandera.pandas as pa

from catalog_pipeline.models.program import PROGRAM_STATUSES
from catalog_pipeline.models.run import PACINGS, RESTRICTION_TYPES, RUN_STATUSES
from catalog_pipeline.rules.course_keys import course_key_form
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY, NUMBER, TEXT, parse

UUID_PATTERN = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
INVISIBLE = "\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff"
COURSE_KEY_PATTERN = rf"[^+/\s{INVISIBLE}]+\+[^+/\s{INVISIBLE}]+"
LONG_TEXT = 100_000


def _up_to(limit: int) -> pa.Check:
    return pa.Check.str_length(max_value=limit, error=f"wrong_length(at most {limit:,})")


def _text(limit: int = 255, *, nullable: bool = False) -> pa.Column:
    return pa.Column(TEXT, _up_to(limit), nullable=nullable)  # parsing has made empty text null


def _optional_text(limit: int = 255) -> pa.Column:
    return _text(limit, nullable=True)


def _matching(pattern: str, what: str, *, nullable: bool = False) -> pa.Column:
    # The whole of it: `$` would let a last newline through.
    whole = pa.Check(lambda cells: cells.str.fullmatch(pattern), error=f"wrong_form({what})")
    return pa.Column(TEXT, [whole, _up_to(255)], nullable=nullable)


def _course_key(*, nullable: bool = False) -> pa.Column:
    return _matching(COURSE_KEY_PATTERN, "an organization and a code, such as edX+DemoX", nullable=nullable)


def _uuid(*, nullable: bool = False) -> pa.Column:
    return _matching(UUID_PATTERN, "a uuid, such as 3f2b8a52-0c1d-4e6f-9a7b-5d4c3b2a1908", nullable=nullable)


def _one_of(values: tuple[str, ...], *, nullable: bool = False) -> pa.Column:
    return pa.Column(TEXT, pa.Check.isin(list(values), error=f"unknown_value({', '.join(values)})"), nullable=nullable)


def _instant() -> pa.Column:
    return pa.Column(INSTANT, nullable=True)


def _document() -> pa.Column:
    return pa.Column(NUMBER)


def _position() -> pa.Column:
    return pa.Column(NUMBER, pa.Check.ge(1))


def _not_before_start(frame: pd.DataFrame) -> pd.Series:
    return ~(frame["end"] < frame["start"])


ORGANIZATION = pa.DataFrameSchema(
    {"document": _document(), "key": _text(), "name": _optional_text(), "uuid": _uuid(nullable=True)},
    strict=True,
)

CATALOG_COURSE = pa.DataFrameSchema(
    {
        "document": _document(),
        "key": _course_key(),
        "uuid": _uuid(),
        "title": _text(),
        "short_description": _optional_text(LONG_TEXT),
        "full_description": _optional_text(LONG_TEXT),
        "topic": _optional_text(),
        "language": _optional_text(64),
        "course_type": _optional_text(),
        "product_source": _optional_text(),
        "product_status": _one_of(("published", "archived"), nullable=True),
        "key_for_reruns": _course_key(nullable=True),
        "external_identifier": _optional_text(),
        "first_owner": _optional_text(),
        "first_owner_uuid": _uuid(nullable=True),
    },
    strict=True,
)

COURSE_RUN = pa.DataFrameSchema(
    {
        "document": _document(),
        "run_key": _text(),
        "uuid": _uuid(nullable=True),
        "title": _text(),
        "status": _one_of(RUN_STATUSES),
        "pacing": _one_of(PACINGS, nullable=True),
        "language": _optional_text(64),
        "start": _instant(),
        "end": _instant(),
        "enrollment_start": _instant(),
        "enrollment_end": _instant(),
        "go_live": _instant(),
        "upgrade_deadline": _instant(),
        "restriction_type": _one_of(RESTRICTION_TYPES, nullable=True),
        "price": pa.Column(MONEY, pa.Check.ge(0), nullable=True),
        "currency": _matching("[A-Z]{3}", "a currency's code, such as USD", nullable=True),
        "has_seats": pa.Column(FLAG, nullable=True),
        "variant_id": _uuid(nullable=True),
    },
    checks=pa.Check(_not_before_start, error="end: end_before_start"),
    strict=True,
)

PROGRAM = pa.DataFrameSchema(
    {
        "document": _document(),
        "uuid": _uuid(),
        "title": _text(),
        "type": _optional_text(),
        "status": _one_of(PROGRAM_STATUSES),
        "marketing_slug": _optional_text(),
        "lists_organizations": pa.Column(FLAG),
        "lists_curricula": pa.Column(FLAG),
    },
    strict=True,
)

PROGRAM_ORGANIZATION = pa.DataFrameSchema(
    {
        "document": _document(),
        "program_uuid": _uuid(),
        "organization_uuid": _uuid(nullable=True),
        "key": _text(),
        "position": _position(),
    },
    strict=True,
)

CURRICULUM = pa.DataFrameSchema(
    {
        "document": _document(),
        "program_uuid": _uuid(),
        "uuid": _uuid(),
        "name": _optional_text(),
        "is_active": pa.Column(FLAG, nullable=True),
        "lists_courses": pa.Column(FLAG),
        "lists_programs": pa.Column(FLAG),
    },
    strict=True,
)

PROGRAM_COURSE = pa.DataFrameSchema(
    {
        "document": _document(),
        "program_uuid": _uuid(),
        "course_uuid": _uuid(nullable=True),
        "course_key": _text(),
        "position": _position(),
    },
    strict=True,
)

CURRICULUM_COURSE = pa.DataFrameSchema(
    {**PROGRAM_COURSE.columns, "curriculum_uuid": _uuid()},
    strict=True,
)

CURRICULUM_PROGRAM = pa.DataFrameSchema(
    {
        "document": _document(),
        "program_uuid": _uuid(),
        "curriculum_uuid": _uuid(),
        "child_uuid": _uuid(),
        "position": _position(),
    },
    strict=True,
)

FRAMES = {
    "organization": ORGANIZATION,
    "catalog_course": CATALOG_COURSE,
    "course_run": COURSE_RUN,
    "program": PROGRAM,
    "program_course": PROGRAM_COURSE,
    "program_organization": PROGRAM_ORGANIZATION,
    "curriculum": CURRICULUM,
    "curriculum_course": CURRICULUM_COURSE,
    "curriculum_program": CURRICULUM_PROGRAM,
}
"""Schema by table name."""

RECORD_KEYS = {
    "organization": "key",
    "catalog_course": "key",
    "course_run": "run_key",
    "program": "uuid",
    "program_course": "course_key",
    "program_organization": "key",
    "curriculum": "uuid",
    "curriculum_course": "course_key",
    "curriculum_program": "child_uuid",
}
"""The column that names a row of each staged table to people."""

COURSE_KEYS = {
    "catalog_course": ("key", "key_for_reruns"),
    "program_course": ("course_key",),
    "curriculum_course": ("course_key",),
}
"""The columns, by table, that hold keys of courses."""

OPTIONAL_VALUES = {"catalog_course": ("key_for_reruns",)}
"""The columns, by table, whose bad value is rejected by itself: the row has none, and its document is not rejected."""


def parse_table(table: str, columns: dict[str, list[Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parse a table's cells, see `parse`, and bring the keys of courses into the form in which they are kept."""
    frame, failures = parse(columns, FRAMES[table])
    return frame.assign(**{name: course_key_form(frame[name]) for name in COURSE_KEYS.get(table, ())}), failures
