"""A client of one upstream's JSON: tokens, further tries, and waiting where the upstream limits our rate."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import requests

from catalog_pipeline.errors import UpstreamError, UpstreamRefusedError
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.exchange import Answer, Connections, TransientError
from catalog_pipeline.sources.tokens import Credentials, Tokens

logger = logging.getLogger(__name__)

LONGEST_BACKOFF = 60
Found = TypeVar("Found")


class NotFoundError(UpstreamRefusedError):
    """404."""


class ApiClient:
    """A client of one upstream, safe to use from several threads."""

    def __init__(self, base_url: str, credentials: Credentials | None, settings: Settings) -> None:
        self.base_url = base_url
        self.settings = settings
        self._connections = Connections(settings.page_deadline, settings.parallel_pages)
        self._tokens = Tokens(credentials, self._connections) if credentials else None
        self._lock = threading.Lock()
        self._waited = 0.0
        self._limited_until = 0.0

    def get(self, path: str, params: Mapping[str, str | Sequence[str]], stop: threading.Event | None = None) -> Any:
        """GET JSON. Raises UpstreamRefusedError where trying again is hopeless, UpstreamError after all retries.

        A parameter with several values is repeated. Once `stop` is set nothing is tried again, so that whoever gave up
        need not wait for the last back-off.
        """
        url = f"{self.base_url}{path}?{urlencode(params, doseq=True)}"
        return self._with_retries(lambda: self._authorized(url), stop or threading.Event())

    def _with_retries(self, attempt: Callable[[], Found], stop: threading.Event) -> Found:
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
        if self._tokens is None:
            answer = self._connections.get(url, {})
        else:
            token = self._tokens.current()
            answer = self._connections.get(url, {"Authorization": f"JWT {token}"})
            if answer.status == requests.codes.unauthorized:
                # Tokens may end in mid-crawl, by the upstream's clock rather than ours: one new one, then no more.
                self._tokens.forget(token)
                answer = self._connections.get(url, {"Authorization": f"JWT {self._tokens.current()}"})
        _refuse(answer)
        return answer.json()


def _refuse(answer: Answer) -> None:
    """Raise what an answer other than 200 means."""
    url, status = answer.url, answer.status
    if status == requests.codes.ok:
        return
    if status == requests.codes.not_found:
        raise NotFoundError(f"{url} answered 404: check the upstream's URL.")
    what = {
        401: "check CATALOG_DISCOVERY_CLIENT_ID and CATALOG_DISCOVERY_CLIENT_SECRET.",
        403: "the client's user lacks permission to read this list.",
    }.get(status, "this is not an answer that the list gives; check the upstream's URL.")
    raise UpstreamRefusedError(f"{url} answered {status}: {what}")
