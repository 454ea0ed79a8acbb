"""enterprise-catalog, enterprise-access and enterprise-subsidy over HTTP, on the sample's one address.

Where the services' behaviour is not known for certain, this is what the sample does. Every list but a catalog's
content is `count`, `next`, `previous`, `results`. Its pages have 10 documents unless `page_size` says another number,
up to 100; an assignment list's have 100, up to 500. A list of a customer's things is empty for a customer that is not
known. A catalog without a query answers an envelope without results. Keys match without regard to case.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog_pipeline.sample.assignment_documents import AssignmentDocuments
from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.enterprise_records import Enterprise, build_enterprise
from catalog_pipeline.sample.enterprise_shelf import EnterpriseShelf
from catalog_pipeline.sample.envelopes import PageSize, by_page, json_answer, no_such_page, numbered, page_answer
from catalog_pipeline.sample.payloads import Document
from catalog_pipeline.sample.summaries import content_summary

LIST_PAGE, CONTENT_PAGE, ASSIGNMENT_PAGE = PageSize(10, 100), PageSize(10, 100), PageSize(100, 500)
MOST_KEYS = 100
TOO_MANY_KEYS = (
    f"content_keys parameter is limited to {MOST_KEYS} keys. Please use the POST method to send more content keys."
)
"""The text of the 400. It names POST, which upstream does not route."""
NOT_FOUND: Document = {"detail": "Not found."}

Handler = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Handler], Handler]


class EnterpriseApi:
    """The handlers, with what they share. What they serve is built at the first request that needs it."""

    def __init__(self, catalog: SampleCatalog) -> None:
        self.catalog = catalog

    def routes(self, guard: Guard) -> list[Route]:
        """All routes, each behind `guard`."""
        access = "/api/v1/assignment-configurations/"
        paths = {
            "/api/v1/enterprise-catalogs/": self.catalogs,
            "/api/v2/enterprise-catalogs/{uuid}/get_content_metadata/": self.content,
            "/api/v1/subsidies/": self.subsidies,
            "/api/v1/content-metadata/{key:path}/": self.summary,
            "/api/v1/subsidy-access-policies/": self.policies,
            access: self.configurations,
            f"{access}{{uuid}}/admin/assignments/": self.assignments,
        }
        return [Route(path, guard(handler), methods=["GET"]) for path, handler in paths.items()]

    @cached_property
    def enterprise(self) -> Enterprise:
        """The customers and their assignments."""
        return build_enterprise(self.catalog.size, self.catalog.seed)

    @cached_property
    def shelf(self) -> EnterpriseShelf:
        """The content of the catalogs."""
        return EnterpriseShelf(self.catalog, self.enterprise.watched)

    async def catalogs(self, request: Request) -> Response:
        return _list(request, [one.document() for one in self.enterprise.customers.catalogs if one.listed])

    async def content(self, request: Request) -> Response:
        uuid = request.path_params["uuid"]
        catalog = next((one for one in self.enterprise.customers.catalogs if one.uuid == uuid), None)
        if catalog is None:
            return json_answer(NOT_FOUND, 404)
        keys = [key for key in request.query_params.getlist("content_keys") if key]
        if len(keys) > MOST_KEYS:
            return json_answer(TOO_MANY_KEYS, 400)
        found = self.shelf.asked(catalog, keys)
        whose = {"uuid": catalog.uuid, "title": catalog.title, "enterprise_customer": catalog.customer.uuid}
        modified = self.shelf.modified()
        if request.query_params.get("traverse_pagination"):
            head = {"previous": None, "next": None, "count": len(found)} | whose
            return page_answer(head, (content.json(modified) for content in found))
        size = CONTENT_PAGE.of(request)
        span = by_page(request, len(found), size)
        if span is None:
            return no_such_page()
        shown = (content.json(modified) for content in found[span.shown])
        return page_answer(numbered(span, len(found), size) | whose, shown)

    async def subsidies(self, request: Request) -> Response:
        day, today = self.catalog.day, self.catalog.today
        subsidies = [one for one in self.enterprise.customers.subsidies if one.served]
        return _list(request, _of_customer(request, [one.document(day, today) for one in subsidies]))

    async def summary(self, request: Request) -> Response:
        """A course or run among the listed and unlisted catalogs of a customer; 400 without a customer, else 404."""
        customer = request.query_params.get("enterprise_customer_uuid")
        if not customer:
            return json_answer({"detail": "enterprise_customer_uuid is required."}, 400)
        for catalog in self.enterprise.customers.catalogs:
            if catalog.customer.uuid == customer:
                content = self.shelf.course(catalog, request.path_params["key"])
                if content is not None:
                    return json_answer(content_summary(orjson.loads(content.body), request.path_params["key"]))
        return json_answer(NOT_FOUND, 404)

    async def policies(self, request: Request) -> Response:
        enterprise = self.enterprise
        policies = [one for one in enterprise.customers.policies if one.customer.served]
        return _list(request, _of_customer(request, [one.document(enterprise.redeemed(one)) for one in policies]))

    async def configurations(self, request: Request) -> Response:
        served = [one for one in self.enterprise.customers.configurations if one.customer.served]
        return _list(request, _of_customer(request, [one.document() for one in served]))

    async def assignments(self, request: Request) -> Response:
        uuid = request.path_params["uuid"]
        customers = self.enterprise.customers
        configuration = next((one for one in customers.configurations if one.uuid == uuid), None)
        if configuration is None or not configuration.customer.served:
            return json_answer(NOT_FOUND, 404)
        documents = AssignmentDocuments(customers, self.shelf)
        found = documents.listed(self.enterprise.assignments_of(configuration), parse_qsl(request.url.query))
        counts = {"learner_state_counts": documents.learner_state_counts(found)}
        return _list(request, found, ASSIGNMENT_PAGE, counts)


def _of_customer(request: Request, documents: list[Document]) -> list[Document]:
    customer = request.query_params.get("enterprise_customer_uuid")
    return [one for one in documents if not customer or one["enterprise_customer_uuid"] == customer]


def _list(
    request: Request, documents: list[Document], sizes: PageSize = LIST_PAGE, more: Document | None = None
) -> Response:
    span = by_page(request, len(documents), sizes.of(request))
    if span is None:
        return no_such_page()
    head = {"count": len(documents)} | span.links()
    return json_answer(head | {"results": documents[span.shown]} | (more or {}))
