"""The set-based matcher against a row-by-row oracle, and the cases that the rule names."""

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.rules.run_keys import new_run_names
from catalog_pipeline.rules.run_matching import match_runs
from catalog_pipeline.schemas.parsing import INSTANT

Record = dict[str, Any]
NOW = pd.Timestamp("2026-06-01", tz="UTC")
DAYS = [pd.Timestamp(f"2026-0{month}-01", tz="UTC") for month in (3, 6, 9)]


def row(number: int, variant: str | None = None, start: int = 0, end: int = 2, course: str = "A+1") -> Record:
    return {"row": number, "course": course, "variant": variant, "start": DAYS[start], "end": DAYS[end]}


def run(
    number: int,
    variant: str | None = None,
    start: int | None = 0,
    end: int | None = 2,
    course: str = "A+1",
    **more: Any,
) -> Record:
    dates = {"start": None if start is None else DAYS[start], "end": None if end is None else DAYS[end]}
    made = {"run": number, "key": f"run {number}", "created": number, "enrollment_end": None}
    return {**made, "course": course, "variant": variant, **dates, **more}


ROW = {"row": "int64", "course": TEXT, "variant": TEXT, "start": INSTANT, "end": INSTANT}
RUN = {"run": "int64", "key": TEXT, "created": "int64", "enrollment_end": INSTANT, **{k: ROW[k] for k in list(ROW)[1:]}}


def frame(records: list[Record], types: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=list(types)).astype(types)


def decide(rows: list[Record], runs: list[Record], listed: list[str] | None = None) -> list[tuple[Any, ...]]:
    """decision, run, other_row, other_run of each row."""
    named = [r["variant"] for r in rows if r["variant"]] if listed is None else listed
    decided = match_runs(frame(rows, ROW), frame(runs, RUN), pd.Series(named, dtype=TEXT), NOW)
    assert decided["reason"].notna().all()
    assert (decided["reason"].str.contains("nan|<NA>") == False).all()  # noqa: E712
    columns = decided[["decision", "run", "other_row", "other_run"]].astype(object)
    return [tuple(None if pd.isna(v) else v for v in record) for record in columns.itertuples(index=False)]


def oracle(rows: list[Record], runs: list[Record], listed: list[str]) -> list[tuple[Any, ...]]:
    """The rule, row by row, as a person would go through the file."""
    holders = {r["variant"]: r for r in runs if r["variant"]}
    promised = {
        holders[r["variant"]]["run"]
        for r in rows
        if r["variant"] in holders and holders[r["variant"]]["course"] == r["course"]
    }
    claimed, seen, found = set(promised), {}, []
    for r in rows:
        holder = holders.get(r["variant"])
        if holder and holder["course"] != r["course"]:
            found.append(("conflict", None, None, holder["run"]))
            continue
        mark = r["variant"] or (r["course"], r["start"], r["end"])
        if mark in seen:
            first = seen[mark]
            found.append(("duplicate" if first["course"] == r["course"] else "conflict", None, first["row"], None))
            continue
        seen[mark] = r
        if holder:
            found.append(("update", holder["run"], None, None))
            continue
        # Of the runs that no variant of the feed is on, the active one is asked first.
        for candidate in asked([free for free in runs if free["run"] not in promised], r["course"]):
            if candidate["run"] in claimed or (candidate["start"], candidate["end"]) != (r["start"], r["end"]):
                continue
            if r["variant"] and candidate["variant"] in listed:
                continue
            claimed.add(candidate["run"])
            found.append(("update", candidate["run"], None, None))
            break
        else:
            found.append(("new", None, None, None))
    return found


def asked(runs: list[Record], course: str) -> list[Record]:
    mine = [r for r in runs if r["course"] == course]
    far = pd.Timestamp("1900-01-01", tz="UTC")
    mine.sort(key=lambda r: r["key"])
    mine.sort(key=lambda r: (r["start"] or far, r["created"]), reverse=True)
    active = [r for r in mine if all(r[c] is None or r[c] > NOW for c in ("end", "enrollment_end"))]
    return active[:1] + [r for r in mine if not active or r["run"] != active[0]["run"]]


VARIANTS = st.sampled_from([None, "u", "v", "w", "x"])
COURSES = st.sampled_from(["A+1", "B+2"])
SHORT = st.sampled_from([(0, 2), (0, 1), (1, 2)])


