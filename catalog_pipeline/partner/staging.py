"""The temporary tables of a partner feed's plan. Only this module makes, fills, compares and names them.

- `fed_product`: what the feed says of each course, by FED_COURSE.
- `planned_course`: the new values of these courses, with their `changes` by column as [old, new], null where nothing
  changes.
- `planned_run`: the values of the runs that are new or change, by PLANNED_RUN.
- `planned_row`: what is told of each row of the feed but the unchanged ones, by PLANNED_ROW.
- `listed_product`: which products the feed lists.
- `missing_course`: the courses of its source and type that it does not list.
- `still_carried`: what rejected and deferred rows go on carrying; `left_row` and `carried_before` lead to it.

All of them go with the transaction. Staging takes the ids of what is new from their sequences.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, quoted, read_frame, sql_types
from catalog_pipeline.database.changes import changes, member, pair_of
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import listing_in_use
from catalog_pipeline.models.fields import COURSE_FIELDS, RUN_FIELDS, written_by
from catalog_pipeline.models.run import CourseRun
from catalog_pipeline.partner.columns import FeedName
from catalog_pipeline.partner.standing import LIVE_PRODUCT, CurrentFeed
from catalog_pipeline.rules.course_keys import fold

COURSE_TEXTS = ("short_description", "full_description", "topic", "language", "external_identifier")
"""The columns of a course that a blank leaves as they stand."""
COMPARED = ("key", *written_by(COURSE_FIELDS, "feed"), "dropped_since", "missing_since")
"""The columns of a course that are compared with what stands."""
TOLD_COLUMNS = (
    *("row", "outcome", "reason", "course_key", "run_key", "variant_id", "title", "external_identifier"),
    *("restriction_type", "is_future_variant", "changes", "errors", "warnings"),
)
"""What is told of a row: the columns of `ops.feed_row` but what it carries and says beside."""

FED_COURSE = {
    "row": "int",
    **dict.fromkeys(("course", "course_id", "organization_id"), "bigint"),
    **dict.fromkeys(("number", "course_key", "title", *COURSE_TEXTS), "text"),
    "attributes": "jsonb",
}
PLANNED_RUN = {
    "row": "int",
    "course": "bigint",
    "id": "bigint DEFAULT nextval('catalog.course_run_id_seq')",
    "is_new": "boolean",
    **dict.fromkeys(("run_key", "key_org", "key_course", "key_run"), "text"),
    **sql_types(CourseRun, (*written_by(RUN_FIELDS, "feed"), "missing_since", "listed_by_id")),
    "variant_id": "uuid",
}
PLANNED_ROW = {
    "row": "int",
    **dict.fromkeys(("outcome", "reason", "course_key", "run_key", "variant_id", "title"), "text"),
    **dict.fromkeys(("external_identifier", "restriction_type"), "text"),
    "is_future_variant": "boolean",
    **dict.fromkeys(("errors", "warnings", "said"), "jsonb"),
    **dict.fromkeys(("course", "run"), "bigint"),
}


def stage_courses(connection: Connection, feed: FeedName, courses: pd.DataFrame) -> pd.Series:
    """Stage what a feed says of its courses (`Decisions.courses`), and compare it; returns the courses that change.

    This is read after staging because the database compares: standing texts are wide, and JSON merges there.
    """
    _stage_fed_products(connection, courses)
    connection.execute(text(PLANNED_COURSES), {"source": feed.source, "product_type": feed.product_type})
    analyze(connection, "planned_course (row, course, id)")
    query = "SELECT course FROM planned_course WHERE changes IS NOT NULL"
    return read_frame(connection, query, {"course": pa.int64()})["course"]


def stage_standing_courses(connection: Connection, courses: pd.DataFrame) -> pd.Series:
    """Stage courses of which nothing is said, as they stand; returns the courses that change, which are none."""
    _stage_fed_products(connection, courses)
    connection.execute(text(STANDING_COURSES))
    analyze(connection, "planned_course (row, course, id)")
    return pd.Series(dtype="Int64")


def stage_runs(connection: Connection, runs: pd.DataFrame) -> None:
    """Stage the runs that are new, which get their ids by that, and those that change (`Decisions.runs`)."""
    create_staging(connection, "planned_run", PLANNED_RUN)
    copy_frame(connection, "planned_run", runs[runs["is_new"]].drop(columns="id"))
    copy_frame(connection, "planned_run", runs[~runs["is_new"]])
    analyze(connection, "planned_run (row, course, id)")


def stage_rows(connection: Connection, rows: pd.DataFrame, without_rows: Sequence[str]) -> None:
    """Stage what is told of the rows, by PLANNED_ROW, and which products are listed.

    `without_rows` are the numbers of products that the feed lists without any row.
    """
    create_staging(connection, "planned_row", PLANNED_ROW)
    copy_frame(connection, "planned_row", rows[rows["outcome"] != "unchanged"])
    create_staging(connection, "listed_product", {"folded": "text", "external_identifier": "text"})
    listed = rows[["external_identifier"]].assign(folded=fold(rows["course_key"])).drop_duplicates()
    copy_frame(connection, "listed_product", listed)
    copy_frame(connection, "listed_product", pd.DataFrame({"external_identifier": list(without_rows)}))
    analyze(connection, "planned_row (row, course)", "listed_product")


def missing_courses(connection: Connection, feed: FeedName) -> pd.DataFrame:
    """The courses of the feed's source and type that it does not list: course_key, title, external_identifier."""
    connection.execute(text(MISSING_COURSES), {"source": feed.source, "product_type": feed.product_type})
    return read_frame(connection, f"SELECT {PRODUCT} FROM missing_course ORDER BY key", PRODUCT_TYPES)


