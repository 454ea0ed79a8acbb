"""Faults on request: what may go wrong between the sample upstream and whoever reads its list of courses.

`[PLACE:]KIND[@PAGE][*TIMES]`: where (a page's answer unless told; `headers`, before its body; `redirect`, a redirect
that stands before it; `token`, the answer to a request for a token), on which page of the list (2 unless told; `any`;
a token has none), and how often (once unless told; `always`).
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
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

COURSES = "/api/v1/courses/"
TOKEN = "/oauth2/access_token"
WAIT = 1
"""Seconds that a rate limit asks to wait."""
EXTRA = 7
"""Documents that a wrong count counts and nobody has."""
PAUSE = 0.05
"""Seconds between two bytes of a page that drips."""
BLOCK = 1 << 20
"""Bytes that are sent at once of a body without end."""
TRANSPORT = "sample.transport"
PATTERN = re.compile(r"(?P<kind>([a-z]+:)?[a-z-]+)(@(?P<page>[1-9][0-9]*|any))?(\*(?P<times>[1-9][0-9]*|always))?")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: of a kind of `FAULTS`, on that page (None: any), so many times (None: always)."""

    kind: str
    page: int | None = 2
    times: int | None = 1

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `[PLACE:]KIND[@PAGE][*TIMES]`. Raises ValueError, which lists the kinds with their places."""
        match = PATTERN.fullmatch(text)
        if match is None or match["kind"] not in FAULTS:
            raise ValueError(
                f"{text!r} is no fault: give KIND[@PAGE][*TIMES] or PLACE:KIND[@PAGE][*TIMES],"
                f" one of {', '.join(sorted(FAULTS))}"
            )
        page, times = match["page"] or "2", match["times"] or "1"
        return cls(match["kind"], None if page == "any" else int(page), None if times == "always" else int(times))

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
        await FAULTS[fault.kind](_Exchange(self.app, scope, receive, send, location))

    def _due(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http" or scope["path"] not in (COURSES, TOKEN):
            return None
        asks_token = scope["path"] == TOKEN
        page = None if asks_token else int(Request(scope).query_params.get("page") or 0)
        for fault in self.faults:
            is_here = (fault.place == "token") == asks_token and (asks_token or fault.page in (None, page))
            if is_here and (fault.times is None or self.done[fault] < fault.times):
                return fault
        return None


class Reachable(H11Protocol):
    """Shows an application the connection beneath its request, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Put the connection into the scope of every request that comes over it."""
        super().connection_made(transport)
        app = self.app

        async def reachable(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, TRANSPORT: transport}, receive, send)

        self.app = reachable


@dataclass(frozen=True)
class _Exchange:
    """A request, and the well-behaved application behind."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    location: str | None = None
    """Where the answer redirects to; None where it is no redirect."""

    @property
    def page(self) -> int:
        return int(Request(self.scope).query_params["page"])

    async def answer(self, response: Response) -> None:
        await response(self.scope, self.receive, self.send)

    async def asked(self, **changes: object) -> tuple[int, bytes]:
        """What the application says: to this request, or to one with another query."""
        query = {**dict(parse_qsl(self.scope["query_string"].decode())), **{k: str(v) for k, v in changes.items()}}
        return await self.call({**self.scope, "query_string": urlencode(query).encode()})

    async def call(self, scope: Scope) -> tuple[int, bytes]:
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self.app(scope, self.receive, keep)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)

    async def start(self, length: int | None = None, *more: tuple[bytes, bytes]) -> None:
        """Begin an answer of JSON, or a redirect; its body is to follow."""
        headers = [(b"content-type", b"application/json"), *more]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        if self.location is not None:
            headers.append((b"location", self.location.encode()))
        status = 200 if self.location is None else 302
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def go_on(self, chunk: bytes, pause: float) -> None:
        """Send a chunk of a body again and again, until the client leaves."""
        left = asyncio.create_task(self.leaving())
        while not left.done():
            await self.send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(pause)

    async def write(self, begin: bytes, again: bytes = b"") -> None:
        """Write to the connection itself: first `begin`, then `again` and again, until the client leaves."""
        transport = self.scope[TRANSPORT]
        transport.write(begin)
        left = asyncio.create_task(self.leaving())
        while not left.done() and not transport.is_closing():
            transport.write(again)
            await asyncio.sleep(PAUSE)
        await left

    async def leaving(self) -> None:
        """Wait until the client leaves."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _limited(exchange: _Exchange) -> None:
    await exchange.answer(JSONResponse({"detail": "Throttled."}, 429, {"Retry-After": str(WAIT)}))


async def _limited_by_date(exchange: _Exchange) -> None:
    until = formatdate(time.time() + WAIT, usegmt=True)
    await exchange.answer(JSONResponse({"detail": "Throttled."}, 429, {"Retry-After": until}))


async def _failing(exchange: _Exchange) -> None:
    await exchange.answer(HTMLResponse("<h1>Server Error (500)</h1>", 500))


async def _reset(exchange: _Exchange) -> None:
    transport = exchange.scope[TRANSPORT]
    linger = struct.pack("ii", 1, 0)  # closing says RST instead of FIN
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


async def _hanging(exchange: _Exchange) -> None:
    await exchange.leaving()


async def _dripping(exchange: _Exchange) -> None:
    await exchange.start()
    await exchange.go_on(b" ", PAUSE)


async def _endless_page(exchange: _Exchange) -> None:
    await exchange.start()
    await exchange.go_on(b" " * BLOCK, 0)


async def _gzip_bomb(exchange: _Exchange) -> None:
    """A body without end that unpacks to a thousand times what is sent."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packer.compress(b" " * 8 * BLOCK) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    await exchange.start(None, (b"content-encoding", b"gzip"))
    await exchange.send({"type": "http.response.body", "body": first, "more_body": True})
    await exchange.go_on(again, 0)


