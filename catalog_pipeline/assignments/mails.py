"""The mails to learners about their assignments, each with the action that it does.

A mail is queued in the transaction that decides to send it. Its action is completed when the mail is sent, and says
`email_error` when it is given up: a trigger of the outbox sees to that.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from catalog_pipeline.assignments.texts import TEXTS, MailText
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.notifications.composing import compose, render
from catalog_pipeline.notifications.outbox import enqueue_copies
from catalog_pipeline.rules.assignment_mails import Course, Customer, Kind, properties
from catalog_pipeline.settings import Settings

MAIL_KINDS: dict[Kind, str] = {
    "create": "assignment_created",
    "remind": "assignment_reminder",
    "cancel": "assignment_cancelled",
    "expire": "assignment_expired",
    "nudge": "assignment_nudge",
}
"""The kind of mail in the outbox, by what is done."""
ACTIONS: dict[Kind, str] = {
    "create": "notified",
    "remind": "reminded",
    "cancel": "cancelled",
    "expire": "expired",
    "nudge": "nudged",
}
"""The action that the mail does."""
TEMPLATE = Path(__file__).with_name("mail")

FACTS = f"""
    SELECT a.id, a.uuid, a.learner_email, coalesce(m.title, a.content_title, a.content_key) AS title,
           c.name, c.slug, c.contact_email, x.expires_at, m.partners, m.image_url,
           r.run_key, coalesce(r.start, m.start) AS start, coalesce(r."end", m."end") AS "end", r.pacing,
           r.weeks_to_complete, coalesce(r.enroll_by, m.enroll_by) AS enroll_by
    FROM catalog.content_assignment a
    JOIN unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS wanted (id, position) ON wanted.id = a.id
    JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id
    JOIN catalog.enterprise_customer c ON c.id = g.enterprise_customer_id
    LEFT JOIN catalog.assignment_expiration x ON x.content_assignment_id = a.id
    LEFT JOIN catalog.content_metadata m ON m.id = a.content_metadata_id
    -- The preferred run, else the advertised one: a mail names no date of a run that is gone.
    LEFT JOIN LATERAL (
        SELECT * FROM catalog.content_run r
        WHERE r.missing_since IS NULL AND (
            r.id = a.content_run_id OR r.enterprise_catalog_id = m.enterprise_catalog_id
                                       AND {folded("r.run_key")} = {folded("m.advertised_run_key")})
        ORDER BY r.id = a.content_run_id DESC NULLS LAST LIMIT 1
    ) r ON true
    ORDER BY wanted.position"""

MAKE_ACTIONS = """
    INSERT INTO catalog.assignment_action
        (content_assignment_id, action_type, outbox_id, run_key, run_start, created_at)
    SELECT content_assignment_id, :action, outbox_id, run_key, run_start, :as_of
    FROM unnest(CAST(:assignments AS bigint[]), CAST(:mails AS bigint[]), CAST(:run_keys AS text[]),
                CAST(:starts AS timestamptz[])) AS made (content_assignment_id, outbox_id, run_key, run_start)"""


@dataclass(frozen=True)
class AssignmentMail:
    """One mail, as it would be sent."""

    assignment_id: int
    uuid: UUID
    kind: str
    recipient: str
    properties: dict[str, str]
    content: MailText
    run_key: str | None
    run_start: datetime | None
    """Of the run whose dates the mail tells."""

    @property
    def text(self) -> str:
        """The body as text."""
        return render(TEMPLATE, self.content, "txt")

    @property
    def html(self) -> str:
        """The body as HTML."""
        return render(TEMPLATE, self.content, "html")

    def as_json(self) -> dict[str, Any]:
        """The mail as `assignments preview --json` shows it."""
        told = {"uuid": self.uuid, "kind": self.kind, "subject": self.content.subject, "properties": self.properties}
        return {**told, "text": self.text, "html": self.html}


def queue(
    connection: Connection, kind: Kind, assignment_ids: Sequence[int], *, as_of: datetime, settings: Settings
) -> int:
    """Queue a mail for each assignment, in that order, and make its action; returns how many.

    Their expirations must be as they will be: the mail tells them.
    """
    mails = written(connection, kind, assignment_ids, as_of=as_of, settings=settings)
    if not mails:
        return 0
    outbox_ids = _enqueue(connection, kind, mails, as_of, settings)
    of_nudge = kind == "nudge"
    connection.execute(
        text(MAKE_ACTIONS),
        {
            "action": ACTIONS[kind],
            "as_of": as_of,
            "assignments": [mail.assignment_id for mail in mails],
            "mails": outbox_ids,
            "run_keys": [mail.run_key if of_nudge else None for mail in mails],
            "starts": [mail.run_start if of_nudge else None for mail in mails],
        },
    )
    return len(mails)


def written(
    connection: Connection, kind: Kind, assignment_ids: Sequence[int], *, as_of: datetime, settings: Settings
) -> list[AssignmentMail]:
    """The mails that `queue` would queue. Nothing is written."""
    facts = rows(connection, FACTS, ids=list(assignment_ids))
    return [_mail(kind, fact, as_of, settings) for fact in facts]


def preview(
    connection: Connection, kind: str, uuids: Sequence[UUID], *, as_of: datetime, settings: Settings
) -> list[AssignmentMail]:
    """The mails that would be sent about some assignments, whatever their state. Nothing is written.

    Raises UsageError for an unknown kind, or where there is no such assignment.
    """
    if kind not in MAIL_KINDS:
        raise UsageError(f"{kind!r} is no kind of mail: there are {', '.join(MAIL_KINDS)}.")
    known = "SELECT id, uuid FROM catalog.content_assignment WHERE uuid = ANY(:uuids)"
    ids = {row["uuid"]: row["id"] for row in rows(connection, known, uuids=list(uuids))}
    if unknown := [str(uuid) for uuid in uuids if uuid not in ids]:
        raise UsageError(f"There is no assignment {', '.join(unknown)}.")
    return written(connection, kind, [ids[uuid] for uuid in uuids], as_of=as_of, settings=settings)


def _mail(kind: Kind, fact: Row, as_of: datetime, settings: Settings) -> AssignmentMail:
    partners = [partner["name"] for partner in fact["partners"] or () if partner.get("name")]
    course = Course(
        title=fact["title"],
        start=fact["start"],
        end=fact["end"],
        pacing=fact["pacing"],
        weeks_to_complete=fact["weeks_to_complete"],
        enroll_by=fact["enroll_by"],
        partners=partners,
        image_url=fact["image_url"],
    )
    customer = Customer(fact["name"], fact["slug"], fact["contact_email"], settings.learner_portal_url)
    told = properties(kind, course, customer, fact["expires_at"], as_of)
    content = TEXTS[kind](told)
    return AssignmentMail(
        fact["id"],
        fact["uuid"],
        MAIL_KINDS[kind],
        fact["learner_email"],
        told,
        content,
        fact["run_key"],
        fact["start"],
    )


def _enqueue(
    connection: Connection, kind: Kind, mails: Sequence[AssignmentMail], as_of: datetime, settings: Settings
) -> list[int]:
    """Queue the mails; returns their ids in the outbox. Those that say the same are composed once."""
    same: dict[tuple[tuple[str, str], ...], list[AssignmentMail]] = defaultdict(list)
    for mail in mails:
        same[tuple(mail.properties.items())].append(mail)
    ids: dict[int, int] = {}
    for copies in same.values():
        first, recipients = copies[0], [mail.recipient for mail in copies]
        message = compose(
            TEMPLATE,
            first.content,
            subject=first.content.subject,
            sender=settings.mail_from,
            recipients=recipients[:1],
            at=as_of,
        )
        queued = enqueue_copies(connection, message, recipients, MAIL_KINDS[kind])
        ids |= dict(zip((mail.assignment_id for mail in copies), queued, strict=True))
    return [ids[mail.assignment_id] for mail in mails]
