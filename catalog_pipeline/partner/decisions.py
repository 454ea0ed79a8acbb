"""Decides what each row of a partner feed does, by the rules and by what stands. Pure: frames in, frames out.

A row's `verdict` is null as long as nothing speaks against it; else it is `rejected` or `deferred`, with the reason,
and the code, column and value of the error.
"""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false

from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
import orjson
import pandas as pd

from catalog_pipeline.partner.columns import ERROR_COLUMNS, WARNING_COLUMNS, FeedName, ValidatedFeed, messages
from catalog_pipeline.partner.standing import Standing
from catalog_pipeline.rules.course_keys import TEXT, fold
from catalog_pipeline.rules.course_owners import foreign_owners
from catalog_pipeline.rules.product_numbers import given_up, lost_claims
from catalog_pipeline.rules.run_keys import new_run_names, run_key_parts
from catalog_pipeline.rules.run_matching import CONFLICT, DUPLICATE, NEW, match_runs
from catalog_pipeline.rules.run_values import FED, SAID, differs, run_values, said_of_upstreams
from catalog_pipeline.schemas.parsing import INSTANT, NUMBER

MATCHING_CODES = {CONFLICT: "VARIANT_CONFLICT", DUPLICATE: "DUPLICATE_ROW"}
"""The error codes of those decisions of `match_runs` that reject a row."""
IN_REVIEW = ["review_by_legal", "review_by_internal"]
TEXTS = ["short_description", "full_description", "topic", "attributes"]
"""The wide columns. Only those of each course's first accepted row are needed."""


@dataclass(frozen=True)
class Decisions:
    """What is decided of the valid rows of a feed. The frames are about rows; their indexes are those of the rows."""

    left: pd.DataFrame
    """The rows that are rejected or deferred: the columns of VALID_ROW but TEXTS, those of JUDGED, and what was found
    of their courses and runs so far."""
    accepted: pd.DataFrame
    """The other rows, with the same columns, and these:

    - `course`: the course's id; of a course that the feed makes, a number below zero.
    - `run`: the run's id; null where the row makes a run, whose key and its parts are then in `run_key`, `key_org`,
      `key_course` and `key_run`.
    - `standing_run`: the key of the run that stands.
    - `decision`, `reason`: of `match_runs`.
    - `said`: what `said_of_upstreams` finds, as a JSON object by field.
    """
    courses: pd.DataFrame
    """The first accepted row of each course, TEXTS too. `attributes` has the course's price."""
    runs: pd.DataFrame
    """The runs that are new or change: row, course, RUN_VALUES, the parts of the key, id (null where new), is_new,
    missing_since (null), listed_by_id."""

    warnings: pd.DataFrame = field(default_factory=lambda: messages([], WARNING_COLUMNS))
    """What the accepted rows say that is not followed, or that has an effect elsewhere; by WARNING_COLUMNS."""

    def with_warnings(self, more: pd.DataFrame) -> "Decisions":
        """These decisions, with more warnings."""
        return replace(self, warnings=pd.concat([self.warnings, more], ignore_index=True))

    @property
    def changes_run(self) -> pd.Series:
        """Of each accepted row, whether its run is new or changes."""
        return self.accepted.index.to_series().isin(self.runs.index)


def decide_feed(feed: FeedName, validated: ValidatedFeed, standing: Standing, as_of: pd.Timestamp) -> Decisions:
    """Decide the rows of a feed, which say something of courses and of runs."""
    rows = place_rows(validated.rows, standing.courses)
    rows = _judge_courses(rows, feed)
    rows, runs = match_rows(rows, standing, listed_variants(validated), as_of)
    rows = settle_identifiers(rows, standing.holders, _listed_courses(validated))
    decided = _decided(name_new_runs(rows, standing.taken_names), runs, as_of)
    return decided.with_warnings(_given_up_numbers(decided.accepted, standing.holders))


