"""Plans a partner feed: what each row would do to the catalog as it stands.

Rows are decided in frames, and so is which runs change; what changes is staged, with the courses, into the tables of
`partner_comparison`. Applying a feed is writing these down; a dry run is throwing them away. A plan writes nothing but
temporary tables, and takes the ids of what is new.
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

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging, read_frame
from catalog_pipeline.models.feed import FEED_ROW_OUTCOMES
from catalog_pipeline.partner.columns import RawFeed, ValidatedFeed
from catalog_pipeline.partner.decisions import (
    current_variants,
    listed_variants,
    match_rows,
    name_new_runs,
    place_rows,
    settle_identifiers,
    unjudged,
)
from catalog_pipeline.partner.staging import (
    CHANGED_COURSES,
    COURSE_TEXTS,
    MISSING_COURSE,
    OURS,
    PLANNED_COURSE,
    STANDING_COURSE,
)
from catalog_pipeline.rules.course_keys import TEXT, fold
from catalog_pipeline.rules.run_values import differs, run_values

SHOWN_OF_REJECTS = ("title", "external_identifier", "restriction_type")
"""What is told of a rejected row, as it was read."""


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
    """What a feed would do, in numbers, and its unchanged rows; the rest is in the temporary tables."""

    counts: dict[str, int]
    standing: int
    """Courses of the feed's source and type that are not archived."""
    missing: int
    """How many of them the feed does not list."""
    unchanged: pd.DataFrame
    """By PLANNED_ROW."""
    unchanged_runs: int
    """Runs that accepted rows leave as they are."""

    def is_mostly_rejected(self, reject_share: float) -> bool:
        """Whether the feed says too little of what stands to archive by it."""
        return self.counts["rejected"] > reject_share * self.counts["rows"]

    def archiving(self) -> "Plan":
        """This plan, with all that is missing archived."""
        return replace(self, counts={**self.counts, "archived": self.missing})


def make_plan(connection: Connection, feed: FeedName, raw: RawFeed, validated: ValidatedFeed, as_of: datetime) -> Plan:
    """Decide every row of a feed by what stands, into temporary tables that go with the transaction."""
    rows = place_rows(connection, feed.source, feed.product_type, validated.rows)
    listed = listed_variants(validated)
    if raw.corrects:
        listed = pd.concat([listed, current_variants(connection, feed.source, feed.product_type)], ignore_index=True)
    rows, standing = match_rows(connection, rows, listed, pd.Timestamp(as_of))
    rows = settle_identifiers(connection, feed.source, feed.product_type, rows)
    names = {"source": feed.source, "product_type": feed.product_type, "as_of": as_of}
    return _plan(connection, PLANNED_COURSE, names, raw.frame, validated, rows, standing, raw.without_rows)


def make_run_plan(connection: Connection, validated: ValidatedFeed, as_of: datetime) -> Plan:
    """Decide rows that say nothing of their courses, which stand: `rows` has `course_id` and `base_key` besides."""
    rows = validated.rows
    rows = unjudged(rows.assign(course=rows["course_id"], organization_id=pd.NA, standing_key=rows["course_key"]))
    rows, standing = match_rows(connection, rows, listed_variants(validated), pd.Timestamp(as_of))
    names = {"source": "", "product_type": "", "as_of": as_of}
    return _plan(connection, STANDING_COURSE, names, rows, validated, rows, standing)


def _plan(
    connection: Connection,
    planned_course: str,
    names: dict[str, Any],
    cells: pd.DataFrame,
    validated: ValidatedFeed,
    rows: pd.DataFrame,
    standing: pd.DataFrame,
    without_rows: Sequence[str] = (),
) -> Plan:
    rows = name_new_runs(connection, rows)
    # Of the wide texts, those of each course's first accepted row are all that is needed.
    rows, texts = rows.drop(columns=list(TEXTS)), rows[list(TEXTS)]
    accepted = rows[rows["verdict"].isna()]
    standing = standing.loc[accepted.index]
    first = accepted.drop_duplicates("course")
    titles = accepted["course"].map(first.set_index("course")["title"])
    values = run_values(accepted.assign(title=titles), standing, pd.Timestamp(names["as_of"]))
    changed = accepted["run"].isna() | differs(values, standing) | standing["missing_since"].notna()
    _stage_courses(connection, first.join(texts), accepted, values)
    connection.execute(text(planned_course), names)
    analyze(connection, "planned_course (row, course, id)")
    _stage_runs(connection, accepted[changed], values[changed], standing[changed])
    decided = _with_outcomes(connection, accepted, changed).assign(standing_run=standing["key"])
    told = _told(cells, validated, rows[rows["verdict"].notna()], decided)
    _stage_told(connection, told, without_rows)
    return _count(connection, names, told, unchanged_runs=int((~changed).sum()))


