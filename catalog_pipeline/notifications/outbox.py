"""The outbox: a mail is queued in the transaction that decides to send it, and sent afterwards, at least once.

A sender claims a mail and commits, sends it, and marks it as sent. If the sender dies in between, its claim ends after
fifteen minutes, and the mail is sent again, with the same Message-ID.
"""

import json
import re
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text
from sqlalchemy import Row as ResultRow

from catalog_pipeline.addresses import EMAIL, parse_address
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.notifications.sender import MailElsewhereError, held_back, remember
from catalog_pipeline.notifications.transport import MailUnreachableError, Refusal, Transport

CLAIM = timedelta(minutes=15)
"""How long a claim lasts: longer than a session with a mail server may take (`transport.DEADLINE`)."""
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=4)
"""The first and the longest wait between tries. Each wait is twice the one before."""
TRIES = 26
"""How often a mail is tried, which takes three days; then it is given up."""

COLUMNS = ["created_at", "kind", "subject", "state", "attempts", "due_at", "sent_at", "recipients", "last_error"]
STATE = """CASE WHEN sent_at IS NOT NULL THEN 'sent' WHEN due_at IS NULL THEN 'given up'
                WHEN claimed_at IS NOT NULL THEN 'sending' WHEN attempts > 0 THEN 'retrying' ELSE 'waiting' END"""

ENQUEUE = """
    INSERT INTO ops.outbox (message_id, kind, subject, sender, recipients, content)
    SELECT mail.message_id, :kind, :subject, :sender, ARRAY(SELECT jsonb_array_elements_text(mail.recipients)),
           mail.content
    FROM unnest(CAST(:message_ids AS text[]), CAST(:recipients AS jsonb[]), CAST(:contents AS bytea[]))
        WITH ORDINALITY AS mail (message_id, recipients, content, position)
    ORDER BY position RETURNING id, message_id"""


@dataclass(frozen=True)
class QueuedMail:
    """A mail as it is to be sent."""

    message_id: str
    recipients: list[str]
    content: bytes
    """Headers and bodies."""


@dataclass(frozen=True)
class Delivery:
    """The result of trying to send one mail. Only `error` may hold personal data: it may name recipients."""

    message_id: str
    kind: str
    subject: str
    outcome: Literal["sent", "refused", "unreachable"]
    error: str | None = None


def enqueue(connection: Connection, message: EmailMessage, kind: str) -> int:
    """Queue a message (with From, To and Message-ID) in the caller's transaction; returns its id in the outbox."""
    recipients = list(dict.fromkeys(address.addr_spec for address in message["To"].addresses))
    mail = QueuedMail(message["Message-ID"], recipients, message.as_bytes(policy=SMTP))
    return _enqueue(connection, message, kind, [mail])[0]


def enqueue_copies(connection: Connection, message: EmailMessage, recipients: Sequence[str], kind: str) -> list[int]:
    """Queue a message once for each recipient, who sees no other; returns the ids in the outbox, in that order.

    A thousand copies cost little more than one. Each has a Message-ID of its own; the message's own To does not count.
    Raises UsageError where a recipient is no mail address.
    """
    for recipient in recipients:
        if not re.fullmatch(EMAIL, recipient):
            raise UsageError(f"{recipient!r} is no mail address.")
    sender = parse_address(message["From"])
    content = copy(message)
    del content["To"], content["Message-ID"]
    rest = content.as_bytes(policy=SMTP)
    mails = []
    for recipient in recipients:
        message_id = make_msgid(domain=sender.domain)
        head = f"Message-ID: {message_id}\r\nTo: {recipient}\r\n".encode("ascii")
        mails.append(QueuedMail(message_id, [recipient], head + rest))
    return _enqueue(connection, message, kind, mails)


def _enqueue(connection: Connection, message: EmailMessage, kind: str, mails: Sequence[QueuedMail]) -> list[int]:
    remember(connection)
    found = connection.execute(
        text(ENQUEUE),
        {
            "kind": kind,
            "subject": message["Subject"],
            "sender": parse_address(message["From"]).addr_spec,
            "message_ids": [mail.message_id for mail in mails],
            "recipients": [json.dumps(mail.recipients) for mail in mails],
            "contents": [mail.content for mail in mails],
        },
    )
    ids = {row.message_id: row.id for row in found}
    return [ids[mail.message_id] for mail in mails]


def send_due(engine: Engine, transport: Transport, as_of: datetime | None = None) -> list[Delivery]:
    """Send the mails that are due at `as_of` (default: now, by the database's clock), oldest first.

    Returns the result of each. Any number of senders may work at once. Stops early when the mail server cannot be
    reached; the rest stays due. Raises MailElsewhereError, and sends nothing, where this database is a copy.
    """
    with connected(engine) as connection:
        if reason := held_back(connection):
            raise MailElsewhereError(reason)
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    deliveries: list[Delivery] = []
    while mail := _claim(engine, as_of or now):
        delivery = _send(engine, transport, mail)
        deliveries.append(delivery)
        if delivery.outcome == "unreachable":
            break
    return deliveries


