"""Which run each row of a partner's feed is about: one that stands, a new one, or none, and why.

The rule of course-discovery ADR 0026, made exact: the variant decides; where it is unknown, the schedule does; a
schedule that no run has makes a new run. Nothing here knows where rows and runs come from.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false

# pyarrow makes its compute functions at import, where pyright does not see them.
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

UPDATE, NEW, CONFLICT, DUPLICATE = "update", "new", "conflict", "duplicate"
SCHEDULE = ["course", "start", "end"]


def match_runs(rows: pd.DataFrame, runs: pd.DataFrame, listed: pd.Series, as_of: pd.Timestamp) -> pd.DataFrame:
    """Decide each row of a feed.

    `rows`, in the order of the file: row (its number), course (any hashable identity, never null), variant
    (nullable), start, end (instants). `runs`, those that stand: run (an integer), course, key, variant, start, end,
    enrollment_end (all nullable but run, course, key), created (any order: greater is newer). `listed`: all variants
    that the feed names, in rejected rows too.

    Returns, with the index of `rows`: decision (update, new, conflict, duplicate), run (of an update), other_row
    (the earlier row that a duplicate, or a conflict, is one with), other_run (the run that has a conflict's
    variant), by (`variant` or `schedule`, of an update), reason (a sentence).

    - A variant that is on a run of the course: that run is updated. On a run of another course: a conflict.
    - Else a run that no variant of the feed is on and that has exactly the row's start and end: of these, the active
      run is asked first, then the others, by latest start. A row with a variant takes only a run without one, or with
      one that the feed no longer lists; a row without takes any.
    - Else a new run.
    - Of two rows with one variant, or without any and of one schedule, the later is a duplicate; or a conflict, when
      the first is of another course.
    """
    by_variant = _match_variants(rows, runs)
    decided = by_variant.join(_duplicates(rows, by_variant))
    decided["decision"] = np.select(
        [
            decided["other_run"].notna() | decided["other_course"],
            decided["other_row"].notna(),
            decided["run"].notna(),
        ],
        [CONFLICT, DUPLICATE, UPDATE],
        NEW,
    )
    decided["by"] = pd.Series(np.where(decided["decision"] == UPDATE, "variant", None), rows.index, dtype=object)
    decided["run"] = decided["run"].where(decided["decision"] == UPDATE)
    left = rows[decided["decision"] == NEW]
    free = runs[~runs["run"].isin(decided["run"].dropna()) & runs["course"].isin(left["course"])]
    found = _match_schedules(left, free, listed, as_of)
    decided.loc[found.index, "run"] = found
    decided.loc[found.index, ["decision", "by"]] = [UPDATE, "schedule"]
    known = rows["course"].isin(runs["course"])
    return decided.drop(columns="other_course").assign(reason=_reasons(decided, rows, runs, known))


def active_first(runs: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The runs in the order in which they are asked: of each course the active one, then the others.

    Active is a run whose end and enrollment_end are each null or after `as_of`; of several, the one that starts last
    (no start counts as first), then the newest, then by key. The others come in that same order.
    """
    open_still = [runs[column].isna() | (runs[column] > as_of) for column in ("end", "enrollment_end")]
    ordered = runs.assign(is_open=open_still[0] & open_still[1]).sort_values(
        ["start", "created", "key"], ascending=[False, False, True], na_position="last", kind="stable"
    )
    active = ordered[ordered["is_open"]].drop_duplicates("course").index
    return pd.concat([ordered.loc[active], ordered.drop(active)]).drop(columns="is_open")


