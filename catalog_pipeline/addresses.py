"""Reads mail addresses, and the addresses of mail servers and upstreams, as settings have them."""

from dataclasses import dataclass, field
from email.headerregistry import Address
from email.policy import SMTP
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

Encryption = Literal["none", "starttls", "tls"]
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+"
"""The form of a learner's mail address: nothing but the address, in ASCII. It stays in RE2's dialect."""
LONGEST_EMAIL = 254
PORTS: dict[Encryption, int] = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True)
class SmtpServer:
    """A mail server, and how to connect to it."""

    host: str
    port: int
    encryption: Encryption
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_address(value: str) -> Address:
    """The one address in a text: `ann@example.org` or `Ann <ann@example.org>`. Raises ValueError."""
    header = SMTP.header_factory("To", " ".join(value.split()))
    addresses = header.addresses
    if header.defects or len(addresses) != 1 or not addresses[0].domain or not addresses[0].addr_spec.isascii():
        raise ValueError("give one address in ASCII, such as Ann Müller <ann@example.org>")
    return addresses[0]


def _checked(value: str) -> str:
    parse_address(value)
    return value


MailAddress = Annotated[str, AfterValidator(_checked)]
"""A text that holds one address."""


def parse_smtp_url(url: str) -> SmtpServer:
    """Read `smtp://host:25`, `smtp://user:password@host:587?starttls` or `smtps://…`.

    Raises ValueError, whose message never repeats the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = parts = None
    if parts is None or not host or parts.path.strip("/") or parts.fragment or port == 0:
        raise ValueError("give a mail server's URL, such as smtps://user:password@host, special characters as %40")
    ways: dict[tuple[str, str], Encryption] = {
        ("smtp", ""): "none",
        ("smtp", "starttls"): "starttls",
        ("smtps", ""): "tls",
    }
    encryption = ways.get((parts.scheme, parts.query))
    if encryption is None:
        raise ValueError("begin with smtp:// or smtps://, and end with ?starttls or with the port")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("give both user and password, or neither")
    if parts.password and encryption == "none":
        raise ValueError("the password would travel unencrypted: use smtps://, or put ?starttls at the end")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    if not f"{user}{password}".isascii():
        raise ValueError("user and password must be ASCII: SMTP knows nothing else")
    return SmtpServer(host, port or PORTS[encryption], encryption, user, password)


WEB_PORTS = {"http": 80, "https": 443}


def upstream_address(url: str) -> str:
    """The address of an upstream, of its URL: `https://Discovery.Example.org:443/` is `discovery.example.org`.

    Two URLs of one address reach the same upstream: the scheme with its own port, the case of the host and slashes at
    the end do not matter. Nothing is resolved, so another name of the host is another address.
    """
    parts = urlsplit(url.strip())
    host = parts.hostname or ""  # in small letters, without user, password and port
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, WEB_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{host}{port}{parts.path.rstrip('/')}"
