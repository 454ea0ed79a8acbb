# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
"""Turns the rows of a program's document into staging tables, and says which are rejected, by their places alone.

A reject never shows a key or a user name: both are personal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.learners import texts
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.enrollment import COURSE_STATUSES, PROGRAM_ENROLLMENT_STATUSES
from catalog_pipeline.rules.course_keys import TEXT, fold
from catalog_pipeline.schemas.catalog import UUID_PATTERN
from catalog_pipeline.schemas.parsing import parse_flag, parse_text, shown

ENROLLMENTS, ROWS = "catalog.program_enrollment", "catalog.program_course_enrollment"
STAGING = {
    "staged_enrollment": {
        "place": "bigint",
        "who": "text",
        "external_key": "text",
        "user_name": "text",
        "curriculum": "uuid",
        "status": "text",
    },
    "staged_row": {
        "place": "bigint",
        "run_key": "text",
        "who": "text",
        "curriculum": "uuid",
        "status": "text",
        "course_staff": "boolean",
    },
    "bad_row": {"who": "text", "run_key": "text"},
}
"""place: the row's place in its list, from 1. who: `k:` and the folded key, else `u:` and the folded user name.
`bad_row` has whom the rejected rows name, so that what stands of them stays."""
REJECTED = ["record_key", "column_name", "rule", "value", "message"]


@dataclass(frozen=True)
class Judged:
    """The rows of some lists: the cells of each, and why some are rejected (`row`: the number of the row)."""

    frame: pd.DataFrame
    rejects: pd.DataFrame


def stage_rows(publication: Publication, document_id: int | None, document: dict[str, Any]) -> None:
    """Make the tables of `STAGING`, fill them, and record the rejects."""
    for table, columns in STAGING.items():
        create_staging(publication.connection, table, columns)
    enrolled = document.get("enrollments", [])
    _keep(publication, document_id, "staged_enrollment", _judge(enrolled, PROGRAM_ENROLLMENT_STATUSES), ENROLLMENTS)
    listed = [(run_key, place, row) for run_key, of_run in document.get("courses", {}).items()
              for place, row in enumerate(of_run, 1)]  # fmt: skip
    judged = _judge([row for *_, row in listed], COURSE_STATUSES, is_course=True)
    judged.frame["run_key"] = pd.array([run_key for run_key, *_ in listed], dtype=TEXT)
    judged.frame["place"] = [place for _, place, _ in listed]
    _keep(publication, document_id, "staged_row", judged, ROWS)
    analyze(publication.connection, *STAGING)


def _judge(rows: Sequence[Any], statuses: tuple[str, ...], *, is_course: bool = False) -> Judged:
    documents = [row if isinstance(row, dict) else {} for row in rows]
    cells = {
        name: [document.get(name) for document in documents]
        for name in ("student_key", "username", "status", "curriculum_uuid", "course_staff")
    }
    is_none = np.array([not isinstance(row, dict) for row in rows], dtype=bool)
    key, name = texts.keys(cells["student_key"]), texts.user_names(cells["username"])
    status, curriculum = parse_text(cells["status"]), parse_text(cells["curriculum_uuid"])
    staff = parse_flag(cells["course_staff"])
    nobody = (key.values.isna() & name.values.isna()).to_numpy(dtype=bool) & ~key.bad & ~name.bad
    unknown = ~status.values.isin(statuses).to_numpy(dtype=bool)
    absent = np.array([document.get("status") is None for document in documents], dtype=bool)
    lacks = curriculum.values.isna().to_numpy(dtype=bool) & ~curriculum.bad
    wrong = curriculum.bad | ~curriculum.values.str.fullmatch(UUID_PATTERN, na=True).to_numpy(dtype=bool)
    no_rows = np.zeros(len(documents), dtype=bool)
    failures = [
        _failures(is_none, None, "wrong_shape", "The row is no object."),
        _failures(nobody & ~is_none, "student_key", "missing", "The row has neither a key nor a user name."),
        _failures(key.bad, "student_key", key.rule, texts.BAD_KEY),
        _failures(name.bad, "username", name.rule, texts.BAD_USER_NAME),
        _failures(absent & ~is_none, "status", "missing", "status is missing."),
        _failures(
            unknown & ~absent,
            "status",
            "unknown_status",
            f"status is none of {', '.join(statuses)}.",
            cells["status"],
        ),
        _failures(
            no_rows if is_course else lacks & ~is_none, "curriculum_uuid", "missing", "curriculum_uuid is missing."
        ),
        _failures(wrong, "curriculum_uuid", "not_a_uuid", "curriculum_uuid is no uuid.", cells["curriculum_uuid"]),
        _failures(staff.bad, "course_staff", staff.rule, "course_staff is not true or false.", cells["course_staff"]),
    ]
    who = ("k:" + fold(key.values)).where(key.values.notna(), "u:" + fold(name.values))
    frame = pd.DataFrame(
        {
            "place": range(1, len(documents) + 1),
            "who": who,
            "external_key": key.values,
            "user_name": name.values,
            "curriculum": curriculum.values,
            "status": status.values,
            "course_staff": staff.values,
        }
    )
    return Judged(frame, pd.concat([one for one in failures if len(one)] or failures[:1], ignore_index=True))


def _failures(
    bad: np.ndarray, column: str | None, rule: str, message: str, values: Sequence[Any] | None = None
) -> pd.DataFrame:
    rows = bad.nonzero()[0]
    told = [shown(values[row]) if values else None for row in rows]
    return pd.DataFrame({"row": rows, "column_name": column, "rule": rule, "value": told, "message": message})


def _keep(publication: Publication, document_id: int | None, table: str, judged: Judged, target: str) -> None:
    """Stage the good rows, name those whom the bad ones name, and record why these are bad."""
    frame, rejects = judged.frame, judged.rejects
    is_bad = frame.index.isin(rejects["row"])
    copy_frame(publication.connection, table, frame[~is_bad][list(STAGING[table])])
    if not len(rejects):
        return
    bad = frame[is_bad & frame["who"].notna().to_numpy(dtype=bool)]
    copy_frame(publication.connection, "bad_row", bad.reindex(columns=["who", "run_key"]))
    where = rejects["row"].map(frame["place"]).astype("str")
    if "run_key" in frame:
        where = rejects["row"].map(frame["run_key"]).astype("str") + " row " + where
    else:
        where = "row " + where
    told = rejects.assign(document_id=document_id, table_name=target, record_key=where)
    publication.reject_frame(told[["document_id", "table_name", *REJECTED]])
    publication.count(target, {"rejected": int(is_bad.sum())})
