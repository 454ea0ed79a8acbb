"""Faults on request: what may go wrong between the sample upstream and whoever reads its lists.

`[LIST/][PLACE:]KIND[@PAGE][*TIMES]`: in which list (`courses` unless told; another name of `LISTS`; or a uuid that the
address has, such as a catalog's); where (a page's answer unless told; `headers`, before its body; `redirect`, a
redirect that stands before it; `token`, the answer to a request for a token); on which page of the list (2 unless told;
`any`; a token has none); and how often (once unless told; `always`).
"""

import asyncio
import re
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from fnmatch import fnmatchcase

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog_pipeline.sample.exchanges import COURSES, PAUSE, TRANSPORT, Exchange, page_of

LISTS = {
    "courses": COURSES,
    "enrollments": "/api/program_enrollments/v1/programs/*/enrollments/",
    "enterprise-catalogs": "/api/v1/enterprise-catalogs/",
    "content": "/api/v2/enterprise-catalogs/*/get_content_metadata/",
    "subsidies": "/api/v1/subsidies/",
    "content-metadata": "/api/v1/content-metadata/*/",
    "policies": "/api/v1/subsidy-access-policies/",
    "configurations": "/api/v1/assignment-configurations/",
    "assignments": "/api/v1/assignment-configurations/*/admin/assignments/",
}
"""The lists in which something can go wrong, and their addresses."""
TOKEN = "/oauth2/access_token"
WAIT = 1
"""Seconds that a rate limit asks to wait."""
EXTRA = 7
"""Documents that a wrong count counts and nobody has."""
BLOCK = 1 << 20
"""Bytes that are sent at once of a body without end."""
DASHES_OF_UUID = 4
PATTERN = re.compile(
    r"((?P<where>[a-z-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})/)?"
    r"(?P<kind>([a-z]+:)?[a-z-]+)(@(?P<page>[1-9][0-9]*|any))?(\*(?P<times>[1-9][0-9]*|always))?"
)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: of a kind of `FAULTS`, on that page (None: any), so many times (None: always).

    `where` is a list of `LISTS`, or a uuid in a list's address.
    """

    kind: str
    page: int | None = 2
    times: int | None = 1
    where: str = "courses"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `[LIST/][PLACE:]KIND[@PAGE][*TIMES]`. Raises ValueError, which names the kinds and the lists."""
        match = PATTERN.fullmatch(text)
        where = (match and match["where"]) or "courses"
        if match is None or match["kind"] not in FAULTS or not (where in LISTS or where.count("-") == DASHES_OF_UUID):
            raise ValueError(
                f"{text!r} is no fault: give KIND[@PAGE][*TIMES] or PLACE:KIND[@PAGE][*TIMES],"
                f" one of {', '.join(sorted(FAULTS))}; before it a list and /, one of {', '.join(LISTS)}, or a uuid"
            )
        page, times = match["page"] or "2", match["times"] or "1"
        return cls(
            match["kind"], None if page == "any" else int(page), None if times == "always" else int(times), where
        )

    def is_in(self, path: str) -> bool:
        """Whether that is the address of the list in which it goes wrong."""
        lists = [LISTS[self.where]] if self.where in LISTS else LISTS.values()
        return any(fnmatchcase(path, one) for one in lists) and (self.where in LISTS or self.where in path)

    @property
    def place(self) -> str:
        """Where it goes wrong: page, headers, redirect or token."""
        return self.kind.rpartition(":")[0] or "page"


class Faults:
    """The middleware that commits faults. `done` counts those committed."""

    def __init__(self, app: ASGIApp, faults: Sequence[Fault], done: Counter[Fault] | None = None) -> None:
        self.app = app
        self.faults = faults
        self.done = Counter() if done is None else done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, well or badly."""
        fault = self._due(scope)
        if fault is None:
            await self.app(scope, receive, send)
            return
        self.done[fault] += 1
        location = Request(scope).url.path + f"?{scope['query_string'].decode()}" if fault.place == "redirect" else None
        await FAULTS[fault.kind](Exchange(self.app, scope, receive, send, location))

    def _due(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http":
            return None
        path, page = scope["path"], page_of(scope)
        for fault in self.faults:
            of_token = fault.place == "token"
            is_here = path == TOKEN if of_token else fault.is_in(path) and fault.page in (None, page)
            if is_here and (fault.times is None or self.done[fault] < fault.times):
                return fault
        return None


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _limited(exchange: Exchange) -> None:
    await exchange.answer(JSONResponse({"detail": "Throttled."}, 429, {"Retry-After": str(WAIT)}))


async def _limited_by_date(exchange: Exchange) -> None:
    until = formatdate(time.time() + WAIT, usegmt=True)
    await exchange.answer(JSONResponse({"detail": "Throttled."}, 429, {"Retry-After": until}))


async def _failing(exchange: Exchange) -> None:
    await exchange.answer(HTMLResponse("<h1>Server Error (500)</h1>", 500))


async def _reset(exchange: Exchange) -> None:
    transport = exchange.scope[TRANSPORT]
    linger = struct.pack("ii", 1, 0)  # closing says RST instead of FIN
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


async def _hanging(exchange: Exchange) -> None:
    await exchange.leaving()


async def _dripping(exchange: Exchange) -> None:
    await exchange.start()
    await exchange.go_on(b" ", PAUSE)


async def _endless_page(exchange: Exchange) -> None:
    await exchange.start()
    await exchange.go_on(b" " * BLOCK, 0)


async def _gzip_bomb(exchange: Exchange) -> None:
    """A body without end that unpacks to a thousand times what is sent."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packer.compress(b" " * 8 * BLOCK) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    await exchange.start(None, (b"content-encoding", b"gzip"))
    await exchange.send({"type": "http.response.body", "body": first, "more_body": True})
    await exchange.go_on(again, 0)


