"""Plans a partner feed: what each row would do to the catalog as it stands. Writes temporary tables only.

After `make_plan`, `planned_course` and `planned_run` hold what the accepted rows say, next to what stands, and
`planned_row` the one outcome of every row. Applying a feed is writing these down; a dry run is throwing them away.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, quoted, read_frame
from catalog_pipeline.loading.identity import folded
from catalog_pipeline.rules.course_keys import TEXT, fold
from catalog_pipeline.rules.run_keys import new_run_keys
from catalog_pipeline.rules.run_matching import CONFLICT, DUPLICATE, NEW, match_runs
from catalog_pipeline.schemas.partner import CLEARS, RawFeed, ValidatedFeed

LARGE_TEXT, BIG, FLAG, INSTANT = pa.large_string(), pa.int64(), pa.bool_(), pa.timestamp("us", "UTC")
SHOWN_OF_REJECTS = ("title", "external_identifier", "restriction_type")
"""What is told of a rejected row, as it was read."""
COUNTED = ("new_product", "new_variant", "updated", "unchanged", "rejected", "deferred")
COURSE_TEXTS = ("short_description", "full_description", "topic", "language", "external_identifier")
RUN_VALUES = ("start", "end", "enrollment_end", "go_live", "upgrade_deadline", "price", "currency", "variant_id")
COURSE_FIELDS = (
    *("key", "title", *COURSE_TEXTS, "course_type", "product_source", "product_status"),
    *("dropped_since", "missing_since"),
)
RUN_FIELDS = ("title", "status", "pacing", "language", "restriction_type", *RUN_VALUES, "missing_since")


@dataclass(frozen=True)
class FeedName:
    """Which feed it is, and when it came."""

    name: str
    source: str
    product_type: str
    sha256: str
    received_at: datetime


@dataclass(frozen=True)
class Plan:
    """What a feed would do, in numbers; the rest is in the temporary tables."""

    counts: dict[str, int]
    standing: int
    """Courses of the feed's source and type that are not archived."""
    missing: int
    """How many of them the feed does not list."""

    def is_mostly_rejected(self, reject_share: float) -> bool:
        """Whether the feed says too little of what stands to archive by it."""
        return self.counts["rejected"] > reject_share * self.counts["rows"]

    def archiving(self) -> "Plan":
        """This plan, with all that is missing archived."""
        return replace(self, counts={**self.counts, "archived": self.missing})


def make_plan(connection: Connection, feed: FeedName, raw: RawFeed, validated: ValidatedFeed, as_of: datetime) -> Plan:
    """Decide every row of a feed by what stands, into temporary tables that go with the transaction."""
    rows = _place(connection, feed, validated.rows)
    rows = _match(connection, rows, _listed_variants(validated), pd.Timestamp(as_of))
    rows = _settle_identifiers(connection, feed, rows)
    rows = _name_new_runs(connection, rows)
    _stage_accepted(connection, rows[rows["verdict"].isna()])
    _stage_decided(connection, raw.frame, validated, rows)
    names = {"source": feed.source, "product_type": feed.product_type, "as_of": as_of}
    connection.execute(text(PLANNED_COURSE), names)
    return _plan_rows(connection, names)


def make_run_plan(connection: Connection, validated: ValidatedFeed, as_of: datetime) -> Plan:
    """Decide rows that say nothing of their courses, which stand: `rows` has `course_id` and `base_key` besides."""
    rows = _unjudged(validated.rows.assign(course=validated.rows["course_id"], organization_id=pd.NA))
    rows = _match(connection, rows, _listed_variants(validated), pd.Timestamp(as_of))
    rows = _name_new_runs(connection, rows)
    _stage_accepted(connection, rows[rows["verdict"].isna()])
    _stage_decided(connection, validated.rows, validated, rows)
    connection.execute(text(STANDING_COURSE))
    return _plan_rows(connection, {"source": "", "product_type": "", "as_of": as_of})


def _plan_rows(connection: Connection, names: dict[str, Any]) -> Plan:
    connection.execute(text(PLANNED_RUN), names)
    # The wide columns need no statistics.
    analyze(connection, "planned_course (row, course, found_id)", "planned_run (row, course, found_id)")
    connection.execute(text(PLANNED_ROW))
    analyze(connection, "planned_row (row, course, outcome)")
    return _count(connection, names)


# Deciding, in frames. A row's `verdict` is null while nothing speaks against it, else rejected or deferred, with the
# error's code, column, value and the reason.


