"""Placeholders of keys: rows that take one another's keys first get keys that nobody has, as no two may share one."""

from catalog_pipeline.loading.publication import Publication

PLACEHOLDER = "'~~~' || t.id"
"""SQL over t: a key that no other row has."""


def forget_placeholders(publication: Publication) -> None:
    """Leave the placeholders of this load out of the history: a key changed once, from what it was to what it is."""
    publication.execute("""
        WITH parked AS (
            SELECT e.id, e.entity, e.entity_id, change.key AS "column", change.value -> 0 AS was
            FROM ops.change_event e CROSS JOIN LATERAL jsonb_each(e.changes) change
            WHERE e.xid = pg_current_xact_id() AND e.action = 'updated'
              AND change.value ->> 1 = '~~~' || e.entity_id),
        forgotten AS (
            DELETE FROM ops.change_event e USING parked p WHERE e.xid = pg_current_xact_id() AND e.id = p.id),
        replaced AS (
            SELECT e.id, p."column", p.was, e.changes -> p."column" -> 1 AS "is"
            FROM ops.change_event e JOIN parked p USING (entity, entity_id)
            WHERE e.xid = pg_current_xact_id() AND e.changes -> p."column" ->> 0 = '~~~' || e.entity_id)
        UPDATE ops.change_event e SET changes = e.changes - r.columns || coalesce(r.changes, '{}')
        FROM (SELECT id, array_agg("column") AS columns,
                     jsonb_object_agg("column", jsonb_build_array(was, "is")) FILTER (WHERE was <> "is") AS changes
              FROM replaced GROUP BY id) r
        WHERE e.xid = pg_current_xact_id() AND e.id = r.id""")
