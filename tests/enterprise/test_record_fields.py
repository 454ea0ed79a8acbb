"""The fields of records are those that the guide names."""

from pathlib import Path

import pytest

from catalog_pipeline.enterprise.fields import ALLOCATION_EVIDENCE, FIELDS, NESTED
from catalog_pipeline.enterprise.judging import FORMS

GUIDE = (Path(__file__).parents[2] / "docs/enterprise.md").read_text()


@pytest.mark.parametrize("kind", FIELDS)
def test_the_guide_names_every_field_of_a_kind(kind: str) -> None:
    fields = {field.name.removeprefix("actions.") for field in FIELDS[kind]}
    assert {name for name in fields if f"`{name}`" not in GUIDE} == set()


def test_the_guide_names_what_tells_when_an_assignment_was_allocated() -> None:
    names = {*NESTED, *(field.name.split(".")[0] for field in ALLOCATION_EVIDENCE)}
    assert {name for name in names if f"`{name}`" not in GUIDE} == set()


def test_every_field_has_a_form_and_its_bit_fits_a_whole_number() -> None:
    for fields in FIELDS.values():
        assert {field.form for field in fields} <= FORMS.keys()
        assert len(fields) < 63
