"""Compares the accepted rows of a partner feed with what stands: the statements, over temporary tables, that plan it.

`planned_course` and `planned_run` hold the new values of what the rows are about, each with its `changes` by column as
[old, new], null where nothing changes; `planned_row` the one outcome of every row.
"""

from collections.abc import Sequence

from catalog_pipeline.database.bulk import quoted
from catalog_pipeline.loading.identity import folded
from catalog_pipeline.schemas.partner import CLEARS

COURSE_TEXTS = ("short_description", "full_description", "topic", "language", "external_identifier")
RUN_VALUES = ("start", "end", "enrollment_end", "go_live", "upgrade_deadline", "price", "currency", "variant_id")
COURSE_FIELDS = (
    *("key", "title", *COURSE_TEXTS, "course_type", "product_source", "product_status"),
    *("dropped_since", "missing_since"),
)
RUN_FIELDS = ("title", "status", "pacing", "language", "restriction_type", *RUN_VALUES, "missing_since")


def _listed(alias: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{quoted(column)}" for column in columns)


def _changes(columns: Sequence[str], extra: str = "'{}'") -> str:
    """SQL of {column: [old, new]}, of t (what stands) and n (what will)."""
    pairs = []
    for name in columns:
        # An amount is text in JSON: 2400.00, not 2400.0.
        old, new = (f"{alias}.{quoted(name)}{'::text' if name == 'price' else ''}" for alias in ("t", "n"))
        pairs.append(f"'{name}', CASE WHEN {old} IS DISTINCT FROM {new} THEN jsonb_build_array({old}, {new}) END")
    return f"jsonb_strip_nulls(jsonb_build_object({', '.join(pairs)})) || {extra}"


ATTRIBUTE_CHANGES = """
    coalesce((SELECT jsonb_object_agg(a.key, jsonb_build_array(t.partner_attributes -> a.key, a.value))
              FROM jsonb_each(n.partner_attributes) a
              WHERE a.value IS DISTINCT FROM t.partner_attributes -> a.key), '{}')"""

# OFFSET 0 keeps the planner from working each new value out again wherever it is named.
PLANNED_COURSE = f"""
    CREATE TEMP TABLE planned_course ON COMMIT DROP AS
    SELECT f.row, f.course, t.id AS found_id, n.*,
           t.dropped_since IS NOT NULL OR t.missing_since IS NOT NULL
               OR coalesce(t.product_status = 'archived', false) AS reactivated,
           CASE WHEN t.id IS NULL
                  OR ({_listed("t", (*COURSE_FIELDS, "partner_attributes"))})
                     IS DISTINCT FROM ({_listed("n", (*COURSE_FIELDS, "partner_attributes"))})
                THEN {_changes(COURSE_FIELDS, ATTRIBUTE_CHANGES)} END AS changes
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
    SELECT NULL::int AS row, f.course, c.id AS found_id, c.key, c.title, c.external_identifier, c.product_source,
           false AS reactivated, NULL::jsonb AS changes
    FROM fed_product f JOIN catalog.catalog_course c ON c.id = f.course_id"""
"""The courses of rows that say nothing of them."""

STATUS = """
    CASE WHEN t.status = 'published' OR coalesce(f."end", t."end") <= :as_of THEN coalesce(t.status, 'unpublished')
         WHEN coalesce(f.go_live, t.go_live) <= :as_of THEN 'published' ELSE 'reviewed' END"""
"""A run that is over is never published; another one is from its go-live date on, and scheduled before."""

PLANNED_RUN = f"""
    CREATE TEMP TABLE planned_run ON COMMIT DROP AS
    SELECT f.row, f.course, f.run AS found_id, n.*,
           CASE WHEN f.run IS NULL OR ({_listed("t", RUN_FIELDS)}) IS DISTINCT FROM ({_listed("n", RUN_FIELDS)})
                THEN {_changes(RUN_FIELDS)} END AS changes
    FROM fed_run f
    JOIN planned_course c ON c.course = f.course
    LEFT JOIN (SELECT r.*, v.variant_id, r.listed_by_id IS NOT NULL AND r.missing_since IS NULL AS listed
               FROM catalog.course_run r LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id) t ON t.id = f.run
    CROSS JOIN LATERAL (
        SELECT coalesce(t.run_key, f.run_key) AS run_key, coalesce(t.key_org, f.key_org) AS key_org,
               coalesce(t.key_course, f.key_course) AS key_course, coalesce(t.key_run, f.key_run) AS key_run,
               -- What an upstream lists keeps its title, status, pacing and language from there.
               CASE WHEN t.listed THEN t.title ELSE c.title END AS title,
               CASE WHEN t.listed THEN t.status ELSE {STATUS} END AS status,
               CASE WHEN t.listed THEN t.pacing ELSE coalesce(f.pacing, t.pacing) END AS pacing,
               CASE WHEN t.listed THEN t.language ELSE coalesce(f.language, t.language) END AS language,
               CASE WHEN f.restriction_type = '{CLEARS}' THEN NULL
                    ELSE coalesce(f.restriction_type, t.restriction_type) END AS restriction_type,
               {", ".join(f"coalesce(f.{quoted(n)}, t.{quoted(n)}) AS {quoted(n)}" for n in RUN_VALUES)},
               NULL::timestamptz AS missing_since, CASE WHEN t.listed THEN t.listed_by_id END AS listed_by_id
        OFFSET 0) n"""

PLANNED_ROW = """
    CREATE TEMP TABLE planned_row ON COMMIT DROP AS
    SELECT d.row, r.course,
           CASE WHEN d.outcome IS NOT NULL THEN d.outcome
                WHEN f.row IS NOT NULL AND f.found_id IS NULL THEN 'new_product'
                WHEN r.found_id IS NULL THEN 'new_variant'
                WHEN r.changes IS NOT NULL OR f.changes IS NOT NULL THEN 'updated' ELSE 'unchanged' END AS outcome,
           CASE WHEN f.row IS NOT NULL AND f.found_id IS NULL THEN 'The catalog has no such course yet.'
                WHEN c.found_id IS NULL AND r.row IS NOT NULL THEN 'A further run of a course that this feed makes.'
                ELSE d.reason END AS reason
    FROM decided_row d
    LEFT JOIN planned_run r ON r.row = d.row
    LEFT JOIN planned_course c ON c.course = r.course
    LEFT JOIN planned_course f ON f.row = d.row"""

TOLD_COLUMNS = (
    *("row", "outcome", "reason", "course_key", "run_key", "variant_id", "title", "external_identifier"),
    *("restriction_type", "is_future_variant", "changes", "errors", "warnings"),
)
TOLD_ROWS = """
    SELECT p.row, p.outcome, p.reason, coalesce(c.key, d.course_key) AS course_key,
           coalesce(r.run_key, d.run_key) AS run_key, d.variant_id, d.title, d.external_identifier,
           d.restriction_type, coalesce(d.is_future_variant, false) AS is_future_variant,
           CASE WHEN f.changes IS NULL THEN r.changes ELSE coalesce(r.changes, '{}') || f.changes END AS changes,
           d.errors, d.warnings, p.course, c.found_id AS course_id, r.found_id AS run_id
    FROM planned_row p
    JOIN decided_row d ON d.row = p.row
    LEFT JOIN planned_run r ON r.row = p.row
    LEFT JOIN planned_course c ON c.course = p.course
    LEFT JOIN planned_course f ON f.row = p.row"""
"""What is told of each row, and kept: TOLD_COLUMNS, and where it stands."""

OURS = """
    c.product_source = :source AND c.course_type = :product_type AND c.dropped_since IS NULL
    AND c.missing_since IS NULL AND c.product_status IS DISTINCT FROM 'archived'"""

MISSING_COURSE = f"""
    CREATE TEMP TABLE missing_course ON COMMIT DROP AS
    SELECT c.id, c.key, c.title, c.external_identifier FROM catalog.catalog_course c
    WHERE {OURS} AND NOT EXISTS (SELECT FROM planned_course p WHERE p.found_id = c.id)
      -- A row that was rejected or deferred lists its product too.
      AND {folded("c.key")} NOT IN (SELECT {folded("course_key")} FROM decided_row WHERE course_key IS NOT NULL)
      AND (c.external_identifier IS NULL OR c.external_identifier NOT IN (
           SELECT external_identifier FROM decided_row WHERE external_identifier IS NOT NULL))"""
