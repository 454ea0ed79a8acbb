"""`catalog-pipeline mail`, as its user runs it: what it sends and says, and what a kill in the middle leaves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.mail import Mailbox, Serve
from test_outbox import ANN, BOB, only, queue

from catalog_pipeline.addresses import SmtpServer
from catalog_pipeline.database.engine import Server, connected
from catalog_pipeline.notifications.outbox import send_due
from catalog_pipeline.notifications.transport import Smtp

COMMAND = Path(sys.executable).with_name("catalog-pipeline")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(server: Server, home: Path) -> Start:
    """Starts `catalog-pipeline mail …`, with settings of the test's choice."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CATALOG_")}
    env |= {"CATALOG_HOME": str(home), "CATALOG_DATABASE_URL": server.url("postgresql")}

    def run(*arguments: str, **settings: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [COMMAND, "mail", *arguments], env=env | settings, cwd=home, text=True, stdout=-1, stderr=-1
        )

    return run


def printed(process: "subprocess.Popen[str]", status: int = 0) -> Any:
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, out + err
    return json.loads(out)


def test_without_a_server_mail_is_written_to_the_home_folder(start: Start, engine: Engine, home: Path) -> None:
    sent = queue(engine)
    assert [(mail["message_id"], mail["outcome"]) for mail in printed(start("send", "--json"))] == [(sent, "sent")]
    (file,) = (home / "mail").glob("*.eml")
    assert message_from_bytes(file.read_bytes())["Message-ID"] == sent


def test_what_failed_is_listed_first_with_its_reason_and_sent_again_when_asked(
    start: Start, engine: Engine, mailbox: Mailbox, serve: Serve
) -> None:
    url = f"smtp://127.0.0.1:{serve()}"
    mailbox.answers[BOB] = "550 no such user"
    queue(engine, BOB)
    queue(engine, ANN)
    assert [mail["outcome"] for mail in printed(start("send", "--json", CATALOG_SMTP_URL=url), 3)] == [
        "refused",
        "sent",
    ]
    failed, sent = printed(start("list", "--json"))
    assert (failed["state"], failed["last_error"]) == ("given up", f"{BOB}: 550 no such user")
    assert (sent["state"], sent["last_error"]) == ("sent", None)
    mailbox.answers.clear()
    (again,) = printed(start("send", "--again", "--json", CATALOG_SMTP_URL=url))
    assert again["outcome"] == "sent"
    assert len(mailbox.mails) == 2


def test_a_server_out_of_reach_is_exit_status_5_and_the_password_is_told_nowhere(start: Start, engine: Engine) -> None:
    queue(engine)
    process = start("send", CATALOG_SMTP_URL="smtps://ann:hunter2@127.0.0.1:9")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "127.0.0.1:9" in out
    assert "hunter2" not in out + err + only(engine, "last_error").last_error


def test_a_sender_killed_between_the_servers_yes_and_its_own_note_sends_the_same_mail_again(
    start: Start, engine: Engine, mailbox: Mailbox, serve: Serve
) -> None:
    port = serve()
    sent = queue(engine)
    processes: list[subprocess.Popen[str]] = []
    # The farewell comes after the server has said yes to the mail, and before the sender marks it sent.
    mailbox.before_farewell = lambda: processes[0].send_signal(signal.SIGKILL)
    processes.append(start("send", CATALOG_SMTP_URL=f"smtp://127.0.0.1:{port}"))
    assert processes[0].wait(60) == -signal.SIGKILL
    assert mailbox.deliveries == [(sent, ANN)]
    mailbox.before_farewell = lambda: None
    transport = Smtp(SmtpServer("127.0.0.1", port, "none"))
    assert send_due(engine, transport) == []
    later = datetime.now(UTC) + timedelta(minutes=16)
    assert [one.outcome for one in send_due(engine, transport, later)] == ["sent"]
    assert mailbox.deliveries == [(sent, ANN), (sent, ANN)]


def test_a_copy_of_a_database_sends_its_mail_when_a_person_says_so(start: Start, engine: Engine) -> None:
    queue(engine)
    with connected(engine) as connection:
        connection.execute(text("UPDATE ops.mail_sender SET database = '7/00000001/5'"))
    refused = start("send")
    assert "catalog-pipeline mail send-from-here" in refused.communicate(timeout=60)[1]
    assert refused.returncode == 4
    assert "1 mails wait." in start("send-from-here").communicate(timeout=60)[0]
    assert [mail["outcome"] for mail in printed(start("send", "--json"))] == ["sent"]
