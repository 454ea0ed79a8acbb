"""course-discovery: the lists that are crawled, and the columns that are picked from their documents."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog_pipeline.sources.listing import Cells, Document, Listing, Page, Picked, RowsOf, pick

SOURCE = "discovery"


def _read_page(body: Any) -> Page:
    return Page(body["results"], body["count"], body["next"] is None)


def _key(document: Document) -> str | None:
    return document.get("uuid") or document.get("key")


def _identities(document: Any) -> Any:
    """A program without what its curricula say of their courses and programs beyond which ones these are.

    Upstream sends parts of them there as they were some time ago, and none of that is read.
    """
    if not isinstance(document, dict) or not isinstance(document.get("curricula"), list):
        return document
    return document | {"curricula": [_without_details(curriculum) for curriculum in document["curricula"]]}


def _without_details(curriculum: Any) -> Any:
    if not isinstance(curriculum, dict):
        return curriculum
    nested = {name: curriculum[name] for name in ("courses", "programs") if isinstance(curriculum.get(name), list)}
    return curriculum | {
        name: [{field: one.get(field) for field in ("uuid", "key")} if isinstance(one, dict) else one for one in listed]
        for name, listed in nested.items()
    }


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
PROGRAMS = replace(_listing("program", "programs"), content=_identities)
LISTINGS = (ORGANIZATIONS, COURSES, PROGRAMS)


def pick_columns(kind: str, documents: Iterable[tuple[int, Any]]) -> Picked:
    """The cells of a kind's documents, by table and column. Owners of courses and programs are organizations too."""
    from catalog_pipeline.schemas.catalog import FRAMES  # who reads one document need not wait for pandas

    tables = {
        "organization": ["organization"],
        "course": ["catalog_course", "course_run", "organization"],
        "program": [
            *("program", "organization", "program_organization", "program_course"),
            *("curriculum", "curriculum_course", "curriculum_program"),
        ],
    }[kind]
    return pick(documents, {table: FRAMES[table].columns for table in tables}, rows_of(kind))


def rows_of(kind: str) -> RowsOf:
    """What reads the rows of a kind's documents."""
    return {"organization": _organization_rows, "course": _course_rows, "program": _program_rows}[kind]


def _organization_rows(number: int, document: Document) -> Iterator[tuple[str, Cells]]:
    yield "organization", _organization_cells(number, document)


def _organization_cells(number: int, document: Document) -> Cells:
    get = document.get
    return {"document": number, "key": get("key"), "name": get("name"), "uuid": get("uuid")}


def _course_rows(number: int, document: Document) -> Iterator[tuple[str, Cells]]:
    owners = document.get("owners") or []
    runs = _listed(document, "course_runs")
    yield "catalog_course", _course_cells(number, document, owners, runs)
    for owner in owners:
        yield "organization", _organization_cells(number, owner)
    for run in runs:
        yield "course_run", _run_cells(number, run)


def _course_cells(number: int, course: Document, owners: list[Document], runs: list[Document]) -> Cells:
    get = course.get
    subjects = get("subjects") or [{}]
    details = get("additional_metadata") or {}
    return {
        "document": number,
        "key": get("key"),
        "uuid": get("uuid"),
        "title": get("title"),
        "short_description": get("short_description"),
        "full_description": get("full_description"),
        "topic": subjects[0].get("name"),
        "language": _language(course, runs),
        "course_type": get("course_type"),
        "product_source": (get("product_source") or {}).get("slug"),
        "product_status": details.get("product_status"),
        "key_for_reruns": get("key_for_reruns"),
        "external_identifier": details.get("external_identifier"),
        "first_owner": owners[0].get("key") if owners else None,
        "first_owner_uuid": owners[0].get("uuid") if owners else None,
    }


def _run_cells(number: int, run: Document) -> Cells:
    get = run.get
    seats = get("seats") or []
    own_seats = _own_seats(seats)
    price, currency = _highest_price(own_seats)
    return {
        "document": number,
        "run_key": get("key"),
        "uuid": get("uuid"),
        "title": get("title"),
        "status": get("status"),
        "pacing": get("pacing_type"),
        "language": get("content_language"),
        "start": get("start"),
        "end": get("end"),
        "enrollment_start": get("enrollment_start"),
        "enrollment_end": get("enrollment_end"),
        "go_live": get("go_live_date"),
        "upgrade_deadline": _last_deadline(own_seats),
        "restriction_type": get("restriction_type"),
        "price": price,
        "currency": currency,
        "has_seats": bool(seats),
        "variant_id": get("variant_id"),
    }


