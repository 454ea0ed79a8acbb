"""The course of a run, decided for many at once as it would be one by one."""

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog_pipeline.rules.association import OUTCOMES, associate_by_key
from catalog_pipeline.rules.association import decide as decide_runs
from catalog_pipeline.rules.course_keys import TEXT

pytestmark = pytest.mark.filterwarnings("error")

Course = tuple[str, str | None]


def runs_frame(keys: list[str], index: list[int] | None = None) -> pd.DataFrame:
    runs = {"run_key": [f"course-v1:{key}+r{n}" for n, key in enumerate(keys)], "course_key": keys}
    return pd.DataFrame(runs, index=index if index is not None else range(len(keys)), dtype=TEXT)


def courses_frame(courses: list[Course]) -> pd.DataFrame:
    rows = [(key, *key.split("+"), reruns) for key, reruns in courses]
    return pd.DataFrame(rows, columns=["key", "organization_key", "course_code", "key_for_reruns"], dtype=TEXT)


def decide(keys: list[str], *courses: Course) -> list[tuple[str, str | None]]:
    decided = associate_by_key(runs_frame(keys), courses_frame(list(courses)))
    return [(o, None if pd.isna(k) else k) for o, k in zip(decided["outcome"], decided["decided_key"], strict=True)]


def by_hand(keys: list[str], courses: list[Course]) -> list[tuple[str, str | None, str]]:
    """(outcome, decided key, a word of the reason), one run after the other."""
    created: dict[str, str] = {}
    decided = []
    for key in keys:
        claimants = [course for course, reruns in courses if reruns is not None and reruns.lower() == key.lower()]
        named = [course for course, _ in courses if course.lower() == key.lower()]
        if len(claimants) > 1:
            decided.append(("ambiguous", None, "Several courses"))
        elif claimants:
            decided.append(("linked_by_key", claimants[0], "key_for_reruns is"))
        elif named:
            decided.append(("linked_by_key", named[0], "names this course."))
        else:
            decided.append(("course_created", created.setdefault(key.lower(), key), "was made for it"))
    return decided


KEYS = st.builds("{}+{}".format, st.sampled_from(["A", "a", "B", "é", "É"]), st.sampled_from(["x", "X", "1"]))
COURSES = st.lists(st.tuples(KEYS, st.none() | KEYS), max_size=8, unique_by=lambda course: course[0].lower())


@settings(max_examples=60)
@given(st.lists(KEYS, max_size=12), COURSES, st.integers(0, 2**32))
@example([], [], 0)
@example(["A+x"], [], 0)
@example([], [("A+x", None)], 0)
@example(["A+x", "a+X"], [("B+1", None)], 0)
def test_many_runs_are_decided_as_each_would_be_by_hand(keys: list[str], courses: list[Course], first: int) -> None:
    index = [first + 7 * n for n in reversed(range(len(keys)))]
    decided = associate_by_key(runs_frame(keys, index), courses_frame(courses))
    assert decided.index.tolist() == index
    assert list(decided.columns) == ["outcome", "decided_key", "reason"]
    expected = by_hand(keys, courses)
    assert decided["outcome"].tolist() == [outcome for outcome, _, _ in expected]
    assert [None if pd.isna(key) else key for key in decided["decided_key"]] == [key for _, key, _ in expected]
    assert all(word in reason for reason, (_, _, word) in zip(decided["reason"], expected, strict=True))
    assert set(decided["outcome"]) <= set(OUTCOMES)


@settings(max_examples=60)
@given(st.lists(KEYS, max_size=6), COURSES)
def test_what_was_decided_once_is_decided_again_when_the_courses_exist(keys: list[str], courses: list[Course]) -> None:
    first = decide(keys, *courses)
    made = {key.lower(): (key, None) for outcome, key in first if outcome == "course_created" and key}
    again = decide(keys, *courses, *made.values())
    assert [key for _, key in again] == [key for _, key in first]
    assert "course_created" not in {outcome for outcome, _ in again}


def test_a_run_belongs_to_the_course_that_its_key_names_whatever_the_case() -> None:
    assert decide(["edX+DemoX", "EDX+demox"], ("edx+DEMOX", None)) == [("linked_by_key", "edx+DEMOX")] * 2


def test_a_course_that_claims_reruns_goes_before_the_course_of_that_key() -> None:
    assert decide(["A+1"], ("A+1", None), ("A+2", "a+1")) == [("linked_by_key", "A+2")]


def test_a_course_may_claim_its_own_key() -> None:
    assert decide(["A+1"], ("A+1", "A+1")) == [("linked_by_key", "A+1")]


def test_two_courses_that_claim_the_same_reruns_leave_the_run_to_a_person() -> None:
    assert decide(["A+1"], ("A+1", "A+1"), ("A+2", "a+1")) == [("ambiguous", None)]


