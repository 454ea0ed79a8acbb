"""A real SMTP server for each test, which accepts mail or refuses it, as the test sets it up."""

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from catalog_pipeline.addresses import SmtpServer
from catalog_pipeline.notifications.transport import Smtp

USER, PASSWORD = "catalog", "p@ss: word"


@dataclass
class Received:
    """One mail, as the server received it."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.content, policy=policy.default)  # pyright: ignore[reportReturnType]


class Mailbox:
    """What the server received, and what it answers: for each recipient, for a mail, and for QUIT."""

    def __init__(self) -> None:
        self.mails: list[Received] = []
        self.answers: dict[str, str] = {}
        self.answer = "250 OK"
        self.farewell = "221 Bye"
        self.before_farewell: Callable[[], None] = lambda: None
        self.before_answer: Callable[[SMTP], None] = lambda _: None

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.before_answer(server)
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            encrypted = server.transport.get_extra_info("ssl_object") is not None
            got = Received(str(envelope.mail_from), list(envelope.rcpt_tos), envelope.content, encrypted)
            self.mails.append(got)
        return self.answer

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        self.before_farewell()
        return self.farewell

    @property
    def deliveries(self) -> list[tuple[str, str]]:
        """Message-ID and recipient of all that was accepted, in order."""
        return [(str(mail.message["Message-ID"]), to) for mail in self.mails for to in mail.recipients]


Serve = Callable[..., int]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def serve(mailbox: Mailbox) -> Iterator[Serve]:
    """Starts a server of the mailbox; returns its port."""
    running: list[Controller] = []

    def start(**options: Any) -> int:
        controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port(), **options)
        controller.start()
        running.append(controller)
        return controller.port

    yield start
    for controller in running:
        controller.stop(no_assert=True)


@pytest.fixture
def smtp(serve: Serve) -> Smtp:
    """A transport to a plain server."""
    return Smtp(SmtpServer("127.0.0.1", serve(), "none"), timeout=10)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The server's side of TLS, with a certificate that this process trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return context


def authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
) -> AuthResult:
    """Whether this is the one user."""
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
