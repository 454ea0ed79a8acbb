"""Answers of the sample upstream: JSON, the envelopes of lists, and the pages that a request asks for."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response


class Span(NamedTuple):
    """What a page shows of a list: the place of its documents, and the addresses of its neighbours."""

    shown: slice
    after: URL | None
    before: URL | None

    def links(self) -> dict[str, str | None]:
        """`next` and `previous` of an envelope."""
        return {
            "next": str(self.after) if self.after else None,
            "previous": str(self.before) if self.before else None,
        }


class PageSize(NamedTuple):
    """How many documents a page has unless `page_size` is given, and at most (None: no maximum)."""

    default: int
    largest: int | None = None

    def of(self, request: Request) -> int:
        """The size that a request asks for."""
        size = positive(request.query_params.get("page_size")) or self.default
        return size if self.largest is None else min(size, self.largest)


def positive(text: str | None) -> int | None:
    """A whole number above zero; None for any other text."""
    return int(text) if text and text.isdecimal() and int(text) > 0 else None


def by_page(request: Request, count: int, size: int) -> Span | None:
    """The page that `page` names, the first unless given; None past the end. An empty list has one page."""
    page = positive(request.query_params.get("page", "1"))
    pages = max(1, -(-count // size))
    if page is None or page > pages:
        return None
    after = request.url.include_query_params(page=page + 1) if page < pages else None
    before = request.url.include_query_params(page=page - 1) if page > 1 else None
    return Span(slice((page - 1) * size, page * size), after, before)


def numbered(span: Span, count: int, size: int) -> dict[str, Any]:
    """The envelope of a page that says which one it is: its links, the counts, and where it begins."""
    return span.links() | {
        "count": count,
        "num_pages": max(1, -(-count // size)),
        "current_page": span.shown.start // size + 1,
        "start": span.shown.start,
    }


def json_answer(body: Any, status: int = 200) -> Response:
    """A body as JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def no_such_page() -> Response:
    """The answer to a page past the end."""
    return json_answer({"detail": "Invalid page."}, 404)


def refused(detail: str) -> Response:
    """The answer to a request without a valid token."""
    return Response(
        orjson.dumps({"detail": detail}),
        401,
        {"WWW-Authenticate": 'JWT realm="api"'},
        media_type="application/json",
    )


def page_answer(head: dict[str, Any], documents: Iterable[bytes]) -> Response:
    """An envelope around documents that are JSON already, so that a page costs no more than joining them."""
    body = orjson.dumps(head)[:-1] + b',"results":[' + b",".join(documents) + b"]}"
    return Response(body, media_type="application/json")
