"""The enterprise services: the lists that are read, and the columns that are picked from their documents.

enterprise-catalog says which content each catalog has; enterprise-access has policies, configurations and assignments;
enterprise-subsidy has the money. All three list alike: count, next, previous, results; page, page_size.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from catalog_pipeline.rules.content_rules import PAID_EXECUTIVE_EDUCATION, seat_deadline
from catalog_pipeline.schemas.enterprise import FRAMES
from catalog_pipeline.sources.listing import Cells, Document, Listing, Page, Picked, pick

SOURCE = "enterprise"
RUN = "courserun"
"""The content type of a document that is a run by itself."""
CATALOG_SERVICE, ACCESS_SERVICE, SUBSIDY_SERVICE = "enterprise_catalog", "enterprise_access", "subsidy"
MOST_KEYS = 100
"""How many `content_keys` one request may have; with more, enterprise-catalog answers 400."""


def _read_page(body: Any) -> Page:
    return Page(body["results"], body["count"], body["next"] is None)


def _uuid(document: Document) -> str | None:
    return document.get("uuid")


def _content_key(document: Document) -> str | None:
    return document.get("key") or document.get("uuid")


def _listing(service: str, kind: str, path: str) -> Listing:
    return Listing(SOURCE, kind, path, {}, _read_page, _uuid, largest_page=100, own_service=service)


CATALOGS = _listing(CATALOG_SERVICE, "catalog", "/api/v1/enterprise-catalogs/")
SUBSIDIES = _listing(SUBSIDY_SERVICE, "subsidy", "/api/v1/subsidies/")
CONFIGURATIONS = _listing(ACCESS_SERVICE, "configuration", "/api/v1/assignment-configurations/")
POLICIES = _listing(ACCESS_SERVICE, "policy", "/api/v1/subsidy-access-policies/")
LISTINGS = (CATALOGS, SUBSIDIES, CONFIGURATIONS, POLICIES)
"""The lists that are not of one catalog or configuration. Subsidies and policies are asked for by customer."""


def content_of(catalog_uuid: str) -> Listing:
    """The list of a catalog's content, restricted runs that it allows included."""
    path = f"/api/v2/enterprise-catalogs/{catalog_uuid}/get_content_metadata/"
    return Listing(SOURCE, "content", path, {}, _read_page, _content_key, largest_page=100, own_service=CATALOG_SERVICE)


def assignments_of(configuration_uuid: str) -> Listing:
    """The list of a configuration's assignments."""
    path = f"/api/v1/assignment-configurations/{configuration_uuid}/admin/assignments/"
    return Listing(SOURCE, "assignment", path, {}, _read_page, _uuid, largest_page=500, own_service=ACCESS_SERVICE)


def pick_columns(kind: str, documents: Iterable[tuple[int, Any]]) -> Picked:
    """The cells of a kind's documents, by table and column."""
    rows_of = {"content": _content_rows}[kind]
    return pick(documents, {table: FRAMES[table].columns for table in ("content_metadata", "content_run")}, rows_of)


def modified_of(document: Any) -> str | None:
    """When a content document was last modified, as upstream writes it."""
    return document.get("content_last_modified") if isinstance(document, dict) else None


def runs_of(document: Document) -> list[Document] | None:
    """The runs that a course lists; None where it does not say. Raises TypeError where that is no list."""
    return _list(document, "course_runs")


def _content_rows(number: int, document: Document) -> Iterator[tuple[str, Cells]]:
    kind = document.get("content_type") or (document.get("aggregation_key") or "").split(":")[0]
    if kind == RUN:
        aggregated = (document.get("aggregation_key") or "").partition(":")[2]
        parent = document.get("parent_content_key") or aggregated or None
        yield "content_run", _run_cells(number, document, document, parent) | {"nested": False}
        return
    key = _content_key(document)
    runs = runs_of(document)
    normalized = document.get("normalized_metadata") or {} if runs is None else {}
    yield "content_metadata", _content_cells(number, document, key, kind) | _normalized_cells(normalized)
    for run in runs or []:
        yield "content_run", _run_cells(number, document, run, key) | {"nested": True}
    if runs is None:
        for run_key, dates in (document.get("normalized_metadata_by_run") or {}).items():
            cells = {"document": number, "run_key": run_key, "parent_content_key": key, "nested": True}
            yield "content_run", cells | _normalized_cells(dates or {})


def _content_cells(number: int, document: Document, key: str | None, kind: str) -> Cells:
    get = document.get
    entitlement = _executive_entitlement(document)
    source = get("product_source")
    owners = _list(document, "owners") or _list(document, "authoring_organizations") or []
    return {
        "document": number,
        "content_key": key,
        "content_uuid": get("uuid"),
        "content_type": kind or None,
        "title": get("title"),
        "course_type": get("course_type"),
        "product_source": source.get("slug") or source.get("name") if isinstance(source, dict) else source,
        "advertised_run_uuid": get("advertised_course_run_uuid"),
        "image_url": get("card_image_url") or get("image_url"),
        "partners": json.dumps(
            [{name: owner.get(name) for name in ("name", "logo_image_url")} for owner in owners if owner.get("name")],
            ensure_ascii=False,
        ),
        "entitlement_price": entitlement.get("price"),
        "entitlement_currency": entitlement.get("currency"),
    }


def _run_cells(number: int, course: Document, run: Document, parent: str | None) -> Cells:
    get = run.get
    seats = _list(run, "seats") or []
    entitlement = _executive_entitlement(course)
    return {
        "document": number,
        "run_key": get("key"),
        "parent_content_key": parent,
        "run_uuid": get("uuid"),
        "status": get("status"),
        "pacing": get("pacing_type"),
        "weeks_to_complete": get("weeks_to_complete"),
        "restriction_type": get("restriction_type"),
        "course_type": course.get("course_type"),
        "start_raw": get("start"),
        "end_raw": get("end"),
        "enrollment_start_raw": get("enrollment_start"),
        "enrollment_end_raw": get("enrollment_end"),
        "upgrade_deadline_raw": seat_deadline(seats),
        "fixed_price": get("fixed_price_usd"),
        "entitlement_price": entitlement.get("price"),
        "entitlement_currency": entitlement.get("currency"),
        "seat_price": get("first_enrollable_paid_seat_price"),
        "seat_currency": next((seat["currency"] for seat in seats if seat.get("currency")), None),
    }


def _normalized_cells(dates: Document) -> Cells:
    """What a course's document says of its dates and price where it does not list its runs."""
    get = dates.get
    return (
        {
            "normalized": True,
            "start_raw": get("start_date"),
            "end_raw": get("end_date"),
            "enrollment_start_raw": get("enroll_start_date"),
            "enrollment_end_raw": get("enroll_by_date"),
            "normalized_price": get("content_price"),
        }
        if dates
        else {}
    )


def _executive_entitlement(course: Document) -> Document:
    """The first entitlement to paid executive education that has a price; else an empty one."""
    found = (one for one in _list(course, "entitlements") or [] if one.get("mode") == PAID_EXECUTIVE_EDUCATION)
    return next((one for one in found if one.get("price") is not None), {})


def _list(document: Document, field: str) -> list[Any] | None:
    """A list of a document, or None where it has none. Raises TypeError where it is something else."""
    value = document.get(field)
    if value is not None and not isinstance(value, list):
        raise TypeError(f"{field} is no list")
    return value
