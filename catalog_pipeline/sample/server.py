"""The sample upstream over HTTP: course-discovery, the LMS and enterprise services on one address, with their tokens.

`/sample/…` is its own: the day it stands at, and the way to the next.
"""

import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from threading import Thread
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.enrollments_api import EnrollmentsApi
from catalog_pipeline.sample.enterprise_api import EnterpriseApi
from catalog_pipeline.sample.envelopes import (
    PageSize,
    Span,
    by_page,
    json_answer,
    no_such_page,
    page_answer,
    positive,
    refused,
)
from catalog_pipeline.sample.exchanges import Reachable
from catalog_pipeline.sample.shelf import BadTimestampError, Shelf, view_of
from catalog_pipeline.sample.tokens import Tokens

CLIENT_ID = "catalog-pipeline"
CLIENT_SECRET = "sample-secret"
DISCOVERY_PAGE, LMS_PAGE = PageSize(20), PageSize(10, 100)
MOST_DAYS = 3650

Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    catalog: SampleCatalog,
    *,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
    token_lifetime: float = 3600,
    middleware: Sequence[Middleware] = (),
) -> Starlette:
    """The upstream as an ASGI application. `app.state.requests` counts requests by path.

    `middleware` sees every request after it is counted and before anything else, tokens included: the place
    for whatever should come between a client and a well-behaved upstream.
    """
    requests: Counter[str] = Counter()
    upstream = _Upstream(catalog, client_id, client_secret, Tokens(token_lifetime))
    app = Starlette(routes=upstream.routes(), middleware=[Middleware(_Count, requests=requests), *middleware])
    app.state.requests = requests
    return app


class _Count:
    """Counts requests by path."""

    def __init__(self, app: ASGIApp, requests: Counter[str]) -> None:
        self.app = app
        self.requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.requests[scope["path"]] += 1
        await self.app(scope, receive, send)


