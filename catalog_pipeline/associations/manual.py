"""Associations that a person sets, and unsets so that the rules decide again."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text

from catalog_pipeline.associations.planning import apply, plan
from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.keys import folded, typed
from catalog_pipeline.database.rows import Row
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.publication import Publication, publishing
from catalog_pipeline.schemas.parsing import TEXT

SET_OUTCOMES = ("set", "already_set")
"""The outcomes of lines that are right; a line with any other outcome is wrong and changes nothing."""
COLUMNS = ["line", "run_key", "course_key"]

MANUAL_CHANGE = f"""
    CREATE TEMP TABLE manual_change ON COMMIT DROP AS
    SELECT w.line, coalesce(r.run_key, w.run_key) AS run_key, coalesce(c.key, w.course_key) AS course_key,
           p.key AS previous_course_key, r.id AS course_run_id, c.id AS catalog_course_id, a.id AS association_id,
           first_value(w.line) OVER same AS first_line,
           CASE WHEN r.id IS NULL THEN 'unknown_run'
                WHEN c.id IS NULL THEN 'unknown_course'
                WHEN row_number() OVER same > 1 THEN 'conflicting_line'
                WHEN a.source = 'manual' AND a.catalog_course_id = c.id THEN 'already_set'
                ELSE 'set' END AS outcome,
           c.status = 'archived' AS archived, co.key AS organization, po.key AS previous_organization
    FROM wanted w
    LEFT JOIN catalog.course_run r ON {folded("r.run_key")} = {folded(typed("w.run_key"))}
    LEFT JOIN catalog.catalog_course c ON {folded("c.key")} = {folded(typed("w.course_key"))}
    LEFT JOIN catalog.organization co ON co.id = c.organization_id
    LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
    LEFT JOIN catalog.catalog_course p ON p.id = a.catalog_course_id
    LEFT JOIN catalog.organization po ON po.id = p.organization_id
    WINDOW same AS (PARTITION BY r.id, r.id IS NULL OR c.id IS NULL ORDER BY w.line)"""
"""Decides each line of `wanted`, with the course (c) that it names and the one that the run has had (p)."""
WRITE = """
    WITH merged AS (
        MERGE INTO catalog.run_association t USING (SELECT * FROM manual_change WHERE outcome = 'set') s
        ON t.id = s.association_id
        WHEN MATCHED THEN UPDATE SET catalog_course_id = s.catalog_course_id, source = 'manual',
                                     reason = :reason, decided_at = now()
        WHEN NOT MATCHED THEN INSERT (course_run_id, catalog_course_id, source, reason)
            VALUES (s.course_run_id, s.catalog_course_id, 'manual', :reason)
        RETURNING merge_action() AS action)
    SELECT count(*) FILTER (WHERE action = 'INSERT') AS created,
           count(*) FILTER (WHERE action = 'UPDATE') AS updated FROM merged"""


@dataclass(frozen=True)
class ManualChanges:
    """The outcome of each line: line, run_key, outcome, reason, course_key, previous_course_key."""

    rows: list[Row]

    @property
    def counts(self) -> dict[str, int]:
        """Number of lines by outcome."""
        return dict(Counter(row["outcome"] for row in self.rows))


def read_file(path: Path) -> pd.DataFrame:
    """Read a CSV file with the columns run_key and course_key. Returns line (as a spreadsheet counts) and the two.

    Raises UsageError when the file cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := {"run_key", "course_key"} - set(reader.fieldnames or ()):
                raise UsageError(
                    f"{path} has no column {', '.join(sorted(missing))}: its first line names the columns."
                )
            rows = [(reader.line_num, row["run_key"], row["course_key"]) for row in reader]
        if any("\0" in (value or "") for _, *values in rows for value in values):
            raise csv.Error("it has NUL characters")  # which Postgres cannot hold
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}. A CSV file in UTF-8 is needed.") from None
    return pd.DataFrame(rows, columns=COLUMNS).astype({"run_key": TEXT, "course_key": TEXT})


