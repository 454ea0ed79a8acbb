"""The LMS's lists of program enrollments: of a program, and of a run in a program. Their pages go by a cursor."""

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from catalog_pipeline.errors import UpstreamRefusedError
from catalog_pipeline.sources.http import ApiClient, NotFoundError

SOURCE = "enrollments"
SERVICE = "lms"
LARGEST_PAGE = 1000
PROGRAM_FIELDS = ("student_key", "username", "status", "curriculum_uuid")
COURSE_FIELDS = ("student_key", "username", "status", "curriculum_uuid", "course_staff")
"""What is kept of a row of either list. Its e-mail address is not."""


def path_of(program_uuid: str, run_key: str | None = None) -> str:
    """The address of the list of a program's enrollments, or of those in one of its runs."""
    place = f"courses/{quote(run_key, safe=':+')}/" if run_key else ""
    return f"/api/program_enrollments/v1/programs/{program_uuid}/{place}enrollments/"


def read_rows(client: ApiClient, program_uuid: str, run_key: str | None = None) -> tuple[list[Any], int] | None:
    """All rows of a list, reduced to what is kept of them, and the number of pages; None where it answers 404.

    Raises UpstreamError, and UpstreamRefusedError where what is read is no list, or one of its pages comes twice.
    """
    path, fields = path_of(program_uuid, run_key), COURSE_FIELDS if run_key else PROGRAM_FIELDS
    asked = {"page_size": [str(min(client.settings.page_size, LARGEST_PAGE))]}
    found: list[Any] = []
    met: list[dict[str, list[str]]] = []
    while True:
        try:
            body = client.get(path, asked)
        except NotFoundError:
            if met:
                raise
            return None
        met.append(asked)
        found += [_kept(row, fields) for row in _results(client, path, body)]
        if not body.get("next"):
            return found, len(met)
        # The path stays ours, whatever address the upstream believes to have.
        asked = parse_qs(urlsplit(str(body["next"])).query, keep_blank_values=True)
        if asked in met:
            raise UpstreamRefusedError(
                f"{client.base_url}{path} names a page as the next one that was read already: the list has no end, and"
                " nothing of it was kept. Report it to the upstream."
            )


def _results(client: ApiClient, path: str, body: Any) -> list[Any]:
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        raise UpstreamRefusedError(
            f"{client.base_url}{path} answered JSON that is not a page of a list: check the upstream's URL."
        )
    return results


def _kept(row: Any, fields: tuple[str, ...]) -> Any:
    """The fields of a row that are kept; null for what is no row."""
    return {name: row[name] for name in fields if name in row} if isinstance(row, dict) else None