class _Upstream:
    """The handlers, with what they share."""

    def __init__(self, catalog: SampleCatalog, client_id: str, client_secret: str, tokens: Tokens) -> None:
        self.catalog = catalog
        self.client = (client_id, client_secret)
        self.tokens = tokens
        self.shelf = Shelf(catalog)

    def routes(self) -> list[Route]:
        shelf = self.shelf
        discovery: dict[str, tuple[Callable[..., list[Any]], Callable[..., bytes]]] = {
            "courses": (shelf.courses, shelf.course_json),
            "course_runs": (shelf.runs, shelf.run_json),
            "programs": (shelf.programs, shelf.program_json),
            "organizations": (shelf.organizations, shelf.organization_json),
        }
        return [
            Route("/oauth2/access_token", self.access_token, methods=["POST"]),
            *(
                Route(f"/api/v1/{name}/", self._guarded(_discovery_list(records, to_json)), methods=["GET"])
                for name, (records, to_json) in discovery.items()
            ),
            Route("/api/courses/v1/courses/", self._guarded(self.lms_list), methods=["GET"]),
            *EnrollmentsApi(self.catalog).routes(self._guarded),
            *EnterpriseApi(self.catalog).routes(self._guarded),
            Route("/sample/state", self.state, methods=["GET"]),
            Route("/sample/advance", self.advance, methods=["POST"]),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme != "JWT" or not token:
                return refused("Authentication credentials were not provided.")
            reason = self.tokens.refusal(token)
            return refused(reason) if reason else await handler(request)

        return guarded

    async def access_token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != self.client:
            return json_answer({"error": "invalid_client"}, 401)
        if form.get("token_type") != "jwt":
            return json_answer({"error": "invalid_request"}, 400)
        return json_answer(
            {
                "access_token": self.tokens.issue(),
                "expires_in": int(self.tokens.lifetime),
                "token_type": "JWT",
                "scope": "read write profile email",
            }
        )

    async def lms_list(self, request: Request) -> Response:
        query = request.query_params
        runs = self.shelf.lms_runs(query)
        size = LMS_PAGE.of(request)
        span = by_page(request, len(runs), size)
        if span is None:
            return no_such_page()
        head = span.links() | {"count": len(runs), "num_pages": max(1, -(-len(runs) // size))}
        return page_answer({"pagination": head}, map(self.shelf.lms_json, runs[span.shown]))

    async def state(self, request: Request) -> Response:
        catalog = self.catalog
        return json_answer(
            {
                "day": catalog.day,
                "today": catalog.today.date().isoformat(),
                "seed": catalog.seed,
                "courses": len(catalog.courses),
                "runs": sum(1 for _ in catalog.runs()),
                "programs": len(catalog.programs),
                "organizations": sum(organization.listed for organization in catalog.organizations),
                "lms_courses": len(catalog.lms_runs()),
            }
        )

    async def advance(self, request: Request) -> Response:
        try:
            days = orjson.loads(await request.body() or b"{}").get("days", 1)
        except (orjson.JSONDecodeError, AttributeError):
            days = None
        if type(days) is not int or not 1 <= days <= MOST_DAYS:
            return json_answer({"detail": f'send {{"days": n}}, n from 1 to {MOST_DAYS}'}, 400)
        changes = self.catalog.advance(days)
        return json_answer({"day": self.catalog.day, "changes": changes})


def _discovery_list(records: Callable[..., list[Any]], to_json: Callable[..., bytes]) -> Handler:
    async def answer(request: Request) -> Response:
        query = request.query_params
        try:
            found = records(query)
        except BadTimestampError:
            return json_answer({"timestamp": ["Enter a valid date/time."]}, 400)
        span = _asked(request, len(found))
        if span is None:
            return no_such_page()
        view = view_of(query)
        return page_answer(
            {"count": len(found)} | span.links(), (to_json(record, view) for record in found[span.shown])
        )

    return answer


def _asked(request: Request, count: int) -> Span | None:
    """By `page` and `page_size`, without a maximum, where there is a `page`; else by `limit` and `offset`."""
    if "page" in request.query_params:
        return by_page(request, count, DISCOVERY_PAGE.of(request))
    return _by_offset(request, count)


def _by_offset(request: Request, count: int) -> Span | None:
    """`limit` and `offset`, the style of a request without `page`: `page_size` says nothing to it."""
    limit = positive(request.query_params.get("limit")) or DISCOVERY_PAGE.default
    offset = positive(request.query_params.get("offset")) or 0
    if offset and offset >= count:
        return None
    url = request.url.include_query_params(limit=limit)
    after = url.include_query_params(offset=offset + limit) if offset + limit < count else None
    before = url.include_query_params(offset=max(0, offset - limit)) if offset else None
    return Span(slice(offset, offset + limit), after, before)


def _listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket, and its URL: whoever connects from now on is answered as soon as the server runs."""
    listener = socket.create_server((host, port))
    return listener, f"http://{host}:{listener.getsockname()[1]}"


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, http=Reachable, log_level="warning", access_log=False, lifespan="off"))


def serve(
    catalog: SampleCatalog,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    day: int = 0,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
    token_lifetime: float = 3600,
    middleware: Sequence[Middleware] = (),
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGINT or SIGTERM, from that day on. Port 0 takes a free one; `on_ready` gets the URL."""
    catalog.advance(max(0, day - catalog.day))
    app = create_app(
        catalog,
        client_id=client_id,
        client_secret=client_secret,
        token_lifetime=token_lifetime,
        middleware=middleware,
    )
    listener, url = _listen(host, port)
    on_ready(url)
    _server(app).run(sockets=[listener])


class SampleServer:
    """The sample upstream in a thread of this process, from `with` to its end.

    Advance it over HTTP, or by `catalog` while nothing is being asked of it.
    """

    def __init__(
        self,
        catalog: SampleCatalog,
        *,
        day: int = 0,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        token_lifetime: float = 3600,
        host: str = "127.0.0.1",
        port: int = 0,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        catalog.advance(max(0, day - catalog.day))
        self.catalog = catalog
        self.client_id = client_id
        self.client_secret = client_secret
        self.url = ""
        self._address = (host, port)
        self._app = create_app(
            catalog,
            client_id=client_id,
            client_secret=client_secret,
            token_lifetime=token_lifetime,
            middleware=middleware,
        )
        self._server = _server(self._app)

    @property
    def requests(self) -> Counter[str]:
        """How often each path was asked for."""
        return self._app.state.requests

    def __enter__(self) -> "SampleServer":
        listener, self.url = _listen(*self._address)
        self._thread = Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sample-upstream", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
