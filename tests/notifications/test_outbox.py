"""The outbox: a mail is kept with what it tells of, sent at least once, and by one sender at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from support.mail import Mailbox

from catalog_pipeline.addresses import SmtpServer
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.notifications import outbox
from catalog_pipeline.notifications.outbox import CLAIM, FIRST_WAIT, LONGEST_WAIT, TRIES, enqueue, send_due
from catalog_pipeline.notifications.transport import Smtp

ANN, BOB = "ann@example.org", "bob@example.org"
NOWHERE = Smtp(SmtpServer("127.0.0.1", 9, "none"))


def message(*recipients: str, subject: str = "Hello") -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["Subject"] = subject
    made["From"] = "Catalog <catalog@example.org>"
    made["To"] = [Address("Ann Müller", addr_spec=recipient) for recipient in recipients or (ANN,)]
    made["Message-ID"] = make_msgid(domain="example.org")
    made.set_content("Körper", cte="quoted-printable")
    return made


def queue(engine: Engine, *recipients: str) -> str:
    """Queue a mail; returns its Message-ID."""
    made = message(*recipients)
    with connected(engine) as connection:
        enqueue(connection, made, "test")
    return made["Message-ID"]


def only(engine: Engine, *columns: str) -> Any:
    """The outbox's one row."""
    with connected(engine) as connection:
        return connection.execute(text(f"SELECT {', '.join(columns)} FROM ops.outbox")).one()


def state(engine: Engine) -> str:
    with connected(engine) as connection:
        return outbox.listed(connection, 1)[0]["state"]


def in_future(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


def test_a_mail_whose_transaction_failed_was_never_there(engine: Engine, smtp: Smtp) -> None:
    with pytest.raises(ZeroDivisionError), connected(engine) as connection:  # noqa: PT012 - fails in its transaction
        enqueue(connection, message(), "test")
        _ = 1 / 0
    assert send_due(engine, smtp) == []


def test_a_mail_is_sent_once_as_it_was_queued_and_its_content_is_emptied(
    engine: Engine, smtp: Smtp, mailbox: Mailbox
) -> None:
    made = message(ANN, BOB, ANN)
    with connected(engine) as connection:
        enqueue(connection, made, "test")
    assert state(engine) == "waiting"
    assert [delivery.outcome for delivery in send_due(engine, smtp) + send_due(engine, smtp)] == ["sent"]
    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients) == ("catalog@example.org", [ANN, BOB])
    assert mail.content == made.as_bytes(policy=SMTP)
    assert mail.message.get_content().strip() == "Körper"
    row = only(engine, "content", "delivered", "attempts", "due_at", "last_error", "sent_at > created_at")
    assert row == (None, [ANN, BOB], 1, None, None, True)
    assert state(engine) == "sent"


def test_an_error_of_the_database_names_no_recipient(engine: Engine) -> None:
    made = message()
    with pytest.raises(IntegrityError) as caught, connected(engine) as connection:  # noqa: PT012 - the second fails
        enqueue(connection, made, "test")
        enqueue(connection, made, "test")
    assert made["Message-ID"] in str(caught.value)
    assert ANN not in str(caught.value)


class Died(BaseException):
    """What no handler catches, as a kill is not caught."""


class DiesAfter:
    """A transport whose process dies when the server has the mail, before anyone is told."""

    def __init__(self, transport: Smtp) -> None:
        self.transport = transport

    def send(self, *arguments: Any) -> Any:
        self.transport.send(*arguments)
        raise Died


def test_a_sender_that_dies_after_the_server_took_the_mail_sends_it_again_after_its_claim_with_the_same_id(
    engine: Engine, smtp: Smtp, mailbox: Mailbox
) -> None:
    sent = queue(engine)
    with pytest.raises(Died):
        send_due(engine, DiesAfter(smtp))
    assert state(engine) == "sending"
    assert send_due(engine, smtp) == send_due(engine, smtp, in_future(minutes=14)) == []
    assert [delivery.outcome for delivery in send_due(engine, smtp, in_future(minutes=16))] == ["sent"]
    assert mailbox.deliveries == [(sent, ANN), (sent, ANN)]
    assert mailbox.mails[0].content == mailbox.mails[1].content
    assert only(engine, "attempts", "content") == (2, None)


def test_many_senders_at_once_send_each_mail_once(engine: Engine, smtp: Smtp, mailbox: Mailbox) -> None:
    queued = [queue(engine) for _ in range(40)]
    together = Barrier(4)

    def work(_: int) -> list[outbox.Delivery]:
        together.wait()
        return send_due(engine, smtp)

    with ThreadPoolExecutor(4) as pool:
        done = [delivery for deliveries in pool.map(work, range(4)) for delivery in deliveries]
    assert sorted(mailbox.deliveries) == sorted((message_id, ANN) for message_id in queued)
    assert sorted(delivery.message_id for delivery in done) == sorted(queued)


def test_a_mail_that_another_sender_has_in_hand_is_passed_over_and_not_waited_for(
    engine: Engine, smtp: Smtp, mailbox: Mailbox
) -> None:
    first, second = queue(engine), queue(engine)
    with connected(engine) as other:
        other.execute(text("SELECT 1 FROM ops.outbox WHERE message_id = :first FOR UPDATE"), {"first": first})
        assert [delivery.message_id for delivery in send_due(engine, smtp)] == [second]
    assert mailbox.deliveries == [(second, ANN)]