async def _truncated(exchange: _Exchange) -> None:
    _, body = await exchange.asked()
    await exchange.answer(_json(body[: len(body) // 2]))


async def _short(exchange: _Exchange) -> None:
    _, body = await exchange.asked()
    await exchange.start(len(body))
    await exchange.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    exchange.scope[TRANSPORT].close()
    await exchange.leaving()


async def _html(exchange: _Exchange) -> None:
    await exchange.answer(HTMLResponse("<form>Sign in</form>"))


async def _expired(exchange: _Exchange) -> None:
    await exchange.answer(JSONResponse({"detail": "Signature has expired."}, 401))


async def _repeated(exchange: _Exchange) -> None:
    """The page before once more, as when a row was added in front of it."""
    _, body = await exchange.asked(page=max(1, exchange.page - 1))
    await exchange.answer(_json(body))


async def _skipped(exchange: _Exchange) -> None:
    """The page after, as when rows were taken away in front of it."""
    _, body = await exchange.asked(page=exchange.page + 1)
    await exchange.answer(_json(body))


async def _new_day(exchange: _Exchange) -> None:
    """The page of the catalog's next day, which begins here."""
    await exchange.call({**exchange.scope, "path": "/sample/advance", "method": "POST"})
    _, body = await exchange.asked()
    await exchange.answer(_json(body))


async def _wrong_count(exchange: _Exchange) -> None:
    await _recounted(exchange, lambda count: count + EXTRA)


async def _moving_count(exchange: _Exchange) -> None:
    await _recounted(exchange, lambda count: count + exchange.page)


async def _recounted(exchange: _Exchange, recount: Callable[[int], int]) -> None:
    _, body = await exchange.asked()
    page = orjson.loads(body)
    await exchange.answer(_json(orjson.dumps({**page, "count": recount(page["count"])})))


async def _endless_list(exchange: _Exchange) -> None:
    """A page that has a next one, though the list is at its end: the first page follows the last."""
    status, body = await exchange.asked()
    if status == 404:
        _, body = await exchange.asked(page=1)
    await exchange.answer(_json(orjson.dumps({**orjson.loads(body), "next": "more"})))


async def _reset_in_headers(exchange: _Exchange) -> None:
    exchange.scope[TRANSPORT].write(HEAD)
    await asyncio.sleep(PAUSE)  # else the reset overtakes what was written
    await _reset(exchange)


async def _hanging_in_headers(exchange: _Exchange) -> None:
    await exchange.write(HEAD)


async def _dripping_headers(exchange: _Exchange) -> None:
    await exchange.write(HEAD, b"x")


async def _endless_headers(exchange: _Exchange) -> None:
    await exchange.write(HEAD, b"x\r\nX-More: " * 20)


async def _continuing(exchange: _Exchange) -> None:
    """Says for ever that the client may go on, which it has long done."""
    await exchange.write(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def _redirecting(exchange: _Exchange) -> None:
    await exchange.answer(Response(status_code=302, headers={"Location": exchange.location or ""}))


async def _redirecting_elsewhere(exchange: _Exchange) -> None:
    await exchange.answer(Response(status_code=302, headers={"Location": "http://elsewhere.invalid/courses/"}))


async def _redirecting_nowhere(exchange: _Exchange) -> None:
    await exchange.answer(Response(status_code=302, headers={"Location": "http://[nowhere/"}))


HEAD = b"HTTP/1.1 200 OK\r\nX-More: "
Handler = Callable[[_Exchange], Awaitable[None]]
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
