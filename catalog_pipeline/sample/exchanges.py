"""A request to the sample upstream, with the connection beneath it and the application behind it, for faults."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from catalog_pipeline.sample.envelopes import positive

COURSES = "/api/v1/courses/"
PAUSE = 0.05
"""Seconds between two bytes of a page that drips."""
TRANSPORT = "sample.transport"


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
class Exchange:
    """A request, and the well-behaved application behind."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    location: str | None = None
    """Where the answer redirects to; None where it is no redirect."""

    @property
    def page(self) -> int:
        return page_of(self.scope) or 1

    async def answer(self, response: Response) -> None:
        await response(self.scope, self.receive, self.send)

    async def asked(self, **changes: object) -> tuple[int, bytes]:
        """What the application says: to this request, or to one with another query."""
        kept = [pair for pair in parse_qsl(self.scope["query_string"].decode()) if pair[0] not in changes]
        query = [*kept, *changes.items()]
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


def page_of(scope: Scope) -> int:
    """The page that a request asks for. Without `page` it is the first; of courses it is none, but 0."""
    return positive(Request(scope).query_params.get("page")) or int(scope["path"] != COURSES)