def decide_runs(validated: ValidatedFeed, standing: Standing, as_of: pd.Timestamp) -> Decisions:
    """Decide rows that say nothing of their courses, all of which stand."""
    rows = place_rows(validated.rows, standing.courses)
    rows, runs = match_rows(rows, standing, listed_variants(validated), as_of)
    return _decided(name_new_runs(rows, standing.taken_names), runs, as_of)


def reject_repeats(checked: ValidatedFeed) -> ValidatedFeed:
    """Reject the rows whose variant or schedule an earlier row of the file has. This needs no catalog."""
    rows = checked.rows
    asked = rows[["row", "start", "end"]].assign(course=fold(rows["course_key"]), variant=rows["variant_id"])
    no_runs = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in MATCHED_RUN.items()})
    # Where no runs stand, none is active, and the clock decides nothing.
    decided = match_runs(asked, no_runs, rows["variant_id"].dropna(), as_of=pd.Timestamp(0, tz="UTC"))
    again = rows.join(decided[["decision", "reason"]])[decided["decision"].isin([*MATCHING_CODES])]
    errors = again.assign(
        code=again["decision"].map(MATCHING_CODES).astype(TEXT),
        column="variant_id",
        value=again["variant_id"],
        message=again["reason"],
    )
    together = pd.concat([checked.errors, errors[ERROR_COLUMNS]]) if len(errors) else checked.errors
    return replace(
        checked,
        rows=rows.drop(index=again.index).reset_index(drop=True),
        errors=together.sort_values("row", kind="stable", ignore_index=True),
        warnings=checked.warnings[~checked.warnings["row"].isin(again["row"])],
    )


MATCHED_RUN = {
    **dict.fromkeys(("run", "created"), NUMBER),
    **dict.fromkeys(("course", "key", "variant"), TEXT),
    **dict.fromkeys(("start", "end", "enrollment_end"), INSTANT),
}


@dataclass(frozen=True)
class Judgement:
    """What speaks against some rows: one text for all of them, or a series with a text for each."""

    verdict: Literal["rejected", "deferred"]
    reason: str | pd.Series
    code: str | None = None
    column: str | None = None
    value: pd.Series | None = None


OWNED_BY_ANOTHER = "OWNERSHIP_CONFLICT"
JUDGED = [one.name for one in fields(Judgement)]


def _judge(rows: pd.DataFrame, mask: pd.Series, judgement: Judgement) -> pd.DataFrame:
    """Judge the rows of `mask` so, but for those that were judged before."""
    mask = mask.fillna(False).astype(bool) & rows["verdict"].isna()
    if not mask.any():
        return rows
    said = {name: value for name, value in vars(judgement).items() if value is not None}
    return rows.assign(
        **{
            name: rows[name].mask(mask, value if isinstance(value, str) else value.reindex(rows.index))
            for name, value in said.items()
        }
    )


def place_rows(rows: pd.DataFrame, courses: pd.DataFrame) -> pd.DataFrame:
    """Find the course of each row among `courses`, which is `Standing.courses`.

    Adds `course`, which is the id of a standing course, or a number below zero for a new one; the columns of
    `courses`; and those of JUDGED, with nothing said against any row yet.
    """
    keys = fold(rows["course_key"])
    placed = courses.reindex(keys.unique())
    new = pd.Series(-1 - np.arange(len(placed)), placed.index, dtype="Int64")
    placed = placed.assign(course=placed["course_id"].fillna(new).astype("int64"))
    unjudged = dict.fromkeys(JUDGED, pd.Series(None, rows.index, dtype=TEXT))
    return rows.join(placed.reindex(keys).set_axis(rows.index)).assign(**unjudged)


