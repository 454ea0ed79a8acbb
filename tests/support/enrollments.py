"""Programs, runs and learners made by SQL, each from what matters to the test."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.enrollments.asked import Asked
from catalog_pipeline.enrollments.requests import make_items
from catalog_pipeline.enrollments.writing import Answers, Request, write
from catalog_pipeline.settings import Settings

AS_OF = datetime(2026, 6, 1, 12, tzinfo=UTC)
CURRICULUM = {1: UUID(int=101), 2: UUID(int=102)}


def run_key(number: int) -> str:
    """The key of the run of the course of this number."""
    return f"course-v1:GTx+C{number}+1T2026"


class Programs:
    """Two Masters programs of one organization that share a course, as the requirement tells of.

    Program 1 has the courses 1 and 2, program 2 the courses 1 and 3; each has one curriculum, and each course a run.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.organization = self.insert("organization", key="GTx", name="Georgia Tech")
        self.courses, self.runs, self.programs = {}, {}, {}
        for number in (1, 2, 3):
            self.add_run(number)
        for number in (1, 2):
            self.add_program(number, [1, number + 1], curricula=[CURRICULUM[number]])

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row into a table of the schema `catalog`; returns its id."""
        names = ", ".join(f'"{name}"' for name in values)
        with connected(self.engine) as connection:
            return connection.execute(
                text(f"INSERT INTO catalog.{table} ({names}) VALUES (:{', :'.join(values)}) RETURNING id"), values
            ).scalar_one()

    def run_sql(self, statement: str, **values: Any) -> None:
        """Run a statement."""
        with connected(self.engine) as connection:
            connection.execute(text(statement), values)

    def rows(self, query: str, **values: Any) -> list[Row]:
        """The rows of a query."""
        with connected(self.engine) as connection:
            return rows(connection, query, **values)

    def add_run(self, number: int) -> None:
        """A course of this number, and its run."""
        key = f"GTx+C{number}"
        self.courses[number] = self.insert("catalog_course", key=key, title=key, status="draft")
        self.runs[number] = self.insert("course_run", run_key=run_key(number), title=f"C{number}")
        self.insert("run_association", course_run_id=self.runs[number], catalog_course_id=self.courses[number])

    def add_program(self, number: int, courses: Sequence[int] = (), curricula: Sequence[UUID] = ()) -> None:
        """A program of the uuid `number`, with courses of its own and active curricula."""
        program = self.insert("program", uuid=UUID(int=number), title=f"Masters {number}", status="active")
        self.programs[number] = program
        self.insert("program_organization", program_id=program, organization_id=self.organization, position=1)
        for position, course in enumerate(courses, 1):
            self.insert("program_course", program_id=program, catalog_course_id=self.courses[course], position=position)
        for uuid in curricula:
            self.insert("curriculum", program_id=program, uuid=uuid)

    def asked(self, *, dry_run: bool = False) -> Asked:
        """Somebody asks."""
        return Asked("cli:ann", AS_OF, self.settings, dry_run)

    def write(
        self, program: int, statuses: Any, *, run: int | None = None, method: str = "post", dry_run: bool = False
    ) -> Answers:
        """Write a batch: `statuses` by key, or a list of documents."""
        documents = statuses
        if isinstance(statuses, dict):
            documents = [{"student_key": key, "status": status} for key, status in statuses.items()]
        request = Request(UUID(int=program), method, make_items(documents), run_key(run) if run else None)
        return write(self.engine, request, self.asked(dry_run=dry_run))

    def told(self, program: int, statuses: Any, **how: Any) -> dict[str, tuple[str, str | None]]:
        """Write a batch; returns status and reason by key."""
        results = self.write(program, statuses, **how).results
        return {key: (one["status"], one["detail"] and one["detail"]["reason"]) for key, one in results.items()}

    def active(self) -> list[tuple[str, str]]:
        """The active rows: key, and program with run as `1/course-v1:…`; the learners by their first keys."""
        found = self.rows("""
            SELECT k.external_key AS key, right(p.uuid::text, 1) || '/' || right(r.key_course, 1) AS place
            FROM catalog.program_course_enrollment c
            JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
            JOIN catalog.program p ON p.id = e.program_id
            JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
            JOIN catalog.course_run r ON r.id = s.course_run_id
            JOIN catalog.learner_key k ON k.learner_id = e.learner_id
            WHERE c.status = 'active' ORDER BY 1, 2""")
        return [(row["key"], row["place"]) for row in found]


@pytest.fixture
def programs(engine: Engine, settings: Settings) -> Programs:
    """Two programs that share a course."""
    return Programs(engine, settings)
