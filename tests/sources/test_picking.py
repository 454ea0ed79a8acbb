"""Tests of how columns are picked from documents: by name, and only names that the schemas have."""

import pytest
from support.catalog import course, lms_run, organization, program, run

from catalog_pipeline.schemas.catalog import FRAMES
from catalog_pipeline.sources import discovery, lms
from catalog_pipeline.sources.listing import Cells, Source, pick

DOCUMENTS = [
    (discovery, "organization", organization("A")),
    (discovery, "course", course("A+1", run("course-v1:A+1+r"))),
    (discovery, "program", program("P", "A+1")),
]


@pytest.mark.parametrize(("source", "kind", "document"), DOCUMENTS)
def test_discovery_fills_every_column_of_the_schemas(source: Source, kind: str, document: Cells) -> None:
    rows_of = {
        "organization": discovery._organization_rows,
        "course": discovery._course_rows,
        "program": discovery._program_rows,
    }[kind]
    assert all(set(cells) == set(FRAMES[table].columns) for table, cells in rows_of(0, document))
    picked = source.pick_columns(kind, [(0, document)])
    assert not picked.misfits
    assert all(len(cells) >= 1 for columns in picked.tables.values() for cells in columns.values())


def test_the_lms_fills_only_columns_of_the_schema_and_leaves_the_others_empty() -> None:
    document = lms_run("course-v1:A+1+r", end="2026-01-01T00:00:00Z")
    ((_, cells),) = lms._rows(0, document)
    assert set(cells) < set(FRAMES["course_run"].columns)
    runs = lms.pick_columns("course_run", [(0, document)]).tables["course_run"]
    assert list(runs) == list(FRAMES["course_run"].columns)
    assert (runs["run_key"], runs["end"], runs["price"]) == (["course-v1:A+1+r"], ["2026-01-01T00:00:00Z"], [None])


def test_a_document_whose_shape_is_wrong_is_a_misfit_and_gives_no_rows() -> None:
    def rows_of(number: int, document: Cells) -> list[tuple[str, Cells]]:
        return [("t", {"document": number, "name": document["names"][0]})]

    picked = pick([(0, {"names": ["a"]}), (1, {"names": None})], {"t": ["document", "name"]}, rows_of)
    assert picked.tables == {"t": {"document": [0], "name": ["a"]}}
    assert list(picked.misfits) == [1]
