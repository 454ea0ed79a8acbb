"""Moves a learner's seats from one program to another, in one step: never both active, never none in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine

from catalog_pipeline.database.rows import rows
from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.enrollments.changing import (
    COURSE,
    ENROLLMENT,
    Change,
    Changed,
    CourseRow,
    course_rows,
    retired,
    set_enrollments,
)
from catalog_pipeline.enrollments.programs import (
    Program,
    Refusal,
    Run,
    find_program,
    find_run,
    owned_elsewhere,
    read_curricula,
)
from catalog_pipeline.enrollments.standing import CURRENT_FIRST
from catalog_pipeline.learners.finding import find_learner
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.rules.program_enrollment import CURRENT

MEANT = f"""
    SELECT e.id, e.status, e.curriculum_uuid FROM catalog.program_enrollment e
    WHERE e.learner_id = :learner AND e.program_id = :program
    ORDER BY e.curriculum_uuid IS NOT DISTINCT FROM CAST(:curriculum AS uuid) DESC,
             EXISTS (SELECT FROM catalog.program_course_enrollment c
                     JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
                     WHERE c.program_enrollment_id = e.id AND s.course_run_id = ANY (:runs)) DESC,
             {CURRENT_FIRST} NULLS LAST, e.created_at, e.curriculum_uuid
    LIMIT 1"""
NOT_IN_PROGRAM = """
    SELECT r.run_key FROM catalog.course_run r
    WHERE r.id = ANY (:runs)
      AND NOT EXISTS (SELECT FROM catalog.program_run p WHERE p.program_id = :program AND p.course_run_id = r.id)
    ORDER BY 1"""
ENROLL = """
    INSERT INTO catalog.program_enrollment (learner_id, learner_key_id, program_id, curriculum_uuid, status)
    VALUES (:learner, (SELECT min(k.id) FROM catalog.learner_key k
                       WHERE k.learner_id = :learner AND k.organization_id = :organization),
            :program, :curriculum, 'enrolled')
    RETURNING id"""
# In one statement, so that the seat is active throughout.
SWAP = """
    WITH gone AS (
        UPDATE catalog.program_course_enrollment SET status = 'inactive' WHERE id = ANY (:leaving)
        RETURNING learner_id, course_enrollment_id),
    taken AS (
        UPDATE catalog.program_course_enrollment c SET status = 'active' FROM gone
        WHERE c.course_enrollment_id = gone.course_enrollment_id AND c.program_enrollment_id = :enrollment
        RETURNING c.course_enrollment_id)
    INSERT INTO catalog.program_course_enrollment (learner_id, program_enrollment_id, course_enrollment_id, status)
    SELECT learner_id, :enrollment, course_enrollment_id, 'active' FROM gone
    WHERE course_enrollment_id NOT IN (SELECT course_enrollment_id FROM taken)"""


@dataclass(frozen=True)
class Move:
    """What is to be moved. `run`: one run's key, or None for all runs that are active in the one program.

    With `enroll`, the learner is enrolled in the other program where that is needed, by `curriculum`.
    """

    learner: str
    from_program: UUID
    to_program: UUID
    run: str | None = None
    enroll: bool = False
    curriculum: UUID | None = None


@dataclass(frozen=True)
class _Enrollment:
    """The enrollment that the seats go to: what is there, or is to be made (id None)."""

    id: int | None
    status: str | None
    curriculum: UUID


def move(engine: Engine, wish: Move, asked: Asked) -> Changed:
    """Move seats: the row of the one program becomes inactive, that of the other active. All of them, or none.

    Raises UsageError where learner, run or program is unknown.
    """

    def work(publication: Publication) -> Changed:
        done = _move(publication, wish, asked)
        return Changed(asked.dry_run, refused=done) if isinstance(done, Refusal) else Changed(asked.dry_run, done)

    return writing(engine, "move", asked, work)


def _move(publication: Publication, wish: Move, asked: Asked) -> list[Change] | Refusal:
    connection = publication.connection
    source, target = find_program(connection, wish.from_program), find_program(connection, wish.to_program)
    learner = find_learner(connection, wish.learner, asked.secret, source.organization_id)
    run = find_run(connection, wish.run, target) if wish.run is not None else None
    refused = _refused(connection, source, target, learner)
    if refused:
        return refused
    standing = course_rows(connection, learner, source)
    leaving = [row for row in standing if row.status == "active" and (run is None or row.course_run_id == run.id)]
    there = course_rows(connection, learner, target)
    if not leaving:
        return _nothing_to_move(source, run, standing, there)
    runs = [row.course_run_id for row in leaving]
    if outside := rows(connection, NOT_IN_PROGRAM, runs=runs, program=target.id):
        names = ", ".join(row["run_key"] for row in outside)
        return Refusal("run_not_in_program", f"{target.named} does not have {names}.")
    enrollment = _enrollment(connection, wish, learner, target, runs)
    if isinstance(enrollment, Refusal):
        return enrollment
    enrollment_id, enrolled = _enroll(publication, enrollment, learner, target)
    before = {row.course_run_id: row.status for row in there if row.program_enrollment_id == enrollment_id}
    made = publication.execute(SWAP, leaving=[row.id for row in leaving], enrollment=enrollment_id)
    publication.count(f"catalog.{COURSE}", {"created": made, "updated": 2 * len(leaving) - made})
    left = [Change(COURSE, source.uuid, row.run_key, "active", "inactive") for row in leaving]
    taken = [Change(COURSE, target.uuid, row.run_key, before.get(row.course_run_id), "active") for row in leaving]
    return [*left, *enrolled, *taken]


def _refused(connection: Connection, source: Program, target: Program, learner: int) -> Refusal | None:
    if source.id == target.id:
        return Refusal("same_program", f"Both programs are {source.named}.")
    return owned_elsewhere(source) or owned_elsewhere(target) or retired(connection, learner)


def _nothing_to_move(
    source: Program, run: Run | None, standing: Sequence[CourseRow], there: Sequence[CourseRow]
) -> list[Change] | Refusal:
    """No change where all was moved before; else the refusal."""
    moved = {row.course_run_id for row in standing if run is None or row.course_run_id == run.id}
    if any(row.course_run_id in moved and row.status == "active" for row in there):
        return []
    what = "The learner has no seat that is active" if run is None else f"The learner's seat in {run.key} is not active"
    return Refusal("not_active_there", f"{what} in {source.named}.")


def _enrollment(
    connection: Connection, wish: Move, learner: int, target: Program, runs: list[int]
) -> _Enrollment | Refusal:
    """The enrollment in the target program that takes the seats, or why there is none."""
    found = rows(connection, MEANT, learner=learner, program=target.id, curriculum=wish.curriculum, runs=runs)
    if found and (found[0]["status"] in CURRENT or wish.enroll):
        return _Enrollment(found[0]["id"], found[0]["status"], found[0]["curriculum_uuid"])
    if not wish.enroll:
        state = f"{found[0]['status']} in" if found else "not enrolled in"
        return Refusal("not_enrolled", f"The learner is {state} {target.named}. `--enroll` enrolls the learner.")
    curricula = read_curricula(connection, target)
    curriculum = str(wish.curriculum) if wish.curriculum else curricula.default
    if curriculum is None:
        return Refusal("curriculum_missing", f"{target.named} has not one active curriculum: name one.")
    if curricula.listed and curriculum not in curricula.listed:
        return Refusal("curriculum_unknown", f"{target.named} has no curriculum {curriculum}.")
    return _Enrollment(None, None, UUID(curriculum))


def _enroll(
    publication: Publication, enrollment: _Enrollment, learner: int, target: Program
) -> tuple[int, list[Change]]:
    """See that the learner is enrolled; returns the enrollment's id, and the changes."""
    if enrollment.id is None:
        values = {"learner": learner, "program": target.id, "organization": target.organization_id}
        made = publication.scalar(ENROLL, curriculum=enrollment.curriculum, **values)
        publication.count(f"catalog.{ENROLLMENT}", {"created": 1})
        return made, [Change(ENROLLMENT, target.uuid, None, None, "enrolled")]
    if enrollment.status in CURRENT:
        return enrollment.id, []
    return enrollment.id, set_enrollments(publication, target, {enrollment.id: str(enrollment.status)}, "enrolled")