@st.composite
def feeds(draw: st.DrawFn) -> tuple[list[Record], list[Record], list[str]]:
    rows = [
        row(number, draw(VARIANTS), *draw(SHORT), course=draw(COURSES))
        for number in range(2, 2 + draw(st.integers(0, 9)))
    ]
    runs, held = [], set()
    for number in range(draw(st.integers(0, 7))):
        variant = draw(VARIANTS)
        variant = None if variant in held else variant
        held.add(variant)
        closes = draw(st.sampled_from([None, DAYS[0], DAYS[2]]))
        dates = draw(st.sampled_from([(0, 2), (0, 1), (1, 2), (None, None)]))
        runs.append(run(number, variant, *dates, course=draw(COURSES), enrollment_end=closes))
    listed = [r["variant"] for r in rows if r["variant"]] + draw(st.lists(st.sampled_from(["u", "x"]), max_size=1))
    return rows, runs, listed


@st.composite
def feeds_at_once(draw: st.DrawFn) -> tuple[list[Record], list[Record], list[str]]:
    """Five feeds of other courses and variants, as one: the matcher takes as long for many rows as for one."""
    rows, runs, listed = list[Record](), list[Record](), list[str]()
    for n in range(5):
        more_rows, more_runs, more_listed = draw(feeds())
        rows += [{**of_feed(r, n), "row": r["row"] + 100 * n} for r in more_rows]
        runs += [{**of_feed(r, n), "run": r["run"] + 100 * n, "created": r["run"] + 100 * n} for r in more_runs]
        listed += [f"{variant}{n}" for variant in more_listed]
    return rows, runs, listed


def of_feed(record: Record, n: int) -> Record:
    """The record with a course and a variant of that feed's own."""
    return {**record, "course": f"{record['course']}{n}", "variant": record["variant"] and f"{record['variant']}{n}"}


@settings(max_examples=40)
@given(feeds_at_once())
def test_the_matcher_decides_as_the_row_by_row_oracle(feed: tuple[list[Record], list[Record], list[str]]) -> None:
    rows, runs, listed = feed
    assert decide(rows, runs, listed) == oracle(rows, runs, listed)


def test_the_active_run_is_the_first_of_those_that_no_variant_of_the_feed_is_on() -> None:
    open_still, taken, closed = run(0), run(1, "u"), run(3, enrollment_end=DAYS[0])
    assert decide([row(2), row(3, "u")], [open_still, taken, closed]) == [
        ("update", 0, None, None),
        ("update", 1, None, None),
    ]


@settings(max_examples=16)
@given(feeds_at_once())
def test_a_run_is_claimed_by_one_row_at_most_and_the_same_feed_again_makes_no_run(
    feed: tuple[list[Record], list[Record], list[str]],
) -> None:
    rows, runs, listed = feed
    first = decide(rows, runs, listed)
    claimed = [one[1] for one in first if one[0] == "update"]
    assert len(claimed) == len(set(claimed))
    by_number = {r["run"]: dict(r) for r in runs}
    for number, (r, one) in enumerate(zip(rows, first, strict=True), 1000):
        if one[0] == "new":
            by_number[number] = run(number, r["variant"], course=r["course"], start=None, end=None)
        if one[0] in ("new", "update"):
            target = by_number[number if one[0] == "new" else one[1]]
            target.update(start=r["start"], end=r["end"], variant=r["variant"] or target["variant"])
    again = decide(rows, list(by_number.values()), listed)
    assert [one[0] for one in again] == [{"new": "update"}.get(one[0], one[0]) for one in first]


def test_a_variant_of_the_course_is_updated_whatever_its_dates() -> None:
    assert decide([row(2, "v", 1)], [run(1, "v", 0), run(2, None, 1)]) == [("update", 1, None, None)]


def test_a_variant_of_another_courses_run_is_a_conflict() -> None:
    assert decide([row(2, "v")], [run(1, "v", course="B+2"), run(2)]) == [("conflict", None, None, 1)]


def test_a_variant_in_two_courses_of_the_file_is_a_conflict_of_the_later() -> None:
    assert decide([row(2, "v"), row(3, "v", course="B+2")], []) == [
        ("new", None, None, None),
        ("conflict", None, 2, None),
    ]


def test_the_same_schedule_updates_the_active_run_and_stamps_the_variant() -> None:
    assert decide([row(2, "v")], [run(1)]) == [("update", 1, None, None)]


def test_another_schedule_makes_a_new_run() -> None:
    assert decide([row(2, "v", 1), row(3, None, 0, 1)], [run(1, None, 0)]) == [("new", None, None, None)] * 2


def test_a_run_whose_variant_the_feed_still_lists_is_not_taken_for_its_schedule() -> None:
    assert decide([row(2, "v")], [run(1, "u")], ["u", "v"]) == [("new", None, None, None)]


def test_a_run_whose_variant_the_feed_no_longer_lists_takes_the_new_variant() -> None:
    assert decide([row(2, "v")], [run(1, "u")], ["v"]) == [("update", 1, None, None)]


