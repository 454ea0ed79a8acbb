"""What a verb changed of one learner's enrollments, or why it changed nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.programs import Program, Refusal
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.loading.publication import Publication

ENROLLMENT, COURSE = "program_enrollment", "program_course_enrollment"
LEARNER = "SELECT retired_at IS NOT NULL AS is_retired FROM catalog.learner WHERE id = :learner"
COURSE_ROWS = """
    SELECT c.id, c.program_enrollment_id, c.status, c.status_since, r.id AS course_run_id, r.run_key
    FROM catalog.program_enrollment e
    JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id
    WHERE e.learner_id = :learner AND e.program_id = :program ORDER BY r.run_key, e.curriculum_uuid FOR UPDATE OF c"""
SET_ENROLLMENTS = "UPDATE catalog.program_enrollment SET status = :status WHERE id = ANY (:ids)"
SET_ROWS = "UPDATE catalog.program_course_enrollment SET status = :status WHERE id = ANY (:ids)"


@dataclass(frozen=True)
class Change:
    """A row whose status changed: null before where it was made."""

    table: str
    program: UUID
    run: str | None
    before: str | None
    after: str

    def as_json(self) -> Row:
        """The change as JSON has it."""
        return {
            "table": self.table,
            "program": self.program,
            "run": self.run,
            "from": self.before,
            "to": self.after,
        }


@dataclass(frozen=True)
class CourseRow:
    """A program's row on a seat."""

    id: int
    program_enrollment_id: int
    status: str
    status_since: datetime
    course_run_id: int
    run_key: str


@dataclass(frozen=True)
class Changed:
    """What a verb did. `staying`: the rows that stay active, where the verb tells of them."""

    dry_run: bool
    changes: Sequence[Change] = ()
    refused: Refusal | None = None
    staying: list[Row] | None = field(default=None)

    @property
    def applied(self) -> bool:
        """Whether something was, or in a dry run would be, changed."""
        return bool(self.changes)

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: REFUSED, or DONE even where all was so already."""
        return ExitCode.REFUSED if self.refused else ExitCode.DONE

    def as_json(self) -> Row:
        """The report as JSON has it."""
        report = {
            "dry_run": self.dry_run,
            "applied": self.applied,
            "changes": [change.as_json() for change in self.changes],
            "refused": self.refused and asdict(self.refused),
        }
        return report if self.staying is None else {**report, "staying": self.staying}


def retired(connection: Connection, learner: int) -> Refusal | None:
    """The refusal of whatever brings a retired learner back."""
    (found,) = rows(connection, LEARNER, learner=learner)
    return Refusal("retired", "The learner was retired, and does not come back.") if found["is_retired"] else None


def course_rows(connection: Connection, learner: int, program: Program) -> list[CourseRow]:
    """The rows that a program has on the learner's seats, by run."""
    return [CourseRow(**row) for row in rows(connection, COURSE_ROWS, learner=learner, program=program.id)]


def set_rows(publication: Publication, program: Program, chosen: Sequence[CourseRow], status: str) -> list[Change]:
    """Give rows another status, and tell of it. The rows have it not yet."""
    if chosen:
        updated = publication.execute(SET_ROWS, status=status, ids=[row.id for row in chosen])
        publication.count(f"catalog.{COURSE}", {"updated": updated})
    return [Change(COURSE, program.uuid, row.run_key, row.status, status) for row in chosen]


def set_enrollments(publication: Publication, program: Program, statuses: dict[int, str], status: str) -> list[Change]:
    """Give enrollments (their statuses by id), which have it not yet, another status, and tell of it."""
    if statuses:
        updated = publication.execute(SET_ENROLLMENTS, status=status, ids=list(statuses))
        publication.count(f"catalog.{ENROLLMENT}", {"updated": updated})
    return [Change(ENROLLMENT, program.uuid, None, before, status) for before in statuses.values()]
