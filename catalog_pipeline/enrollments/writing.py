"""Writes a batch of enrollments, in a program or in a run of it: one transaction, one answer for each learner."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection, Engine

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.enrollments.details import describe
from catalog_pipeline.enrollments.programs import (
    Program,
    Refusal,
    Run,
    find_program,
    find_run,
    owned_elsewhere,
    read_curricula,
)
from catalog_pipeline.enrollments.requests import Item
from catalog_pipeline.enrollments.standing import read_standing, stage
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.rules.program_enrollment import DONE, decide_course, decide_program

DECIDED = {"position": "int", "result": "text", "action": "text", "curriculum": "uuid"}
CHOSEN = """
    CREATE TEMP TABLE chosen ON COMMIT DROP AS
    SELECT s.*, w.external_key, w.status AS wanted, w.course_staff, d.action, d.curriculum AS new_curriculum,
           s.learner IS NULL AS is_new
    FROM decided d JOIN standing s USING (position) JOIN asked w USING (position) WHERE d.action IS NOT NULL"""
NEW_LEARNERS = (
    """UPDATE chosen SET learner = nextval(pg_get_serial_sequence('catalog.learner', 'id')),
                         learner_key = nextval(pg_get_serial_sequence('catalog.learner_key', 'id')) WHERE is_new""",
    "INSERT INTO catalog.learner (id) OVERRIDING SYSTEM VALUE SELECT learner FROM chosen WHERE is_new",
    """INSERT INTO catalog.learner_key (id, learner_id, organization_id, external_key) OVERRIDING SYSTEM VALUE
       SELECT learner_key, learner, :organization, external_key FROM chosen WHERE is_new""",
)
INSERT_ENROLLMENTS = """
    INSERT INTO catalog.program_enrollment (learner_id, learner_key_id, program_id, curriculum_uuid, status)
    SELECT learner, learner_key, :program, new_curriculum, wanted FROM chosen WHERE action = 'create'"""
UPDATE_ENROLLMENTS = """
    UPDATE catalog.program_enrollment e SET status = c.wanted
    FROM chosen c WHERE c.action = 'set' AND e.id = c.enrollment AND e.status <> c.wanted"""
TAKE_SEATS = """
    UPDATE catalog.course_enrollment s SET mode = 'masters' FROM chosen c
    WHERE s.id = c.seat AND c.wanted = 'active' AND c.row_status IS DISTINCT FROM 'active'
      AND s.mode IN ('audit', 'honor')"""
UPDATE_ROWS = """
    UPDATE catalog.program_course_enrollment t
    SET status = c.wanted, course_staff = coalesce(c.course_staff, t.course_staff)
    FROM chosen c WHERE c.action = 'set' AND t.id = c.row
      AND (t.status, t.course_staff) <> (c.wanted, coalesce(c.course_staff, t.course_staff))"""
# In one statement, so that a seat is never seen active without its row: a trigger would put that right, at a price.
INSERT_ROWS = """
    WITH made AS (
        INSERT INTO catalog.course_enrollment (learner_id, course_run_id, is_active)
        SELECT learner, :run, wanted = 'active' FROM chosen WHERE action = 'create' AND seat IS NULL
        RETURNING id, learner_id),
    added AS (
        INSERT INTO catalog.program_course_enrollment
            (learner_id, program_enrollment_id, course_enrollment_id, status, course_staff)
        SELECT c.learner, c.enrollment, coalesce(c.seat, m.id), c.wanted, coalesce(c.course_staff, false)
        FROM chosen c LEFT JOIN made m ON m.learner_id = c.learner WHERE c.action = 'create'
        RETURNING 1)
    SELECT (SELECT count(*) FROM made) AS seats, (SELECT count(*) FROM added) AS rows"""


@dataclass(frozen=True)
class Request:
    """A batch for the learners of a program, or of a run of it. post makes rows, patch sets them, put does either."""

    program: UUID
    method: str
    items: Sequence[Item]
    run: str | None = None


@dataclass(frozen=True)
class Answers:
    """What became of a batch. `results`: status and detail by key as it was sent first."""

    program: UUID
    run: str | None
    method: str
    dry_run: bool
    results: dict[str, Row] = field(default_factory=dict)
    refused: Refusal | None = None

    @property
    def overall(self) -> str:
        """ok, mixed, failed, empty or refused."""
        if self.refused:
            return "refused"
        good = [result["status"] in DONE for result in self.results.values()]
        return "empty" if not good else "ok" if all(good) else "mixed" if any(good) else "failed"

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: REFUSED, or SOME_ROWS_LEFT where a learner's part failed."""
        codes = {"refused": ExitCode.REFUSED, "mixed": ExitCode.SOME_ROWS_LEFT, "failed": ExitCode.SOME_ROWS_LEFT}
        return codes.get(self.overall, ExitCode.DONE)

    def as_json(self) -> Row:
        """The report as JSON has it."""
        return {
            "program": self.program,
            "run": self.run,
            "method": self.method,
            "dry_run": self.dry_run,
            "overall": self.overall,
            "refused": self.refused and asdict(self.refused),
            "results": self.results,
        }


