"""How a mail leaves: encrypted or not at all where that is asked, refused by name, as a file without a server."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from support.mail import PASSWORD, USER, Mailbox, Serve, authenticate

from catalog_pipeline.addresses import Encryption, SmtpServer, parse_smtp_url
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.notifications.outbox import CLAIM
from catalog_pipeline.notifications.transport import Folder, MailUnreachableError, Refusal, Smtp, transport
from catalog_pipeline.settings import Settings

MAIL = b"Message-ID: <1@example.org>\r\nSubject: s\r\n\r\n.one\r\ntwo\r\n"
FROM, ANN, BOB = "catalog@example.org", "ann@example.org", "bob@example.org"


def test_a_mail_arrives_as_it_is(smtp: Smtp, mailbox: Mailbox) -> None:
    assert smtp.send(MAIL, FROM, [ANN, BOB]) == {}
    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients, mail.content) == (FROM, [ANN, BOB], MAIL)


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_user_and_password_travel_encrypted(
    serve: Serve, mailbox: Mailbox, tls: ssl.SSLContext, encryption: str
) -> None:
    options = {"tls_context": tls, "require_starttls": True} if encryption == "starttls" else {"ssl_context": tls}
    port = serve(**options, authenticator=authenticate, auth_required=True, auth_require_tls=encryption == "starttls")
    url = {"starttls": f"smtp://{USER}:p%40ss%3A%20word@127.0.0.1:{port}?starttls"}
    url["tls"] = f"smtps://{USER}:p%40ss%3A%20word@localhost:{port}"
    Smtp(parse_smtp_url(url[encryption])).send(MAIL, FROM, [ANN])
    assert [mail.encrypted for mail in mailbox.mails] == [True]


def test_without_starttls_nothing_is_sent_where_it_is_asked_for(serve: Serve, mailbox: Mailbox) -> None:
    with pytest.raises(MailUnreachableError, match="STARTTLS extension not supported"):
        Smtp(SmtpServer("127.0.0.1", serve(), "starttls")).send(MAIL, FROM, [ANN])
    assert mailbox.mails == []


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    serve: Serve, mailbox: Mailbox, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, encryption: str
) -> None:
    options = {"tls_context": tls} if encryption == "starttls" else {"ssl_context": tls}
    port = serve(**options)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MailUnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        Smtp(SmtpServer("127.0.0.1", port, encryption)).send(MAIL, FROM, [ANN])  # pyright: ignore[reportArgumentType]
    assert mailbox.mails == []


def test_a_wrong_password_is_told_without_it(serve: Serve, mailbox: Mailbox, tls: ssl.SSLContext) -> None:
    port = serve(tls_context=tls, authenticator=authenticate, auth_required=True)
    server = SmtpServer("127.0.0.1", port, "starttls", USER, f"{PASSWORD}!")
    with pytest.raises(MailUnreachableError, match=r"refuses the user or the password \(535\)") as caught:
        Smtp(server).send(MAIL, FROM, [ANN])
    assert PASSWORD not in str(caught.value) + repr(server) + repr(Smtp(server))
    assert mailbox.mails == []


def test_a_server_that_is_not_there_is_told_by_its_name(serve: Serve) -> None:
    with pytest.raises(MailUnreachableError, match=r"127\.0\.0\.1:9: .*refused.*CATALOG_SMTP_URL") as caught:
        Smtp(SmtpServer("127.0.0.1", 9, "none")).send(MAIL, FROM, [ANN])
    assert caught.value.exit_code == ExitCode.UNREACHABLE


@pytest.mark.parametrize("host", ["mail..example", "no-such-host.invalid"])
def test_a_host_that_is_none_is_told_by_its_name(host: str) -> None:
    with pytest.raises(MailUnreachableError, match=f"sent by {host}:25"):
        Smtp(SmtpServer(host, 25, "none")).send(MAIL, FROM, [ANN])


@pytest.mark.parametrize("encryption", ["none", "tls"])
def test_a_server_that_answers_a_byte_now_and_then_is_cut_off_at_the_deadline(encryption: Encryption) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def drip() -> None:
            taken, _ = listening.accept()
            with taken, contextlib.suppress(OSError):
                while not done.wait(0.05):
                    taken.sendall(b"2" if encryption == "none" else b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0\x03\x03")
                    if encryption == "tls":
                        while not done.wait(0.05):
                            taken.sendall(b"\x00")

        dripping = threading.Thread(target=drip)
        dripping.start()
        server = SmtpServer("127.0.0.1", listening.getsockname()[1], encryption)
        with pytest.raises(MailUnreachableError, match=r"it took over 0\.5 s"):
            Smtp(server, timeout=5, deadline=0.5).send(MAIL, FROM, [ANN])
        done.set()
        dripping.join()


def test_a_session_ends_before_its_claim(smtp: Smtp) -> None:
    assert smtp.deadline < CLAIM.total_seconds()


def test_only_the_refused_recipients_are_returned(smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.answers[ANN] = "550 no such user"
    assert smtp.send(MAIL, FROM, [ANN, BOB]) == {ANN: Refusal(550, "550 no such user")}
    assert [mail.recipients for mail in mailbox.mails] == [[BOB]]


def test_a_mail_that_is_refused_itself_is_refused_for_all(smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.answer = "452 mailbox full\t, later"
    refused = Refusal(452, "452 mailbox full , later")
    assert smtp.send(MAIL, FROM, [ANN, BOB]) == {ANN: refused, BOB: refused}
    assert not refused.permanent


def test_a_server_that_closes_in_the_middle_has_taken_it_for_nobody(smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.answers[ANN] = "421 going down"
    refused = smtp.send(MAIL, FROM, [ANN, BOB])
    assert set(refused) == {ANN, BOB}
    assert not any(refusal.permanent for refusal in refused.values())
    assert mailbox.mails == []


def test_a_bad_farewell_does_not_undo_a_mail_that_was_taken(smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.farewell = "500 no"
    assert smtp.send(MAIL, FROM, [ANN]) == {}


def test_a_server_that_hangs_up_instead_of_an_answer_is_out_of_reach(smtp: Smtp, mailbox: Mailbox) -> None:
    mailbox.before_answer = lambda server: server.transport.close()
    with pytest.raises(MailUnreachableError, match="closed"):
        smtp.send(MAIL, FROM, [ANN])


def test_without_a_server_a_mail_is_a_file_and_sent_again_the_same_file(home: Path) -> None:
    settings = Settings(_env_file=None, home=home)  # pyright: ignore[reportCallIssue]
    for _ in range(2):
        assert transport(settings).send(MAIL, FROM, [ANN]) == {}
    (file,) = (home / "mail").iterdir()
    assert (file.name, file.read_bytes()) == ("1@example.org.eml", MAIL)


def test_a_folder_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "mail").write_text("a file")
    with pytest.raises(MailUnreachableError, match=r"/mail/1@example\.org\.eml"):
        Folder(home / "mail").send(MAIL, FROM, [ANN])


def test_the_configured_server_is_used() -> None:
    settings = Settings(_env_file=None, smtp_url="smtps://u:p@mail.example.org")  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert transport(settings) == Smtp(SmtpServer("mail.example.org", 465, "tls", "u", "p"))
