"""The rules of enrollments against a plain oracle, item by item."""

from collections import Counter
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.rules.program_enrollment import (
    COURSE_STATUSES,
    CURRENT,
    METHODS,
    PROGRAM_STATUSES,
    Curricula,
    decide_course,
    decide_program,
)

UUIDS = ("u1", "u2", "u3")
Row = dict[str, Any]
some = st.sampled_from


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def requests(draw: st.DrawFn, statuses: tuple[str, ...]) -> list[Row]:
    """Items with what stands of their learners: one learner may have two keys, and a key may come twice."""
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        learner = draw(optional(st.integers(1, 4)))
        enrolled = learner is not None and draw(st.booleans())
        has_row = enrolled and draw(st.booleans())
        rows.append(
            {
                "folded": draw(some("abcd")) if learner is None else f"k{learner}{draw(some('xy'))}",
                "status": draw(some([*statuses, "withdrawn"])),
                "given": draw(optional(some(UUIDS))),
                "learner": learner,
                "is_retired": learner == 4,
                "enrollment": learner if enrolled else None,
                "curriculum": draw(some(UUIDS)) if enrolled else None,
                "enrollment_status": draw(some(PROGRAM_STATUSES)) if enrolled else None,
                "has_active_rows": enrolled and draw(st.booleans()),
                "row": learner if has_row else None,
                "row_status": draw(some(COURSE_STATUSES)) if has_row else None,
                "is_held": draw(st.booleans()),
            }
        )
    return rows


def frames(rows: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    def column(name: str, dtype: str) -> pd.Series:
        return pd.Series([row[name] for row in rows], dtype=dtype)

    items = pd.DataFrame(
        {"folded": column("folded", "str"), "status": column("status", "str"), "curriculum": column("given", "str")}
    )
    standing = pd.DataFrame(
        {
            **{name: column(name, "Int64") for name in ("learner", "enrollment", "row")},
            **{name: column(name, "boolean") for name in ("is_retired", "has_active_rows", "is_held")},
            **{name: column(name, "str") for name in ("curriculum", "row_status")},
            "status": column("enrollment_status", "str"),
        }
    )
    return items, standing


def expected_of_all(row: Row, rows: list[Row], statuses: tuple[str, ...]) -> tuple[Any, ...] | None:
    keys, learners = (Counter(one[name] for one in rows) for name in ("folded", "learner"))
    if keys[row["folded"]] > 1 or (row["learner"] is not None and learners[row["learner"]] > 1):
        return "duplicated", "repeated", None
    if row["status"] not in statuses:
        return "invalid-status", "unknown_status", None
    return ("illegal-operation", "retired", None) if row["is_retired"] else None


def expected_program(row: Row, method: str, curricula: Curricula) -> tuple[Any, ...]:
    if row["enrollment"] is not None:
        if method == "post":
            return "conflict", "exists", None
        if row["given"] is not None and row["given"] != row["curriculum"]:
            return row["status"], "other_curriculum", "set"
        keeps = row["status"] == "canceled" and row["has_active_rows"]
        return row["status"], "seats_kept" if keeps else None, "set"
    if method == "patch":
        return "not-in-program", "not_enrolled", None
    curriculum = row["given"]
    if curriculum is None:
        if len(curricula.active) != 1:
            return "illegal-operation", "curriculum_missing", None
        curriculum = curricula.active[0]
    if curricula.listed and curriculum not in curricula.listed:
        return "illegal-operation", "curriculum_unknown", None
    return row["status"], None, "create"


def expected_course(row: Row, method: str, *, run_in_program: bool) -> tuple[Any, ...]:
    there, wanted = row["row"] is not None, row["status"]
    if row["enrollment"] is None:
        return "not-in-program", "not_enrolled", None
    if there and method == "post":
        return "conflict", "exists", None
    if not there and method == "patch":
        return "not-found", "no_row", None
    if not run_in_program and not (there and wanted == "inactive"):
        return "illegal-operation", "run_not_in_program", None
    if wanted == "active" and row["row_status"] != "active" and row["is_held"]:
        return "conflict", "active_elsewhere", None
    late = wanted == "active" and row["enrollment_status"] not in CURRENT
    return wanted, "enrollment_not_current" if late else None, "set" if there else "create"


def found(decided: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = decided[["result", "reason", "action"]].astype(object)
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


@given(requests(PROGRAM_STATUSES), some(METHODS), st.sets(some(UUIDS[:2])), st.data())
def test_a_request_to_a_program_is_decided_item_by_item(
    rows: list[Row], method: str, listed: set[str], data: st.DataObject
) -> None:
    active = data.draw(st.sets(some(sorted(listed)))) if listed else set()
    curricula = Curricula(sorted(listed), sorted(active))
    wanted = [expected_of_all(row, rows, PROGRAM_STATUSES) or expected_program(row, method, curricula) for row in rows]
    assert found(decide_program(*frames(rows), method, curricula)) == wanted


@given(requests(COURSE_STATUSES), some(METHODS), st.booleans())
def test_a_request_to_a_run_is_decided_item_by_item(rows: list[Row], method: str, run_in_program: bool) -> None:
    wanted = [
        expected_of_all(row, rows, COURSE_STATUSES) or expected_course(row, method, run_in_program=run_in_program)
        for row in rows
    ]
    assert found(decide_course(*frames(rows), method, run_in_program=run_in_program)) == wanted
