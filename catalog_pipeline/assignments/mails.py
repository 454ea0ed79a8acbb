"""The mails to learners about their assignments: what each says, and queueing it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.notifications.composing import compose
from catalog_pipeline.notifications.outbox import enqueue
from catalog_pipeline.settings import Settings

TOLD = """
    SELECT a.id, a.learner_email, coalesce(m.title, a.content_title, a.content_key) AS course_title,
           c.name AS organization, c.contact_email
    FROM catalog.content_assignment a
    JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id
    JOIN catalog.enterprise_customer c ON c.id = g.enterprise_customer_id
    LEFT JOIN catalog.content_metadata m ON m.id = a.content_metadata_id
    WHERE a.id = ANY(:ids) ORDER BY a.allocated_at, a.uuid"""
SUBJECTS = {"assignment_expired": "Your assignment of {course_title} has expired"}


def queue(
    connection: Connection, kind: str, assignment_ids: Sequence[int], as_of: datetime, settings: Settings
) -> dict[int, int]:
    """Queue a mail of one kind to the learner of each assignment, in the caller's transaction.

    Returns the id of the mail in the outbox by that of the assignment. Raises UsageError for a bad address.
    """
    told = rows(connection, TOLD, ids=list(assignment_ids))
    return {row["id"]: _queue(connection, kind, row, as_of, settings) for row in told}


def _queue(connection: Connection, kind: str, told: Row, as_of: datetime, settings: Settings) -> int:
    message = compose(
        Path(__file__).with_name(kind),
        {**told, "as_of": as_of.astimezone(UTC)},
        subject=SUBJECTS[kind].format(**told),
        sender=settings.mail_from,
        recipients=[told["learner_email"]],
        at=as_of,
    )
    return enqueue(connection, message, kind)
