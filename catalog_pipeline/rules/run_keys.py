"""The keys of new runs: named after the term of their start, with a letter behind it if that name is taken."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false

import numpy as np
import pandas as pd

from catalog_pipeline.rules.course_keys import course_key_form, fold, parse_keys

TERM = r"^(?P<term>[1-3]t[0-9]{4})(?P<suffix>[a-z]{0,9})$"


def run_key_parts(base_keys: pd.Series, course_keys: pd.Series) -> pd.DataFrame:
    """The parts `org` and `course` that the keys of a course's new runs have; null where no run's key can be made.

    `base_keys`: the keys that new runs are to be named after. Where one is null, or is not the key of a course,
    `course_keys`, the key of the course itself, stands in. Either may have a slash for its plus, and blanks around it.
    Both have the same index, which the result has too.
    """
    parts = parse_keys(course_key_form(base_keys))[["org", "course"]]
    return parts.fillna(parse_keys(course_key_form(course_keys)))


def new_run_names(runs: pd.DataFrame, taken: pd.DataFrame) -> pd.Series:
    """The names of new runs, the last part of their keys, in their order; with the index of `runs`.

    `runs`: number, start (an instant, not null). `taken`: key_course, key_run of the runs that stand.

    `1T2026` for a start from January to April, 2T from May to August, 3T from September to December; where a run of
    exactly that course number has the name, with a, b … z, aa, ab … behind it.
    """
    term = ((runs["start"].dt.month + 3) // 4).astype("str") + "T" + runs["start"].dt.year.astype("str")
    group = fold(runs["number"]) + "+" + fold(term)
    nth = runs.groupby(group, sort=False).cumcount()
    number = _free(group, nth, *_used(taken))
    suffix = number.map({n: _letters(n) for n in number.unique()}).astype("str")
    return term + suffix


def _used(taken: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The taken names that are made of a term and letters: their number and term, and the place of the letters."""
    parts = fold(taken["key_run"]).str.extract(TERM).dropna()
    group = fold(taken["key_course"]).loc[parts.index] + "+" + parts["term"]
    place = parts["suffix"].map({suffix: _place(suffix) for suffix in parts["suffix"].unique()})
    used = pd.DataFrame({"group": group, "place": place.astype("int64")}).drop_duplicates()
    used = used.sort_values(["group", "place"])
    return used["group"], used["place"]


def _free(group: pd.Series, nth: pd.Series, used_group: pd.Series, used_place: pd.Series) -> pd.Series:
    """The nth place (from 0) of each group that is not used.

    The i-th used place of a group has `place - i` free ones before it: as many used places lie before the nth free
    one as have no more than n free ones before them.
    """
    groups = pd.Index(group.unique())
    code, used_code = groups.get_indexer(group), groups.get_indexer(used_group)
    ours = used_code >= 0
    places = used_place[ours].to_numpy()
    used_code = used_code[ours]
    order = np.argsort(used_code, kind="stable")
    places, used_code = places[order], used_code[order]
    first = np.searchsorted(used_code, np.arange(len(groups)))
    free_before = places - (np.arange(len(places)) - first[used_code])
    span = max(int(nth.max()) if len(nth) else 0, int(free_before.max()) if len(places) else 0) + 1
    passed = np.searchsorted(used_code * span + free_before, code * span + nth.to_numpy(), side="right") - first[code]
    return nth + passed


def _letters(place: int) -> str:
    """0 → nothing, 1 → a, 26 → z, 27 → aa."""
    letters = ""
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _place(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("a") + 1
    return place
