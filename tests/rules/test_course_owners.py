"""Which feeds may change a course."""

import pandas as pd
import pytest

from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.rules.course_owners import foreign_owners


@pytest.mark.parametrize(
    ("owner", "owner_type", "foreign"),
    [
        ("2u", "bootcamp-2u", None),
        ("2u", "executive-education-2u", "2u/executive-education-2u"),
        ("edx", "bootcamp-2u", "edx/bootcamp-2u"),
        ("edx", None, "edx"),
        (None, None, None),
        (None, "verified-audit", None),
        ("2u", None, "2u"),
    ],
)
def test_a_course_is_changed_by_feeds_of_its_source_and_type_or_adopted(
    owner: str | None, owner_type: str | None, foreign: str | None
) -> None:
    courses = pd.DataFrame({"owner": [owner], "owner_type": [owner_type]}, dtype=TEXT)
    found = foreign_owners(courses, "2u", "bootcamp-2u").tolist()
    assert [None if pd.isna(one) else one for one in found] == [foreign]
