"""One cell is read as a column of cells is, whatever it is."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog_pipeline.models.fields import COURSE_FIELDS, RUN_FIELDS, Kind
from catalog_pipeline.rules.course_keys import course_key_form
from catalog_pipeline.schemas.catalog import CATALOG_COURSE, COURSE_RUN
from catalog_pipeline.schemas.cells import INSTANT_PATTERN, MONEY_PATTERN, READERS
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY, PARSERS, TEXT

TYPES: dict[Kind, Any] = {"text": TEXT, "instant": INSTANT, "money": MONEY, "flag": FLAG, "course_key": TEXT}
TEXTS = st.text(st.characters(codec=None, categories=None)) | st.text(" \x00\x1c\x1f\x85\u2028\ud800/+aB", max_size=8)
NUMBERS = st.integers() | st.floats() | st.integers(-200, 200) | st.decimals(-200, 200, places=2).map(float)
PATTERNED = st.from_regex(INSTANT_PATTERN, fullmatch=True) | st.from_regex(MONEY_PATTERN, fullmatch=True)
INSTANTS = st.datetimes(timezones=st.timezones()).map(lambda instant: instant.isoformat())


@pytest.mark.parametrize("kind", READERS)
@given(cell=st.none() | st.booleans() | NUMBERS | TEXTS | PATTERNED | INSTANTS | st.lists(TEXTS, max_size=1))
@example("2026-01-01T24:00:00Z")
@example("2026-01-01T23:59:60Z")
@example("2026-01-01T00:00:00.1234567+05:30")
@example("0001-01-01T00:00:00+01:00")
@example("9999-12-31T23:59:59-01:00")
@example("0000-01-01T00:00:00Z")
@example(" edX/DemoX ")
def test_one_cell_is_read_as_a_column_of_cells_is(kind: Kind, cell: Any) -> None:
    values = PARSERS[TYPES[kind]]([cell]).values
    value = (course_key_form(values) if kind == "course_key" else values).iloc[0]
    assert READERS[kind](cell) == (None if pd.isna(value) else value)


@pytest.mark.parametrize(
    ("schema", "fields", "keys"), [(CATALOG_COURSE, COURSE_FIELDS, {"key_for_reruns"}), (COURSE_RUN, RUN_FIELDS, set())]
)
def test_a_field_is_of_the_kind_that_crawls_check(schema, fields, keys) -> None:
    of_upstream = [field for field in fields if field.discovery]
    assert {field.name: TYPES[field.kind] for field in of_upstream} == {
        field.name: schema.columns[field.name].dtype.type for field in of_upstream
    }
    assert {field.name for field in of_upstream if field.kind == "course_key"} == keys