def set_courses(engine: Engine, wanted: pd.DataFrame, *, actor: str, reason: str | None = None) -> ManualChanges:
    """Give runs the courses that a person names; afterwards only a person can change them.

    `wanted`: line, run_key, course_key. All right lines are written in one transaction. A wrong line changes nothing;
    its outcome says why: unknown_run, unknown_course, or conflicting_line (an earlier line names the same run).
    """
    with publishing(engine, "associations", datetime.now(UTC), actor) as publication:
        connection = publication.connection
        create_staging(connection, "wanted", {"line": "bigint", "run_key": "text", "course_key": "text"})
        copy_frame(connection, "wanted", wanted)
        analyze(connection, "wanted")
        connection.execute(text(MANUAL_CHANGE))
        counts = connection.execute(text(WRITE), {"reason": reason or f"Set by {actor}."})
        publication.count("catalog.run_association", dict(counts.one()._mapping))
        found = connection.execute(text("SELECT * FROM manual_change ORDER BY line"))
        return ManualChanges([_reported(row) for row in found])


def unset_courses(engine: Engine, run_keys: Sequence[str], *, actor: str) -> ManualChanges:
    """Let discovery, else a feed, else the run's key, decide again which course runs belong to.

    Outcomes are those of a plan, and unknown_run and not_manual, which change nothing.
    """
    with publishing(engine, "associations", datetime.now(UTC), actor) as publication:
        wanted = pd.DataFrame({"line": range(1, len(run_keys) + 1), "run_key": pd.Series(run_keys, dtype=TEXT)})
        create_staging(publication.connection, "wanted", {"line": "bigint", "run_key": "text"})
        copy_frame(publication.connection, "wanted", wanted)
        found = publication.connection.execute(
            text(f"""
            SELECT w.line, coalesce(r.run_key, w.run_key) AS run_key, r.id, a.source, c.key AS previous_course_key
            FROM wanted w
            LEFT JOIN catalog.course_run r ON {folded("r.run_key")} = {folded(typed("w.run_key"))}
            LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
            LEFT JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
            ORDER BY w.line""")
        ).all()
        manual = [row.id for row in found if row.source == "manual"]
        decided = _decided_anew(publication, manual)
        return ManualChanges([{"line": row.line, "run_key": row.run_key, **_unset(row, decided)} for row in found])


def _decided_anew(publication: Publication, runs: list[int]) -> dict[str, Row]:
    """Drop the associations of runs and let the rules decide again. Returns the plan's rows by run_key."""
    publication.execute("DELETE FROM catalog.run_association WHERE course_run_id = ANY(:runs)", runs=runs)
    planned = plan(publication.connection, "r.id = ANY(:runs)", runs=runs)
    apply(publication, planned)
    return {row["run_key"]: row for row in planned.rows()}


def _unset(row: Any, decided: dict[str, Row]) -> Row:
    if row.run_key in decided:
        return {**decided[row.run_key], "previous_course_key": row.previous_course_key}
    outcome, reason = "not_manual", "Nobody set this run's course by hand: nothing was changed."
    if row.id is None:
        outcome, reason = "unknown_run", f"The catalog has no run {row.run_key!r}."
    return {
        "outcome": outcome,
        "reason": reason,
        "course_key": row.previous_course_key,
        "previous_course_key": row.previous_course_key,
    }


def _reported(row: Any) -> Row:
    reasons = {
        "set": "Set by hand.",
        "already_set": "A person set this course before: nothing was changed.",
        "unknown_run": f"The catalog has no run {row.run_key!r}.",
        "unknown_course": f"The catalog has no course {row.course_key!r};"
        " `catalog-pipeline show ORGANIZATION` lists those it has.",
        "conflicting_line": f"Line {row.first_line} names this run too, and was used.",
    }
    reason = reasons[row.outcome]
    if row.outcome == "set" and row.previous_organization not in (None, row.organization):
        reason += f" It moves from {row.previous_organization} to {row.organization}."
    if row.outcome in SET_OUTCOMES and row.archived:
        reason += " The course is archived."
    return {
        "line": row.line,
        "run_key": row.run_key,
        "outcome": row.outcome,
        "reason": reason,
        "course_key": row.course_key if row.outcome in SET_OUTCOMES else row.previous_course_key,
        "previous_course_key": row.previous_course_key,
    }