def test_runs_of_a_new_course_that_differ_in_case_share_it() -> None:
    assert decide(["A+x", "a+X", "A+X"]) == [("course_created", "A+x")] * 3


@pytest.mark.parametrize("courses", [[], [("A+1", None)]])
def test_no_runs_decide_nothing(courses: list[Course]) -> None:
    decided = associate_by_key(runs_frame([]), courses_frame(courses))
    assert decided.empty
    assert list(decided.columns) == ["outcome", "decided_key", "reason"]


def test_a_key_that_no_course_has_may_name_the_organizations_course_of_that_code() -> None:
    courses = pd.DataFrame(
        [("Old+9", "edX", "DemoX", None)],
        columns=["key", "organization_key", "course_code", "key_for_reruns"],
        dtype=TEXT,
    )
    decided = associate_by_key(runs_frame(["EDX+demox"]), courses)
    assert decided[["outcome", "decided_key"]].values.tolist() == [["linked_by_key", "Old+9"]]


RUN_COLUMNS = ["run_key", "listed_key", "fed_key", "previous_key", "previous_source", "previous_reason"]
RUN_KEYS = st.sampled_from(
    ["course-v1:A+1+r", "course-v1:a+1+s", "A/2/r", "library-v1:A+1", "A+1", "nonsense", "course-v1:B+9+r"]
)
COURSE_KEYS = st.sampled_from(["A+1", "A+2", "B+7"])
PREVIOUS = st.just((None, None)) | st.tuples(COURSE_KEYS, st.sampled_from(["manual", "discovery", "feed", "key"]))
RUNS = st.lists(st.tuples(RUN_KEYS, st.none() | COURSE_KEYS, st.none() | COURSE_KEYS, PREVIOUS), max_size=8)
CLAIMS = st.lists(
    st.tuples(COURSE_KEYS, st.none() | st.sampled_from(["A+1", "a+2"])), max_size=3, unique_by=lambda c: c[0]
)


def one(
    key: str,
    listed: str | None,
    fed: str | None,
    previous: str | None,
    source: str | None,
    courses: list[Course],
) -> tuple[str, str | None]:
    """Outcome and course of one run, rule after rule."""
    if source == "manual":
        return "kept_manual", previous
    if listed:
        return ("already_linked" if (previous, source) == (listed, "discovery") else "linked_by_discovery"), listed
    if source == "discovery":
        return "already_linked", previous
    if fed:
        return ("already_linked" if (previous, source) == (fed, "feed") else "linked_by_feed"), fed
    if source == "feed":
        return "already_linked", previous
    named = {"course-v1:A+1+r": "A+1", "course-v1:a+1+s": "a+1", "A/2/r": "A+2", "course-v1:B+9+r": "B+9"}.get(key)
    if named is None:
        return ("invalid_key" if key == "nonsense" else "not_a_course"), previous
    outcome, course, _ = by_hand([named], courses)[0]
    if outcome == "ambiguous":
        return outcome, previous
    if source == "key" and previous and course and previous.lower() == course.lower():
        return "already_linked", previous
    return outcome, course


@settings(max_examples=150)
@given(RUNS, CLAIMS)
def test_a_person_goes_before_discovery_and_discovery_before_a_feed_and_that_before_the_key(
    runs: list[tuple[str, str | None, str | None, tuple[str | None, str | None]]], courses: list[Course]
) -> None:
    rows = [
        (key, listed, fed, previous, source, "Why." if source else None)
        for key, listed, fed, (previous, source) in runs
    ]
    decided = decide_runs(pd.DataFrame(rows, columns=RUN_COLUMNS, dtype=TEXT), courses_frame(courses))
    found = [(o, None if pd.isna(k) else k) for o, k in zip(decided["outcome"], decided["course_key"], strict=True)]
    expected = [one(key, listed, fed, *previous, courses) for key, listed, fed, previous in runs]
    # Runs that differ in case share a course that is made, under the name that the first of them has.
    assert [(o, k and k.lower()) for o, k in found] == [(o, k and k.lower()) for o, k in expected]
    assert set(decided["outcome"]) <= set(OUTCOMES)
    assert decided["reason"].str.len().gt(3).all()


def test_the_courses_between_which_nobody_decides_are_named() -> None:
    decided = associate_by_key(runs_frame(["A+1"]), courses_frame([("A+2", "a+1"), ("A+3", "A+1")]))
    assert decided["reason"].tolist()[0].endswith("as key_for_reruns: A+2, A+3.")


def test_courses_whose_parts_join_to_the_same_key_stop_nobody() -> None:
    rows = [("k+1", "A+B", "C", None), ("k+2", "A", "B+C", None)]
    courses = pd.DataFrame(rows, columns=["key", "organization_key", "course_code", "key_for_reruns"], dtype=TEXT)
    decided = associate_by_key(runs_frame(["A+B"]), courses)
    assert decided["outcome"].tolist() == ["course_created"]
