"""Removes enrollments that have waited for a user in vain, and what then holds nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.vocabulary import UNPAID_MODES

WAITING = """
    CREATE TEMP TABLE expiring ON COMMIT DROP AS
    SELECT e.id, e.learner_id FROM catalog.program_enrollment e
    JOIN catalog.program p ON p.id = e.program_id AND p.enrollments_owner = 'here'
    JOIN catalog.learner l ON l.id = e.learner_id AND l.user_name IS NULL
    WHERE e.updated_at <= :before AND NOT EXISTS (
        SELECT FROM catalog.program_course_enrollment c
        WHERE c.program_enrollment_id = e.id AND c.updated_at > :before)"""
OF_THEM = "learner_id IN (SELECT learner_id FROM expiring)"
HAVE_NOTHING = f"""
    CREATE TEMP TABLE forgotten ON COMMIT DROP AS
    SELECT l.id FROM catalog.learner l
    WHERE l.id IN (SELECT learner_id FROM expiring)
      AND l.retired_at IS NULL  -- by the hash of the key a retired learner is known for ever
      AND NOT EXISTS (SELECT FROM catalog.program_enrollment e WHERE e.learner_id = l.id)
      AND NOT EXISTS (SELECT FROM catalog.course_enrollment s WHERE s.learner_id = l.id
                      AND (s.mode NOT IN {UNPAID_MODES} OR EXISTS (
                          SELECT FROM catalog.program_course_enrollment c WHERE c.course_enrollment_id = s.id)))"""
DELETIONS = {
    "catalog.program_course_enrollment": """
        DELETE FROM catalog.program_course_enrollment c USING expiring x WHERE c.program_enrollment_id = x.id""",
    "catalog.program_enrollment": "DELETE FROM catalog.program_enrollment e USING expiring x WHERE e.id = x.id",
    "catalog.course_enrollment": f"""
        DELETE FROM catalog.course_enrollment s WHERE s.{OF_THEM} AND s.mode IN {UNPAID_MODES}
        AND NOT EXISTS (SELECT FROM catalog.program_course_enrollment c WHERE c.course_enrollment_id = s.id)""",
    "catalog.learner_key": "DELETE FROM catalog.learner_key k USING forgotten f WHERE k.learner_id = f.id",
    "catalog.learner": "DELETE FROM catalog.learner l USING forgotten f WHERE l.id = f.id",
}


@dataclass(frozen=True)
class Expired:
    """What was removed: enrollments in programs that waited, and their rows in runs."""

    as_of: datetime
    days: int
    expired: int
    course_enrollments: int


def expire(engine: Engine, asked: Asked, days: int | None = None) -> Expired:
    """Remove the enrollments of our programs that wait for a user and did not change in `days`, nor did their rows.

    `days` is the setting's unless it is given. Seats, keys and learners that then hold nothing go along. Raises
    UsageError where neither says how many days.
    """
    days = asked.settings.waiting_enrollment_days if days is None else days
    if days is None:
        raise UsageError("Say how many days: give --days, or set CATALOG_WAITING_ENROLLMENT_DAYS.")
    try:
        before = asked.as_of - timedelta(days=days)
    except OverflowError:
        raise UsageError(f"There was no time {days} days before {asked.as_of:%Y-%m-%d}.") from None
    removed = writing(engine, "expire", asked, lambda load: _expire(load, before))
    return Expired(
        asked.as_of,
        days,
        removed["catalog.program_enrollment"],
        removed["catalog.program_course_enrollment"],
    )


def _expire(publication: Publication, before: datetime) -> dict[str, int]:
    """How many rows of each table were removed."""
    publication.execute(WAITING, before=before)
    removed = {}
    for table, statement in DELETIONS.items():
        if table == "catalog.learner_key":
            publication.execute(HAVE_NOTHING)
        removed[table] = publication.execute(statement)
        publication.count(table, {"deleted": removed[table]})
    return removed
