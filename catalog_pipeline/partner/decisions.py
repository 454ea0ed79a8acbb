"""Decides in frames which course and run each valid row of a partner feed is about, and what speaks against it.

A row's `verdict` is null while nothing does, else rejected or deferred, with the reason, and the error's code, column
and value.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, read_frame
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.partner.columns import ValidatedFeed
from catalog_pipeline.partner.repeats import MATCHING_CODES
from catalog_pipeline.rules.course_keys import TEXT, fold, parse_keys
from catalog_pipeline.rules.run_keys import new_run_names
from catalog_pipeline.rules.run_matching import NEW, match_runs

LARGE_TEXT, BIG, INSTANT = pa.large_string(), pa.int64(), pa.timestamp("us", "UTC")


JUDGED = ("verdict", "reason", "code", "column", "value")


def unjudged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, with nothing said against them yet."""
    return rows.assign(**{name: pd.Series(None, rows.index, dtype=TEXT) for name in JUDGED})


def _judge(rows: pd.DataFrame, mask: pd.Series, verdict: str, reason: Any, *error: Any) -> pd.DataFrame:
    """Where `mask`, and nothing was said before: the verdict, its reason, and the error's code, column and value."""
    mask = mask.fillna(False).astype(bool) & rows["verdict"].isna()
    if not mask.any():
        return rows
    said = dict(zip(JUDGED, (verdict, reason, *error), strict=False))
    return rows.assign(
        **{
            name: rows[name].mask(mask, value if isinstance(value, str) else value.reindex(rows.index))
            for name, value in said.items()
        }
    )


