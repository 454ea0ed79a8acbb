"""Which course a run belongs to when nobody says so: its key tells, unless another course claims its reruns."""

import pandas as pd

from catalog_pipeline.rules.course_keys import TEXT, fold

OUTCOMES = ("linked_by_key", "course_created", "ambiguous")


def associate_by_key(runs: pd.DataFrame, courses: pd.DataFrame) -> pd.DataFrame:
    """Decide the course of each run from its key.

    `runs`: run_key, course_key (Org+Code, as parsed from the run's key). `courses`: key, key_for_reruns (nullable).
    Returns, with the index of `runs`: outcome, decided_key (null when ambiguous), reason.

    A course whose `key_for_reruns` equals the run's course key goes before the course of that very key, because
    new runs of a softly renamed course carry the new number; two such courses are ambiguous. A course that does not
    exist yet is created; runs of it that differ in case share one.
    """
    wanted = fold(runs["course_key"])
    reruns = courses.dropna(subset="key_for_reruns")
    claims = reruns.groupby(fold(reruns["key_for_reruns"]))["key"].agg(["first", "nunique"])
    by_rerun = wanted.map(claims["first"]).astype(TEXT)
    claimants = wanted.map(claims["nunique"]).fillna(0)
    by_key = wanted.map(pd.Series(courses["key"].to_numpy(), index=fold(courses["key"]).to_numpy())).astype(TEXT)
    created = runs["course_key"].groupby(wanted).transform("first")

    ambiguous = claimants > 1
    course_key = by_rerun.fillna(by_key).fillna(created).mask(ambiguous)
    outcome = pd.Series("linked_by_key", index=runs.index)
    outcome = outcome.mask(by_rerun.isna() & by_key.isna(), "course_created").mask(ambiguous, "ambiguous")
    reason = pd.Series("The run's key names this course.", index=runs.index)
    reason = reason.mask(outcome == "course_created", "The run's key names this course, which was made for it.")
    reason = reason.mask(by_rerun.notna(), "The course's key_for_reruns is the course part of the run's key.")
    reason = reason.mask(ambiguous, "Several courses have the course part of the run's key as key_for_reruns.")
    return pd.DataFrame({"outcome": outcome, "decided_key": course_key, "reason": reason})
