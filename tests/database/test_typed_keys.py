"""A key that a person types is read in SQL as in frames."""

import pandas as pd
import pytest
from sqlalchemy import Connection, text

from catalog_pipeline.database.keys import typed
from catalog_pipeline.rules.course_keys import course_key_form
from catalog_pipeline.schemas.parsing import TEXT


@pytest.mark.parametrize(
    "key", ["edX/DemoX", " edX/DemoX ", "edX+DemoX", "edX/DemoX/2014", "edX", "course-v1:a+b+c", "a/b+c"]
)
def test_a_key_that_a_person_types_is_read_in_sql_as_in_frames(connection: Connection, key: str) -> None:
    told = connection.execute(text(f"SELECT {typed('CAST(:key AS text)')}"), {"key": key}).scalar_one()
    assert told == course_key_form(pd.Series([key], dtype=TEXT)).iloc[0]