def place_rows(connection: Connection, source: str, product_type: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Find the course of each row, and whether the feed may touch it.

    Adds: `course`, a number that is the id of a standing course, or below zero for a new one; `course_id`,
    `organization_id`, `standing_key`, `base_key` (which new runs are named after), `standing_identifier`, the verdict
    and what belongs to it.
    """
    folded_keys = fold(rows["course_key"])
    types = {"folded": "text", "organization": "text", "number": "text"}
    courses = rows[["course_key", "organization", "number"]].assign(folded=folded_keys).drop_duplicates("folded")
    create_staging(connection, "fed_key", types)
    copy_frame(connection, "fed_key", courses[list(types)])
    analyze(connection, "fed_key")
    found = read_frame(connection, FOUND_COURSES, FOUND_TYPES).set_index("folded")
    courses = courses.set_index("folded", drop=False).join(found)
    new = pd.Series(-1 - np.arange(len(courses)), courses.index, dtype="Int64")
    courses["course"] = courses["course_id"].fillna(new).astype("int64")
    courses = _judge_courses(unjudged(courses), source, product_type)
    return rows.join(courses[[*PLACED, *JUDGED]].reindex(folded_keys).set_axis(rows.index))


PLACED = ("course", "course_id", "organization_id", "standing_key", "base_key", "standing_identifier")


def _judge_courses(courses: pd.DataFrame, source: str, product_type: str) -> pd.DataFrame:
    courses = _judge(
        courses,
        courses["organization_id"].isna() & courses["course_id"].isna(),
        "rejected",
        "The catalog has no organization " + courses["organization"] + ". Correct it, or add the organization first.",
        *("MISSING_ORGANIZATION", "organization", courses["organization"]),
    )
    courses = _judge(
        courses,
        (fold(courses["standing_key"]) == courses["folded"]) & (courses["standing_key"] != courses["course_key"]),
        "rejected",
        "The course's key differs only in case from " + courses["standing_key"] + ", which stands. Write it as that.",
        *("CASE_COLLISION", "number", courses["number"]),
    )
    owner = courses["owner"].fillna("") + ("/" + courses["owner_type"]).fillna("")
    other_type = (courses["owner"] == source) & (courses["owner_type"] != product_type)
    return _judge(
        courses,
        courses["owner"].notna() & ((courses["owner"] != source) | other_type.fillna(False)),
        "deferred",
        courses["standing_key"].fillna("") + " belongs to " + owner + ", which must let go of it first.",
        *("OWNERSHIP_CONFLICT", "number", courses["number"]),
    )


FOUND_TYPES = {
    "folded": LARGE_TEXT,
    "organization_id": BIG,
    "course_id": BIG,
    "standing_key": LARGE_TEXT,
    "base_key": LARGE_TEXT,
    "owner": LARGE_TEXT,
    "owner_type": LARGE_TEXT,
    "standing_identifier": LARGE_TEXT,
}
# The organization may have a course of this code under another key.
FOUND_COURSES = f"""
    SELECT f.folded, o.id, c.id, c.key, coalesce(c.key_for_reruns, c.key), c.product_source, c.course_type,
           c.external_identifier
    FROM fed_key f
    LEFT JOIN catalog.organization o ON {folded("o.key")} = {folded("f.organization")}
    LEFT JOIN catalog.catalog_course k ON {folded("k.key")} = f.folded
    LEFT JOIN catalog.catalog_course p ON k.id IS NULL AND p.organization_id = o.id
        AND {folded("p.course_code")} = {folded("f.number")}
    LEFT JOIN catalog.catalog_course c ON c.id = coalesce(k.id, p.id)"""


def listed_variants(validated: ValidatedFeed) -> pd.Series:
    """All variants that the feed names: a rejected row's run keeps its variant too."""
    return pd.concat([validated.rows["variant_id"], validated.errors["variant_id"]]).dropna().astype(TEXT)


def current_variants(connection: Connection, source: str, product_type: str) -> pd.Series:
    """The variants that the current feeds of a source and type list: a correction leaves those that it does not."""
    query = f"""
        SELECT DISTINCT r.variant_id FROM ops.feed_row r JOIN {CURRENT_FEEDS} c ON c.id = r.feed_id
        JOIN ops.feed f ON f.id = r.feed_id
        WHERE r.variant_id IS NOT NULL AND f.source = :source AND f.product_type = :product_type"""
    found = connection.execute(text(query), {"source": source, "product_type": product_type}).scalars()
    return pd.Series(list(found), dtype=TEXT)


def match_rows(
    connection: Connection, rows: pd.DataFrame, listed: pd.Series, as_of: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decide the run of each row; also returns the runs that stand for the rows, null where none does.

    Adds `decision`, and `run`, its id where one stands. The runs have the columns of STANDING_TYPES and `listed`.
    """
    runs = _standing_runs(connection, rows)
    free = rows[["row", "course", "start", "end"]].assign(variant=rows["variant_id"])[rows["verdict"].isna()]
    # Runs get their ids in the order in which they are made.
    decided = match_runs(free, runs.assign(variant=runs["variant_id"], created=runs["run"]), listed, as_of)
    nowhere = decided["other_run"].map(runs[runs["course"] == 0].set_index("run")["key"]).astype(TEXT)
    alone = "The variant is on " + nowhere + ", a run of no course. Associate it with one first."
    decided["reason"] = alone.fillna(decided["reason"])
    rows = rows.assign(run=decided["run"], decision=decided["decision"])
    for decision, code in MATCHING_CODES.items():
        mask = rows["decision"] == decision
        rows = _judge(rows, mask, "rejected", decided["reason"], code, "variant_id", rows["variant_id"])
    standing = runs.set_index("run", drop=False).reindex(rows["run"].fillna(0).astype("int64")).set_axis(rows.index)
    rows = _judge(
        rows,
        standing["status"].isin(["review_by_legal", "review_by_internal"]),
        "deferred",
        standing["key"] + " is in review, and is not changed until that has ended.",
    )
    start, end = (rows[name].fillna(standing[name]) for name in ("start", "end"))
    rows = _judge(
        rows,
        end < start,
        "rejected",
        "With what stands, the run would end before it starts. Give both dates.",
        *("COURSE_RUN_UPDATE_ERROR", "end_date"),
    )
    rows = _judge(
        rows,
        (rows["decision"] == NEW) & rows["start"].isna(),
        "rejected",
        "A new run needs a start. Give start_date.",
        *("MISSING_REQUIRED_DATA", "start_date"),
    )
    return rows.assign(reason=rows["reason"].fillna(decided["reason"])), standing


def _standing_runs(connection: Connection, rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of the courses of the feed, and those that have one of its variants, by STANDING_TYPES and `listed`."""
    create_staging(connection, "fed_course", {"id": "bigint"})
    create_staging(connection, "fed_variant", {"id": "uuid"})
    copy_frame(connection, "fed_course", pd.DataFrame({"id": rows["course_id"].dropna().unique()}))
    copy_frame(connection, "fed_variant", pd.DataFrame({"id": rows["variant_id"].dropna().unique()}))
    analyze(connection, "fed_course", "fed_variant")
    runs = read_frame(connection, STANDING_RUNS, STANDING_TYPES).astype({"run": "int64", "course": "int64"})
    return runs.assign(listed=runs["listed_by_id"].notna() & runs["missing_since"].isna())


STANDING_TYPES = {
    **dict.fromkeys(("run", "course", "listed_by_id"), BIG),
    **dict.fromkeys(("key", "variant_id", "title", "status", "pacing", "language", "restriction_type"), LARGE_TEXT),
    **dict.fromkeys(("start", "end", "enrollment_end", "go_live", "upgrade_deadline", "missing_since"), INSTANT),
    "price": pa.decimal128(12, 2),
    "currency": LARGE_TEXT,
}
STANDING_RUNS = """
    SELECT r.id, coalesce(a.catalog_course_id, 0), r.listed_by_id, r.run_key, v.variant_id, r.title,
           r.status, r.pacing, r.language, r.restriction_type, r.start, r."end", r.enrollment_end, r.go_live,
           r.upgrade_deadline, r.missing_since, r.price, r.currency
    FROM catalog.course_run r
    LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
    LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id
    WHERE r.superseded_by_id IS NULL AND a.catalog_course_id IN (SELECT id FROM fed_course)
       OR v.variant_id IN (SELECT id FROM fed_variant)"""


def settle_identifiers(connection: Connection, source: str, product_type: str, rows: pd.DataFrame) -> pd.DataFrame:
    """One course for each product number of this source and type: who has it, or is first in the file, keeps it."""
    wanted = rows["external_identifier"].dropna().unique()
    held = connection.execute(
        text(
            "SELECT id, key, external_identifier FROM catalog.catalog_course WHERE product_source = :source"
            " AND course_type = :product_type AND external_identifier = ANY(:wanted)"
        ),
        {"source": source, "product_type": product_type, "wanted": list(wanted)},
    )
    holders = pd.DataFrame(held.all(), columns=["course", "key", "identifier"])
    named = ["course", "course_key", "external_identifier", "standing_identifier"]
    while True:
        first = rows.loc[rows["verdict"].isna(), named].drop_duplicates("course")
        claims = pd.DataFrame({"course": first["course"], "key": first["course_key"]})
        claims["identifier"] = first["external_identifier"].fillna(first["standing_identifier"])
        settled = holders[~holders["course"].isin(claims["course"])]
        claims = pd.concat([settled, claims.dropna(subset="identifier")])
        owner = claims.drop_duplicates("identifier").set_index("identifier")["course"]
        losers = claims[claims["identifier"].map(owner) != claims["course"]]
        if losers.empty:
            return rows
        other = claims.drop_duplicates("identifier").set_index("identifier")["key"]
        by_course = losers.set_index("course")["identifier"]
        identifier = rows["course"].map(by_course)
        rows = _judge(
            rows,
            identifier.notna(),
            "rejected",
            identifier.map(other).astype(TEXT) + " has this product number already. Correct one of them.",
            *("COURSE_UPDATE_ERROR", "external_identifier", identifier.astype(TEXT)),
        )


def name_new_runs(connection: Connection, rows: pd.DataFrame) -> pd.DataFrame:
    """Add `run_key` and its parts to the rows that make a run; reject those whose course's key no run's may have."""
    named = ["base_key", "course_key", "start"]
    new = rows.loc[rows["verdict"].isna() & (rows["decision"] == NEW), named]
    # A `key_for_reruns` that is no course's key names no run.
    parts = parse_keys(new["base_key"])[["org", "course"]].fillna(parse_keys(new["course_key"]))
    rows = _judge(
        rows,
        parts["org"].isna().reindex(rows.index, fill_value=False),
        "rejected",
        "No run's key can be made of " + rows["course_key"] + ". Give the course a key for reruns that can.",
        *("COURSE_RUN_UPDATE_ERROR", "number", rows["number"]),
    )
    runs = pd.DataFrame({"org": parts["org"], "number": parts["course"], "start": new["start"]}).dropna(subset="org")
    create_staging(connection, "new_number", {"folded": "text"})
    copy_frame(connection, "new_number", pd.DataFrame({"folded": fold(runs["number"]).unique()}))
    taken = read_frame(
        connection,
        f"SELECT r.key_course, r.key_run FROM catalog.course_run r JOIN new_number n ON n.folded ="
        f" {folded('r.key_course')}",
        {"key_course": LARGE_TEXT, "key_run": LARGE_TEXT},
    )
    names = new_run_names(runs, taken)
    keys = "course-v1:" + runs["org"] + "+" + runs["number"] + "+" + names
    return rows.assign(run_key=keys, key_org=runs["org"], key_course=runs["number"], key_run=names)
