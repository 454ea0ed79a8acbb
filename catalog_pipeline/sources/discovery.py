"""course-discovery: the lists that are crawled, and the columns that are picked from their documents."""

from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog_pipeline.schemas.catalog import FRAMES
from catalog_pipeline.sources.listing import Document, Listing, Page, Picked, pick

SOURCE = "discovery"


def _read_page(body: Any) -> Page:
    return Page(body["results"], body["count"], body["next"] is None)


def _key(document: Document) -> str | None:
    return document.get("uuid") or document.get("key")


def _listing(kind: str, path: str, **params: str) -> Listing:
    return Listing(
        SOURCE,
        kind,
        f"/api/v1/{path}/",
        {"exclude_utm": "1", **params},
        _read_page,
        _key,
        modified_param="timestamp",
    )


ORGANIZATIONS = _listing("organization", "organizations")
COURSES = _listing(
    # Without these, discovery hides restricted and hidden runs, which would look as if they were gone.
    "course",
    "courses",
    include_restricted="custom-b2b-enterprise,custom-b2c",
    include_hidden_course_runs="1",
)
PROGRAMS = _listing("program", "programs")
LISTINGS = (ORGANIZATIONS, COURSES, PROGRAMS)


def pick_columns(kind: str, documents: Iterable[tuple[int, Any]]) -> Picked:
    """The cells of a kind's documents, by table. Owners of courses are organizations too."""
    rows_of = {"organization": _organization_rows, "course": _course_rows, "program": _program_rows}[kind]
    tables = {
        "organization": ["organization"],
        "course": ["catalog_course", "course_run", "organization"],
        "program": ["program", "program_course"],
    }[kind]
    return pick(documents, {table: FRAMES[table].columns for table in tables}, rows_of)


def _organization_rows(number: int, document: Document) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "organization", (number, document.get("key"), document.get("name"), document.get("uuid"))


def _course_rows(number: int, document: Document) -> Iterator[tuple[str, tuple[Any, ...]]]:
    get = document.get
    owners = get("owners") or []
    runs = get("course_runs") or []
    subjects = get("subjects") or [{}]
    details = get("additional_metadata") or {}
    yield (
        "catalog_course",
        (
            number,
            get("key"),
            get("uuid"),
            get("title"),
            get("short_description"),
            get("full_description"),
            subjects[0].get("name"),
            _language(document, runs),
            get("course_type"),
            (get("product_source") or {}).get("slug"),
            details.get("product_status"),
            get("key_for_reruns"),
            details.get("external_identifier"),
            owners[0].get("key") if owners else None,
            owners[0].get("uuid") if owners else None,
        ),
    )
    for owner in owners:
        yield "organization", (number, owner.get("key"), owner.get("name"), owner.get("uuid"))
    for run in runs:
        yield "course_run", _run_cells(number, run)


def _run_cells(number: int, run: Document) -> tuple[Any, ...]:
    get = run.get
    seats = get("seats") or []
    price, currency = _highest_price(seats)
    return (
        number,
        get("key"),
        get("uuid"),
        get("title"),
        get("status"),
        get("pacing_type"),
        get("content_language"),
        get("start"),
        get("end"),
        get("enrollment_start"),
        get("enrollment_end"),
        get("go_live_date"),
        _last_deadline(seats),
        get("restriction_type"),
        price,
        currency,
        bool(seats),
        get("variant_id"),
    )


def _program_rows(number: int, document: Document) -> Iterator[tuple[str, tuple[Any, ...]]]:
    get = document.get
    uuid = get("uuid")
    yield "program", (number, uuid, get("title"), get("type"), get("status"), get("marketing_slug"))
    for position, course in enumerate(get("courses") or [], 1):
        yield "program_course", (number, uuid, course.get("uuid"), course.get("key"), position)


def _language(document: Document, runs: list[Document]) -> Any:
    """The language of the advertised run, else of the first."""
    advertised = document.get("advertised_course_run_uuid")
    run = next((run for run in runs if run.get("uuid") == advertised), runs[0] if runs else {})
    return run.get("content_language")


def _highest_price(seats: list[Document]) -> tuple[Any, Any]:
    """The price and currency of the dearest seat; an unreadable price is kept, for the parser to reject."""
    best = (None, None, Decimal("-Infinity"))
    for seat in seats:
        try:
            amount = Decimal(seat["price"])
        except (InvalidOperation, TypeError, ValueError):
            return seat["price"], seat.get("currency")
        if not amount.is_finite() or amount < 0:
            return seat["price"], seat.get("currency")
        if amount > best[2]:
            best = (seat["price"], seat.get("currency"), amount)
    return best[:2]


def _last_deadline(seats: list[Document]) -> Any:
    deadlines = [seat.get("upgrade_deadline_override") or seat.get("upgrade_deadline") for seat in seats]
    return max((deadline for deadline in deadlines if deadline), default=None, key=str)
