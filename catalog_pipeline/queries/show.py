"""What the catalog holds under one key, and the upstream documents behind it."""

from sqlalchemy import Connection, text

from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.sources.documents import decode, decompress


def show(connection: Connection, key: str) -> Row:
    """What the catalog holds under a run's, course's, organization's key or a uuid. Raises UsageError if nothing."""
    run = rows(connection, f"SELECT * FROM catalog.run WHERE {folded('run_key')} = {WANTED}", key=key)
    if run:
        return {"run": run[0]}
    course = rows(
        connection,
        f"""SELECT c.*, o.key AS organization_key FROM catalog.catalog_course c
            JOIN catalog.organization o ON o.id = c.organization_id
            WHERE {folded("c.key")} = {WANTED} OR c.uuid::text = {WANTED}""",
        key=key,
    )
    if course:
        query = (
            'SELECT run_key, status, start, "end", price, association_source FROM catalog.run WHERE course_key = :key'
        )
        return {"course": course[0], "runs": rows(connection, f"{query} ORDER BY start, run_key", key=course[0]["key"])}
    organization = rows(
        connection,
        f"""SELECT * FROM catalog.organization
            WHERE {folded("key")} = {WANTED} OR uuid::text = {WANTED}""",
        key=key,
    )
    if organization:
        query = "SELECT key, title, status FROM catalog.catalog_course WHERE organization_id = :id ORDER BY key"
        return {"organization": organization[0], "courses": rows(connection, query, id=organization[0]["id"])}
    raise UsageError(
        f"The catalog has no run, course or organization {key!r}; keys look like course-v1:edX+DemoX+2026."
        " `enterprise content` shows what enterprise catalogs hold, `assignments show` an assignment."
    )


REMOVED = "removed: upstream has not listed it for longer than CATALOG_KEEP_MISSING_DOCUMENTS says"


def document(connection: Connection, key: str) -> list[Row]:
    """The landed documents that are, or list, what has this key. Raises UsageError if there is none."""
    keys = {"course_run": "run_key", "catalog_course": "key", "organization": "key"}
    listing = " UNION ALL ".join(
        f"SELECT listed_by_id FROM catalog.{table} WHERE {folded(column)} = {WANTED}" for table, column in keys.items()
    )
    found = connection.execute(
        text(
            "SELECT source, kind, key, changed_at, missing_since, payload FROM landing.document"
            f" WHERE (key = :key AND kind <> 'feed') OR id IN ({listing}) ORDER BY id"
        ),
        {"key": key},
    ).all()
    if not found:
        raise UsageError(f"No upstream document is or lists {key!r}.")
    return [
        {
            **{k: v for k, v in row._mapping.items() if k != "payload"},
            "document": decode(decompress(row.payload)) if row.payload else REMOVED,
        }
        for row in found
    ]
