"""Reminders of allocated assignments, and taking assignments back: each learner gets a mail."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.asked import Answers, answers, ask, writing
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.settings import Settings

REMINDABLE, CANCELABLE = ("allocated",), ("allocated", "errored")
"""The states in which an assignment can be reminded of, or taken back."""
REMINDED = """
    CASE WHEN w.state <> 'allocated' THEN 'not_remindable'
         -- Once a day by UTC. A mail that was refused does not count.
         WHEN EXISTS (SELECT FROM catalog.assignment_action d
                      WHERE d.content_assignment_id = w.id AND d.action_type = 'reminded' AND d.error_reason IS NULL
                        AND d.created_at >= :today AND d.created_at < :today + interval '1 day')
         THEN 'already_reminded' ELSE 'reminded' END"""
CANCELLED = """
    CASE w.state WHEN 'cancelled' THEN 'already_cancelled' WHEN 'allocated' THEN 'cancelled'
                 WHEN 'errored' THEN 'cancelled' ELSE 'not_cancelable' END"""
CANCEL = """
    UPDATE catalog.content_assignment SET state = 'cancelled', cancelled_at = :as_of WHERE id = ANY(:ids)"""


def remind(
    engine: Engine, uuids: Sequence[UUID], *, as_of: datetime, settings: Settings, actor: str, dry_run: bool = False
) -> Answers:
    """Remind learners of allocated assignments, at most once a day each."""
    with writing(engine, "remind", as_of, actor, dry_run=dry_run) as publication:
        ask(publication.connection, uuids)
        found = answers(publication.connection, REMINDED, today=_midnight(as_of))
        ids = [row["id"] for row in found.assignments if row["outcome"] == "reminded"]
        mails.queue(publication.connection, "remind", ids, as_of=as_of, settings=settings)
    return _told(found)


def cancel(
    engine: Engine, uuids: Sequence[UUID], *, as_of: datetime, settings: Settings, actor: str, dry_run: bool = False
) -> Answers:
    """Take assignments back that are allocated, or whose redemption failed."""
    with writing(engine, "cancel", as_of, actor, dry_run=dry_run) as publication:
        ask(publication.connection, uuids)
        found = answers(publication.connection, CANCELLED)
        _cancel(publication, [row["id"] for row in found.assignments if row["outcome"] == "cancelled"], settings)
    return _told(found)


def _cancel(publication: Publication, ids: list[int], settings: Settings) -> None:
    cancelled = publication.execute(CANCEL, ids=ids, as_of=publication.as_of)
    publication.count("catalog.content_assignment", {"updated": cancelled})
    mails.queue(publication.connection, "cancel", ids, as_of=publication.as_of, settings=settings)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _told(found: Answers) -> Answers:
    return Answers([{"uuid": row["uuid"], "outcome": row["outcome"]} for row in found.assignments])
