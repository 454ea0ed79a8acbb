"""Mail that waits in a copy of the database is not sent until a person says so."""

import dagster as dg
import pytest
from dagster import DagsterInstance
from sqlalchemy import Engine, text
from support.mail import Mailbox
from test_outbox import queue

from catalog_pipeline.database.engine import Server, connected
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.notifications.outbox import send_due
from catalog_pipeline.notifications.sender import MailElsewhereError, send_from_here
from catalog_pipeline.notifications.transport import Smtp
from catalog_pipeline.queries.doctor import doctor
from catalog_pipeline.settings import Settings
from sensors.outbox import outbox


def become_a_copy(engine: Engine) -> None:
    """Let another database be the one that wrote the first mail."""
    with connected(engine) as connection:
        connection.execute(text("UPDATE ops.mail_sender SET database = '7/00000001/5'"))


def told(settings: Settings, server: Server) -> list[str]:
    return [finding.detail for finding in doctor(settings, server) if finding.what == "mail" and not finding.ok]


def test_a_copy_sends_no_mail_until_a_person_says_so(engine: Engine, smtp: Smtp, mailbox: Mailbox) -> None:
    queue(engine)
    become_a_copy(engine)
    with pytest.raises(MailElsewhereError, match=r"1 mails wait .* mail send-from-here") as refused:
        send_due(engine, smtp)
    assert refused.value.exit_code == ExitCode.REFUSED
    queue(engine)  # what the copy writes itself waits, too
    with pytest.raises(MailElsewhereError, match="2 mails wait"):
        send_due(engine, smtp)
    assert mailbox.mails == []
    with connected(engine) as connection:
        assert send_from_here(connection, "cli:ann") == 2
    assert [delivery.outcome for delivery in send_due(engine, smtp)] == ["sent", "sent"]
    queue(engine)
    assert [delivery.outcome for delivery in send_due(engine, smtp)] == ["sent"]


def test_a_copy_in_which_no_mail_waits_says_nothing(engine: Engine, smtp: Smtp) -> None:
    queue(engine)
    send_due(engine, smtp)
    become_a_copy(engine)
    assert send_due(engine, smtp) == []


def test_the_sensor_and_the_doctor_say_why_mail_waits(
    engine: Engine, server: Server, settings: Settings, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    queue(engine)
    assert told(settings, server) == []
    become_a_copy(engine)
    with dg.build_sensor_context(instance=instance, definitions=defs, resources=defs.resources) as context:
        asked = outbox.evaluate_tick(context)
    assert not asked.run_requests
    assert "mail send-from-here" in str(asked.skip_message)
    assert told(settings, server) == [asked.skip_message]
