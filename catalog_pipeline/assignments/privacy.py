"""Clears the personal data of learners who never took what was assigned to them.

Cleared is the address: in the assignment, in its mails, in what was landed of it, and in the customer's list of
learners, where no other assignment has it. The rows stay.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.assignments.asked import writing
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import rows

RETIRED = "retired\\_user%@retired.invalid"
CLEARABLE = """
    CREATE TEMP TABLE clearing ON COMMIT DROP AS
    SELECT a.id, a.uuid, a.learner_email AS email, g.enterprise_customer_id FROM catalog.content_assignment a
    JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id AND g.owner = 'here'
    LEFT JOIN catalog.assignment_expiration x ON x.content_assignment_id = a.id
    WHERE a.state = 'expired' AND a.learner_email NOT LIKE :retired
      AND coalesce(a.expired_reason, x.reason) = 'NINETY_DAYS_PASSED'
      -- Not before the learner was told: the mail needs the address.
      AND EXISTS (SELECT FROM catalog.assignment_action d
                  WHERE d.content_assignment_id = a.id AND d.action_type = 'expired' AND d.completed_at IS NOT NULL)"""
NOBODY = "'retired_user' || encode(uuid_send(gen_random_uuid()), 'hex')::char(16) || '@retired.invalid'"
RETIRE = f"""
    UPDATE catalog.content_assignment a SET learner_email = {NOBODY} FROM clearing c WHERE c.id = a.id"""
FORGET_LEARNERS = f"""
    UPDATE catalog.enterprise_learner l SET email = {NOBODY} FROM clearing c
    WHERE c.enterprise_customer_id = l.enterprise_customer_id AND {folded("c.email")} = {folded("l.email")}
      AND NOT EXISTS (
          SELECT FROM catalog.content_assignment a
          JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id
          WHERE g.enterprise_customer_id = l.enterprise_customer_id
            AND {folded("a.learner_email")} = {folded("l.email")})"""
DELETE_MAILS = """
    DELETE FROM ops.outbox o USING catalog.assignment_action d JOIN clearing c ON c.id = d.content_assignment_id
    WHERE d.outbox_id = o.id"""
FORGET_DOCUMENTS = """
    DELETE FROM landing.document d USING clearing c
    WHERE d.source = 'enterprise' AND d.kind = 'assignment' AND d.key = c.uuid::text"""


@dataclass(frozen=True)
class Clearing:
    """The assignments whose learners' addresses were cleared."""

    assignments: list[UUID]


def clear_personal_data(engine: Engine, *, as_of: datetime, actor: str, dry_run: bool = False) -> Clearing:
    """Clear the address of each assignment that expired after ninety days and whose learner was told so.

    Their mails are deleted, sent or not; the actions stay. The customer's list of learners forgets an address that no
    other assignment of the customer has.
    """
    with writing(engine, "clear-pii", as_of, actor, dry_run=dry_run) as publication:
        publication.execute(CLEARABLE, retired=RETIRED)
        found = rows(publication.connection, "SELECT uuid FROM clearing ORDER BY id")
        for statement in (DELETE_MAILS, FORGET_DOCUMENTS):
            publication.execute(statement)
        publication.count("catalog.content_assignment", {"updated": publication.execute(RETIRE)})
        publication.count("catalog.enterprise_learner", {"updated": publication.execute(FORGET_LEARNERS)})
    return Clearing([row["uuid"] for row in found])