def reactivated_courses(connection: Connection) -> pd.DataFrame:
    """The archived courses that the feed lists again: course_key, title, external_identifier."""
    query = f"SELECT {PRODUCT} FROM planned_course WHERE reactivated ORDER BY key"
    return read_frame(connection, query, PRODUCT_TYPES)


def stage_still_carried(connection: Connection, current: CurrentFeed | None) -> None:
    """Let each row that is rejected or deferred go on carrying what its course and variant did in the current feed."""
    before = {"before_id": current.id if current else None}
    connection.execute(text(LEFT_ROWS), before)
    connection.execute(text(CARRIED_BEFORE), before)
    analyze(connection, "left_row", "carried_before")
    connection.execute(text(STILL_CARRIED_ROWS))


PRODUCT = "key, title, external_identifier"
PRODUCT_TYPES = dict.fromkeys(("course_key", "title", "external_identifier"), pa.large_string())

# What the plan writes, as relations for the statements that write it.

CHANGED_COURSES = "(SELECT * FROM planned_course WHERE changes IS NOT NULL)"
"""The courses that are new or change: their columns, id and status."""
CHANGED_RUNS = "planned_run"
"""The runs that are new or change, by PLANNED_RUN."""
COURSES_OF_RUNS = """
    (SELECT r.id AS course_run_id, r.is_new, r.variant_id, c.id AS catalog_course_id, c.key AS course_key,
            c.product_source
     FROM planned_run r JOIN planned_course c ON c.course = r.course)"""
"""These runs with their courses: course_run_id, is_new, variant_id, catalog_course_id, course_key, product_source."""
GIVEN_UP_NUMBERS = """
    (SELECT t.id, n.id IS NULL AS is_archived FROM catalog.catalog_course t
     JOIN planned_course w ON w.id <> t.id AND w.external_identifier = t.external_identifier
          AND (w.product_source, w.course_type) = (t.product_source, t.course_type)
     LEFT JOIN planned_course n ON n.id = t.id
     WHERE n.id IS NULL OR n.external_identifier IS DISTINCT FROM t.external_identifier)"""
"""The courses whose product number another takes: id, and whether it is an archived one that the feed leaves so."""
MISSING = "missing_course"
"""The courses that the feed does not list: id, key, title, external_identifier."""
STILL_CARRIED = "still_carried"
"""What rows that are rejected or deferred go on carrying: row, catalog_course_id, course_run_id."""


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
"""An attribute changes by itself, not all of them as one."""

# OFFSET 0 keeps the planner from working each new value out again wherever it is named.
PLANNED_COURSES = f"""
    CREATE TEMP TABLE planned_course ON COMMIT DROP AS
    SELECT f.row, f.course, coalesce(t.id, nextval(pg_get_serial_sequence('catalog.catalog_course', 'id'))) AS id, n.*,
           t.dropped_since IS NOT NULL OR t.missing_since IS NOT NULL
               OR coalesce(t.product_status = 'archived', false) AS reactivated,
           CASE WHEN t.id IS NULL OR ({_listed("t", COMPARED)}) IS DISTINCT FROM ({_listed("n", COMPARED)})
                THEN {_changes([name for name in COMPARED if name != "partner_attributes"])} || {ATTRIBUTE_CHANGES}
           END AS changes
    FROM fed_product f
    LEFT JOIN catalog.catalog_course t ON t.id = f.course_id
    CROSS JOIN LATERAL (
        SELECT coalesce(t.organization_id, f.organization_id) AS organization_id,
               coalesce(t.course_code, f.number) AS course_code, coalesce(t.key, f.course_key) AS key, f.title,
               {", ".join(f"coalesce(f.{name}, t.{name}) AS {name}" for name in COURSE_TEXTS)},
               CAST(:product_type AS text) AS course_type, CAST(:source AS text) AS product_source,
               CASE WHEN t.product_status = 'archived' THEN 'published' ELSE t.product_status END AS product_status,
               NULL::timestamptz AS dropped_since, NULL::timestamptz AS missing_since,
               CASE WHEN t.missing_since IS NULL THEN {listing_in_use("t")} END AS listed_by_id,
               CASE WHEN t.partner_attributes @> f.attributes THEN t.partner_attributes
                    ELSE coalesce(t.partner_attributes, '{{}}') || f.attributes END AS partner_attributes
        OFFSET 0) n"""