def _with_outcomes(connection: Connection, accepted: pd.DataFrame, changed: pd.Series) -> pd.DataFrame:
    """Add the outcome of each accepted row; `changed` says of each whether its run is new or changes."""
    courses = read_frame(connection, CHANGED_COURSES, {"course": BIG})["course"]
    is_first, is_made = ~accepted.duplicated("course"), accepted["course"] < 0
    first_of_changed = is_first & accepted["course"].isin(courses)
    outcomes = np.select(
        [is_first & is_made, accepted["run"].isna(), changed | first_of_changed],
        ["new_product", "new_variant", "updated"],
        "unchanged",
    )
    reasons = np.select(
        [is_first & is_made, is_made],
        ["The catalog has no such course yet.", "A further run of a course that this feed makes."],
        accepted["reason"],
    )
    return accepted.assign(outcome=outcomes, reason=reasons)


# Staging: what the frames decided goes to the database, which compares it with what stands.

BIG = pa.int64()
TEXTS = ("short_description", "full_description", "topic", "attributes")
INSTANTS = ("start", "end", "enrollment_end", "go_live", "upgrade_deadline")
PLANNED_RUN = {
    "row": "int",
    "course": "bigint",
    "id": "bigint DEFAULT nextval('catalog.course_run_id_seq')",
    "is_new": "boolean",
    **dict.fromkeys(("run_key", "key_org", "key_course", "key_run"), "text"),
    **dict.fromkeys(("title", "status", "pacing", "language", "restriction_type"), "text"),
    **dict.fromkeys((*INSTANTS, "missing_since"), "timestamptz"),
    "price": "numeric(12, 2)",
    "currency": "text",
    "variant_id": "uuid",
    "listed_by_id": "bigint",
}
FED_COURSE = {
    "row": "int",
    "course": "bigint",
    "course_id": "bigint",
    "organization_id": "bigint",
    **dict.fromkeys(("number", "course_key", "title", *COURSE_TEXTS), "text"),
    "attributes": "jsonb",
    "published": "boolean",
}
PLANNED_ROW = {
    "row": "int",
    **dict.fromkeys(("outcome", "reason", "course_key", "run_key", "variant_id", "title"), "text"),
    **dict.fromkeys(("external_identifier", "restriction_type"), "text"),
    "is_future_variant": "boolean",
    **dict.fromkeys(("errors", "warnings"), "jsonb"),
    **dict.fromkeys(("course", "run"), "bigint"),
}


def _stage_courses(connection: Connection, first: pd.DataFrame, accepted: pd.DataFrame, values: pd.DataFrame) -> None:
    """Stage the first row of each course, with what the others add to it."""
    course = accepted["course"]
    # The course's price has no column of its own.
    public = accepted[values["restriction_type"].isna() & accepted["price"].notna()].drop_duplicates("course")
    price = first["course"].map(public.set_index("course")["price"])
    priced = price.map('"verified_price":"{}"'.format, na_action="ignore").astype(TEXT)
    comma = pd.Series(",", first.index).where(first["attributes"] != "{}", "")
    first = first.assign(
        attributes=("{" + priced + comma + first["attributes"].str[1:]).fillna(first["attributes"]),
        published=first["course"].isin(course[values["status"] == "published"]),
    )
    create_staging(connection, "fed_product", FED_COURSE)
    copy_frame(connection, "fed_product", first[list(FED_COURSE)])
    analyze(connection, "fed_product (row, course, course_id)")


def _stage_runs(connection: Connection, rows: pd.DataFrame, values: pd.DataFrame, standing: pd.DataFrame) -> None:
    """Stage the runs that are new, which get their ids by that, and those that change."""
    runs = (
        rows[["row", "course", "run_key", "key_org", "key_course", "key_run"]]
        .join(values)
        .assign(
            id=rows["run"],
            is_new=rows["run"].isna(),
            missing_since=pd.NaT,
            listed_by_id=standing["listed_by_id"].where(standing["listed"].fillna(False).astype(bool)),
        )
    )
    create_staging(connection, "planned_run", PLANNED_RUN)
    copy_frame(connection, "planned_run", runs[runs["is_new"]].drop(columns="id"))
    copy_frame(connection, "planned_run", runs[~runs["is_new"]])
    analyze(connection, "planned_run (row, course, id)")


