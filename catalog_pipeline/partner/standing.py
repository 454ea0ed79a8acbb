"""Reads what the catalog holds of the things that a partner feed names: all that its rows are decided by.

The names are copied into the temporary tables `asked_…`, so that each question is one join. What is found of courses
is kept in `found_course`. Only this module uses these tables.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, quoted, read_frame, sql_types
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import CURRENT_FEEDS, IN_USE
from catalog_pipeline.models.fields import RUN_FIELDS, written_by
from catalog_pipeline.models.run import CourseRun
from catalog_pipeline.partner.columns import FeedName, Reference
from catalog_pipeline.rules.course_keys import TEXT, fold
from catalog_pipeline.rules.run_keys import run_key_parts
from catalog_pipeline.rules.run_matching import is_in

LARGE_TEXT, BIG, INSTANT = pa.large_string(), pa.int64(), pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class CurrentFeed:
    """The last applied feed of a source and type: the one that a new feed replaces or corrects."""

    id: int
    name: str
    sha256: str
    received_at: datetime
    corrects: bool


@dataclass(frozen=True)
class Standing:
    """What stands of all that a feed names, read in one transaction."""

    courses: pd.DataFrame
    """One row for each course key of the feed, with the folded key as index.

    - `course_id`, `standing_key`: the course of that key, or of that number in the same organization; null if none.
    - `organization_id`: the organization that the feed names; null if the catalog does not have it.
    - `base_key`: the key that new runs of the course are named after.
    - `owner`, `owner_type`: the course's product source and course type.
    - `standing_identifier`: its product number.
    """
    runs: pd.DataFrame
    """The runs of these courses, and those that have one of the feed's variants: RUN_TYPES, and `listed`.

    `run` is the run's id; `course` is its course's id, 0 if it has none. `listed` tells whether an upstream lists it,
    `listed_by` which one does or did.
    """
    holders: pd.DataFrame
    """Which courses of this source and type have the feed's product numbers: course (id), key, identifier, and whether
    it is archived (is_archived)."""
    taken_names: pd.DataFrame
    """Of the course numbers for which the feed may make runs, the names that runs have: key_course, key_run."""
    current_variants: pd.Series
    """The variants that the current feeds list. Read only for a correction, which leaves those that it does not list;
    else empty."""
    products: int
    """How many courses of the feed's source and type are not archived."""
    current: CurrentFeed | None
    """The feed that is current so far."""


def read_standing(connection: Connection, feed: FeedName, rows: pd.DataFrame, *, corrects: bool = False) -> Standing:
    """Read what stands for the valid rows of a feed.

    Of `rows` it asks course_key, organization, number, variant_id and external_identifier.
    """
    _ask_for_courses(connection, rows)
    courses = read_frame(connection, "SELECT * FROM found_course", COURSE_TYPES).set_index("folded")
    runs = _runs(connection, rows)
    return Standing(
        courses=courses,
        runs=runs,
        holders=_holders(connection, feed, rows),
        taken_names=_taken_names(connection, rows, courses, runs),
        current_variants=_current_variants(connection, feed) if corrects else pd.Series(dtype=TEXT),
        products=_products(connection, feed),
        current=current_feed(connection, feed.source, feed.product_type),
    )


def read_reference(connection: Connection) -> Reference:
    """Read which organizations, subjects and levels the catalog has. Validation needs them before rows are known."""

    def known(query: str) -> pd.Series:
        return read_frame(connection, query, {"name": LARGE_TEXT})["name"]

    return Reference(
        organizations=known("SELECT key FROM catalog.organization"),
        subjects=known("SELECT DISTINCT topic FROM catalog.catalog_course WHERE topic IS NOT NULL"),
        levels=known(
            "SELECT DISTINCT partner_attributes ->> 'course_level' FROM catalog.catalog_course"
            " WHERE partner_attributes ? 'course_level'"
        ),
    )


def current_feed(connection: Connection, source: str, product_type: str) -> CurrentFeed | None:
    """Read which feed of this source and type was applied last; None if none was."""
    row = connection.execute(
        text(
            "SELECT id, name, sha256, received_at, corrects FROM ops.feed"
            " WHERE source = :source AND product_type = :product_type AND outcome = 'applied'"
            " ORDER BY id DESC LIMIT 1"
        ),
        {"source": source, "product_type": product_type},
    ).one_or_none()
    return CurrentFeed(*row) if row else None


COURSE_TYPES = {
    "folded": LARGE_TEXT,
    "organization_id": BIG,
    "course_id": BIG,
    **dict.fromkeys(("standing_key", "base_key", "owner", "owner_type", "standing_identifier"), LARGE_TEXT),
}
# The organization may have a course of this code under another key.
FOUND_COURSES = f"""
    CREATE TEMP TABLE found_course ON COMMIT DROP AS
    SELECT f.folded, o.id AS organization_id, c.id AS course_id, c.key AS standing_key,
           coalesce(c.key_for_reruns, c.key) AS base_key, c.product_source AS owner, c.course_type AS owner_type,
           c.external_identifier AS standing_identifier
    FROM asked_course f
    LEFT JOIN catalog.organization o ON {folded("o.key")} = {folded("f.organization")}
    LEFT JOIN catalog.catalog_course k ON {folded("k.key")} = f.folded
    LEFT JOIN catalog.catalog_course p ON k.id IS NULL AND p.organization_id = o.id
        AND {folded("p.course_code")} = {folded("f.number")}
    LEFT JOIN catalog.catalog_course c ON c.id = coalesce(k.id, p.id)"""