STANDING_COURSES = """
    CREATE TEMP TABLE planned_course ON COMMIT DROP AS
    SELECT NULL::int AS row, f.course, c.id, c.key, c.title, c.external_identifier, c.product_source,
           false AS reactivated, NULL::jsonb AS changes
    FROM fed_product f JOIN catalog.catalog_course c ON c.id = f.course_id"""

TOLD_ROWS = f"""
    SELECT {", ".join(f"p.{name}" for name in TOLD_COLUMNS if name != "changes")}, p.said,
           c.id AS catalog_course_id, coalesce(p.run, n.id) AS course_run_id,
           CASE WHEN c.row IS DISTINCT FROM p.row OR c.changes IS NULL THEN r.changes
                ELSE coalesce(r.changes, '{{}}') || c.changes END AS changes
    FROM planned_row p
    LEFT JOIN planned_course c ON c.course = p.course
    LEFT JOIN planned_run n ON n.row = p.row
    LEFT JOIN (SELECT r.*, v.variant_id FROM catalog.course_run r
               LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id) t ON t.id = n.id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.row IS NOT NULL
               THEN {_changes((*written_by(RUN_FIELDS, "feed"), "variant_id", "missing_since"))} END AS changes
        OFFSET 0) r"""
"""What is told of each row but the unchanged ones: TOLD_COLUMNS, said, catalog_course_id, course_run_id.

It compares with what stands, so ask it before the plan is applied.
"""

MISSING_COURSES = f"""
    CREATE TEMP TABLE missing_course ON COMMIT DROP AS
    SELECT c.id, c.key, c.title, c.external_identifier FROM catalog.catalog_course c
    WHERE {LIVE_PRODUCT} AND NOT EXISTS (SELECT FROM planned_course p WHERE p.id = c.id)
      -- A row that was rejected or deferred lists its product too, be it by its variant alone.
      AND {folded("c.key")} NOT IN (SELECT folded FROM listed_product WHERE folded IS NOT NULL)
      AND (c.external_identifier IS NULL OR c.external_identifier NOT IN (
           SELECT external_identifier FROM listed_product WHERE external_identifier IS NOT NULL))
      AND c.id NOT IN (
           SELECT a.catalog_course_id FROM planned_row p
           JOIN catalog.course_variant v ON v.variant_id::text = p.variant_id
           JOIN catalog.run_association a ON a.course_run_id = v.course_run_id
           WHERE p.outcome IN ('rejected', 'deferred'))"""


LEFT_ROWS = f"""
    CREATE TEMP TABLE left_row ON COMMIT DROP AS
    SELECT p.row, {folded("p.course_key")} AS folded, p.variant_id FROM planned_row p
    WHERE p.outcome IN ('rejected', 'deferred') AND CAST(:before_id AS bigint) IS NOT NULL"""
CARRIED_BEFORE = f"""
    CREATE TEMP TABLE carried_before ON COMMIT DROP AS
    SELECT {folded("course_key")} AS folded, variant_id, catalog_course_id, course_run_id FROM ops.feed_row
    WHERE feed_id IN (
            -- The feed before, and if that only corrected, what it corrected.
            SELECT f.id FROM ops.feed b JOIN ops.feed f USING (source, product_type)
            WHERE b.id = :before_id AND f.outcome = 'applied' AND f.id <= b.id AND f.id >= coalesce((
                SELECT max(w.id) FROM ops.feed w WHERE w.outcome = 'applied' AND NOT w.corrects
                AND w.id <= b.id AND (w.source, w.product_type) = (b.source, b.product_type)), 0))
      AND catalog_course_id IS NOT NULL AND EXISTS (SELECT FROM left_row)"""
STILL_CARRIED_ROWS = """
    CREATE TEMP TABLE still_carried ON COMMIT DROP AS
    SELECT l.row, max(b.catalog_course_id) AS catalog_course_id,
           max(b.course_run_id) FILTER (WHERE b.variant_id = l.variant_id) AS course_run_id
    FROM left_row l JOIN carried_before b ON b.folded = l.folded GROUP BY l.row"""


def _stage_fed_products(connection: Connection, courses: pd.DataFrame) -> None:
    create_staging(connection, "fed_product", FED_COURSE)
    copy_frame(connection, "fed_product", courses[list(FED_COURSE)])
    analyze(connection, "fed_product (row, course, course_id)")
