# pyright: reportArgumentType=false, reportReturnType=false
"""Why a learner's part of a batch did not go as asked, or what else is to be known: in words."""

from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.programs import Program, Run
from catalog_pipeline.rules.program_enrollment import COURSE_STATUSES, PROGRAM_STATUSES

EMPTY = dict.fromkeys(
    ("reason", "message", "program", "program_title", "curriculum_uuid", "run", "runs", "since", "free_by")
)
"""A detail has all of these; what is empty is null."""
ACTIVE_RUNS = """
    SELECT c.program_enrollment_id AS enrollment, array_agg(r.run_key ORDER BY r.run_key) AS runs
    FROM catalog.program_course_enrollment c
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id
    WHERE c.program_enrollment_id = ANY (:enrollments) AND c.status = 'active' GROUP BY 1"""
ROW, ENROLLMENT, HOLDER = "row", "enrollment", "holder"
POINTS_AT = {
    **dict.fromkeys(("other_curriculum", "seats_kept", "enrollment_not_current", "no_row"), ENROLLMENT),
    "active_elsewhere": HOLDER,
}
"""Which row a detail tells of, by its reason; of `exists` it is the run's row, or the enrollment."""

MESSAGES = {
    "repeated": "The learner is in the request more than once: none of these parts was applied.",
    "unknown_status": "The status is none of {words}.",
    "retired": "The learner was retired, and does not come back.",
    "not_enrolled": "The learner is not enrolled in {program}.",
    "no_row": "The learner has no enrollment in {run} through {program}. POST or PUT makes one.",
    "run_not_in_program": "{run} is no run of {program} any longer: what is there can only become inactive.",
    "active_elsewhere": "The seat in {run} is active in {holder_title} ({holder_program}), where the learner is"
    " {holder_status}, since {holder_since:%Y-%m-%d %H:%M} UTC. It can be active in one program at a time.",
    "enrollment_not_current": "It was done, though the learner's enrollment in {program} is {status}.",
    "other_curriculum": "The learner is enrolled by the curriculum {curriculum}, which stays.",
    "curriculum_missing": "The program has not one active curriculum: name the one that is meant.",
    "curriculum_unknown": "{program} has no such curriculum.",
    "seats_kept": "The enrollment is canceled; the seats in these runs stay active: {runs}.",
}
PROGRAM_MESSAGES = {"exists": "The learner has an enrollment in {program} already, which is {status}."}
RUN_MESSAGES = {"exists": "The learner has an enrollment in {run} through {program} already, which is {row_status}."}


def describe(
    connection: Connection, decisions: pd.DataFrame, standing: pd.DataFrame, program: Program, run: Run | None
) -> dict[int, Row]:
    """The detail of each decision that has a reason, by its position."""
    told = decisions.loc[decisions["reason"].notna(), ["result", "reason"]].join(standing)
    canceled = [int(number) for number in told.loc[told["result"] == "canceled", "enrollment"]]
    found = rows(connection, ACTIVE_RUNS, enrollments=canceled) if canceled else []
    runs = {row["enrollment"]: row["runs"] for row in found}
    return {
        position: _detail(cells, program, run, runs.get(cells["enrollment"]))
        for position, cells in zip(told.index, told.to_dict("records"), strict=True)
    }


def _detail(cells: dict[str, Any], program: Program, run: Run | None, runs: list[str] | None) -> Row:
    reason = cells["reason"]
    cells = {name: None if pd.isna(cell) else cell for name, cell in cells.items()}
    cells |= {name: _instant(cells[name]) for name in ("status_since", "row_since", "holder_since")}
    points_at = (ROW if run else ENROLLMENT) if reason == "exists" else POINTS_AT.get(reason)
    detail = {**EMPTY, "reason": reason, "message": _message(cells, program, run, runs)}
    if points_at is None:
        return detail
    if points_at == HOLDER:
        return {**detail, **_holder(cells, program, run)}
    since = cells["row_since"] if points_at == ROW else cells["status_since"]
    return {
        **detail,
        "program": str(program.uuid),
        "program_title": program.title,
        "curriculum_uuid": cells["curriculum"],
        "run": run and run.key,
        "runs": runs,
        "since": since,
    }


def _holder(cells: dict[str, Any], program: Program, run: Run) -> Row:
    """The row that is active on the seat."""
    holder = cells["holder_program"]
    is_free = holder != str(program.uuid) and cells["holder_owner"] == "here"
    move = f"enrollments move id:{cells['learner']} --run {run.key} --from {holder} --to {program.uuid}"
    return {
        "program": holder,
        "program_title": cells["holder_title"],
        "curriculum_uuid": cells["holder_curriculum"],
        "run": run.key,
        "since": cells["holder_since"],
        "free_by": move if is_free else None,
    }


def _instant(text: str | None) -> datetime | None:
    return text and datetime.fromisoformat(text)


def _message(cells: dict[str, Any], program: Program, run: Run | None, runs: list[str] | None) -> str:
    """What a detail says in words."""
    names = {
        "program": program.named,
        "run": run and run.key,
        "words": ", ".join(COURSE_STATUSES if run else PROGRAM_STATUSES),
        "runs": ", ".join(runs or ()),
        **cells,
    }
    texts = RUN_MESSAGES if run else PROGRAM_MESSAGES
    return (texts.get(cells["reason"]) or MESSAGES[cells["reason"]]).format_map(names)