def _judge_courses(rows: pd.DataFrame, feed: FeedName) -> pd.DataFrame:
    """Judge whether the feed may make or change the course of each row."""
    folded_keys = fold(rows["course_key"])
    courses = rows.assign(folded=folded_keys).drop_duplicates("folded")
    courses = _judge(
        courses,
        courses["organization_id"].isna() & courses["course_id"].isna(),
        Judgement(
            "rejected",
            "The catalog has no organization " + courses["organization"] + ". Correct it, or add the organization"
            " first.",
            *("MISSING_ORGANIZATION", "organization", courses["organization"]),
        ),
    )
    courses = _judge(
        courses,
        (fold(courses["standing_key"]) == courses["folded"]) & (courses["standing_key"] != courses["course_key"]),
        Judgement(
            "rejected",
            "The course's key differs only in case from " + courses["standing_key"] + ", which stands. Write it as"
            " that.",
            *("CASE_COLLISION", "number", courses["number"]),
        ),
    )
    owner = foreign_owners(courses, feed.source, feed.product_type)
    courses = _judge(
        courses,
        owner.notna(),
        Judgement(
            "deferred",
            courses["standing_key"].fillna("") + " belongs to " + owner + ", which must let go of it first.",
            *(OWNED_BY_ANOTHER, "number", courses["number"]),
        ),
    )
    return rows.assign(**courses.set_index("folded")[JUDGED].reindex(folded_keys).set_axis(rows.index))


def listed_variants(validated: ValidatedFeed) -> pd.Series:
    """All variants that the feed names. Those of rejected rows count: their runs keep them."""
    return pd.concat([validated.rows["variant_id"], validated.errors["variant_id"]]).dropna().astype(TEXT)


def _listed_courses(validated: ValidatedFeed) -> pd.Series:
    """The folded keys of all courses that the feed lists, in rejected rows too."""
    return fold(pd.concat([validated.rows["course_key"], validated.errors["course_key"]]).dropna().astype(TEXT))


