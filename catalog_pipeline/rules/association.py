"""Which course a run belongs to, and why: a person says it, else discovery, else a feed, else the run's key."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import numpy as np
import pandas as pd

from catalog_pipeline.rules.course_keys import TEXT, course_key_form, fold, parse_keys

OUTCOMES = (
    *("linked_by_discovery", "linked_by_feed", "linked_by_key", "already_linked", "course_created"),
    *("ambiguous", "invalid_key", "not_a_course", "case_collision", "kept_manual"),
)
"""The outcomes of a run; only a run that is not in the catalog can have `case_collision`."""
LINKING = ("linked_by_discovery", "linked_by_feed", "linked_by_key", "course_created")
"""The outcomes that write an association."""
UNLINKED = ("ambiguous", "invalid_key", "not_a_course")
"""The outcomes that a person has to resolve."""


def decide(runs: pd.DataFrame, courses: pd.DataFrame) -> pd.DataFrame:
    """Decide the course of each run.

    `runs`: run_key; listed_key, the course under which discovery lists the run; fed_key, the course under which a
    current feed does; previous_key, previous_source and previous_reason of its association; all but the first
    nullable. `courses`: key, organization_key, course_code, key_for_reruns (nullable). Keys compare folded.
    Returns, with the index of `runs`: outcome, course_key (null when it gets none), source (manual, discovery, feed
    or key), reason, and org, course: the parts of a course that is to be created.
    """
    keys = parse_keys(runs["run_key"])
    by_key = associate_by_key(keys, courses)
    outcome, by = _first_case(runs, keys, by_key)
    return pd.DataFrame(
        {
            "outcome": outcome,
            "course_key": runs["previous_key"]
            .mask(outcome.isin(["linked_by_key", "course_created"]), by_key["decided_key"])
            .mask(outcome.eq("linked_by_discovery"), runs["listed_key"])
            .mask(outcome.eq("linked_by_feed"), runs["fed_key"]),
            "source": by,
            "reason": by_key["reason"]
            .mask(~keys["valid"], keys["reason"])
            .mask(outcome.eq("already_linked"), runs["previous_reason"])
            .mask(outcome.eq("linked_by_discovery"), "discovery lists the run under " + runs["listed_key"] + ".")
            .mask(outcome.eq("linked_by_feed"), "A feed lists the run under " + runs["fed_key"] + ".")
            .mask(outcome.eq("kept_manual"), "Set by hand: nothing else changes it."),
            "org": keys["org"],
            "course": keys["course"],
        }
    )


def _first_case(runs: pd.DataFrame, keys: pd.DataFrame, by_key: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The outcome and the source of each run: those of the first case that applies to it."""
    listed, fed, previous = runs["listed_key"], runs["fed_key"], runs["previous_key"]
    source = runs["previous_source"].fillna("")
    by_discovery, by_feed = source.eq("discovery"), source.eq("feed")
    unchanged = source.eq("key") & fold(previous).eq(fold(by_key["decided_key"])).fillna(False)
    cases = {
        ("kept_manual", "manual"): source.eq("manual"),
        ("linked_by_discovery", "discovery"): listed.notna() & ~(by_discovery & previous.eq(listed).fillna(False)),
        ("already_linked", "discovery"): by_discovery,
        ("linked_by_feed", "feed"): fed.notna() & ~(by_feed & previous.eq(fed).fillna(False)),
        ("already_linked", "feed"): by_feed,
        ("not_a_course", "key"): ~keys["valid"] & keys["kind"].isin(["library", "course"]),
        ("invalid_key", "key"): ~keys["valid"],
        ("ambiguous", "key"): by_key["outcome"].eq("ambiguous"),
        ("already_linked", "key"): unchanged,
        ("course_created", "key"): by_key["outcome"].eq("course_created"),
    }
    names = [*cases, ("linked_by_key", "key")]
    case = np.select(list(cases.values()), range(len(cases)), default=len(cases))
    outcome, by = (pd.Series(np.array(part)[case], runs.index, dtype=TEXT) for part in zip(*names, strict=True))
    return outcome, by


def associate_by_key(keys: pd.DataFrame, courses: pd.DataFrame) -> pd.DataFrame:
    """Decide the course of each run from its key alone.

    `keys`: course_key (Org+Code, as parsed from the run's key). `courses`: as in `decide`.
    Returns, with the index of `keys`: outcome (linked_by_key, course_created, ambiguous), decided_key (null when
    ambiguous), reason.

    A course whose `key_for_reruns` equals the run's course key goes before the course of that very key, because
    new runs of a softly renamed course carry the new number; two such courses are ambiguous. A course that does not
    exist yet is created; runs of it that differ in case share one.
    """
    wanted = fold(keys["course_key"])
    reruns = courses.dropna(subset="key_for_reruns")
    claimed = fold(course_key_form(reruns["key_for_reruns"]))
    claims = reruns.groupby(claimed)["key"].agg(["first", "nunique", ", ".join])
    by_rerun = wanted.map(claims["first"]).astype(TEXT)
    ambiguous = wanted.map(claims["nunique"]).fillna(0) > 1
    by_key = _looked_up(wanted, courses["key"], courses["key"])
    by_code = _looked_up(wanted, courses["organization_key"] + "+" + courses["course_code"], courses["key"])
    created = keys["course_key"].groupby(wanted).transform("first")

    named = by_key.notna() | by_code.notna()
    course_key = by_rerun.fillna(by_key).fillna(by_code).fillna(created).mask(ambiguous)
    outcome = pd.Series("linked_by_key", index=keys.index)
    outcome = outcome.mask(by_rerun.isna() & ~named, "course_created").mask(ambiguous, "ambiguous")
    reason = pd.Series("The run's key names this course.", index=keys.index)
    reason = reason.mask(outcome == "course_created", "The run's key names this course, which was made for it.")
    reason = reason.mask(by_key.isna() & by_code.notna(), "The organization's course of this code has this key.")
    reason = reason.mask(by_rerun.notna(), "The course's key_for_reruns is the course part of the run's key.")
    several = "Several courses have the course part of the run's key as key_for_reruns: "
    reason = reason.mask(ambiguous, several + wanted.map(claims["join"]).astype(TEXT) + ".")
    return pd.DataFrame({"outcome": outcome, "decided_key": course_key, "reason": reason})


def _looked_up(wanted: pd.Series, keys: pd.Series, values: pd.Series) -> pd.Series:
    """The value at each wanted key, null where there is none. Where keys fold alike, the first counts.

    The database keeps the keys that a run's key can name unique, so that this never decides a run's course.
    """
    first = ~fold(keys).duplicated()
    return wanted.map(pd.Series(values[first].to_numpy(), index=fold(keys)[first].to_numpy())).astype(TEXT)