def exit_code(deliveries: Sequence[Delivery]) -> ExitCode:
    """The exit status for these results."""
    outcomes = {delivery.outcome for delivery in deliveries}
    if "unreachable" in outcomes:
        return ExitCode.UNREACHABLE
    return ExitCode.SOME_ROWS_LEFT if "refused" in outcomes else ExitCode.DONE


def first_due(connection: Connection) -> str | None:
    """A name for the next try that is due, which stays the same until it is made; None if no mail is due.

    The name changes every fifteen minutes, so that a try that was asked for but never made is asked for again.
    """
    return connection.execute(
        text("""SELECT concat_ws(' ', id, due_at, date_bin(:claim, clock_timestamp(), 'epoch'))
                FROM ops.outbox WHERE due_at <= clock_timestamp() ORDER BY due_at, id LIMIT 1"""),
        {"claim": CLAIM},
    ).scalar_one_or_none()


def make_due(connection: Connection) -> int:
    """Make mails due now that wait for their next try or were given up; counts tries from 0. Returns how many."""
    return connection.execute(
        text("""UPDATE ops.outbox SET due_at = clock_timestamp(), attempts = 0
                WHERE sent_at IS NULL AND claimed_at IS NULL AND attempts > 0""")
    ).rowcount


def listed(connection: Connection, limit: int) -> list[Row]:
    """The mails of the outbox: first those that are not sent, then the newest."""
    query = f"SELECT {', '.join(COLUMNS)} FROM (SELECT *, {STATE} AS state FROM ops.outbox) AS mail"
    return rows(connection, f"{query} ORDER BY sent_at IS NOT NULL, id DESC LIMIT :limit", limit=limit)


def unsent(connection: Connection) -> list[Row]:
    """The number of mails that are not sent, by state."""
    query = f"SELECT {STATE} AS state, count(*) AS mails FROM ops.outbox WHERE sent_at IS NULL GROUP BY 1 ORDER BY 1"
    return rows(connection, query)


def _claim(engine: Engine, as_of: datetime) -> ResultRow[Any] | None:
    """Claim the mail that has been due longest. No other sender takes it before the claim ends."""
    with connected(engine) as connection:
        return connection.execute(
            text("""
                UPDATE ops.outbox SET attempts = attempts + 1,
                       claimed_at = greatest(:as_of, clock_timestamp()),
                       due_at = greatest(:as_of, clock_timestamp()) + :claim
                WHERE id = (SELECT id FROM ops.outbox WHERE due_at <= :as_of
                            ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING *"""),
            {"as_of": as_of, "claim": CLAIM},
        ).one_or_none()


def _send(engine: Engine, transport: Transport, mail: ResultRow[Any]) -> Delivery:
    missing = [recipient for recipient in mail.recipients if recipient not in mail.delivered]
    try:
        refused = transport.send(mail.content, mail.sender, missing)
    except MailUnreachableError as error:
        _postpone(engine, mail, mail.delivered, str(error), permanent=False)
        return Delivery(mail.message_id, mail.kind, mail.subject, "unreachable", str(error))
    if not refused:
        _mark_sent(engine, mail)
        return Delivery(mail.message_id, mail.kind, mail.subject, "sent")
    delivered = [recipient for recipient in mail.recipients if recipient not in refused]
    permanent = all(refusal.permanent for refusal in refused.values())
    error = _reasons(refused)
    _postpone(engine, mail, delivered, error, permanent=permanent)
    return Delivery(mail.message_id, mail.kind, mail.subject, "refused", error)


def _mark_sent(engine: Engine, mail: ResultRow[Any]) -> None:
    with connected(engine) as connection:
        connection.execute(
            text("""UPDATE ops.outbox SET sent_at = clock_timestamp(), due_at = NULL, delivered = recipients,
                                          content = NULL, last_error = NULL WHERE id = :id"""),
            {"id": mail.id},
        )


def _postpone(engine: Engine, mail: ResultRow[Any], delivered: list[str], error: str, *, permanent: bool) -> None:
    """End the claim: until the next try, or for good. Changes nothing if another sender has claimed the mail since."""
    due_at = None
    if mail.attempts < TRIES and not permanent:
        due_at = mail.claimed_at + min(FIRST_WAIT * 2 ** (mail.attempts - 1), LONGEST_WAIT)
    with connected(engine) as connection:
        connection.execute(
            text("""UPDATE ops.outbox SET delivered = :delivered, last_error = :error, claimed_at = NULL,
                                          due_at = :due_at WHERE id = :id AND claimed_at = :claimed_at"""),
            {
                "id": mail.id,
                "claimed_at": mail.claimed_at,
                "delivered": delivered,
                "error": error,
                "due_at": due_at,
            },
        )


def _reasons(refused: Mapping[str, Refusal]) -> str:
    return "; ".join(f"{recipient}: {refusal.reason}" for recipient, refusal in refused.items())