def match_rows(
    rows: pd.DataFrame, standing: Standing, listed: pd.Series, as_of: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decide the run of each row, and judge whether the feed may make or change it.

    Adds `decision`, `reason`, and `run`, the id of the run that stands. Also returns these runs, one for each row, by
    the columns of `Standing.runs`; null where none stands.
    """
    listed = pd.concat([listed, standing.current_variants], ignore_index=True)
    rows, reasons = _matched(rows, standing.runs, listed, as_of)
    runs = standing.runs.set_index("run", drop=False)
    runs = runs.reindex(rows["run"].fillna(0).astype("int64")).set_axis(rows.index)
    rows = _judge_schedules(rows, runs)
    return rows.assign(reason=rows["reason"].fillna(reasons)), runs


def _matched(
    rows: pd.DataFrame, runs: pd.DataFrame, listed: pd.Series, as_of: pd.Timestamp
) -> tuple[pd.DataFrame, pd.Series]:
    free = rows[["row", "course", "start", "end"]].assign(variant=rows["variant_id"])[rows["verdict"].isna()]
    # Runs get their ids in the order in which they are made.
    decided = match_runs(free, runs.assign(variant=runs["variant_id"], created=runs["run"]), listed, as_of)
    nowhere = decided["other_run"].map(runs[runs["course"] == 0].set_index("run")["key"]).astype(TEXT)
    alone = "The variant is on " + nowhere + ", a run of no course. Associate it with one first."
    reasons = alone.fillna(decided["reason"])
    rows = rows.assign(run=decided["run"], decision=decided["decision"])
    for decision, code in MATCHING_CODES.items():
        judgement = Judgement("rejected", reasons, code, "variant_id", rows["variant_id"])
        rows = _judge(rows, rows["decision"] == decision, judgement)
    return rows, reasons


def _judge_schedules(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    in_review = runs["key"] + " is in review, and is not changed until that has ended."
    rows = _judge(rows, runs["status"].isin(IN_REVIEW), Judgement("deferred", in_review))
    start, end = (rows[name].fillna(runs[name]) for name in ("start", "end"))
    early = "With what stands, the run would end before it starts. Give both dates."
    rows = _judge(rows, end < start, Judgement("rejected", early, "COURSE_RUN_UPDATE_ERROR", "end_date"))
    no_start = (rows["decision"] == NEW) & rows["start"].isna()
    needs_start = "A new run needs a start. Give start_date."
    return _judge(rows, no_start, Judgement("rejected", needs_start, "MISSING_REQUIRED_DATA", "start_date"))


def settle_identifiers(rows: pd.DataFrame, holders: pd.DataFrame, listed: pd.Series) -> pd.DataFrame:
    """Reject the rows of courses whose product number is another's, by the rule `lost_claims`.

    `holders` is `Standing.holders`; `listed`, the folded keys of all courses that the feed lists.
    """
    lost = lost_claims(_claims(rows[rows["verdict"].isna()]), holders).set_index("course")
    identifier, holder = (rows["course"].map(lost[name]).astype(TEXT) for name in ("identifier", "holder"))
    both = holder + " has this product number already. Correct one of them."
    other = (
        holder + ", which this feed does not list, has this product number. Correct the number. If this course takes"
        " the place of " + holder + ", first feed all products but both, so that " + holder + " is archived: then it"
        " gives the number up."
    )
    reason = both.where(fold(holder).isin(listed), other)
    judgement = Judgement("rejected", reason, "COURSE_UPDATE_ERROR", "external_identifier", identifier)
    return _judge(rows, identifier.notna(), judgement)


def _claims(rows: pd.DataFrame) -> pd.DataFrame:
    """The product number that each course is to have, as `lost_claims` takes them. A blank leaves what stands."""
    first = rows.drop_duplicates("course")
    identifier = first["external_identifier"].fillna(first["standing_identifier"])
    has_it = (identifier == first["standing_identifier"]).fillna(False).astype(bool)
    claims = pd.DataFrame(
        {"course": first["course"], "key": first["course_key"], "identifier": identifier, "has_it": has_it}
    )
    return claims.dropna(subset="identifier")


def _given_up_numbers(accepted: pd.DataFrame, holders: pd.DataFrame) -> pd.DataFrame:
    """Warnings about product numbers that archived courses give up, by WARNING_COLUMNS."""
    taken = given_up(_claims(accepted), holders).set_index("course")
    rows = accepted.drop_duplicates("course").set_index("course").loc[taken.index, ["row", "course_key"]]
    said = taken["holder"] + ", which is archived, had the product number " + taken["identifier"]
    return rows.assign(
        code="PRODUCT_NUMBER_GIVEN_UP",
        column="external_identifier",
        message=said + ". It has given it up for this course.",
    )[WARNING_COLUMNS]


def name_new_runs(rows: pd.DataFrame, taken_names: pd.DataFrame) -> pd.DataFrame:
    """Add `run_key` and its parts to the rows that make a run; reject those of whose course no run's key can be made.

    `taken_names` is `Standing.taken_names`.
    """
    new = rows.loc[rows["verdict"].isna() & (rows["decision"] == NEW), ["base_key", "course_key", "start"]]
    parts = run_key_parts(new["base_key"], new["course_key"])
    reason = "No run's key can be made of " + rows["course_key"] + ". Give the course a key for reruns that can."
    rows = _judge(
        rows,
        parts["org"].isna().reindex(rows.index, fill_value=False),
        Judgement("rejected", reason, "COURSE_RUN_UPDATE_ERROR", "number", rows["number"]),
    )
    runs = pd.DataFrame({"org": parts["org"], "number": parts["course"], "start": new["start"]}).dropna(subset="org")
    names = new_run_names(runs, taken_names)
    keys = "course-v1:" + runs["org"] + "+" + runs["number"] + "+" + names
    return rows.assign(run_key=keys, key_org=runs["org"], key_course=runs["number"], key_run=names)


def _decided(rows: pd.DataFrame, runs: pd.DataFrame, as_of: pd.Timestamp) -> Decisions:
    """Work out what the accepted rows make of their courses and runs. `runs`: as `match_rows` returns them."""
    rows, texts = rows.drop(columns=TEXTS), rows[TEXTS]
    is_accepted = rows["verdict"].isna()
    accepted, runs = rows[is_accepted], runs[is_accepted]
    first = accepted.drop_duplicates("course")
    titles = accepted["course"].map(first.set_index("course")["title"])
    values = run_values(accepted.assign(title=titles), runs, as_of)
    said = said_of_upstreams(accepted, runs, as_of)
    changed = accepted["run"].isna() | differs(values, runs) | runs["missing_since"].notna()
    left = rows[~is_accepted]
    return Decisions(
        left=left.assign(said=_json_objects(_said_in_vain(left)).where(left["code"].eq(OWNED_BY_ANOTHER))),
        accepted=accepted.assign(standing_run=runs["key"], said=_json_objects(said)),
        courses=_courses(first.join(texts), accepted, values),
        runs=_runs(accepted[changed], values[changed], runs[changed]),
        warnings=_left_out(accepted, said, runs),
    )


def _said_in_vain(rows: pd.DataFrame) -> pd.DataFrame:
    """What rows say of their runs, as text: of a course that is another's it is kept, for `explain` to show."""
    instants = {name: rows[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in FED if rows[name].dtype == INSTANT}
    names = ("pacing", "language", "restriction_type", *(name for name in FED if name != "variant_id"))
    return pd.DataFrame({name: instants.get(name, rows[name]).astype(TEXT) for name in names})


SAID_IN = {"status": "publish_date", "pacing": "course_pacing", "language": "content_language"}
"""The column of the feed that says each field of SAID."""


def _left_out(rows: pd.DataFrame, said: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Warnings about values that are not written, because the upstream that lists the run owns the field and differs.

    `said` is what `said_of_upstreams` finds of these rows; `runs` are their standing runs. By WARNING_COLUMNS.
    """
    listed = runs["listed"].fillna(False).astype(bool)
    parts = []
    for name in SAID:
        differs = listed & said[name].notna() & (said[name] != runs[name]).fillna(True).astype(bool)
        owner, its = runs.loc[differs, "listed_by"], runs.loc[differs, name].fillna("nothing")
        message = owner + " lists the run and owns its " + name + ": " + its + " stands, not " + said[name][differs]
        found = rows.loc[differs, ["row", "course_key"]]
        parts.append(found.assign(code="OWNED_BY_UPSTREAM", column=SAID_IN[name], message=message + "."))
    return pd.concat(parts)[WARNING_COLUMNS]


def _json_objects(values: pd.DataFrame) -> pd.Series:
    """The values of each row as a JSON object, as text; without those that are null."""
    plain = values.astype(object).where(values.notna(), None)
    kinds = plain.drop_duplicates()
    objects = [
        orjson.dumps({k: v for k, v in row.items() if v is not None}).decode() for row in kinds.to_dict("records")
    ]
    found = plain.merge(kinds.assign(object=objects), on=list(values), how="left")["object"]
    return found.set_axis(values.index).astype(TEXT)


def _courses(first: pd.DataFrame, accepted: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """The first row of each course, with what the others add to it."""
    # The course's price has no column of its own.
    public = accepted[values["restriction_type"].isna() & accepted["price"].notna()].drop_duplicates("course")
    price = first["course"].map(public.set_index("course")["price"])
    priced = price.map('"verified_price":"{}"'.format, na_action="ignore").astype(TEXT)
    comma = pd.Series(",", first.index).where(first["attributes"] != "{}", "")
    return first.assign(
        attributes=("{" + priced + comma + first["attributes"].str[1:]).fillna(first["attributes"]),
    )


def _runs(rows: pd.DataFrame, values: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    listed = standing["listed"].fillna(False).astype(bool)
    return (
        rows[["row", "course", "run_key", "key_org", "key_course", "key_run"]]
        .join(values)
        .assign(
            id=rows["run"],
            is_new=rows["run"].isna(),
            missing_since=pd.NaT,
            listed_by_id=standing["listed_by_id"].where(listed),
        )
    )
