"""The sample upstream's access tokens: opaque text, signed, with an end. It keeps no list of them."""

import hashlib
import hmac
import secrets
import time

FORGED, EXPIRED = "Invalid token.", "Signature has expired."


class Tokens:
    """Issues and checks tokens that live for `lifetime` seconds and die with the process."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self._secret = secrets.token_bytes(32)

    def issue(self) -> str:
        """A new token, valid from now."""
        body = f"{secrets.token_hex(8)}.{time.time() + self.lifetime:.3f}"
        return f"{body}.{self._signature(body)}"

    def refusal(self, token: str) -> str | None:
        """Why a token is not accepted; None when it is."""
        body, _, signature = token.rpartition(".")
        # Bytes, since compare_digest refuses text with letters beyond ASCII, which a client may send.
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return FORGED
        return EXPIRED if float(body.partition(".")[2]) <= time.time() else None

    def _signature(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()
