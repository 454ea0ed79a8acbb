"""Imports enrollments from a file: each line is applied whole or rejected, and sees what the earlier ones did."""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from catalog_pipeline.database.bulk import copy_rows, create_staging
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.enrollments.import_cells import error, judge
from catalog_pipeline.enrollments.import_staging import read_lines, read_standing, stage
from catalog_pipeline.enrollments.import_writing import write_standing
from catalog_pipeline.enrollments.linking import MESSAGES as LINK_MESSAGES
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.learners.linking import STAGING as LINK_STAGING
from catalog_pipeline.learners.linking import link
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.rules.enrollment_import import OUTCOMES, Line, Standing, Wrong
from catalog_pipeline.sources.documents import seldom_collected
from catalog_pipeline.sources.record_files import RecordFile, read_records

REQUIRED = ("program_uuid", "student_key")
REJECTED = {"row": "bigint"}
MESSAGES = {
    **LINK_MESSAGES,
    "unknown_program": "There is no such program.",
    "unknown_run": "There is no such run.",
    "program_without_organization": "The program has no authoring organization whose keys its learners could have.",
    "owned_elsewhere": "The LMS keeps the program's enrollments; `enrollments adopt` takes them over for good.",
    "missing": "course_status is missing: the learner has no row on the run.",
    "run_not_in_program": "The program does not have the run; a row that is there may become inactive, no more.",
    "curriculum_missing": "The program has not exactly one active curriculum: say which is meant.",
    "curriculum_unknown": "The program does not list the curriculum.",
    "not_enrolled": "status is missing: the learner has no enrollment in the program.",
    "conflict": "The learner of the key and the user hold a run both, so they do not become one.",
    "two_keys_in_program": "The learner is enrolled in the curriculum by another key.",
    "duplicate": "An earlier line is about the same enrollment and run.",
    "contradicts": "An earlier line gives the same enrollment another status.",
}
LINKS = """
    INSERT INTO link_row (row, organization_id, external_key, user_name)
    SELECT f.row, f.organization_id, f.student_key, f.user_name FROM import_found f
    WHERE f.student_key IS NOT NULL AND f.user_name IS NOT NULL
      AND NOT EXISTS (SELECT FROM import_rejected x WHERE x.row = f.row)"""
LINKED = "SELECT s.row, s.same, o.outcome, o.reason FROM link_same s JOIN link_outcome o USING (row)"


@dataclass(frozen=True)
class ImportReport:
    """What became of each line: row, outcome, errors (rule, column, message)."""

    rows: list[Row]

    @property
    def counts(self) -> dict[str, int]:
        """The number of lines, in all and by outcome."""
        found = Counter(row["outcome"] for row in self.rows)
        return {"rows": len(self.rows), **{outcome: found[outcome] for outcome in (*OUTCOMES, "rejected")}}

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: whether lines were rejected."""
        return ExitCode.SOME_ROWS_LEFT if self.counts["rejected"] else ExitCode.DONE

    def as_json(self) -> Row:
        """The report as JSON has it."""
        return {"counts": self.counts, "rows": self.rows}


@dataclass(frozen=True)
class Decided:
    """What becomes of the lines that are no errors by themselves, and what then stands."""

    lines: list[Line]
    verdicts: dict[int, str | Wrong]
    standing: Standing
    same: dict[int, int]
    """Of each line that names key and user, the first that names the same."""
    linking: set[int]
    """Those of the first lines that changed whose the key is."""

    def in_vain(self) -> dict[int, Wrong]:
        """The rejected lines that changed whose a key is, for no line that is not rejected."""
        wanted = {self.same[row] for row, verdict in self.verdicts.items() if row in self.same and _is_applied(verdict)}
        return {
            row: verdict
            for row, verdict in self.verdicts.items()
            if isinstance(verdict, Wrong) and self.same.get(row) in self.linking - wanted
        }


def import_enrollments(engine: Engine, file: Path, asked: Asked) -> ImportReport:
    """Apply a file of CSV or JSON lines, each line a PUT of one enrollment and, where it names a run, its row there.

    What a line leaves blank stays as it is. A wrong line is rejected whole, and keeps no other from being applied.
    Raises UsageError when the file cannot be read.
    """
    with seldom_collected():
        records = read_records(file, REQUIRED)
        return writing(engine, "import", asked, lambda load: _import(load, records, asked))


def _import(publication: Publication, records: RecordFile, asked: Asked) -> ImportReport:
    frame, errors = judge(records)
    for wrong in stage(publication.connection, frame, asked.secret):
        errors.setdefault(wrong["row"], []).append(error(wrong["rule"], wrong["column"], MESSAGES[wrong["rule"]]))
    decided = _decide_whole_lines(publication, errors, asked.secret)
    write_standing(publication, decided.standing, decided.lines, decided.verdicts)
    told = []
    for row, verdict in decided.verdicts.items():
        if isinstance(verdict, Wrong):
            errors[row] = [_told(verdict)]
        else:
            told.append({"row": row, "outcome": verdict, "errors": []})
    told += [{"row": row, "outcome": "rejected", "errors": found} for row, found in errors.items()]
    publication.count("catalog.program_enrollment", {"rejected": len(errors)})
    return ImportReport(sorted(told, key=lambda row: row["row"]))


def _decide_whole_lines(publication: Publication, errors: dict[int, list[Row]], secret: bytes) -> Decided:
    """Link and decide the lines that have no errors. A line that is rejected afterwards shall not have linked anything:

    then all is decided anew without it. Its error is added to `errors`.
    """
    while True:
        counted = deepcopy(publication.report.counts)
        attempt = publication.connection.begin_nested()
        decided = _decide(publication, errors, secret)
        in_vain = decided.in_vain()
        if not in_vain:
            attempt.commit()
            return decided
        attempt.rollback()
        publication.report.counts = counted
        errors |= {row: [_told(wrong)] for row, wrong in in_vain.items()}


def _decide(publication: Publication, errors: Mapping[int, object], secret: bytes) -> Decided:
    connection = publication.connection
    create_staging(connection, "import_rejected", REJECTED)
    copy_rows(connection, "import_rejected", REJECTED, ((row,) for row in errors))
    verdicts: dict[int, str | Wrong] = {}
    same, linking = {}, set()
    for linked in _link(publication, secret):
        same[linked["row"]] = linked["same"]
        if linked["outcome"] == "rejected":
            verdicts[linked["row"]] = Wrong(linked["reason"], "user_name")
        elif linked["outcome"] != "unchanged":
            linking.add(linked["row"])
    copy_rows(connection, "import_rejected", REJECTED, ((row,) for row in verdicts))
    lines = read_lines(connection, linking)
    standing = read_standing(connection)
    for line in lines:
        verdicts[line.row] = standing.decide(line)
    return Decided(lines, verdicts, standing, same, linking)


def _link(publication: Publication, secret: bytes) -> list[Row]:
    """Link the keys to the users that lines name: row, same, outcome, reason."""
    create_staging(publication.connection, "link_row", LINK_STAGING)
    if not publication.execute(LINKS):
        return []
    link(publication, secret, create=True, strict=True)
    return rows(publication.connection, LINKED)


def _is_applied(verdict: str | Wrong) -> bool:
    return isinstance(verdict, str)


def _told(wrong: Wrong) -> Row:
    message = f"{wrong.holder} holds the run." if wrong.holder else MESSAGES[wrong.rule]
    return error(wrong.rule, wrong.column, message)
