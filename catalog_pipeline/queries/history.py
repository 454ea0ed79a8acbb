"""What happened to one row of the catalog, from its change events."""

from sqlalchemy import Connection

from catalog_pipeline.database import events
from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import Row
from catalog_pipeline.errors import UsageError
from catalog_pipeline.queries.learners import learner_history, learner_of

# The row may have had another key before or after.
CALLED = f"""
    SELECT entity, entity_id FROM ops.change_event
    WHERE key IS NOT NULL AND {folded("key")} = {WANTED} AND entity NOT IN ('content_metadata', 'content_run')
    UNION
    SELECT 'run_association', a.id
    FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
    WHERE {folded("r.run_key")} = {WANTED}"""
"""The rows that have or had the key, and the association of the run that has it.

What enterprise catalogs say of the key is not the course's nor the run's own history.
"""


def history(connection: Connection, key: str) -> list[Row]:
    """What happened to a run, course, organization or program, oldest first; see `events.of_rows` for the columns.

    Of a learner (learner:17) see `learner_history`. Raises UsageError if nothing is known of the key.
    """
    learner = learner_of(key)
    if learner is not None:
        return learner_history(connection, learner)
    found = events.of_rows(connection, CALLED, key=key)
    if not found:
        raise UsageError(f"Nothing is known to have happened to {key!r}; keys look like course-v1:edX+DemoX+2026.")
    return found
