"""An LMS that lists program enrollments over HTTP, and the programs that replicate them."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import orjson
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from werkzeug import Request, Response

from catalog_pipeline.replication.enrollments import EnrollmentLoad, refresh_enrollments
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import upstreams
from support.enrollments import CURRICULUM, Programs, run_key

ROWS = """
    SELECT coalesce(k.external_key, l.user_name) AS who, right(p.uuid::text, 1)::int AS program,
           right(r.key_course, 1)::int AS run, c.status, c.lms_status, c.missing_since IS NOT NULL AS is_missing
    FROM catalog.program_course_enrollment c
    JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
    JOIN catalog.learner l ON l.id = e.learner_id LEFT JOIN catalog.learner_key k ON k.id = e.learner_key_id
    JOIN catalog.program p ON p.id = e.program_id
    JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
    JOIN catalog.course_run r ON r.id = s.course_run_id ORDER BY 1, 2, 3"""
ENROLLMENTS = """
    SELECT k.external_key AS key, l.user_name AS name, right(p.uuid::text, 1)::int AS program, e.status,
           e.missing_since IS NOT NULL AS is_missing
    FROM catalog.program_enrollment e JOIN catalog.learner l ON l.id = e.learner_id
    LEFT JOIN catalog.learner_key k ON k.id = e.learner_key_id JOIN catalog.program p ON p.id = e.program_id
    ORDER BY 1, 2, 3, e.curriculum_uuid"""
CONFLICTS = """
    SELECT right(p.uuid::text, 1)::int AS program, o.counted, o.reason FROM ops.enrollment_conflict o
    JOIN catalog.program p ON p.id = o.program_id WHERE o.cleared_at IS NULL
    ORDER BY o.learner_id, o.course_run_id, 1, o.counted DESC"""


PATHS = re.compile("^/api/program_enrollments/v1/programs/.*")


class Lms:
    """An LMS that lists program enrollments. `pages`: how many rows a page has."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.enrolled: dict[int, list[Any]] = {}
        self.seats: dict[tuple[int, int], list[Any]] = {}
        self.pages = 100
        self.asked: list[str] = []
        self.answer: Callable[[str], Response | None] = lambda path: None
        server.expect_request(PATHS).respond_with_handler(self._respond)

    def has(self, program: int, statuses: dict[str, str], **seats: dict[str, str]) -> None:
        """Let a program's list be so: status by `key` or `key/user name`; `runN`: status by key."""
        uuid = str(CURRICULUM.get(program) or UUID(int=100 + program))
        self.enrolled[program] = [
            {
                "student_key": who.partition("/")[0],
                "username": who.partition("/")[2],
                "status": status,
                "account_exists": "/" in who,
                "curriculum_uuid": uuid,
                "email": "secret@example.com",
            }
            for who, status in statuses.items()
        ]
        for name, listed in seats.items():
            self.seats[program, int(name[3:])] = [
                {"student_key": key, "status": status, "curriculum_uuid": uuid, "course_staff": False}
                for key, status in listed.items()
            ]

    def _respond(self, request: Request) -> Response:
        path = unquote(request.path)
        self.asked.append(request.full_path)
        if (told := self.answer(path)) is not None:
            return told
        program = int(UUID(path.split("/")[5]))
        if "/courses/" in path:
            number = next((n for n in (1, 2, 3) if run_key(n) in path), 0)
            listed = self.seats.get((program, number))
        else:
            listed = self.enrolled.get(program)
        if listed is None:
            return Response('{"developer_message": "none"}', 404)
        start = int(request.args.get("cursor", 0))
        last = start + self.pages >= len(listed)
        following = None if last else f"http://elsewhere.example{path}?cursor={start + self.pages}"
        page = {"next": following, "previous": None, "results": listed[start : start + self.pages]}
        return Response(orjson.dumps(page), content_type="application/json")


class Replica:
    """Programs of the type Masters, and the LMS that has their enrollments."""

    def __init__(self, programs: Programs, lms: Lms, engine: Engine, settings: Settings) -> None:
        self.programs, self.lms, self.engine = programs, lms, engine
        self.settings = settings.model_copy(
            update={"lms_url": lms.url, "enrollments": True, "removal_share": 1.0, "parallel_pages": 2}
        )
        programs.settings = self.settings
        programs.run_sql("UPDATE catalog.program SET type = 'masters'")

    def refresh(self, *programs: int, accept: bool = False) -> list[EnrollmentLoad]:
        with upstreams(self.settings) as found:
            return refresh_enrollments(
                self.engine, found, [UUID(int=number) for number in programs], accept_removals=accept
            )

    def add_third(self) -> None:
        self.programs.add_program(3, [1, 2, 3], curricula=[UUID(int=103)])
        self.programs.run_sql("UPDATE catalog.program SET type = 'Masters'")

    def table(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.programs.rows(query)]

    def rejects(self) -> list[tuple[Any, ...]]:
        return self.table(
            "SELECT record_key, column_name, rule FROM ops.rejected_record WHERE cleared_at IS NULL ORDER BY 1, 2, 3"
        )
