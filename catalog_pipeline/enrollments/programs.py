"""The program and the run that a request names."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.rules.program_enrollment import Curricula

PROGRAM = """
    SELECT p.id, p.uuid, p.title, p.enrollments_owner AS owner, o.organization_id
    FROM catalog.program p
    LEFT JOIN LATERAL (SELECT organization_id FROM catalog.program_organization
                       WHERE program_id = p.id ORDER BY position LIMIT 1) o ON true
    WHERE p.uuid = :uuid"""
CURRICULA = "SELECT uuid::text AS uuid, is_active FROM catalog.curriculum WHERE program_id = :program ORDER BY uuid"
RUN = f"SELECT id, run_key FROM catalog.course_run WHERE {folded('run_key')} = {WANTED}"
IN_PROGRAM = "SELECT FROM catalog.program_run WHERE program_id = :program AND course_run_id = :run"
HAS_ROWS = """
    SELECT FROM catalog.program_course_enrollment c
    JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    WHERE e.program_id = :program AND s.course_run_id = :run LIMIT 1"""


@dataclass(frozen=True)
class Program:
    """A program. `organization_id`: its first authoring organization, whose keys name its learners."""

    id: int
    uuid: UUID
    title: str
    owner: str
    organization_id: int | None

    @property
    def named(self) -> str:
        """The program in words."""
        return f"{self.title} ({self.uuid})"


@dataclass(frozen=True)
class Run:
    """A run, whether a program has it, and whether it has it or has rows of enrollments on it."""

    id: int
    key: str
    is_in_program: bool
    is_known_to_program: bool


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused whole."""

    reason: str
    message: str


def find_program(connection: Connection, uuid: UUID) -> Program:
    """The program of a uuid. Raises UsageError."""
    found = rows(connection, PROGRAM, uuid=uuid)
    if not found:
        raise UsageError(f"There is no program {uuid}.")
    return Program(**found[0])


def find_run(connection: Connection, key: str, program: Program) -> Run:
    """The run of a key, in any case. Raises UsageError."""
    found = rows(connection, RUN, key=key)
    if not found:
        raise UsageError(f"There is no run {key}.")
    names = {"program": program.id, "run": found[0]["id"]}
    is_in_program = bool(rows(connection, IN_PROGRAM, **names))
    return Run(
        found[0]["id"], found[0]["run_key"], is_in_program, is_in_program or bool(rows(connection, HAS_ROWS, **names))
    )


def read_curricula(connection: Connection, program: Program) -> Curricula:
    """The curricula that the program lists."""
    found = rows(connection, CURRICULA, program=program.id)
    return Curricula([row["uuid"] for row in found], [row["uuid"] for row in found if row["is_active"]])


def owned_elsewhere(program: Program) -> Refusal | None:
    """The refusal of whatever changes a program's enrollments where the LMS keeps them; None where we do."""
    if program.owner == "here":
        return None
    return Refusal(
        "owned_elsewhere",
        f"The LMS keeps the enrollments of {program.named}. Change them there, or take them over for good:"
        f" `catalog-pipeline enrollments adopt {program.uuid}`.",
    )
