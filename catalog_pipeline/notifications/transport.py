"""How a mail leaves: over SMTP, or as a file where no server is set. One mail at a time; nothing is retried here."""

import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Protocol

from catalog_pipeline.addresses import SmtpServer, parse_smtp_url
from catalog_pipeline.errors import UnreachableError
from catalog_pipeline.notifications.text import one_line
from catalog_pipeline.settings import Settings

TIMEOUT = 60.0
"""Seconds that a server has for each answer; a scanner may take its time over a mail."""


class MailUnreachableError(UnreachableError):
    """No mail can leave for now, whatever it is: the server is out of reach, or refuses us before it sees one."""


@dataclass(frozen=True)
class Refusal:
    """Why a server does not take a mail for a recipient."""

    code: int
    reason: str

    @property
    def permanent(self) -> bool:
        """Whether the server says that trying again is useless."""
        return self.code >= 500


class Transport(Protocol):
    """A way for mail to leave."""

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
        """Hand a mail over; returns the recipients it was refused for. Raises MailUnreachableError."""
        ...


@dataclass(frozen=True)
class Smtp:
    """Mail by an SMTP server, whose certificate must be valid where the connection is encrypted."""

    server: SmtpServer
    timeout: float = TIMEOUT

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
        """Hand a mail over; returns the recipients it was refused for. Raises MailUnreachableError."""
        try:
            with self._session() as session:
                return _hand_over(session, content, sender, recipients)
        except smtplib.SMTPAuthenticationError as error:
            raise self._unreachable(f"it refuses the user or the password ({error.smtp_code})") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:  # the last: of a host that cannot be one
            raise self._unreachable(one_line(str(error) or type(error).__name__)) from None

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        server, context = self.server, ssl.create_default_context()
        if server.encryption == "tls":
            session = smtplib.SMTP_SSL(server.host, server.port, timeout=self.timeout, context=context)
        else:
            session = smtplib.SMTP(server.host, server.port, timeout=self.timeout)
        try:
            if server.encryption == "starttls":
                session.starttls(context=context)
            if server.user and server.password:
                session.login(server.user, server.password)
            yield session
        finally:
            # Not the session's own __exit__: a bad answer to QUIT would make a failure of a mail that was taken.
            with suppress(smtplib.SMTPException, OSError):
                session.quit()
            session.close()

    def _unreachable(self, reason: str) -> MailUnreachableError:
        return MailUnreachableError(
            f"No mail can be sent by {self.server.host}:{self.server.port}: {reason}. Check CATALOG_SMTP_URL."
        )


def _hand_over(session: smtplib.SMTP, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
    try:
        refused = session.sendmail(sender, recipients, content)
        return {recipient: _refusal(*reply) for recipient, reply in refused.items()}
    except smtplib.SMTPRecipientsRefused as error:
        # A server that closes in the middle names only those it was asked about: the others got nothing either.
        replies = error.recipients
        return {recipient: _refusal(*replies.get(recipient, (421, b"not asked"))) for recipient in recipients}
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        return dict.fromkeys(recipients, _refusal(error.smtp_code, error.smtp_error))


def _refusal(code: int, reason: bytes | str) -> Refusal:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return Refusal(code, one_line(f"{code} {text}"))


@dataclass(frozen=True)
class Folder:
    """Mail as `.eml` files, named by their Message-ID, for who has no server yet."""

    path: Path

    def send(self, content: bytes, sender: str, recipients: Sequence[str]) -> Mapping[str, Refusal]:
        """Write the file, whole or not at all; the same mail is the same file. Raises MailUnreachableError."""
        name = BytesHeaderParser().parsebytes(content)["Message-ID"].strip("<>").replace("/", "_")
        target = self.path / f"{name}.eml"
        unfinished = target.with_suffix(".part")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_bytes(content)
            unfinished.replace(target)
        except OSError as error:
            raise MailUnreachableError(f"Mail cannot be written to {target}: {error.strerror}.") from None
        return {}


def transport(settings: Settings) -> Transport:
    """The configured way: CATALOG_SMTP_URL, or `.eml` files in the home folder's `mail`."""
    if settings.smtp_url is None:
        return Folder(settings.folder / "mail")
    return Smtp(parse_smtp_url(settings.smtp_url.get_secret_value()))
