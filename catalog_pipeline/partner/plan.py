"""Plans a partner feed: what each of its rows would do to the catalog as it stands.

Read what stands, decide by it, stage what was decided. To apply a feed is to write its plan; a dry run throws it away.
Making a plan writes nothing but temporary tables, and takes the ids of what is new.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Connection

from catalog_pipeline.models.feed import FEED_ROW_OUTCOMES
from catalog_pipeline.partner.columns import FeedName, RawFeed, ValidatedFeed
from catalog_pipeline.partner.decisions import Decisions, decide_feed, decide_runs
from catalog_pipeline.partner.staging import (
    PLANNED_ROW,
    PRODUCT_TYPES,
    missing_courses,
    reactivated_courses,
    stage_courses,
    stage_rows,
    stage_runs,
    stage_standing_courses,
)
from catalog_pipeline.partner.standing import CurrentFeed, read_standing
from catalog_pipeline.rules.course_keys import TEXT

SHOWN_OF_REJECTS = ("title", "external_identifier", "restriction_type")
"""What is told of an invalid row, as it was read."""
ERROR, WARNING = ["code", "column", "value", "message"], ["code", "column", "message"]


@dataclass(frozen=True)
class Product:
    """A course that a feed archives or reactivates, and why."""

    title: str
    reason: str
    course_key: str
    external_identifier: str | None


@dataclass(frozen=True)
class FeedPlan:
    """What a feed would do to the catalog. What it writes, value by value, is in the tables of `staging`."""

    feed: FeedName
    as_of: datetime
    """The clock of the decisions."""
    rows: pd.DataFrame
    """What is told of every row of the feed, by PLANNED_ROW: its outcome and why."""
    unchanged_runs: int
    """How many runs the accepted rows leave as they are."""
    missing: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*PRODUCT_TYPES]))
    """The courses of the feed's source and type that it does not list: course_key, title, external_identifier."""
    reactivated: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*PRODUCT_TYPES]))
    """The archived courses that it lists again; the same columns."""
    standing_products: int = 0
    """How many courses of the feed's source and type are not archived."""
    current: CurrentFeed | None = None
    """The feed that is current so far, which this one would replace or correct."""
    corrects: bool = False
    """Whether the feed has just some rows of the current one, put right."""
    warnings: list[dict[str, Any]] = field(default_factory=list)
    """Warnings about the feed as a whole: code, column, message."""
    outcome: str = "applied"
    """What is to become of the feed: one of FEED_OUTCOMES."""
    detail: str | None = None
    """Why it is not to be applied, or what is left undone."""
    archives: bool = False
    """Whether the missing courses are to be archived."""

    @property
    def is_applied(self) -> bool:
        """Whether the plan is to be written."""
        return self.outcome == "applied"

    @property
    def unchanged(self) -> pd.DataFrame:
        """The rows that change nothing."""
        return self.rows[self.rows["outcome"] == "unchanged"]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows, rows by outcome, and courses archived and reactivated."""
        outcomes = self.rows["outcome"].value_counts()
        return {
            "rows": len(self.rows),
            **{name: int(outcomes.get(name, 0)) for name in FEED_ROW_OUTCOMES},
            "archived": len(self.missing) if self.archives else 0,
            "reactivated": len(self.reactivated),
        }

    @property
    def archived_products(self) -> list[Product]:
        """The courses that the plan archives."""
        return _products(self.missing, "The feed no longer lists the product.") if self.archives else []

    @property
    def missing_products(self) -> list[Product]:
        """The courses that the plan does not archive, although the feed as a whole does not list them."""
        is_left = self.outcome == "held" or (self.is_applied and not self.archives and not self.corrects)
        return _products(self.missing, "The feed does not list the product.") if is_left else []

    @property
    def reactivated_products(self) -> list[Product]:
        """The archived courses that the plan brings back."""
        return _products(self.reactivated, "The feed lists the archived product again.") if self.is_applied else []

    def is_mostly_rejected(self, reject_share: float) -> bool:
        """Whether too many rows are rejected to archive what the feed does not list."""
        return self.counts["rejected"] > reject_share * self.counts["rows"]

    def decided(self, outcome: str, detail: str | None = None, *, archives: bool = False) -> "FeedPlan":
        """This plan, with what is to become of the feed."""
        return replace(self, outcome=outcome, detail=detail, archives=archives)


def _products(courses: pd.DataFrame, reason: str) -> list[Product]:
    plain = courses.astype(object).where(courses.notna(), None)
    return [Product(reason=reason, **course) for course in plain.to_dict("records")]


def make_plan(
    connection: Connection, feed: FeedName, raw: RawFeed, validated: ValidatedFeed, as_of: datetime
) -> FeedPlan:
    """Plan a feed by what stands. What is to become of the feed as a whole is not decided here."""
    standing = read_standing(connection, feed, validated.rows, corrects=raw.corrects)
    decisions = decide_feed(feed, validated, standing, pd.Timestamp(as_of))
    changed_courses = stage_courses(connection, feed, decisions.courses)
    rows = tell_rows(raw.frame, validated, decisions, changed_courses)
    stage_runs(connection, decisions.runs)
    stage_rows(connection, rows, raw.without_rows)
    return FeedPlan(
        feed,
        as_of,
        rows,
        unchanged_runs=len(decisions.accepted) - len(decisions.runs),
        missing=missing_courses(connection, feed),
        reactivated=reactivated_courses(connection),
        standing_products=standing.products,
        current=standing.current,
        corrects=raw.corrects,
        warnings=_warnings(raw),
    )


def make_run_plan(connection: Connection, feed: FeedName, validated: ValidatedFeed, as_of: datetime) -> FeedPlan:
    """Plan rows that say nothing of their courses, all of which stand."""
    standing = read_standing(connection, feed, validated.rows)
    decisions = decide_runs(validated, standing, pd.Timestamp(as_of))
    changed_courses = stage_standing_courses(connection, decisions.courses)
    rows = tell_rows(validated.rows, validated, decisions, changed_courses)
    stage_runs(connection, decisions.runs)
    stage_rows(connection, rows, without_rows=())
    return FeedPlan(feed, as_of, rows, unchanged_runs=len(decisions.accepted) - len(decisions.runs))


def _warnings(raw: RawFeed) -> list[dict[str, Any]]:
    message = "No column of a feed has this name; it is ignored."
    unknown = [{"code": "UNKNOWN_COLUMN", "column": column, "message": message} for column in raw.unknown]
    whole = raw.warnings.loc[raw.warnings["row"].isna(), WARNING].astype(object)
    return unknown + whole.where(whole.notna(), None).to_dict("records")


def tell_rows(
    cells: pd.DataFrame, validated: ValidatedFeed, decisions: Decisions, changed_courses: pd.Series
) -> pd.DataFrame:
    """What is told of every row of the file, by PLANNED_ROW: of the invalid, of those left, and of those accepted.

    `cells` are the rows as read, from which an invalid one is told. `changed_courses` are those of the courses that
    the feed changes or makes.
    """
    left = decisions.left
    parts = [
        _invalid(cells, validated.errors),
        left.assign(outcome=left["verdict"], course=pd.NA, run=pd.NA),
        _accepted(decisions, changed_courses),
    ]
    filled = [part.reindex(columns=list(PLANNED_ROW)) for part in parts if len(part)]
    told = pd.concat(filled or [parts[-1].reindex(columns=list(PLANNED_ROW))])
    against = left[left["code"].notna()].assign(message=left["reason"])
    errors = pd.concat([validated.errors[["row", *ERROR]], against[["row", *ERROR]]])
    told["errors"] = told["row"].map(_by_row(errors, ERROR))
    warnings = pd.concat([validated.warnings[["row", *WARNING]], decisions.warnings[["row", *WARNING]]])
    told["warnings"] = told["row"].map(_by_row(warnings, WARNING))
    return told.astype({"row": "int64", "is_future_variant": "boolean", "course": "Int64", "run": "Int64"})


def _invalid(cells: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """What is told of the rows that did not pass validation."""
    found = errors.drop_duplicates("row")
    shown = cells.reindex(columns=["row", *SHOWN_OF_REJECTS]).set_index("row")
    return found[["row", "course_key", "variant_id"]].assign(
        outcome="rejected",
        reason=found["message"],
        is_future_variant=False,
        **{name: found["row"].map(shown[name]).astype(TEXT) for name in shown},
    )


def _accepted(decisions: Decisions, changed_courses: pd.Series) -> pd.DataFrame:
    """What is told of the accepted rows: with their outcomes, and why."""
    rows = decisions.accepted
    is_first, is_made = ~rows.duplicated("course"), rows["course"] < 0
    first_of_changed = is_first & rows["course"].isin(changed_courses)
    outcomes = np.select(
        [is_first & is_made, rows["run"].isna(), decisions.changes_run | first_of_changed],
        ["new_product", "new_variant", "updated"],
        "unchanged",
    )
    reasons = np.select(
        [is_first & is_made, is_made],
        ["The catalog has no such course yet.", "A further run of a course that this feed makes."],
        rows["reason"],
    )
    return rows.assign(
        outcome=outcomes,
        reason=reasons,
        course_key=rows["standing_key"].fillna(rows["course_key"]),
        run_key=rows["run_key"].fillna(rows["standing_run"]),
    )


def _by_row(messages: pd.DataFrame, columns: list[str]) -> dict[int, str]:
    """The messages of each row, as a JSON list."""
    lists: dict[int, list[dict[str, Any]]] = defaultdict(list)
    plain = messages[columns].astype(object)
    plain = plain.where(plain.notna(), None)
    for row, message in zip(messages["row"], plain.to_dict("records"), strict=True):
        lists[row].append(message)
    return {row: orjson.dumps(found).decode() for row, found in lists.items()}
