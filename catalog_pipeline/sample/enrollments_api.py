"""The LMS's two lists of program enrollments over HTTP, on the sample's one address.

Pages go by a cursor: `next`, `previous`, `results`, 100 rows unless `page_size` says another number.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.enrollments import SampleEnrollments
from catalog_pipeline.sample.envelopes import PageSize, json_answer

PAGE = PageSize(100)
Handler = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Handler], Handler]


class EnrollmentsApi:
    """The handlers, with what they share."""

    def __init__(self, catalog: SampleCatalog) -> None:
        self.catalog = catalog

    def routes(self, guard: Guard) -> list[Route]:
        """Both routes, each behind `guard`."""
        programs = "/api/program_enrollments/v1/programs/{uuid}"
        return [
            Route(f"{programs}/enrollments/", guard(self.of_program), methods=["GET"]),
            Route(f"{programs}/courses/{{run_key:path}}/enrollments/", guard(self.of_run), methods=["GET"]),
        ]

    @cached_property
    def enrollments(self) -> SampleEnrollments:
        """What is listed."""
        return SampleEnrollments(self.catalog.programs)

    async def of_program(self, request: Request) -> Response:
        found = self.enrollments.of_program(request.path_params["uuid"], self.catalog.day)
        if found is None:
            return _missing("No program exists with given UUID.", "program_does_not_exist")
        return _page(request, [one.document() for one in found])

    async def of_run(self, request: Request) -> Response:
        uuid, run_key = request.path_params["uuid"], request.path_params["run_key"]
        found = self.enrollments.of_program(uuid, self.catalog.day)
        if found is None:
            return _missing("No program exists with given UUID.", "program_does_not_exist")
        if run_key not in self.enrollments.runs_of(uuid):
            return _missing("The course run is not in the program.", "course_not_in_program")
        return _page(request, [one.course_document(run_key) for one in found if run_key in one.runs])


def _missing(message: str, code: str) -> Response:
    return json_answer({"developer_message": message, "error_code": code}, 404)


def _page(request: Request, rows: list[dict[str, Any]]) -> Response:
    size = PAGE.of(request)
    try:
        start = int(urlsafe_b64decode(request.query_params.get("cursor", "")) or b"0")
    except ValueError:
        return json_answer({"detail": "Invalid cursor"}, 404)

    def at(place: int) -> str | None:
        cursor = urlsafe_b64encode(str(place).encode()).decode()
        return str(request.url.include_query_params(cursor=cursor)) if 0 <= place < len(rows) else None

    before = at(max(0, start - size)) if start else None
    return json_answer({"next": at(start + size), "previous": before, "results": rows[start : start + size]})
