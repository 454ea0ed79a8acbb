"""Asking an upstream: tokens, retries, rate limits, deadlines, and pages fetched ahead."""

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import IncompleteRead
from typing import Any
from urllib.parse import urlencode

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from catalog_pipeline.errors import UpstreamError, UpstreamRefusedError
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decode
from catalog_pipeline.sources.listing import Listing, Page

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10
TOKEN_RENEWAL = 30  # seconds before its expiry that a token is renewed
LONGEST_BACKOFF = 60
UNSAID_WAIT = 60.0  # seconds to wait after a 429 that does not say how long
CHUNK = 1 << 16
LARGEST_BODY = 64 << 20
"""Bytes of one page, unpacked, beyond which it is no page: a thousand documents of 64 KB."""
PAGES_BEYOND = 10
"""How many pages more than twice what its count says a list may have: counts may be wrong, lists end."""
TOKEN = re.compile(r"[!-~]+")
"""What may go into a header. Anything else would be quoted, whole, by the error that refuses it."""


@dataclass(frozen=True)
class Credentials:
    """An OAuth2 client and where its tokens come from. The secret never shows in a repr."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


class TransientError(Exception):
    """Something that another try may cure: of which URL, what it was, and how long the upstream asks us to wait."""

    def __init__(self, url: str, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.url = url
        self.wait = wait


class NotFoundError(UpstreamRefusedError):
    """404."""


class ApiClient:
    """A client of one upstream, safe to use from several threads."""

    def __init__(self, base_url: str, credentials: Credentials | None, settings: Settings) -> None:
        self.base_url = base_url
        self.settings = settings
        self._credentials = credentials
        self._session = requests.Session()
        self._session.auth = lambda request: request  # else a .netrc would replace our Authorization
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=settings.parallel_pages)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._lock = threading.Lock()
        self._token: str | None = None
        self._token_expires = 0.0
        self._waited = 0.0
        self._limited_until = 0.0

    def get(self, path: str, params: Mapping[str, str], stop: threading.Event | None = None) -> Any:
        """GET JSON. Raises UpstreamRefusedError where trying again is hopeless, UpstreamError after all retries.

        Once `stop` is set nothing is tried again, so that whoever gave up need not wait for the last back-off.
        """
        url = f"{self.base_url}{path}?{urlencode(params)}"
        return self._with_retries(lambda: self._authorized(url), stop or threading.Event())

    def _with_retries(self, attempt: Callable[[], Any], stop: threading.Event) -> Any:
        tries = self.settings.request_retries + 1
        for number in range(1, tries + 1):
            try:
                return attempt()
            except TransientError as error:
                if number == tries:
                    raise UpstreamError(
                        f"{error.url} failed {number} times, the last time with: {error}."
                        " Check that the upstream is up and that the URL is right, then run again."
                    ) from None
                wait = self._backoff(number) if error.wait is None else self._rate_limit(error.url, error.wait)
                logger.warning("%s: %s; trying again in %.1f s (%d of %d)", error.url, error, wait, number, tries - 1)
                if stop.wait(wait):
                    raise
        raise AssertionError("unreachable")

    def _backoff(self, number: int) -> float:
        return min(self.settings.retry_backoff * 2 ** (number - 1), LONGEST_BACKOFF) * random.uniform(0.75, 1.25)

    def _rate_limit(self, url: str, wait: float) -> float:
        """Count a wait against the cap; what several pages wait for at the same time counts once."""
        now = time.monotonic()
        with self._lock:
            self._waited += max(0.0, now + wait - max(now, self._limited_until))
            self._limited_until = max(self._limited_until, now + wait)
            if self._waited > self.settings.rate_limit_wait:
                raise UpstreamError(
                    f"{url}: the upstream limits our rate and asks for {wait:.0f} s more, over the"
                    f" {self.settings.rate_limit_wait:.0f} s of CATALOG_RATE_LIMIT_WAIT."
                    " Ask for a higher limit, raise the setting, or run later."
                ) from None
        return wait

    def _authorized(self, url: str) -> Any:
        token = self._current_token()
        response, body = self._exchange("GET", url, headers={"Authorization": f"JWT {token}"} if token else {})
        if response.status_code == requests.codes.unauthorized and token:
            # Tokens may end in mid-crawl, by the upstream's clock rather than ours: one new one, then no more.
            self._forget(token)
            fresh = self._current_token()
            response, body = self._exchange("GET", url, headers={"Authorization": f"JWT {fresh}"})
        self._refuse(url, response.status_code)
        return self._json(url, response, body)

    def _current_token(self) -> str | None:
        if self._credentials is None:
            return None
        with self._lock:
            if self._token is None or time.monotonic() > self._token_expires - TOKEN_RENEWAL:
                self._token, lifetime = self._new_token(self._credentials)
                self._token_expires = time.monotonic() + max(lifetime, TOKEN_RENEWAL * 2)
            return self._token

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token == token:
                self._token = None

    def _new_token(self, credentials: Credentials) -> tuple[str, float]:
        url = credentials.token_url
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "token_type": "jwt",
        }
        # A redirect would carry the secret elsewhere, or turn the POST into a GET.
        response, body = self._exchange("POST", url, data=form, allow_redirects=False)
        if response.status_code != requests.codes.ok:
            raise UpstreamRefusedError(
                f"{url} answered {response.status_code}: check CATALOG_DISCOVERY_CLIENT_ID,"
                " CATALOG_DISCOVERY_CLIENT_SECRET and CATALOG_OAUTH_TOKEN_URL."
            )
        answer = self._json(url, response, body)
        try:
            token, lifetime = answer["access_token"], float(answer["expires_in"])
        except (KeyError, TypeError, ValueError):
            token = lifetime = None
        if lifetime is None or not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise UpstreamRefusedError(
                f"{url} answered without access_token and expires_in: check CATALOG_OAUTH_TOKEN_URL."
            )
        return token, lifetime

    def _exchange(self, method: str, url: str, **kwargs: Any) -> tuple[requests.Response, bytes]:
        """One request, its body read to the end within the deadline. Raises TransientError."""
        patience = self.settings.page_deadline
        deadline = time.monotonic() + patience
        try:
            with self._session.request(
                method, url, stream=True, timeout=(min(CONNECT_TIMEOUT, patience), patience), **kwargs
            ) as response:
                body = bytearray()
                # Not iter_content: that returns when a whole chunk is there, which a dripping upstream puts off.
                while chunk := response.raw.read1(CHUNK, decode_content=True):
                    body += chunk
                    if time.monotonic() > deadline:
                        raise TransientError(url, f"not read to its end in {patience:g} s")
                    if len(body) > LARGEST_BODY:
                        raise UpstreamRefusedError(
                            f"{url} answered with more than {LARGEST_BODY >> 20} MB, and no end: check the upstream's"
                            " URL, or ask for fewer documents a page by CATALOG_PAGE_SIZE."
                        )
        except requests.exceptions.SSLError as error:
            raise UpstreamRefusedError(
                f"{url}: TLS failed ({_cause(error)}). Check the certificate, the URL's scheme and host, and the clock."
            ) from None
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise TransientError(url, _cause(error)) from None
        if response.status_code == requests.codes.too_many_requests:
            raise TransientError(url, "status 429, rate limited", wait=_retry_after(response))
        if response.status_code >= 500:
            raise TransientError(url, f"status {response.status_code}")
        return response, bytes(body)

    @staticmethod
    def _refuse(url: str, status: int) -> None:
        if status == requests.codes.ok:
            return
        if status == requests.codes.not_found:
            raise NotFoundError(f"{url} answered 404: check the upstream's URL.")
        what = {
            401: "check CATALOG_DISCOVERY_CLIENT_ID and CATALOG_DISCOVERY_CLIENT_SECRET.",
            403: "the client's user lacks permission to read this list.",
        }.get(status, "this is not an answer that the list gives; check the upstream's URL.")
        raise UpstreamRefusedError(f"{url} answered {status}: {what}")

    @staticmethod
    def _json(url: str, response: requests.Response, body: bytes) -> Any:
        try:
            return decode(body)
        except (ValueError, RecursionError):
            kind = response.headers.get("Content-Type", "no content type")
            if "json" in kind:
                raise TransientError(url, "an answer that is not the JSON it says it is") from None
            raise UpstreamRefusedError(
                f"{url} answered {response.status_code} with {kind} instead of JSON: check the upstream's URL,"
                " and that no login or maintenance page stands before it."
            ) from None


def read_pages(
    client: ApiClient,
    listing: Listing,
    extra: Mapping[str, str],
    first: int = 1,
    prepare: Callable[[Page], Any] = lambda page: page,
) -> Iterator[Any]:
    """Yield a list's pages from number `first` on, in order, a few fetched ahead, up to the upstream's last page.

    The end is where the upstream says so (no next page, or 404 past the end), not where a first count says.
    Each page goes through `prepare` in the thread that fetched it, while the caller is busy with the one before.
    """
    settings = client.settings
    stop = threading.Event()
    params = {**listing.params, **extra, "page_size": str(min(settings.page_size, listing.largest_page))}

    def fetch(number: int) -> tuple[Page, Any] | None:
        try:
            page = _page(client, listing, {**params, "page": str(number)}, stop)
        except NotFoundError:
            if number == 1:
                raise
            return None
        return Page([], page.count, page.is_last), prepare(page)

    size = int(params["page_size"])
    with ThreadPoolExecutor(settings.parallel_pages, "pages") as pool:
        ahead: list[Future[tuple[Page, Any] | None]] = []
        number = first
        try:
            found = fetch(number)
            while found is not None:
                page, prepared = found
                yield prepared
                if page.is_last:
                    return
                pages = -(-page.count // size)
                if number > 2 * pages + PAGES_BEYOND:
                    raise UpstreamRefusedError(
                        f"{client.base_url}{listing.path} goes on after page {number}, though it counts {page.count}"
                        " documents: the list has no end, and nothing of it was kept. Report it to the upstream."
                    )
                remaining = pages - number
                while len(ahead) < max(1, min(settings.parallel_pages, remaining)):
                    ahead.append(pool.submit(fetch, number + len(ahead) + 1))
                found = ahead.pop(0).result()
                number += 1
        finally:
            stop.set()
            for future in ahead:
                future.cancel()


def _page(client: ApiClient, listing: Listing, params: Mapping[str, str], stop: threading.Event) -> Page:
    body = client.get(listing.path, params, stop)
    try:
        page = listing.read_page(body)
    except (KeyError, TypeError):
        page = None
    if page is None or not isinstance(page.documents, list) or not isinstance(page.count, int):
        raise UpstreamRefusedError(
            f"{client.base_url}{listing.path} answered JSON that is not a page of a list: check the upstream's URL."
        )
    return page


def _retry_after(response: requests.Response) -> float:
    header = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(header) if header else UNSAID_WAIT
    except (InvalidHeader, ValueError, OverflowError):  # an unreadable header is as good as none
        return UNSAID_WAIT


def _cause(error: BaseException) -> str:
    """The innermost error's own words, without the names, addresses and nesting of the errors around it."""
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(inner, BaseException):
            return _cause(inner)
    if isinstance(error, IncompleteRead):
        return "the answer broke off before its end"
    words = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return re.sub(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$", "", words) or type(error).__name__
