"""The statements, over temporary tables, that compare a partner feed with what stands.

`planned_course` holds the new values of the courses that the feed is about, with their `changes` by column as
[old, new], null where nothing changes; `planned_run` those of the runs that are new or change; `planned_row` what is
told of every row but the unchanged ones.
"""

from collections.abc import Sequence

from catalog_pipeline.database.bulk import quoted
from catalog_pipeline.database.changes import changes, member, pair_of
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.course_status import course_status
from catalog_pipeline.rules.run_values import RUN_VALUES

COURSE_TEXTS = ("short_description", "full_description", "topic", "language", "external_identifier")
COURSE_FIELDS = (
    *("key", "title", *COURSE_TEXTS, "course_type", "product_source", "product_status"),
    *("dropped_since", "missing_since"),
)


def _listed(alias: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{quoted(column)}" for column in columns)


def _changes(columns: Sequence[str]) -> str:
    """SQL of {column: [old, new]}, of t (what stands) and n (what will)."""
    # An amount is text in JSON: 2400.00, not 2400.0.
    values = {name: f"{quoted(name)}::text" if name == "price" else quoted(name) for name in columns}
    return changes(member(name, f"t.{value}", f"n.{value}") for name, value in values.items())


ATTRIBUTE_CHANGES = f"""
    coalesce((SELECT jsonb_object_agg(a.key, {pair_of("t.partner_attributes -> a.key", "a.value")})
              FROM jsonb_each(n.partner_attributes) a
              WHERE a.value IS DISTINCT FROM t.partner_attributes -> a.key), '{{}}')"""

# OFFSET 0 keeps the planner from working each new value out again wherever it is named.
PLANNED_COURSE = f"""
    CREATE TEMP TABLE planned_course ON COMMIT DROP AS
    SELECT f.row, f.course, coalesce(t.id, nextval(pg_get_serial_sequence('catalog.catalog_course', 'id'))) AS id, n.*,
           {course_status("n", "f.published")} AS status,
           t.dropped_since IS NOT NULL OR t.missing_since IS NOT NULL
               OR coalesce(t.product_status = 'archived', false) AS reactivated,
           CASE WHEN t.id IS NULL
                  OR ({_listed("t", (*COURSE_FIELDS, "partner_attributes"))})
                     IS DISTINCT FROM ({_listed("n", (*COURSE_FIELDS, "partner_attributes"))})
                THEN {_changes(COURSE_FIELDS)} || {ATTRIBUTE_CHANGES} END AS changes
    FROM fed_product f
    LEFT JOIN catalog.catalog_course t ON t.id = f.course_id
    CROSS JOIN LATERAL (
        SELECT coalesce(t.organization_id, f.organization_id) AS organization_id,
               coalesce(t.course_code, f.number) AS course_code, coalesce(t.key, f.course_key) AS key, f.title,
               {", ".join(f"coalesce(f.{name}, t.{name}) AS {name}" for name in COURSE_TEXTS)},
               CAST(:product_type AS text) AS course_type, CAST(:source AS text) AS product_source,
               CASE WHEN t.product_status = 'archived' THEN 'published' ELSE t.product_status END AS product_status,
               NULL::timestamptz AS dropped_since, NULL::timestamptz AS missing_since,
               CASE WHEN t.missing_since IS NULL THEN t.listed_by_id END AS listed_by_id,
               CASE WHEN t.partner_attributes @> f.attributes THEN t.partner_attributes
                    ELSE coalesce(t.partner_attributes, '{{}}') || f.attributes END AS partner_attributes
        OFFSET 0) n"""

STANDING_COURSE = """
    CREATE TEMP TABLE planned_course ON COMMIT DROP AS
    SELECT NULL::int AS row, f.course, c.id, c.key, c.title, c.external_identifier, c.product_source,
           false AS reactivated, NULL::jsonb AS changes
    FROM fed_product f JOIN catalog.catalog_course c ON c.id = f.course_id"""
"""The courses of rows that say nothing of them."""

CHANGED_COURSES = "SELECT course FROM planned_course WHERE changes IS NOT NULL"

TOLD_COLUMNS = (
    *("row", "outcome", "reason", "course_key", "run_key", "variant_id", "title", "external_identifier"),
    *("restriction_type", "is_future_variant", "changes", "errors", "warnings"),
)
TOLD_ROWS = f"""
    SELECT {", ".join(f"p.{name}" for name in TOLD_COLUMNS if name != "changes")},
           c.id AS catalog_course_id, coalesce(p.run, n.id) AS course_run_id,
           CASE WHEN c.row IS DISTINCT FROM p.row OR c.changes IS NULL THEN r.changes
                ELSE coalesce(r.changes, '{{}}') || c.changes END AS changes
    FROM planned_row p
    LEFT JOIN planned_course c ON c.course = p.course
    LEFT JOIN planned_run n ON n.row = p.row
    LEFT JOIN (SELECT r.*, v.variant_id FROM catalog.course_run r
               LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id) t ON t.id = n.id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.row IS NOT NULL THEN {_changes((*RUN_VALUES, "missing_since"))} END AS changes OFFSET 0) r"""
"""What is told of each row of `planned_row`: TOLD_COLUMNS, and where it stands. Asked before the plan is applied."""

OURS = """
    c.product_source = :source AND c.course_type = :product_type AND c.dropped_since IS NULL
    AND c.missing_since IS NULL AND c.product_status IS DISTINCT FROM 'archived'"""

MISSING_COURSE = f"""
    CREATE TEMP TABLE missing_course ON COMMIT DROP AS
    SELECT c.id, c.key, c.title, c.external_identifier FROM catalog.catalog_course c
    WHERE {OURS} AND NOT EXISTS (SELECT FROM planned_course p WHERE p.id = c.id)
      -- A row that was rejected or deferred lists its product too, be it by its variant alone.
      AND {folded("c.key")} NOT IN (SELECT folded FROM listed_product WHERE folded IS NOT NULL)
      AND (c.external_identifier IS NULL OR c.external_identifier NOT IN (
           SELECT external_identifier FROM listed_product WHERE external_identifier IS NOT NULL))
      AND c.id NOT IN (
           SELECT a.catalog_course_id FROM planned_row p
           JOIN catalog.course_variant v ON v.variant_id::text = p.variant_id
           JOIN catalog.run_association a ON a.course_run_id = v.course_run_id
           WHERE p.outcome IN ('rejected', 'deferred'))"""