def test_the_oldest_due_mail_goes_first(engine: Engine, smtp: Smtp, mailbox: Mailbox) -> None:
    queued = [queue(engine) for _ in range(5)]
    send_due(engine, smtp)
    assert [message_id for message_id, _ in mailbox.deliveries] == queued


def test_a_server_out_of_reach_ends_the_round_keeps_the_reason_and_backs_off(engine: Engine) -> None:
    queue(engine)
    queue(engine)
    deliveries = send_due(engine, NOWHERE)
    assert [delivery.outcome for delivery in deliveries] == ["unreachable"]
    assert outbox.exit_code(deliveries) == ExitCode.UNREACHABLE
    with connected(engine) as connection:
        waiting, retrying = outbox.listed(connection, 10)
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    assert (retrying["state"], retrying["attempts"]) == ("retrying", 1)
    with connected(engine) as connection:
        assert outbox.unsent(connection) == [{"state": "retrying", "mails": 1}, {"state": "waiting", "mails": 1}]
    assert "127.0.0.1:9" in retrying["last_error"]


def test_waits_between_tries_double_to_a_limit_and_end_after_three_days(engine: Engine) -> None:
    queue(engine)
    now, waits = datetime.now(UTC), []
    while now is not None:
        send_due(engine, NOWHERE, now)
        due_at = only(engine, "due_at").due_at
        waits += [due_at - now] if due_at else []
        now = due_at
    assert waits[1:4] == [FIRST_WAIT * 2, FIRST_WAIT * 4, FIRST_WAIT * 8]
    assert waits[-1] == max(waits) == LONGEST_WAIT
    assert timedelta(days=3) < sum(waits, timedelta()) < timedelta(days=3.1)
    assert only(engine, "attempts", "content IS NULL") == (TRIES, False)
    assert state(engine) == "given up"


def test_what_was_given_up_is_sent_when_that_is_asked_for(engine: Engine, smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.answer = "550 spam"
    sent = queue(engine)
    assert [delivery.outcome for delivery in send_due(engine, smtp)] == ["refused"]
    assert state(engine) == "given up"
    mailbox.answer = "250 OK"
    assert send_due(engine, smtp, in_future(days=9)) == []
    with connected(engine) as connection:
        assert outbox.make_due(connection) == 1
    send_due(engine, smtp)
    assert mailbox.deliveries == [(sent, ANN)]


def test_who_has_a_mail_does_not_get_it_again_for_the_sake_of_who_has_not(
    engine: Engine, smtp: Smtp, mailbox: Mailbox
) -> None:
    mailbox.answers[ANN] = "451 greylisted"
    sent = queue(engine, ANN, BOB)
    (delivery,) = send_due(engine, smtp)
    assert (delivery.outcome, delivery.error) == ("refused", f"{ANN}: 451 greylisted")
    assert outbox.exit_code([delivery]) == ExitCode.SOME_ROWS_LEFT
    assert only(engine, "delivered", "last_error") == ([BOB], f"{ANN}: 451 greylisted")
    del mailbox.answers[ANN]
    send_due(engine, smtp, in_future(minutes=2))
    assert mailbox.deliveries == [(sent, BOB), (sent, ANN)]
    assert only(engine, "delivered", "content") == ([ANN, BOB], None)


def test_a_recipient_who_does_not_exist_is_not_asked_again(engine: Engine, smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.answers[ANN] = "550 no such user"
    queue(engine, ANN, BOB)
    send_due(engine, smtp)
    assert (state(engine), only(engine, "last_error").last_error) == ("given up", f"{ANN}: 550 no such user")
    assert send_due(engine, smtp, in_future(days=1)) == []


def test_a_reason_with_bytes_that_no_database_keeps_is_kept_without_them(
    engine: Engine, smtp: Smtp, mailbox: Mailbox
) -> None:
    mailbox.answers[ANN] = "451 nul\0 and \x1b[31m colour"
    queue(engine)
    send_due(engine, smtp)
    assert only(engine, "last_error").last_error == f"{ANN}: 451 nul and [31m colour"


def test_a_slow_senders_failure_does_not_release_the_mail_that_another_has_taken_over(
    engine: Engine, smtp: Smtp, mailbox: Mailbox
) -> None:
    queue(engine)

    class Slow:
        def send(self, *_: Any) -> Any:
            with pytest.raises(Died):
                send_due(engine, DiesAfter(smtp), in_future(minutes=16))  # another one takes over, and is at it
            return NOWHERE.send(*_)

    send_due(engine, Slow())
    row = only(engine, "attempts", "due_at")
    assert (state(engine), row.attempts) == ("sending", 2)
    assert row.due_at > in_future(minutes=16) + CLAIM - timedelta(minutes=1)


def test_the_next_try_has_one_name_until_it_is_made(engine: Engine, smtp: Smtp) -> None:
    def due() -> str | None:
        with connected(engine) as connection:
            return outbox.first_due(connection)

    assert due() is None
    queue(engine)
    named = due()
    assert named is not None
    assert due() == named
    send_due(engine, NOWHERE)
    assert due() is None
    with connected(engine) as connection:
        outbox.make_due(connection)
    assert due() not in (None, named)
    send_due(engine, smtp)
    assert due() is None
