"""Sends one mail: over SMTP, or to a file if no server is set. Nothing is retried here."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Protocol, Self

from catalog_pipeline.addresses import SmtpServer, parse_smtp_url
from catalog_pipeline.errors import UnreachableError
from catalog_pipeline.folders import make_private
from catalog_pipeline.notifications.text import one_line
from catalog_pipeline.settings import Settings

TIMEOUT = 60.0
"""Seconds that a server has for each answer. Servers that scan mail for viruses may take long."""
DEADLINE = 600.0
"""Seconds that a session may take in all. It ends before the outbox lets another sender take the mail over."""


class MailUnreachableError(UnreachableError):
    """No mail can be sent for now: the server cannot be reached, or refuses us before it sees a mail."""


@dataclass(frozen=True)
class Refusal:
    """Why a server refuses a mail for one recipient."""

    code: int
    reason: str

    @property
    def permanent(self) -> bool:
        """Whether the server says that trying again is useless."""
        return self.code >= 500


class Transport(Protocol):
    """A way to send mail."""

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
        """Send a mail; returns the recipients for whom it was refused. Raises MailUnreachableError."""
        ...


@dataclass(frozen=True)
class Smtp:
    """Sends by an SMTP server. If the connection is encrypted, the server's certificate must be valid."""

    server: SmtpServer
    timeout: float = TIMEOUT
    deadline: float = DEADLINE

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
        """Send a mail; returns the recipients for whom it was refused. Raises MailUnreachableError."""
        try:
            with self._session() as session:
                return _hand_over(session, content, sender, recipients)
        except smtplib.SMTPAuthenticationError as error:
            raise self._unreachable(f"it refuses the user or the password ({error.smtp_code})") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:  # UnicodeError: the host's name is not valid
            raise self._unreachable(one_line(str(error) or type(error).__name__)) from None

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        server, context = self.server, ssl.create_default_context()
        with _Session(context if server.encryption == "tls" else None, self.timeout, self.deadline).opened() as session:
            session.connect(server.host, server.port)
            if server.encryption == "starttls":
                session.starttls(context=context)
            if server.user and server.password:
                session.login(server.user, server.password)
            yield session

    def _unreachable(self, reason: str) -> MailUnreachableError:
        return MailUnreachableError(
            f"No mail can be sent by {self.server.host}:{self.server.port}: {reason}. Check CATALOG_SMTP_URL."
        )


class _Session(smtplib.SMTP):
    """A session that is cut at its deadline. A server that sends a byte now and then would never meet a timeout."""

    def __init__(self, context: ssl.SSLContext | None, timeout: float, deadline: float) -> None:
        super().__init__(timeout=timeout)
        self._context = context
        self._deadline = deadline
        self._watched: socket.socket | None = None
        self._cut = False

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Start the clock; at the end, or where it runs out, end the session. Raises TimeoutError."""
        clock = threading.Timer(self._deadline, self._cut_off)
        clock.daemon = True
        clock.start()
        try:
            yield self
        except (smtplib.SMTPException, OSError):
            if self._cut:
                raise TimeoutError(f"it took over {self._deadline:g} s") from None
            raise
        finally:
            # Its own __exit__ is not used: with it, a bad answer to QUIT would fail a mail that was accepted.
            with suppress(smtplib.SMTPException, OSError):
                self.quit()
            self.close()
            clock.cancel()
            if self._watched:
                self._watched.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect; smtplib calls it. The copy of the socket stays with us, for TLS takes the socket itself over."""
        self._host = host  # whose name the certificate for STARTTLS must have
        connection = socket.create_connection((host, port), timeout)
        self._watched = connection.dup()
        if self._cut:
            self._cut_off()
        return self._context.wrap_socket(connection, server_hostname=host) if self._context else connection

    def _cut_off(self) -> None:
        self._cut = True
        if self._watched:
            with suppress(OSError):
                self._watched.shutdown(socket.SHUT_RDWR)


def _hand_over(session: smtplib.SMTP, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
    try:
        refused = session.sendmail(sender, recipients, content)
        return {recipient: _refusal(*reply) for recipient, reply in refused.items()}
    except smtplib.SMTPRecipientsRefused as error:
        # A server that closes the connection early names only some recipients. The others got nothing either.
        replies = error.recipients
        return {recipient: _refusal(*replies.get(recipient, (421, b"not asked"))) for recipient in recipients}
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        return dict.fromkeys(recipients, _refusal(error.smtp_code, error.smtp_error))


def _refusal(code: int, reason: bytes | str) -> Refusal:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return Refusal(code, one_line(f"{code} {text}"))


@dataclass(frozen=True)
class Folder:
    """Writes mail as `.eml` files, named by their Message-ID, as long as no server is set."""

    path: Path

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
        """Write the file, whole or not at all. The same mail always has the same file. Raises MailUnreachableError."""
        name = BytesHeaderParser().parsebytes(content)["Message-ID"].strip("<>").replace("/", "_")
        target = self.path / f"{name}.eml"
        unfinished = target.with_suffix(".part")
        try:
            make_private(self.path)
            unfinished.write_bytes(content)
            unfinished.replace(target)
        except OSError as error:
            raise MailUnreachableError(f"Mail cannot be written to {target}: {error.strerror}.") from None
        return {}


def transport(settings: Settings) -> Transport:
    """The configured transport: CATALOG_SMTP_URL, or else `.eml` files in the home folder's `mail`."""
    if settings.smtp_url is None:
        return Folder(settings.folder / "mail")
    return Smtp(parse_smtp_url(settings.smtp_url.get_secret_value()))