def _told(cells: pd.DataFrame, validated: ValidatedFeed, left: pd.DataFrame, accepted: pd.DataFrame) -> pd.DataFrame:
    """What is told of every row of the file, by PLANNED_ROW: of the invalid, of those left, and of those accepted.

    `cells` are the rows as read, from which an invalid one is told.
    """
    found = validated.errors.drop_duplicates("row")
    shown = cells.reindex(columns=["row", *SHOWN_OF_REJECTS]).set_index("row")
    invalid = found[["row", "course_key", "variant_id"]].assign(
        outcome="rejected",
        reason=found["message"],
        is_future_variant=False,
        **{name: found["row"].map(shown[name]).astype(TEXT) for name in shown},
    )
    left = left.assign(outcome=left["verdict"], course=pd.NA, run=pd.NA)
    accepted = accepted.assign(
        course_key=accepted["standing_key"].fillna(accepted["course_key"]),
        run_key=accepted["run_key"].fillna(accepted["standing_run"]),
    )
    filled = [frame.reindex(columns=list(PLANNED_ROW)) for frame in (invalid, left, accepted) if len(frame)]
    told = pd.concat(filled or [accepted.reindex(columns=list(PLANNED_ROW))])
    columns = ["code", "column", "value", "message"]
    against = left[left["code"].notna()].assign(message=left["reason"])
    errors = _by_row(pd.concat([validated.errors[["row", *columns]], against[["row", *columns]]]), columns)
    warnings = _by_row(validated.warnings, ["code", "column", "message"])
    told["errors"], told["warnings"] = told["row"].map(errors), told["row"].map(warnings)
    return told.astype({"row": "int64", "is_future_variant": "boolean", "course": "Int64", "run": "Int64"})


def _by_row(messages: pd.DataFrame, columns: Sequence[str]) -> dict[int, str]:
    """The messages of each row, as a JSON list."""
    lists: dict[int, list[dict[str, Any]]] = defaultdict(list)
    plain = messages[list(columns)].astype(object)
    plain = plain.where(plain.notna(), None)
    for row, message in zip(messages["row"], plain.to_dict("records"), strict=True):
        lists[row].append(message)
    return {row: orjson.dumps(found).decode() for row, found in lists.items()}


def _stage_told(connection: Connection, told: pd.DataFrame, without_rows: Sequence[str]) -> None:
    """Stage all rows but the unchanged ones, and by what products are listed: in rows, and without any."""
    create_staging(connection, "planned_row", PLANNED_ROW)
    copy_frame(connection, "planned_row", told[told["outcome"] != "unchanged"])
    create_staging(connection, "listed_product", {"folded": "text", "external_identifier": "text"})
    listed = told[["external_identifier"]].assign(folded=fold(told["course_key"])).drop_duplicates()
    copy_frame(connection, "listed_product", listed)
    copy_frame(connection, "listed_product", pd.DataFrame({"external_identifier": list(without_rows)}))
    analyze(connection, "planned_row (row, course)", "listed_product")


def _count(connection: Connection, names: dict[str, Any], told: pd.DataFrame, unchanged_runs: int) -> Plan:
    connection.execute(text(MISSING_COURSE), names)
    missing = connection.execute(text("SELECT count(*) FROM missing_course")).scalar_one()
    standing = connection.execute(text(f"SELECT count(*) FROM catalog.catalog_course c WHERE {OURS}"), names)
    reactivated = connection.execute(text("SELECT count(*) FROM planned_course WHERE reactivated")).scalar_one()
    outcomes = told["outcome"].value_counts()
    counts = {"rows": len(told), **{name: int(outcomes.get(name, 0)) for name in FEED_ROW_OUTCOMES}}
    return Plan(
        counts={**counts, "archived": 0, "reactivated": reactivated},
        standing=standing.scalar_one(),
        missing=missing,
        unchanged=told[told["outcome"] == "unchanged"],
        unchanged_runs=unchanged_runs,
    )
