"""Takes assignments back that nobody has accepted; each learner gets a mail."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.asked import Answers, answers, writing
from catalog_pipeline.settings import Settings

CANCELABLE = ("allocated", "errored")
"""The states in which an assignment can be taken back."""
CANCELLED = f"""
    CASE WHEN w.state = 'cancelled' THEN 'already_cancelled' WHEN w.state IN {CANCELABLE} THEN 'cancelled'
         ELSE 'not_cancelable' END"""
CANCEL = """
    UPDATE catalog.content_assignment SET state = 'cancelled', cancelled_at = :as_of WHERE id = ANY(:ids)"""


def cancel(
    engine: Engine, uuids: Sequence[UUID], *, as_of: datetime, settings: Settings, actor: str, dry_run: bool = False
) -> Answers:
    """Take assignments back that are allocated, or whose redemption failed."""
    with writing(engine, "cancel", as_of, actor, dry_run=dry_run) as publication:
        connection = publication.connection
        found = answers(connection, uuids, CANCELLED)
        ids = found.ids("cancelled")
        publication.count("catalog.content_assignment", {"updated": publication.execute(CANCEL, ids=ids, as_of=as_of)})
        mails.queue(connection, "cancel", ids, as_of=as_of, settings=settings)
    return found