def _unjudged(rows: pd.DataFrame) -> pd.DataFrame:
    names = ("verdict", "reason", "code", "column", "value")
    return rows.assign(**{name: pd.Series(None, rows.index, dtype=TEXT) for name in names})


def _judge(rows: pd.DataFrame, mask: pd.Series, verdict: str, reason: Any, *error: Any) -> pd.DataFrame:
    """Where `mask`, and nothing was said before: the verdict, its reason, and the error's code, column and value."""
    mask = mask.fillna(False).astype(bool) & rows["verdict"].isna()
    columns = dict(zip(("verdict", "reason", "code", "column", "value"), (verdict, reason, *error), strict=False))
    return rows.assign(
        **{
            name: rows[name].mask(mask, value if isinstance(value, str) else value.reindex(rows.index))
            for name, value in columns.items()
        }
    )


def _place(connection: Connection, feed: FeedName, rows: pd.DataFrame) -> pd.DataFrame:
    """Find the course of each row, and whether the feed may touch it.

    Adds: `course`, a number that is the id of a standing course, or below zero for a new one; `course_id`,
    `organization_id`, `base_key` (which new runs are named after), the verdict and what belongs to it.
    """
    rows = rows.assign(folded=fold(rows["course_key"]))
    first = rows.drop_duplicates("folded")
    types = {"folded": "text", "organization": "text", "number": "text"}
    create_staging(connection, "fed_key", types)
    copy_frame(connection, "fed_key", first[list(types)])
    analyze(connection, "fed_key")
    found = read_frame(connection, FOUND_COURSES, FOUND_TYPES).set_index("folded")
    rows = rows.join(found, on="folded")
    new = pd.Series(-1 - np.arange(len(first)), first["folded"].to_numpy())
    rows["course"] = rows["course_id"].fillna(rows["folded"].map(new).astype("Int64")).astype("int64")
    rows = _judge(
        _unjudged(rows),
        rows["organization_id"].isna() & rows["course_id"].isna(),
        "rejected",
        "The catalog has no organization " + rows["organization"] + ". Correct it, or add the organization first.",
        *("MISSING_ORGANIZATION", "organization", rows["organization"]),
    )
    rows = _judge(
        rows,
        (fold(rows["standing_key"]) == rows["folded"]) & (rows["standing_key"] != rows["course_key"]),
        "rejected",
        "The course's key differs only in case from " + rows["standing_key"] + ", which stands. Write it as that.",
        *("CASE_COLLISION", "number", rows["number"]),
    )
    owner = rows["owner"].fillna("") + ("/" + rows["owner_type"]).fillna("")
    other_type = (rows["owner"] == feed.source) & (rows["owner_type"] != feed.product_type)
    return _judge(
        rows,
        rows["owner"].notna() & ((rows["owner"] != feed.source) | other_type.fillna(False)),
        "deferred",
        rows["standing_key"].fillna("") + " belongs to " + owner + ", which must let go of it first.",
        *("OWNERSHIP_CONFLICT", "number", rows["number"]),
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


def _listed_variants(validated: ValidatedFeed) -> pd.Series:
    """All variants that the feed names: a rejected row's run keeps its variant too."""
    return pd.concat([validated.rows["variant_id"], validated.errors["variant_id"]]).dropna().astype(TEXT)


def _match(connection: Connection, rows: pd.DataFrame, listed: pd.Series, as_of: pd.Timestamp) -> pd.DataFrame:
    """Decide the run of each row; adds `decision`, `run`, its id where one stands, and whether it is `public`."""
    runs = _standing_runs(connection, rows)
    free = rows[rows["verdict"].isna()]
    asked = free[["row", "course", "start", "end"]].assign(variant=free["variant_id"])
    decided = match_runs(asked, runs, listed, as_of)
    rows = rows.assign(run=decided["run"], decision=decided["decision"])
    for decision, code in ((CONFLICT, "VARIANT_CONFLICT"), (DUPLICATE, "DUPLICATE_ROW")):
        mask = rows["decision"] == decision
        rows = _judge(rows, mask, "rejected", decided["reason"], code, "variant_id", rows["variant_id"])
    standing = runs.set_index("run").reindex(rows["run"].fillna(0).astype("int64")).set_axis(rows.index)
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
    restriction = rows["restriction_type"].fillna(standing["restriction_type"])
    public = restriction.isna() | (restriction == CLEARS)
    return rows.assign(reason=rows["reason"].fillna(decided["reason"]), public=public)


def _standing_runs(connection: Connection, rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of the courses of the feed, and those that have one of its variants."""
    create_staging(connection, "fed_course", {"id": "bigint"})
    create_staging(connection, "fed_variant", {"id": "uuid"})
    copy_frame(connection, "fed_course", pd.DataFrame({"id": rows["course_id"].dropna().unique()}))
    copy_frame(connection, "fed_variant", pd.DataFrame({"id": rows["variant_id"].dropna().unique()}))
    analyze(connection, "fed_course", "fed_variant")
    return read_frame(connection, STANDING_RUNS, STANDING_TYPES).astype({"run": "int64", "course": "int64"})


STANDING_TYPES = {
    "run": BIG,
    "course": BIG,
    "key": LARGE_TEXT,
    "variant": LARGE_TEXT,
    "start": INSTANT,
    "end": INSTANT,
    "enrollment_end": INSTANT,
    "created": BIG,
    "status": LARGE_TEXT,
    "restriction_type": LARGE_TEXT,
}
STANDING_RUNS = """
    SELECT r.id, coalesce(a.catalog_course_id, 0), r.run_key, v.variant_id, r.start, r."end", r.enrollment_end,
           row_number() OVER (ORDER BY r.created_at, r.id), r.status,
           r.restriction_type
    FROM catalog.course_run r
    LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
    LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id
    WHERE r.superseded_by_id IS NULL AND a.catalog_course_id IN (SELECT id FROM fed_course)
       OR v.variant_id IN (SELECT id FROM fed_variant)"""


def _settle_identifiers(connection: Connection, feed: FeedName, rows: pd.DataFrame) -> pd.DataFrame:
    """One course for each product number of this source and type: who has it, or is first in the file, keeps it."""
    wanted = rows["external_identifier"].dropna().unique()
    held = connection.execute(
        text(
            "SELECT id, key, external_identifier FROM catalog.catalog_course WHERE product_source = :source"
            " AND course_type = :product_type AND external_identifier = ANY(:wanted)"
        ),
        {"source": feed.source, "product_type": feed.product_type, "wanted": list(wanted)},
    )
    holders = pd.DataFrame(held.all(), columns=["course", "key", "identifier"])
    while True:
        first = rows[rows["verdict"].isna()].drop_duplicates("course")
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


def _name_new_runs(connection: Connection, rows: pd.DataFrame) -> pd.DataFrame:
    """Add `run_key` and its parts to the rows that make a run."""
    new = rows[rows["verdict"].isna() & (rows["decision"] == NEW)]
    parts = (
        new["base_key"].fillna(new["course_key"]).str.split("+", n=1, expand=True).reindex(columns=[0, 1]).astype(TEXT)
    )
    runs = pd.DataFrame({"org": parts[0], "number": parts[1], "start": new["start"]})
    create_staging(connection, "new_number", {"folded": "text"})
    copy_frame(connection, "new_number", pd.DataFrame({"folded": fold(runs["number"]).unique()}))
    taken = read_frame(
        connection,
        f"SELECT r.key_course, r.key_run FROM catalog.course_run r JOIN new_number n ON n.folded ="
        f" {folded('r.key_course')}",
        {"key_course": LARGE_TEXT, "key_run": LARGE_TEXT},
    )
    keys = new_run_keys(runs, taken)
    return rows.assign(run_key=keys, key_org=runs["org"], key_course=runs["number"], key_run=keys.str.split("+").str[2])


# Staging: what the frames decided goes to the database, which compares it with what stands.

DECIDED = {
    "row": "int",
    "outcome": "text",
    "reason": "text",
    "course_key": "text",
    "run_key": "text",
    "variant_id": "text",
    "title": "text",
    "external_identifier": "text",
    "restriction_type": "text",
    "is_future_variant": "boolean",
    "errors": "jsonb",
    "warnings": "jsonb",
}
FED_RUN = {
    "row": "int",
    "course": "bigint",
    "run": "bigint",
    **dict.fromkeys(("run_key", "key_org", "key_course", "key_run", "pacing", "language"), "text"),
    **dict.fromkeys(("start", "end", "enrollment_end", "go_live", "upgrade_deadline"), "timestamptz"),
    "price": "numeric(12, 2)",
    "currency": "text",
    "variant_id": "uuid",
    "restriction_type": "text",
}
FED_COURSE = {
    "row": "int",
    "course": "bigint",
    "course_id": "bigint",
    "organization_id": "bigint",
    **dict.fromkeys(("number", "course_key", "title", *COURSE_TEXTS), "text"),
    "attributes": "jsonb",
}


def _stage_accepted(connection: Connection, accepted: pd.DataFrame) -> None:
    first = accepted.drop_duplicates("course")
    price = accepted[accepted["public"]].dropna(subset="price").drop_duplicates("course").set_index("course")["price"]
    # The course's price has no column of its own.
    priced = first["course"].map(price).map('"verified_price":"{}"'.format, na_action="ignore").astype(TEXT)
    comma = pd.Series(",", first.index).where(first["attributes"] != "{}", "")
    first = first.assign(attributes=("{" + priced + comma + first["attributes"].str[1:]).fillna(first["attributes"]))
    for name, columns, frame in (("fed_run", FED_RUN, accepted), ("fed_product", FED_COURSE, first)):
        create_staging(connection, name, columns)
        copy_frame(connection, name, frame[list(columns)])
    analyze(connection, "fed_run (row, course, run)", "fed_product (row, course, course_id)")


def _stage_decided(connection: Connection, cells: pd.DataFrame, validated: ValidatedFeed, rows: pd.DataFrame) -> None:
    """Stage every row of the file, with what speaks against it: what validation found, or what was decided.

    `cells` are the rows as read, from which a rejected one is told.
    """
    found = validated.errors.drop_duplicates("row")
    shown = cells.reindex(columns=["row", *SHOWN_OF_REJECTS]).set_index("row")
    invalid = found[["row", "course_key", "variant_id"]].assign(
        outcome="rejected",
        reason=found["message"],
        is_future_variant=False,
        **{name: found["row"].map(shown[name]).astype(TEXT) for name in shown},
    )
    decided = rows.assign(outcome=rows["verdict"])
    against = rows[rows["code"].notna()]
    against = against[["row", "code", "column", "value"]].assign(message=against["reason"])
    columns = ["code", "column", "value", "message"]
    errors = _by_row(pd.concat([validated.errors[["row", *columns]], against]), columns)
    warnings = _by_row(validated.warnings, ["code", "column", "message"])
    filled = [frame.reindex(columns=list(DECIDED)) for frame in (invalid, decided) if len(frame)]
    both = pd.concat(filled or [decided.reindex(columns=list(DECIDED))])
    both["errors"], both["warnings"] = both["row"].map(errors), both["row"].map(warnings)
    create_staging(connection, "decided_row", DECIDED)
    copy_frame(connection, "decided_row", both.astype({"is_future_variant": "boolean", "row": "int64"}))
    analyze(connection, "decided_row (row, outcome)")


def _by_row(messages: pd.DataFrame, columns: Sequence[str]) -> dict[int, str]:
    """The messages of each row, as a JSON list."""
    lists: dict[int, list[dict[str, Any]]] = defaultdict(list)
    plain = messages[list(columns)].astype(object)
    plain = plain.where(plain.notna(), None)
    for row, message in zip(messages["row"], plain.to_dict("records"), strict=True):
        lists[row].append(message)
    return {row: orjson.dumps(found).decode() for row, found in lists.items()}


# Comparing with what stands, in the database.


def _listed(alias: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{quoted(column)}" for column in columns)


def _changes(columns: Sequence[str], extra: str = "'{}'") -> str:
    """SQL of {column: [old, new]}, of t (what stands) and n (what will)."""
    pairs = ", ".join(
        f"'{name}', CASE WHEN t.{quoted(name)} IS DISTINCT FROM n.{quoted(name)}"
        f" THEN jsonb_build_array(t.{quoted(name)}, n.{quoted(name)}) END"
        for name in columns
    )
    return f"jsonb_strip_nulls(jsonb_build_object({pairs})) || {extra}"


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


def _count(connection: Connection, names: dict[str, Any]) -> Plan:
    connection.execute(text(MISSING_COURSE), names)
    found = connection.execute(text("SELECT outcome, count(*) AS n FROM planned_row GROUP BY 1"))
    outcomes = {row.outcome: row.n for row in found}
    missing = connection.execute(text("SELECT count(*) FROM missing_course")).scalar_one()
    standing = connection.execute(text(f"SELECT count(*) FROM catalog.catalog_course c WHERE {OURS}"), names)
    reactivated = connection.execute(text("SELECT count(*) FROM planned_course WHERE reactivated")).scalar_one()
    counts = {"rows": sum(outcomes.values()), **{name: outcomes.get(name, 0) for name in COUNTED}}
    return Plan({**counts, "archived": 0, "reactivated": reactivated}, standing.scalar_one(), missing)