def test_a_row_without_a_variant_takes_any_run_of_its_schedule() -> None:
    assert decide([row(2)], [run(1, "u")]) == [("update", 1, None, None)]


def test_the_active_run_is_asked_before_a_closed_one_that_is_newer() -> None:
    closed = run(2, enrollment_end=DAYS[0])
    assert decide([row(2), row(3, "v")], [run(1), closed]) == [("update", 1, None, None), ("update", 2, None, None)]


def test_of_a_course_one_run_alone_is_active_and_one_without_a_start_is_the_last_to_be() -> None:
    closed = run(2, enrollment_end=DAYS[0])
    later, dateless = run(3, None, 1), run(3, None, None, None)
    assert decide([row(2)], [run(1), closed, later]) == [("update", 2, None, None)]
    assert decide([row(2)], [run(1), closed, dateless]) == [("update", 1, None, None)]


def test_of_runs_that_are_otherwise_alike_the_first_by_key_is_asked() -> None:
    alike = [run(1, key="run b", created=1), run(2, key="run a", created=1)]
    assert decide([row(2)], alike) == [("update", 2, None, None)]


def test_a_variant_claims_its_run_before_any_schedule_does() -> None:
    assert decide([row(2), row(3, "v")], [run(1, "v")]) == [("new", None, None, None), ("update", 1, None, None)]


def test_the_same_variant_or_schedule_twice_is_a_duplicate_that_names_the_first_row() -> None:
    rows = [row(2, "v"), row(3, "v", 1), row(4), row(5)]
    assert [one[0::2] for one in decide(rows, [])] == [
        ("new", None),
        ("duplicate", 2),
        ("new", None),
        ("duplicate", 4),
    ]


def test_a_hundred_rows_of_one_schedule_take_the_free_runs_and_make_the_others() -> None:
    rows = [row(n, f"v{n}" if n % 50 else None) for n in range(2, 102) if n != 100]
    runs = [run(n, f"old{n}") for n in range(40)]
    listed = [r["variant"] for r in rows if r["variant"]]
    assert decide(rows, runs, listed) == oracle(rows, runs, listed)


def keys(starts: list[str], taken: list[tuple[str, str]], number: str = "CS1") -> list[str]:
    runs = pd.DataFrame({"number": number, "start": pd.to_datetime(starts, utc=True)})
    runs = runs.astype({"number": TEXT, "start": INSTANT})
    names = pd.DataFrame(taken, columns=["key_course", "key_run"], dtype=TEXT)
    return [*new_run_names(runs, names)]


def test_a_run_is_named_by_the_third_of_the_year_it_starts_in() -> None:
    starts = ["2026-01-01", "2026-04-30", "2026-05-01", "2026-08-31", "2026-09-01", "2026-12-31"]
    assert keys(starts[::2], []) == ["1T2026", "2T2026", "3T2026"]
    assert keys(starts[1::2], []) == ["1T2026", "2T2026", "3T2026"]


def test_a_taken_name_gets_the_next_free_letters() -> None:
    assert keys(["2026-01-01"] * 4, [("cs1", "1T2026"), ("CS1", "1t2026B")]) == [
        *("1T2026a", "1T2026c", "1T2026d", "1T2026e")
    ]


def test_after_z_comes_aa() -> None:
    assert keys(["2026-01-01"] * 29, [])[24:] == ["1T2026x", "1T2026y", "1T2026z", "1T2026aa", "1T2026ab"]


def test_a_number_that_only_contains_the_number_takes_no_name_from_it() -> None:
    assert keys(["2026-01-01"], [("CS10", "1T2026"), ("CS1", "1T2026_old")]) == ["1T2026"]


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(["2026-02-01", "2026-06-01"]), max_size=60),
    st.sets(st.tuples(st.sampled_from(["CS1", "CS2"]), st.sampled_from(["1T2026", "2T2026"]), st.integers(0, 40))),
)
def test_new_names_are_the_first_free_ones(starts: list[str], used: set[tuple[str, str, int]]) -> None:
    letters = ["", *"abcdefghijklmnopqrstuvwxyz", *(f"a{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    letters += [f"b{c}" for c in "abcdefghijklmnopqrstuvwxyz"]
    taken = [(number, term + letters[n]) for number, term, n in used]
    standing, expected = {name for number, name in taken if number == "CS1"}, []
    for start in starts:
        term = "1T2026" if start == "2026-02-01" else "2T2026"
        name = next(term + suffix for suffix in letters if term + suffix not in standing)
        standing.add(name)
        expected.append(name)
    assert keys(starts, taken) == expected