def _program_rows(number: int, document: Document) -> Iterator[tuple[str, Cells]]:
    get = document.get
    uuid = get("uuid")
    organizations, curricula = (_listed_if_told(document, name) for name in ("authoring_organizations", "curricula"))
    yield (
        "program",
        {
            "document": number,
            "uuid": uuid,
            "title": get("title"),
            "type": get("type"),
            "status": get("status"),
            "marketing_slug": get("marketing_slug"),
            "lists_organizations": organizations is not None,
            "lists_curricula": curricula is not None,
        },
    )
    here = {"document": number, "program_uuid": uuid}
    for position, organization in enumerate(organizations or [], 1):
        yield "organization", _organization_cells(number, organization)
        named = {"organization_uuid": organization.get("uuid"), "key": organization.get("key")}
        yield "program_organization", {**here, **named, "position": position}
    for position, course in enumerate(_listed(document, "courses"), 1):
        yield "program_course", {**here, **_course_identity(course), "position": position}
    for curriculum in curricula or []:
        yield from _curriculum_rows(here, curriculum)


def _curriculum_rows(here: Cells, curriculum: Document) -> Iterator[tuple[str, Cells]]:
    """A curriculum; of its courses and programs only which ones these are: what else it says of them lags."""
    get = curriculum.get
    courses, programs = (_listed_if_told(curriculum, name) for name in ("courses", "programs"))
    lists = {"lists_courses": courses is not None, "lists_programs": programs is not None}
    yield "curriculum", {**here, "uuid": get("uuid"), "name": get("name"), "is_active": get("is_active"), **lists}
    of_it = {**here, "curriculum_uuid": get("uuid")}
    for position, course in enumerate(courses or [], 1):
        yield "curriculum_course", {**of_it, **_course_identity(course), "position": position}
    for position, program in enumerate(programs or [], 1):
        yield "curriculum_program", {**of_it, "child_uuid": program.get("uuid"), "position": position}


def _course_identity(course: Document) -> Cells:
    return {"course_uuid": course.get("uuid"), "course_key": course.get("key")}


def _listed(document: Document, field: str) -> list[Any]:
    """What a document lists in a field. Raises TypeError where it does not say: that does not mean that all is gone."""
    listed = document.get(field)
    if not isinstance(listed, list):
        raise TypeError(f"{field} is no list; where there is nothing to list, [] says so")
    return listed


def _listed_if_told(document: Document, field: str) -> list[Any] | None:
    """What a document lists in a field; None where it does not say. Raises TypeError where that is no list."""
    return None if document.get(field) is None else _listed(document, field)


def _language(document: Document, runs: list[Document]) -> Any:
    """The language of the advertised run, else of the first."""
    advertised = document.get("advertised_course_run_uuid")
    run = next((run for run in runs if run.get("uuid") == advertised), runs[0] if runs else {})
    return run.get("content_language")


def _own_seats(seats: list[Document]) -> list[Document]:
    """The seats that make a price of the run's own: credit is bought from another institution, on top of it."""
    return [seat for seat in seats if seat.get("type") != "credit"]


def _highest_price(seats: list[Document]) -> tuple[Any, Any]:
    """The price and currency of the most expensive seat; an unreadable price is kept, so that parsing rejects it.

    A seat without a price says nothing of the run's.
    """
    best, highest = {}, Decimal("-Infinity")
    for seat in seats:
        if seat.get("price") is None:
            continue
        amount = _amount(seat)
        if amount is None:
            best = seat
            break
        if amount > highest:
            best, highest = seat, amount
    return best.get("price"), best.get("currency")


def _amount(seat: Document) -> Decimal | None:
    """A seat's price as a number; null where it has none, or none that a price can be."""
    try:
        amount = Decimal(seat["price"])
    except (InvalidOperation, LookupError, TypeError, ValueError):
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _last_deadline(seats: list[Document]) -> Any:
    """The latest upgrade deadline of the paid seats."""
    paid = [seat for seat in seats if _amount(seat)]
    deadlines = [seat.get("upgrade_deadline_override") or seat.get("upgrade_deadline") for seat in paid]
    return max((deadline for deadline in deadlines if deadline), default=None, key=str)
