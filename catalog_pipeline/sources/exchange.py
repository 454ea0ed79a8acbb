"""One request to an upstream and its answer, within a deadline and a size. Nothing is tried again here."""

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import IncompleteRead
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from catalog_pipeline.errors import UpstreamRefusedError
from catalog_pipeline.sources.documents import decode

CONNECT_TIMEOUT = 10
CHUNK = 1 << 16
LARGEST_BODY = 64 << 20
"""Bytes, unpacked, beyond which an answer is no page: a thousand documents of 64 KB."""
MOST_REDIRECTS = 3
UNSAID_WAIT = 60.0  # seconds to wait after a 429 that does not say how long
DEFAULT_PORTS = {"http": 80, "https": 443}


class TransientError(Exception):
    """Something that another try may cure: of which URL, what it was, and how long the upstream asks us to wait."""

    def __init__(self, url: str, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.url = url
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """What an address answered. The body is read only where the status is 200, and empty otherwise."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_redirect(self) -> bool:
        """Whether the answer names another address to ask."""
        return self.status in (301, 302, 303, 307, 308) and "Location" in self.headers

    def json(self) -> Any:
        """The body's JSON. Raises TransientError where it is called JSON and is not, else UpstreamRefusedError."""
        try:
            return decode(self.body)
        except ValueError:
            kind = self.headers.get("Content-Type", "no content type")
            if "json" in kind:
                raise TransientError(self.url, "an answer that is not the JSON it says it is") from None
            raise UpstreamRefusedError(
                f"{self.url} answered {self.status} with {kind} instead of JSON: check the upstream's URL,"
                " and that no login or maintenance page stands before it."
            ) from None


class Connections:
    """Connections to one upstream, kept open from one request to the next. Safe to use from several threads."""

    def __init__(self, deadline: float, parallel: int) -> None:
        self._deadline = deadline
        self._session = _Session()
        adapter = _Adapter(pool_maxsize=parallel)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """GET an address. A few redirects within its origin are followed; one deadline holds for them all.

        Raises TransientError, and UpstreamRefusedError where trying again is hopeless.
        """
        with self._in_time(url):
            answer = self._send("GET", url, headers=headers)
            for _ in range(MOST_REDIRECTS):
                if not answer.is_redirect:
                    return answer
                answer = self._send("GET", _redirected(answer), headers=headers)
            if answer.is_redirect:
                raise UpstreamRefusedError(
                    f"{url} redirects more than {MOST_REDIRECTS} times, the last time to {answer.headers['Location']}:"
                    " check the upstream's URL."
                )
            return answer

    def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """POST a form. A redirect is an answer like any other: following it would carry the form elsewhere.

        Raises TransientError, and UpstreamRefusedError where trying again is hopeless.
        """
        with self._in_time(url):
            return self._send("POST", url, form=form)

    @contextmanager
    def _in_time(self, url: str) -> Iterator[None]:
        """Hold what is sent in here to the deadline, and raise its errors as ours."""
        with _Watchdog(self._deadline) as watchdog:
            try:
                yield
            except (requests.exceptions.RequestException, HTTPError, UpstreamRefusedError) as error:
                # What a connection that was cut off seems to say is not what the upstream said.
                if not watchdog.has_fired:
                    raise _ours(url, error) from None
        if watchdog.has_fired:
            raise TransientError(url, f"not read to its end in {self._deadline:g} s")

    def _send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Answer:
        timeout = min(CONNECT_TIMEOUT, self._deadline), None
        with self._session.request(method, url, headers=headers, data=form, stream=True, timeout=timeout) as response:
            # Whoever needs to read a refusal or a redirect reads its status and headers. Leaving the body costs a
            # connection; reading it would cost whatever the upstream likes.
            body = _read(response) if response.status_code == requests.codes.ok else b""
        if response.status_code == requests.codes.too_many_requests:
            raise TransientError(url, "status 429, rate limited", wait=_retry_after(response))
        if response.status_code >= 500:
            raise TransientError(url, f"status {response.status_code}")
        return Answer(url, response.status_code, response.headers, body)


class _Watchdog:
    """Shuts down the connection that its thread uses, wherever it stands, once the time is up.

    A timeout of the socket holds for one read, and an upstream that sends a byte now and then never meets it:
    in the handshake of TLS, in headers, before the answer (100 Continue) or in the body.
    """

    _of_thread = threading.local()

    def __init__(self, seconds: float) -> None:
        self.has_fired = False
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    @classmethod
    def watch(cls, connected: socket.socket) -> None:
        """Let the watchdog of this thread, if it has one, watch a socket, which must be connected."""
        watchdog = getattr(cls._of_thread, "watchdog", None)
        if watchdog is not None:
            watchdog._hold(connected)

    def __enter__(self) -> "_Watchdog":
        self._of_thread.watchdog = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._of_thread.watchdog = None
        self._timer.cancel()
        with self._lock:
            self._let_go()

    def _hold(self, connected: socket.socket) -> None:
        with self._lock:
            self._let_go()
            # A handle of our own: the connection's may be closed, or passed on to TLS, while the answer is still read.
            self._handle = socket.fromfd(connected.fileno(), connected.family, connected.type)
            if self.has_fired:
                _shut_down(self._handle)

    def _let_go(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _fire(self) -> None:
        with self._lock:
            self.has_fired = True
            if self._handle is not None:
                _shut_down(self._handle)


class _WatchedHTTPConnection(HTTPConnection):
    """A connection that shows its socket to the watchdog: when it is made, and when it is used again."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _Watchdog.watch(made)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, as HTTPConnection does."""
        if self.sock is not None:
            _Watchdog.watch(self.sock)
        super().request(*args, **kwargs)


class _WatchedHTTPSConnection(_WatchedHTTPConnection, HTTPSConnection):
    """The same, with TLS."""


_WATCHED: dict[Any, Any] = {HTTPConnection: _WatchedHTTPConnection, HTTPSConnection: _WatchedHTTPSConnection}


class _Adapter(HTTPAdapter):
    """Makes watched connections."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        """The pool of connections for a request, as HTTPAdapter finds it."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        assert isinstance(pool, HTTPConnectionPool)
        pool.ConnectionCls = _WATCHED.get(pool.ConnectionCls, pool.ConnectionCls)
        return pool


class _Session(requests.Session):
    """A session that leaves redirects to us, and Authorization as we set it."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request  # else a .netrc would replace our Authorization

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: requests would read a redirect's body whole, even where it is told not to follow."""
        return None


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise UpstreamRefusedError(
                f"{response.url} answered with more than {LARGEST_BODY >> 20} MB, and no end: check the upstream's URL,"
                " or, where it is a list, ask for fewer documents a page by CATALOG_PAGE_SIZE."
            )
    return bytes(body)


def _retry_after(response: requests.Response) -> float:
    header = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(header) if header else UNSAID_WAIT
    except (InvalidHeader, ValueError, OverflowError):  # an unreadable header is as good as none
        return UNSAID_WAIT


def _redirected(answer: Answer) -> str:
    """The address that a redirect names. Raises UpstreamRefusedError where it is none, or of another origin."""
    location = answer.headers["Location"]
    try:
        target = urljoin(answer.url, location)
        same = _origin(target) == _origin(answer.url)
    except ValueError:
        raise UpstreamRefusedError(
            f"{answer.url} redirects to {location[:200]!r}, which is no address: check the upstream's URL."
        ) from None
    if not same:
        raise UpstreamRefusedError(
            f"{answer.url} redirects to another origin, {target[:200]!r}. Tokens are sent to the configured address"
            " only: if the upstream has moved there, set its URL to that."
        )
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _shut_down(handle: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        handle.shutdown(socket.SHUT_RDWR)


def _ours(url: str, error: Exception) -> Exception:
    """What is raised for an error of requests or urllib3."""
    if isinstance(error, UpstreamRefusedError):
        return error
    if isinstance(error, requests.exceptions.SSLError):
        return UpstreamRefusedError(
            f"{url}: TLS failed ({cause(error)}). Check the certificate, the URL's scheme and host, and the clock."
        )
    if isinstance(error, ValueError):  # requests' InvalidURL, InvalidSchema and their like
        return UpstreamRefusedError(f"{url} is, or redirects to, no address that can be asked ({cause(error)}).")
    return TransientError(url, cause(error))


def cause(error: BaseException) -> str:
    """The innermost error's own words, without the names, addresses and nesting of the errors around it."""
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(inner, BaseException):
            return cause(inner)
    if isinstance(error, IncompleteRead):
        return "the answer broke off before its end"
    words = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return re.sub(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$", "", words) or type(error).__name__
