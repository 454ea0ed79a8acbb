"""Tests of how columns are picked from documents: by name, and only names that the schemas have."""

from typing import Any

import pytest
from support.catalog import course, lms_run, organization, program, run, uuid_of

from catalog_pipeline.schemas.catalog import FRAMES
from catalog_pipeline.sources import discovery, lms
from catalog_pipeline.sources.listing import Cells, Source, pick

CURRICULUM = {"uuid": uuid_of("C"), "name": "C", "courses": [course("A+1")], "programs": [program("Q")]}
DOCUMENTS = [
    (discovery, "organization", organization("A")),
    (discovery, "course", course("A+1", run("course-v1:A+1+r"))),
    (discovery, "program", program("P", "A+1", authoring_organizations=[organization("A")], curricula=[CURRICULUM])),
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


def seat(kind: str, price: Any, deadline: str | None = None, **fields: Any) -> Cells:
    return {"type": kind, "price": price, "currency": "USD", "upgrade_deadline": deadline, **fields}


AUDIT, VERIFIED, CREDIT = seat("audit", "0.00"), seat("verified", "99.00", "2026-02-01"), seat("credit", "300.00")
SEATS: dict[str, tuple[list[Cells], tuple[Any, Any, Any]]] = {
    "a credit seat is never the price": ([AUDIT, VERIFIED, CREDIT], ("99.00", "USD", "2026-02-01")),
    "audit and credit are not paid": ([AUDIT, CREDIT], ("0.00", "USD", None)),
    "only credit": ([CREDIT], (None, None, None)),
    "a credit seat's price may be anything": ([VERIFIED, seat("credit", "free")], ("99.00", "USD", "2026-02-01")),
    "a first seat without a price hides no other": ([seat("honor", None), VERIFIED], ("99.00", "USD", "2026-02-01")),
    "a first seat without the field hides no other": ([{"type": "honor"}, VERIFIED], ("99.00", "USD", "2026-02-01")),
    "a seat without a price is no price": ([seat("honor", None)], (None, None, None)),
    "an unreadable price is kept, to be rejected": ([VERIFIED, seat("honor", "free")], ("free", "USD", "2026-02-01")),
    "a price below zero is kept, to be rejected": ([VERIFIED, seat("honor", "-1")], ("-1", "USD", "2026-02-01")),
    "only a paid seat has a deadline to upgrade": (
        [seat("audit", "0.00", "2026-09-01"), VERIFIED, seat("credit", "300.00", "2026-12-01")],
        ("99.00", "USD", "2026-02-01"),
    ),
    "the latest deadline, overrides before others": (
        [seat("verified", "9", "2026-09-01", upgrade_deadline_override="2026-01-05"), seat("honor", 5, "2026-03-01")],
        ("9", "USD", "2026-03-01"),
    ),
    "no seats": ([], (None, None, None)),
}


@pytest.mark.parametrize("what", SEATS)
def test_the_price_and_the_deadline_of_a_run_are_those_of_its_paid_seats(what: str) -> None:
    seats, expected = SEATS[what]
    cells = discovery._run_cells(0, run("course-v1:A+1+r", seats=seats))
    assert (cells["price"], cells["currency"], cells["upgrade_deadline"]) == expected
    assert cells["has_seats"] == bool(seats)


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