def write(engine: Engine, request: Request, asked: Asked) -> Answers:
    """Apply a batch, each learner's part by itself. Raises UsageError where the program or the run is unknown."""
    return writing(engine, "write", asked, lambda publication: _write(publication, request, asked))


def _write(publication: Publication, request: Request, asked: Asked) -> Answers:
    connection = publication.connection
    program = find_program(connection, request.program)
    run = find_run(connection, request.run, program) if request.run is not None else None
    answers = Answers(program.uuid, run and run.key, request.method, asked.dry_run)
    refused = _refused(program, run, request, asked)
    if refused or not request.items:
        return replace(answers, refused=refused)
    stage(connection, request.items, asked.secret)
    standing = read_standing(connection, program, run)
    decisions = _decide(connection, request, program, run, standing)
    _keep(connection, decisions)
    _apply(publication, program, run)
    details = describe(connection, decisions, standing, program, run)
    return replace(answers, results=_results(request.items, decisions, details))


def _refused(program: Program, run: Run | None, request: Request, asked: Asked) -> Refusal | None:
    """Why the whole batch is refused, or None."""
    limit = asked.settings.enrollment_batch
    if len(request.items) > limit:
        return Refusal(
            "too_many", f"{len(request.items)} learners were sent, and {limit} are taken at once. Send them in parts."
        )
    if elsewhere := owned_elsewhere(program):
        return elsewhere
    if program.organization_id is None:
        return Refusal(
            "program_without_organization",
            f"No organization authors {program.named}, so that nobody says whose keys name its learners.",
        )
    if run and not run.is_known_to_program:
        return Refusal("run_not_in_program", f"{run.key} is no run of {program.named}.")
    return None


def _decide(
    connection: Connection, request: Request, program: Program, run: Run | None, standing: pd.DataFrame
) -> pd.DataFrame:
    items = request.items
    frame = pd.DataFrame(
        {
            "folded": fold(pd.Series([item.key for item in items], dtype="str")),
            "status": pd.Series([item.status for item in items], dtype="str"),
            "curriculum": pd.Series(
                [item.curriculum_uuid and str(item.curriculum_uuid) for item in items], dtype="str"
            ),
        }
    )
    if run is None:
        return decide_program(frame, standing, request.method, read_curricula(connection, program))
    return decide_course(frame, standing, request.method, run_in_program=run.is_in_program)


def _keep(connection: Connection, decisions: pd.DataFrame) -> None:
    """Make the table `decided`."""
    create_staging(connection, "decided", DECIDED)
    kept = decisions.reindex(columns=[name for name in DECIDED if name in decisions or name == "position"])
    copy_frame(connection, "decided", kept.assign(position=decisions.index))


def _apply(publication: Publication, program: Program, run: Run | None) -> None:
    """Write what was decided, one statement a table."""
    publication.execute(CHOSEN)
    analyze(publication.connection, "chosen")  # without it, the rows are joined one by one
    if run is None:
        _apply_to_program(publication, program)
    else:
        _apply_to_run(publication, run)


def _apply_to_program(publication: Publication, program: Program) -> None:
    new = publication.execute(NEW_LEARNERS[0])
    if new:
        publication.execute(NEW_LEARNERS[1])
        publication.execute(NEW_LEARNERS[2], organization=program.organization_id)
        publication.count("catalog.learner", {"created": new})
    made = publication.execute(INSERT_ENROLLMENTS, program=program.id)
    publication.count(
        "catalog.program_enrollment", {"created": made, "updated": publication.execute(UPDATE_ENROLLMENTS)}
    )


def _apply_to_run(publication: Publication, run: Run) -> None:
    publication.count("catalog.course_enrollment", {"updated": publication.execute(TAKE_SEATS)})
    updated = publication.execute(UPDATE_ROWS)
    (made,) = rows(publication.connection, INSERT_ROWS, run=run.id)
    publication.count("catalog.course_enrollment", {"created": made["seats"]})
    publication.count("catalog.program_course_enrollment", {"created": made["rows"], "updated": updated})


def _results(items: Sequence[Item], decisions: pd.DataFrame, details: dict[int, Row]) -> dict[str, Row]:
    """The answer for each key, as it was sent first; a key that was sent again in another case has none of its own."""
    folded = fold(pd.Series([item.key for item in items], dtype="str"))
    results = decisions["result"].to_list()
    return {
        item.student_key: {"status": results[position], "detail": details.get(position)}
        for position, (item, is_again) in enumerate(zip(items, folded.duplicated(), strict=True))
        if not is_again
    }
