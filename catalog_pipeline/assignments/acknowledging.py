"""A learner has seen that an assignment expired or was cancelled: it is not shown again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from catalog_pipeline.assignments.asked import ask, configuration, writing
from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import LoadRefusedError, UsageError

OUTCOMES = """
    SELECT w.uuid, w.id, a.state,
           CASE WHEN a.state NOT IN ('expired', 'cancelled') THEN 'unacknowledged'
                WHEN EXISTS (
                    SELECT FROM catalog.assignment_action d
                    WHERE d.content_assignment_id = a.id AND d.action_type = a.state || '_acknowledged'
                      AND d.completed_at >= CASE a.state WHEN 'expired' THEN a.expired_at ELSE a.cancelled_at END)
                THEN 'already_acknowledged' ELSE 'acknowledged' END AS outcome
    FROM asked w JOIN catalog.content_assignment a ON a.id = w.id
    WHERE a.assignment_configuration_id = :configuration AND a.lms_user_id = :learner
    ORDER BY w.position"""
ACKNOWLEDGE = """
    INSERT INTO catalog.assignment_action (content_assignment_id, action_type, completed_at, created_at)
    SELECT id, state || '_acknowledged', :as_of, :as_of FROM catalog.content_assignment WHERE id = ANY(:ids)"""


@dataclass
class Acknowledgement:
    """The uuids of the learner's assignments, by what became of them."""

    acknowledged: list[UUID] = field(default_factory=list)
    already_acknowledged: list[UUID] = field(default_factory=list)
    unacknowledged: list[UUID] = field(default_factory=list)
    """Those that neither expired nor were cancelled."""


def acknowledge(
    engine: Engine, uuids: Sequence[UUID], *, of: UUID, learner: int, as_of: datetime, actor: str, dry_run: bool = False
) -> Acknowledgement:
    """Acknowledge a learner's assignments of the configuration `of`. Those of others are left alone.

    Raises UsageError where none is the learner's, LoadRefusedError where enterprise-access owns them.
    """
    done = Acknowledgement()
    with writing(engine, "acknowledge", as_of, actor, dry_run=dry_run) as publication:
        found = configuration(publication.connection, of)
        if found["owner"] == "enterprise_access":
            raise LoadRefusedError(f"owned_elsewhere: the assignments of {of} are enterprise-access's.")
        ask(publication.connection, uuids)
        theirs = rows(publication.connection, OUTCOMES, configuration=found["id"], learner=learner)
        if not theirs:
            raise UsageError(f"None of these is an assignment of the learner {learner} in {of}.")
        ids = [row["id"] for row in theirs if row["outcome"] == "acknowledged"]
        publication.connection.execute(text(ACKNOWLEDGE), {"ids": ids, "as_of": as_of})
    for row in theirs:
        getattr(done, row["outcome"]).append(row["uuid"])
    return done
