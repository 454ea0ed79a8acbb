"""What the cells of enterprise documents must be: one pandera schema for each table that they fill.

A row's `document` is the number of its document in the chunk that was read. Dates are texts here: the rules read them,
and keep what upstream writes.
"""

import pandas as pd
import pandera.pandas as pa

from catalog_pipeline.models.content import CONTENT_TYPES
from catalog_pipeline.schemas.catalog import UUID_PATTERN
from catalog_pipeline.schemas.parsing import FLAG, MONEY, NUMBER, TEXT

UNPRINTABLE = r"[\x00-\x1f\x7f-\xa0]"


def _key(*, nullable: bool = False) -> pa.Column:
    checks = [
        pa.Check.str_length(max_value=255, error="wrong_length(at most 255)"),
        pa.Check(lambda cells: ~cells.str.contains(UNPRINTABLE), error="wrong_form(printable)"),
    ]
    return pa.Column(TEXT, checks, nullable=nullable)


def _uuid() -> pa.Column:
    whole = pa.Check(
        lambda cells: cells.str.fullmatch(UUID_PATTERN),
        error="wrong_form(a uuid, such as 3f2b8a52-0c1d-4e6f-9a7b-5d4c3b2a1908)",
    )
    return pa.Column(TEXT, whole, nullable=True)


def _text() -> pa.Column:
    return pa.Column(TEXT, nullable=True)


def _amount() -> pa.Column:
    return pa.Column(MONEY, pa.Check.ge(0), nullable=True)


def _number() -> pa.Column:
    in_range = pa.Check.in_range(0, 2**31 - 1, error="wrong_number(from 0 to 2,147,483,647)")
    return pa.Column(NUMBER, in_range, nullable=True)


RAW = {name: _text() for name in ("start_raw", "end_raw", "enrollment_start_raw", "enrollment_end_raw")}
PRICED = {
    "normalized": pa.Column(FLAG, nullable=True),
    "entitlement_price": _amount(),
    "entitlement_currency": _text(),
    "normalized_price": _amount(),
}

CONTENT_METADATA = pa.DataFrameSchema(
    {
        "document": pa.Column(NUMBER),
        "content_key": _key(),
        "content_uuid": _uuid(),
        "content_type": pa.Column(
            TEXT, pa.Check.isin(list(CONTENT_TYPES), error=f"unknown_value({', '.join(CONTENT_TYPES)}, courserun)")
        ),
        "title": _text(),
        "course_type": _text(),
        "product_source": _text(),
        "advertised_run_uuid": _text(),
        "image_url": _text(),
        "partners": pa.Column(
            TEXT,
            pa.Check(lambda cells: ~cells.str.contains("\\u0000", regex=False), error="not_text(without NUL)"),
            nullable=True,
        ),
        **RAW,
        **PRICED,
    },
    strict=True,
)

CONTENT_RUN = pa.DataFrameSchema(
    {
        "document": pa.Column(NUMBER),
        "nested": pa.Column(FLAG),
        "run_key": _key(),
        "parent_content_key": _key(nullable=True),
        "run_uuid": _uuid(),
        "status": _text(),
        "pacing": _text(),
        "weeks_to_complete": _number(),
        "restriction_type": _text(),
        "course_type": _text(),
        **RAW,
        "upgrade_deadline_raw": _text(),
        "fixed_price": _amount(),
        "seat_price": _amount(),
        "seat_currency": _text(),
        **PRICED,
    },
    strict=True,
)

FRAMES = {"content_metadata": CONTENT_METADATA, "content_run": CONTENT_RUN}
"""Schema by table name."""
RECORD_KEYS = {"content_metadata": "content_key", "content_run": "run_key"}
"""The column that names a row of each staged table to people."""
NEEDED = {
    "content_metadata": ("document", "content_key", "content_type"),
    "content_run": ("document", "nested", "run_key"),
}
"""The columns, by table, without which a document is rejected. A bad value elsewhere is rejected by itself: null."""


def without_bad_values(frame: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """The frame, null where a failure (row, column) is."""
    frame = frame.copy()
    for column, rows in failures.groupby("column")["row"]:
        frame.loc[rows.astype("int64"), column] = None
    return frame
