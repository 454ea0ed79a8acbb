"""Reminds learners of what is allocated to them, by mail, once a day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.asked import Answers, answers, writing
from catalog_pipeline.settings import Settings

REMINDABLE = ("allocated",)
"""The states in which a learner can be reminded of an assignment."""
REMINDED = """
    CASE WHEN w.state <> 'allocated' THEN 'not_remindable'
         -- Once a day by UTC. A mail that was refused does not count.
         WHEN EXISTS (SELECT FROM catalog.assignment_action d
                      WHERE d.content_assignment_id = w.id AND d.action_type = 'reminded' AND d.error_reason IS NULL
                        AND d.created_at >= :today AND d.created_at < :today + interval '1 day')
         THEN 'already_reminded' ELSE 'reminded' END"""


def remind(
    engine: Engine, uuids: Sequence[UUID], *, as_of: datetime, settings: Settings, actor: str, dry_run: bool = False
) -> Answers:
    """Remind learners of allocated assignments, at most once a day each."""
    today = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with writing(engine, "remind", as_of, actor, dry_run=dry_run) as publication:
        connection = publication.connection
        found = answers(connection, uuids, REMINDED, today=today)
        mails.queue(connection, "remind", found.ids("reminded"), as_of=as_of, settings=settings)
    return found
