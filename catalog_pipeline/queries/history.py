"""What happened to one row of the catalog, from its change events."""

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.models.base import FOLD_COLLATION


def history(connection: Connection, key: str) -> list[Row]:
    """What happened to a run, course, organization or program, oldest first. Raises UsageError if nothing did."""
    folded = f"lower(CAST(:key AS text) COLLATE {FOLD_COLLATION})"
    found = rows(
        connection,
        f"""WITH called AS (  -- it may have had another key before or after
                SELECT entity, entity_id FROM ops.change_event
                WHERE key IS NOT NULL AND lower(key COLLATE {FOLD_COLLATION}) = {folded}
                UNION
                SELECT 'run_association', a.id
                FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
                WHERE lower(r.run_key COLLATE {FOLD_COLLATION}) = {folded})
            SELECT at, actor, entity, action, changes FROM ops.change_event JOIN called USING (entity, entity_id)
            ORDER BY id""",
        key=key,
    )
    if not found:
        raise UsageError(f"Nothing is known to have happened to {key!r}; keys look like course-v1:edX+DemoX+2026.")
    return found
