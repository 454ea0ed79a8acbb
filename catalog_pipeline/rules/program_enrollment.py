# pyright: reportReturnType=false
"""What becomes of a request to enroll learners in a program, or in a run of it. Pure.

Source of the words: edx-platform's program_enrollments, and its ADR 0003 on courses that programs share. Where these
err or are silent, `docs/decisions/0041` says what we do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

POST, PATCH, PUT = METHODS = ("post", "patch", "put")
PROGRAM_STATUSES = ("enrolled", "pending", "suspended", "canceled", "ended")
CURRENT = ("enrolled", "pending")
COURSE_STATUSES = ("active", "inactive")
DONE = (*PROGRAM_STATUSES, *COURSE_STATUSES)
"""The results that are no error."""

DUPLICATED, INVALID_STATUS, CONFLICT = "duplicated", "invalid-status", "conflict"
ILLEGAL, NOT_IN_PROGRAM, NOT_FOUND = "illegal-operation", "not-in-program", "not-found"
CREATE, SET = "create", "set"
"""What is done: a row is made, or the row that is there is set."""


@dataclass(frozen=True)
class Curricula:
    """The curricula that a program lists: their uuids as text."""

    listed: Sequence[str]
    active: Sequence[str]

    @property
    def default(self) -> str | None:
        """The one that is meant where none is named."""
        return self.active[0] if len(self.active) == 1 else None


def decide_program(items: pd.DataFrame, standing: pd.DataFrame, method: str, curricula: Curricula) -> pd.DataFrame:
    """Decide what becomes of each item of a request to a program.

    `items`: folded, status, curriculum (text or null). `standing`, by the same index: learner (id or null), is_retired,
    enrollment (id or null), curriculum, status, has_active_rows; of the enrollment that is meant, see `standing.py`.

    Returns, by the same index: result, reason (null where there is nothing to tell), action (create, set or null) and
    curriculum, that of the enrollment which is made.
    """
    there = standing["enrollment"].notna()
    given = items["curriculum"]
    curriculum = given.fillna(curricula.default) if curricula.default else given
    known = curriculum.isin(curricula.listed) if curricula.listed else curriculum.notna()
    differs = there & given.notna() & (given != standing["curriculum"])
    keeps_seats = there & items["status"].eq("canceled") & standing["has_active_rows"]
    rules = [
        *_rules_of_all(items, standing, PROGRAM_STATUSES),
        (there & (method == POST), CONFLICT, "exists", None),
        (differs, None, "other_curriculum", SET),
        (keeps_seats, None, "seats_kept", SET),
        (there, None, None, SET),
        (method == PATCH, NOT_IN_PROGRAM, "not_enrolled", None),
        (curriculum.isna(), ILLEGAL, "curriculum_missing", None),
        (~known, ILLEGAL, "curriculum_unknown", None),
        (True, None, None, CREATE),
    ]
    return _first(items, rules).assign(curriculum=curriculum)


def decide_course(items: pd.DataFrame, standing: pd.DataFrame, method: str, *, run_in_program: bool) -> pd.DataFrame:
    """Decide what becomes of each item of a request to a run of a program.

    `items`: folded, status. `standing`, by the same index: learner, is_retired, enrollment (ids or null), status (the
    enrollment's), row (id or null), row_status, is_held (another row is active on the seat).

    Returns, by the same index: result, reason and action.
    """
    there = standing["row"].notna()
    active = items["status"].eq("active")
    becoming = active & ~standing["row_status"].eq("active")
    rules = [
        *_rules_of_all(items, standing, COURSE_STATUSES),
        (standing["enrollment"].isna(), NOT_IN_PROGRAM, "not_enrolled", None),
        (there & (method == POST), CONFLICT, "exists", None),
        (~there & (method == PATCH), NOT_FOUND, "no_row", None),
        ((not run_in_program) & ~(there & ~active), ILLEGAL, "run_not_in_program", None),
        (becoming & standing["is_held"], CONFLICT, "active_elsewhere", None),
    ]
    late = active & ~standing["status"].isin(CURRENT)
    for is_late, reason in ((late, "enrollment_not_current"), (True, None)):
        rules += [(is_late & there, None, reason, SET), (is_late & ~there, None, reason, CREATE)]
    return _first(items, rules)


Rule = tuple[pd.Series | bool, str | None, str | None, str | None]
"""Where it holds, the result (null: the status that was asked for), the reason, and what is done."""


def _rules_of_all(items: pd.DataFrame, standing: pd.DataFrame, statuses: Sequence[str]) -> list[Rule]:
    learner = standing["learner"]
    repeated = items["folded"].duplicated(keep=False) | (learner.notna() & learner.duplicated(keep=False))
    return [
        (repeated, DUPLICATED, "repeated", None),
        (~items["status"].isin(statuses), INVALID_STATUS, "unknown_status", None),
        (standing["is_retired"], ILLEGAL, "retired", None),
    ]


def _first(items: pd.DataFrame, rules: Sequence[Rule]) -> pd.DataFrame:
    """Of each item, what the first rule says that holds."""
    holds = [np.broadcast_to(np.asarray(rule[0], dtype=bool), len(items)) for rule in rules]
    chosen = np.argmax(holds, axis=0) if len(items) else np.empty(0, dtype="int64")
    result, reason, action = (
        pd.Series(np.array([rule[part] for rule in rules], dtype=object)[chosen], index=items.index, dtype="str")
        for part in (1, 2, 3)
    )
    return pd.DataFrame({"result": result.fillna(items["status"]), "reason": reason, "action": action})