def _ask_for_courses(connection: Connection, rows: pd.DataFrame) -> None:
    """Make `found_course`."""
    courses = rows[["organization", "number"]].assign(folded=fold(rows["course_key"])).drop_duplicates("folded")
    _ask(connection, "asked_course", {"folded": "text", "organization": "text", "number": "text"}, courses)
    connection.execute(text(FOUND_COURSES))
    analyze(connection, "found_course")


ARROW_TYPES = {
    "TEXT": LARGE_TEXT,
    "TIMESTAMP WITH TIME ZONE": INSTANT,
    "NUMERIC(12, 2)": pa.decimal128(12, 2),
}
"""What frames keep the SQL types of a run's fields in."""
RUN_COLUMNS = {
    name: ARROW_TYPES[kind]
    for name, kind in sql_types(CourseRun, (*written_by(RUN_FIELDS, "feed"), "missing_since")).items()
}
RUN_TYPES = {
    **dict.fromkeys(("run", "course", "listed_by_id"), BIG),
    **dict.fromkeys(("key", "listed_by", "variant_id"), LARGE_TEXT),
    **RUN_COLUMNS,
}
FOUND_RUNS = f"""
    SELECT r.id, coalesce(a.catalog_course_id, 0), CASE WHEN {IN_USE} THEN d.id END, r.run_key, d.source, v.variant_id,
           {", ".join(f"r.{quoted(name)}" for name in RUN_COLUMNS)}
    FROM catalog.course_run r
    LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
    LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id
    LEFT JOIN landing.document d ON d.id = r.listed_by_id
    WHERE r.superseded_by_id IS NULL AND a.catalog_course_id IN (SELECT course_id FROM found_course)
       OR v.variant_id IN (SELECT id FROM asked_variant)"""


def _runs(connection: Connection, rows: pd.DataFrame) -> pd.DataFrame:
    variants = pd.DataFrame({"id": rows["variant_id"].dropna().unique()})
    _ask(connection, "asked_variant", {"id": "uuid"}, variants)
    runs = read_frame(connection, FOUND_RUNS, RUN_TYPES).astype({"run": "int64", "course": "int64"})
    return runs.assign(listed=runs["listed_by_id"].notna() & runs["missing_since"].isna())


def _holders(connection: Connection, feed: FeedName, rows: pd.DataFrame) -> pd.DataFrame:
    held = connection.execute(
        text(
            f"SELECT id, key, external_identifier, NOT ({LIVE_PRODUCT}) FROM catalog.catalog_course c"
            " WHERE product_source = :source AND course_type = :product_type AND external_identifier = ANY(:wanted)"
        ),
        {**_scope(feed), "wanted": list(rows["external_identifier"].dropna().unique())},
    )
    return pd.DataFrame(held.all(), columns=["course", "key", "identifier", "is_archived"])


def _taken_names(connection: Connection, rows: pd.DataFrame, courses: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    # Only a row whose variant is on no run can make a run.
    unmatched = rows.loc[~is_in(rows["variant_id"], runs["variant_id"].dropna()), "course_key"].drop_duplicates()
    base_keys = courses["base_key"].reindex(fold(unmatched)).set_axis(unmatched.index)
    numbers = fold(run_key_parts(base_keys, unmatched)["course"].dropna())
    _ask(connection, "asked_number", {"folded": "text"}, pd.DataFrame({"folded": numbers.unique()}))
    query = f"""
        SELECT r.key_course, r.key_run FROM catalog.course_run r
        JOIN asked_number n ON n.folded = {folded("r.key_course")}"""
    return read_frame(connection, query, {"key_course": LARGE_TEXT, "key_run": LARGE_TEXT})


def _current_variants(connection: Connection, feed: FeedName) -> pd.Series:
    query = f"""
        SELECT DISTINCT r.variant_id FROM ops.feed_row r JOIN {CURRENT_FEEDS} c ON c.id = r.feed_id
        JOIN ops.feed f ON f.id = r.feed_id
        WHERE r.variant_id IS NOT NULL AND f.source = :source AND f.product_type = :product_type"""
    return pd.Series(list(connection.execute(text(query), _scope(feed)).scalars()), dtype=TEXT)


LIVE_PRODUCT = """
    c.product_source = :source AND c.course_type = :product_type AND c.dropped_since IS NULL
    AND c.missing_since IS NULL AND c.product_status IS DISTINCT FROM 'archived'"""
"""Whether a course c is of this source and type, and not archived."""


def _products(connection: Connection, feed: FeedName) -> int:
    query = f"SELECT count(*) FROM catalog.catalog_course c WHERE {LIVE_PRODUCT}"
    return connection.execute(text(query), _scope(feed)).scalar_one()


def _scope(feed: FeedName) -> dict[str, Any]:
    return {"source": feed.source, "product_type": feed.product_type}


def _ask(connection: Connection, table: str, types: dict[str, str], frame: pd.DataFrame) -> None:
    create_staging(connection, table, types)
    copy_frame(connection, table, frame[list(types)])
    analyze(connection, table)
