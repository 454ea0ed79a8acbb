"""Plans a partner feed: what each row would do to the catalog as it stands. Writes temporary tables only.

After `make_plan`, `planned_course` and `planned_run` hold what the accepted rows say, next to what stands, and
`planned_row` the one outcome of every row. Applying a feed is writing these down; a dry run is throwing them away.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.loading.partner_comparison import (
    COURSE_TEXTS,
    MISSING_COURSE,
    OURS,
    PLANNED_COURSE,
    PLANNED_ROW,
    PLANNED_RUN,
    STANDING_COURSE,
)
from catalog_pipeline.loading.partner_decisions import (
    current_variants,
    listed_variants,
    match_rows,
    name_new_runs,
    place_rows,
    settle_identifiers,
    unjudged,
)
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.schemas.partner import RawFeed, ValidatedFeed

SHOWN_OF_REJECTS = ("title", "external_identifier", "restriction_type")
"""What is told of a rejected row, as it was read."""
COUNTED = ("new_product", "new_variant", "updated", "unchanged", "rejected", "deferred")


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
    rows = place_rows(connection, feed.source, feed.product_type, validated.rows)
    listed = listed_variants(validated)
    if raw.corrects:
        listed = pd.concat([listed, current_variants(connection, feed.source, feed.product_type)], ignore_index=True)
    rows = match_rows(connection, rows, listed, pd.Timestamp(as_of))
    rows = settle_identifiers(connection, feed.source, feed.product_type, rows)
    rows = name_new_runs(connection, rows)
    _stage_accepted(connection, rows[rows["verdict"].isna()])
    _stage_decided(connection, raw.frame, validated, rows)
    names = {"source": feed.source, "product_type": feed.product_type, "as_of": as_of}
    connection.execute(text(PLANNED_COURSE), names)
    return _plan_rows(connection, names)


def make_run_plan(connection: Connection, validated: ValidatedFeed, as_of: datetime) -> Plan:
    """Decide rows that say nothing of their courses, which stand: `rows` has `course_id` and `base_key` besides."""
    rows = unjudged(validated.rows.assign(course=validated.rows["course_id"], organization_id=pd.NA))
    rows = match_rows(connection, rows, listed_variants(validated), pd.Timestamp(as_of))
    rows = name_new_runs(connection, rows)
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


def _count(connection: Connection, names: dict[str, Any]) -> Plan:
    connection.execute(text(MISSING_COURSE), names)
    found = connection.execute(text("SELECT outcome, count(*) AS n FROM planned_row GROUP BY 1"))
    outcomes = {row.outcome: row.n for row in found}
    missing = connection.execute(text("SELECT count(*) FROM missing_course")).scalar_one()
    standing = connection.execute(text(f"SELECT count(*) FROM catalog.catalog_course c WHERE {OURS}"), names)
    reactivated = connection.execute(text("SELECT count(*) FROM planned_course WHERE reactivated")).scalar_one()
    counts = {"rows": sum(outcomes.values()), **{name: outcomes.get(name, 0) for name in COUNTED}}
    return Plan({**counts, "archived": 0, "reactivated": reactivated}, standing.scalar_one(), missing)
