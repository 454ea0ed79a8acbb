"""Access tokens by OAuth2 client credentials: one at a time, shared by all threads, renewed before it expires."""

import re
import threading
import time
from dataclasses import dataclass, field

import requests

from catalog_pipeline.errors import UpstreamRefusedError
from catalog_pipeline.sources.exchange import Connections

RENEWAL = 30  # seconds before its expiry that a token is renewed
TOKEN = re.compile(r"[!-~]+")
"""What may go into a header. Anything else would be quoted, whole, by the error that refuses it."""


@dataclass(frozen=True)
class Credentials:
    """An OAuth2 client and where its tokens come from. The secret never shows in a repr."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


class Tokens:
    """The tokens of one client."""

    def __init__(self, credentials: Credentials, connections: Connections) -> None:
        self.credentials = credentials
        self._connections = connections
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires = 0.0

    def current(self) -> str:
        """A token that is good for a while. Other threads wait while one fetches it.

        Raises TransientError, and UpstreamRefusedError where the address gives no token.
        """
        with self._lock:
            if self._token is None or time.monotonic() > self._expires - RENEWAL:
                self._token, lifetime = self._fetch()
                self._expires = time.monotonic() + max(lifetime, RENEWAL * 2)
            return self._token

    def forget(self, token: str) -> None:
        """Fetch another token next time, if this is the current one."""
        with self._lock:
            if self._token == token:
                self._token = None

    def _fetch(self) -> tuple[str, float]:
        """A new token, and how many seconds it lives."""
        url = self.credentials.token_url
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
            "token_type": "jwt",
        }
        answer = self._connections.post(url, form)
        if answer.status != requests.codes.ok:
            raise UpstreamRefusedError(
                f"{url} answered {answer.status}: check CATALOG_DISCOVERY_CLIENT_ID,"
                " CATALOG_DISCOVERY_CLIENT_SECRET and CATALOG_OAUTH_TOKEN_URL."
            )
        given = answer.json()
        try:
            token, lifetime = given["access_token"], float(given["expires_in"])
        except (KeyError, TypeError, ValueError):
            token = lifetime = None
        if lifetime is None or not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise UpstreamRefusedError(
                f"{url} answered without access_token and expires_in: check CATALOG_OAUTH_TOKEN_URL."
            )
        return token, lifetime
