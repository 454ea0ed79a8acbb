"""The LMS: its course list, and the columns picked from it. Each element is a run; courses follow from keys."""

from collections.abc import Iterable, Iterator
from typing import Any

from catalog_pipeline.sources.listing import Cells, Document, Listing, Page, Picked, RowsOf, pick

SOURCE = "lms"
PACINGS = {"instructor": "instructor_paced", "self": "self_paced"}


def _read_page(body: Any) -> Page:
    paging = body["pagination"]
    return Page(body["results"], paging["count"], paging["next"] is None)


def _key(document: Document) -> str | None:
    return document.get("course_id") or document.get("id")


RUNS = Listing(SOURCE, "course_run", "/api/courses/v1/courses/", {}, _read_page, _key, largest_page=100)
LISTINGS = (RUNS,)


def pick_columns(_kind: str, documents: Iterable[tuple[int, Any]]) -> Picked:
    """The cells of the list's elements, by table and column: one run each."""
    from catalog_pipeline.schemas.catalog import FRAMES  # who reads one document need not wait for pandas

    return pick(documents, {"course_run": FRAMES["course_run"].columns}, _rows)


def rows_of(_kind: str) -> RowsOf:
    """What reads the row of an element."""
    return _rows


def _rows(number: int, document: Document) -> Iterator[tuple[str, Cells]]:
    get = document.get
    pacing = get("pacing")
    yield (
        "course_run",
        {
            "document": number,
            "run_key": _key(document),
            "title": get("name"),
            # The list has no status. A run that it shows counts as published, one that it hides as unpublished.
            "status": "unpublished" if get("hidden") else "published",
            "pacing": PACINGS.get(pacing or "", pacing),
            # A course without a start date comes with 2030-01-01 and the start type `empty`.
            "start": None if get("start_type") == "empty" else get("start"),
            "end": get("end"),
            "enrollment_start": get("enrollment_start"),
            "enrollment_end": get("enrollment_end"),
        },
    )
