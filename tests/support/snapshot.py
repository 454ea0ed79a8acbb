"""The content of a catalog without ids and times, so that two catalogs can be compared."""

from typing import Any

from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected

OURS = "ARRAY['id', 'created_at', 'updated_at', 'listed_by_id', 'missing_since', 'organization_id', 'decided_at']"
QUERIES = {
    "organization": f"SELECT to_jsonb(t) - {OURS}, missing_since IS NOT NULL FROM catalog.organization t",
    "catalog_course": f"""
        SELECT to_jsonb(t) - {OURS}, t.missing_since IS NOT NULL, o.key
        FROM catalog.catalog_course t JOIN catalog.organization o ON o.id = t.organization_id""",
    "course_run": f"SELECT to_jsonb(t) - {OURS}, missing_since IS NOT NULL FROM catalog.course_run t",
    "run_association": """
        SELECT r.run_key, c.key, a.source, a.reason
        FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
        JOIN catalog.catalog_course c ON c.id = a.catalog_course_id""",
    "course_variant": """
        SELECT v.variant_id, r.run_key, v.product_source
        FROM catalog.course_variant v JOIN catalog.course_run r ON r.id = v.course_run_id""",
    "program": f"SELECT to_jsonb(t) - {OURS}, missing_since IS NOT NULL FROM catalog.program t",
    "program_course": """
        SELECT p.uuid, c.key, t.position FROM catalog.program_course t
        JOIN catalog.program p ON p.id = t.program_id JOIN catalog.catalog_course c ON c.id = t.catalog_course_id""",
    "document": """
        SELECT source, kind, key, payload_hash, settled_hash, missing_since IS NOT NULL FROM landing.document""",
    "rejects": """
        SELECT table_name, record_key, column_name, rule, value, message
        FROM ops.rejected_record WHERE cleared_at IS NULL""",
}


def snapshot(engine: Engine) -> dict[str, list[str]]:
    """The rows of each table, as text, sorted."""
    with connected(engine) as connection:
        # All tables are read as of one moment, whatever is published in between.
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        return {
            name: sorted(_shown(row) for row in connection.execute(text(query)).all())
            for name, query in QUERIES.items()
        }


def _shown(row: Any) -> str:
    return repr([sorted(cell.items()) if isinstance(cell, dict) else cell for cell in row])