def _match_variants(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """run (of this course) or other_run (of another), by the row's variant."""
    holders = runs.dropna(subset="variant").drop_duplicates("variant").set_index("variant")
    run = rows["variant"].map(holders["run"]).astype("Int64")
    here = rows["variant"].map(holders["course"]) == rows["course"]
    return pd.DataFrame({"run": run.where(here), "other_run": run.mask(here)})


def _duplicates(rows: pd.DataFrame, by_variant: pd.DataFrame) -> pd.DataFrame:
    """other_row: the first row that says the same, of the later ones; other_course: whether it is another course's."""
    may = rows[by_variant["other_run"].isna()]
    named = may.dropna(subset="variant")
    named = named[named.duplicated("variant", keep=False)]
    first = named.groupby("variant")[["row", "course"]].transform("first")
    plain = may[may["variant"].isna()]
    plain = plain[plain.duplicated(SCHEDULE, keep=False)]
    same_schedule = plain.groupby(SCHEDULE, dropna=False)["row"].transform("first")
    first_row = pd.concat([first["row"], same_schedule]).reindex(rows.index).astype("Int64")
    other_course = (first["course"] != named["course"]).reindex(rows.index, fill_value=False)
    return pd.DataFrame({"other_row": first_row.mask(first_row == rows["row"]), "other_course": other_course})


def _match_schedules(rows: pd.DataFrame, runs: pd.DataFrame, listed: pd.Series, as_of: pd.Timestamp) -> pd.Series:
    """The run of each row that finds one of its schedule; the index is that of the rows which do.

    All schedules at once. In one schedule stand, in their order, the runs; those that a row with a variant may take
    are `open`. The rows with a variant take the open ones one after the other. The one row without takes the first
    that is left when its turn comes, and if that is an open one, the later rows move up by one.
    """
    asked = active_first(runs, as_of)
    asked = asked.assign(place=asked.groupby(SCHEDULE, dropna=False).cumcount())
    asked = asked.assign(open=asked["variant"].isna() | ~is_in(asked["variant"], listed))
    asked["nth"] = asked[asked["open"]].groupby(SCHEDULE, dropna=False).cumcount()
    rows = rows.assign(index=rows.index, named=rows["variant"].notna())
    rows["nth"] = rows["named"].astype("int64").groupby([rows[c] for c in SCHEDULE], dropna=False).cumsum()
    rows["nth"] -= rows["named"]
    plain = rows[~rows["named"]][["index", "nth", *SCHEDULE]]
    left = plain.merge(asked, on=SCHEDULE, suffixes=("", "_open"))
    left = left[~left["open"] | (left["nth_open"] >= left["nth"])]
    left = left.sort_values("place", kind="stable").drop_duplicates("index")
    moved = left[left["open"]][[*SCHEDULE, "nth"]].rename(columns={"nth": "moved_from"})
    named = rows[rows["named"]].merge(moved, on=SCHEDULE, how="left")
    named["nth"] += named["nth"] >= named["moved_from"]
    taken = named[["index", "nth", *SCHEDULE]].merge(asked[asked["open"]], on=[*SCHEDULE, "nth"])
    found = pd.concat([left[["index", "run"]], taken[["index", "run"]]])
    return found.set_index("index")["run"].astype("Int64")


def is_in(values: pd.Series, known: pd.Series) -> pd.Series:
    """Which of the texts are in `known`; a null is only where `known` has one."""
    # Arrow's own function: pandas would make a list of `known` first.
    found = pc.is_in(pa.array(values, pa.large_string()), pa.array(known, pa.large_string()))
    return pd.Series(np.asarray(found), values.index)


def _reasons(decided: pd.DataFrame, rows: pd.DataFrame, runs: pd.DataFrame, known: pd.Series) -> pd.Series:
    """A sentence for each row on why it was decided so."""
    keys = runs.set_index("run")["key"]
    frame = pd.DataFrame(
        {
            "row": rows["row"].astype("str"),
            "key": decided["run"].map(keys),
            "other_key": decided["other_run"].map(keys),
            "other_row": decided["other_row"].astype("str"),
        }
    )
    decision, named = decided["decision"], rows["variant"].notna()
    by_variant = decided["by"] == "variant"
    elsewhere = decided["other_run"].notna()
    reason = pd.Series("The course has no run yet.", rows.index, dtype="str")
    for mask, before, name, after in (
        (decision.eq(NEW) & known, "No free run of the course has this start and end", None, "."),
        (decision.eq(NEW) & known & named, "No run of the course has this variant, and none that is free has this"
                                           " start and end", None, "."),
        (decision.eq(UPDATE) & by_variant, "The variant is on ", "key", "."),
        (decision.eq(UPDATE) & ~by_variant, "", "key", " has the same start and end."),
        (decision.eq(CONFLICT) & elsewhere, "The variant is on ", "other_key", ", a run of another course."),
        (decision.eq(CONFLICT) & ~elsewhere, "The variant is in row ", "other_row", " already, for another course."),
    ):  # fmt: skip
        reason[mask] = before + frame.loc[mask, name].astype("str") + after if name else before + after
    twice = frame[decision == DUPLICATE]
    said = (" names the same variant as row ", " has the same schedule, without a variant either, as row ")
    what = pd.Series(np.where(named[twice.index], *said), twice.index, dtype="str")
    reason[twice.index] = "Row " + twice["row"] + what + twice["other_row"] + "."
    return reason