async def _truncated(exchange: Exchange) -> None:
    _, body = await exchange.asked()
    await exchange.answer(_json(body[: len(body) // 2]))


async def _short(exchange: Exchange) -> None:
    _, body = await exchange.asked()
    await exchange.start(len(body))
    await exchange.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    exchange.scope[TRANSPORT].close()
    await exchange.leaving()


async def _html(exchange: Exchange) -> None:
    await exchange.answer(HTMLResponse("<form>Sign in</form>"))


async def _forbidden(exchange: Exchange) -> None:
    await exchange.answer(JSONResponse({"detail": "You do not have permission to perform this action."}, 403))


async def _not_found(exchange: Exchange) -> None:
    await exchange.answer(JSONResponse({"detail": "Not found."}, 404))


async def _expired(exchange: Exchange) -> None:
    await exchange.answer(JSONResponse({"detail": "Signature has expired."}, 401))


async def _repeated(exchange: Exchange) -> None:
    """The page before once more, as when a row was added in front of it."""
    _, body = await exchange.asked(page=max(1, exchange.page - 1))
    await exchange.answer(_json(body))


async def _skipped(exchange: Exchange) -> None:
    """The page after, as when rows were taken away in front of it."""
    _, body = await exchange.asked(page=exchange.page + 1)
    await exchange.answer(_json(body))


async def _new_day(exchange: Exchange) -> None:
    """The page of the catalog's next day, which begins here."""
    await exchange.call({**exchange.scope, "path": "/sample/advance", "method": "POST"})
    _, body = await exchange.asked()
    await exchange.answer(_json(body))


async def _wrong_count(exchange: Exchange) -> None:
    await _recounted(exchange, lambda count: count + EXTRA)


async def _moving_count(exchange: Exchange) -> None:
    await _recounted(exchange, lambda count: count + exchange.page)


async def _recounted(exchange: Exchange, recount: Callable[[int], int]) -> None:
    _, body = await exchange.asked()
    page = orjson.loads(body)
    await exchange.answer(_json(orjson.dumps({**page, "count": recount(page["count"])})))


async def _endless_list(exchange: Exchange) -> None:
    """A page that has a next one, though the list is at its end: the first page follows the last."""
    status, body = await exchange.asked()
    if status == 404:
        _, body = await exchange.asked(page=1)
    await exchange.answer(_json(orjson.dumps({**orjson.loads(body), "next": "more"})))


async def _reset_in_headers(exchange: Exchange) -> None:
    exchange.scope[TRANSPORT].write(HEAD)
    await asyncio.sleep(PAUSE)  # else the reset overtakes what was written
    await _reset(exchange)


async def _hanging_in_headers(exchange: Exchange) -> None:
    await exchange.write(HEAD)


async def _dripping_headers(exchange: Exchange) -> None:
    await exchange.write(HEAD, b"x")


async def _endless_headers(exchange: Exchange) -> None:
    await exchange.write(HEAD, b"x\r\nX-More: " * 20)


async def _continuing(exchange: Exchange) -> None:
    """Says for ever that the client may go on, which it has long done."""
    await exchange.write(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def _redirecting(exchange: Exchange) -> None:
    await exchange.answer(Response(status_code=302, headers={"Location": exchange.location or ""}))


async def _redirecting_elsewhere(exchange: Exchange) -> None:
    await exchange.answer(Response(status_code=302, headers={"Location": "http://elsewhere.invalid/courses/"}))


async def _redirecting_nowhere(exchange: Exchange) -> None:
    await exchange.answer(Response(status_code=302, headers={"Location": "http://[nowhere/"}))


HEAD = b"HTTP/1.1 200 OK\r\nX-More: "
Handler = Callable[[Exchange], Awaitable[None]]
_BODY: dict[str, Handler] = {
    "drip": _dripping,
    "short-body": _short,
    "endless-page": _endless_page,
    "gzip-bomb": _gzip_bomb,
}
_ANSWER: dict[str, Handler] = {
    **_BODY,
    "rate-limit": _limited,
    "rate-limit-date": _limited_by_date,
    "server-error": _failing,
    "reset": _reset,
    "hang": _hanging,
    "truncated-json": _truncated,
    "html": _html,
    "token-expiry": _expired,
}
_PAGE: dict[str, Handler] = {
    **_ANSWER,
    "forbidden": _forbidden,
    "not-found": _not_found,
    "repeat": _repeated,
    "skip": _skipped,
    "new-day": _new_day,
    "wrong-count": _wrong_count,
    "moving-count": _moving_count,
    "endless-list": _endless_list,
}
_HEADERS: dict[str, Handler] = {
    "reset": _reset_in_headers,
    "hang": _hanging_in_headers,
    "drip": _dripping_headers,
    "endless": _endless_headers,
    "continue": _continuing,
}
_REDIRECT: dict[str, Handler] = {
    **_BODY,
    "plain": _redirecting,
    "elsewhere": _redirecting_elsewhere,
    "nowhere": _redirecting_nowhere,
}
FAULTS: dict[str, Handler] = {
    **_PAGE,
    **{f"headers:{kind}": handler for kind, handler in _HEADERS.items()},
    **{f"redirect:{kind}": handler for kind, handler in _REDIRECT.items()},
    **{f"token:{kind}": handler for kind, handler in _ANSWER.items()},
}
"""What answers instead, by kind, which begins with its place where that is not a page's answer."""
