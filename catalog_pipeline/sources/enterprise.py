"""The enterprise services: the lists that are read, and the columns that are picked from their documents.

enterprise-catalog says which content each catalog has; enterprise-access has policies, configurations and assignments;
enterprise-subsidy has the money. All three list alike: count, next, previous, results; page, page_size.
"""

from collections.abc import Iterable
from typing import Any

from catalog_pipeline.sources.listing import Document, Listing, Page, Picked

SOURCE = "enterprise"
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
    raise NotImplementedError(kind)
