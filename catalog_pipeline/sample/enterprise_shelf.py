"""The content of the sample's enterprise catalogs as JSON, each catalog made when it is first asked for on a day.

A list has no order: every request finds some documents elsewhere, so that a crawl page by page meets some twice and
others never.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from zlib import crc32

import orjson

from catalog_pipeline.sample.customers import EnterpriseCatalog
from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.enterprise import course_content, pathway_content, program_content, run_content
from catalog_pipeline.sample.masters import masters
from catalog_pipeline.sample.payloads import Document
from catalog_pipeline.sample.records import Course, Program, instant

MOVED_SHARE = 0.03
"""How many documents of a list stand elsewhere at each request."""
COURSES_A_RUN_ROW = 20
"""Of how many courses one has its runs as rows of their own."""
FEWEST_PROGRAMS = 20
IDENTITY_FROM = 50
"""The smallest size of a catalog that has a document without key and uuid."""


@dataclass(frozen=True, eq=False, slots=True)
class Content:
    """One document of a catalog, and what requests match. Keys are in small letters, as upstream's database compares.

    `kind` is its content type. Of a course, `runs` are the keys of its runs, `normalized` and `normalized_by_run` its
    derived dates.
    """

    kind: str
    key: str
    parent: str | None
    runs: frozenset[str]
    listed: bool
    body: bytes
    normalized: Document
    normalized_by_run: dict[str, Document]

    def json(self, modified: str) -> bytes:
        """The document, which says when it was last modified."""
        return self.body[:-1] + b',"content_last_modified":"' + modified.encode() + b'"}'


class EnterpriseShelf:
    """The content of each catalog. What was made for another day is thrown away."""

    def __init__(self, catalog: SampleCatalog, watched: frozenset[str]) -> None:
        self.catalog = catalog
        self.watched = watched
        self.requests = 0
        self._day = -1
        self._made: dict[str, list[Content]] = {}
        self._named: dict[str, dict[str, Content]] = {}

    def contents(self, catalog: EnterpriseCatalog) -> list[Content]:
        """All that a catalog holds, inactive courses too."""
        if self._day != self.catalog.day:
            self._day, self._made, self._named = self.catalog.day, {}, {}
        made = self._made.get(catalog.uuid)
        if made is None:
            made = self._made[catalog.uuid] = list(self._build(catalog))
        return made

    def asked(self, catalog: EnterpriseCatalog, keys: Collection[str]) -> list[Content]:
        """What a request without keys lists, in an order of its own; or what its keys match, inactive courses too.

        A key matches the document of that key, the runs of the course of that key, and the course of the run of that
        key, even a run that the catalog does not show.
        """
        self.requests += 1
        found = self.contents(catalog)
        if not keys:
            return self._reordered([content for content in found if content.listed])
        wanted = {key.casefold() for key in keys}
        return self._reordered(
            [one for one in found if one.key in wanted or one.parent in wanted or not wanted.isdisjoint(one.runs)]
        )

    def _reordered(self, found: list[Content]) -> list[Content]:
        rng = Random(f"{self.catalog.seed}/{self.requests}")
        moved = 2 * (1 + int(len(found) * MOVED_SHARE) // 2) if len(found) > 1 else 0
        places = rng.sample(range(len(found)), moved)
        for one, other in zip(places[::2], places[1::2], strict=True):
            found[one], found[other] = found[other], found[one]
        return found

    def modified(self) -> str:
        """When every document was last modified, as upstream says: a later time at every request."""
        return instant(self.catalog.today + timedelta(seconds=self.requests, microseconds=120_000))

    def course(self, catalog: EnterpriseCatalog, key: str) -> Content | None:
        """The course of a catalog that has that key, or a run of that key; None where there is none."""
        contents = self.contents(catalog)
        named = self._named.get(catalog.uuid)
        if named is None:
            courses = [one for one in contents if one.kind == "course"]
            named = self._named[catalog.uuid] = {run: one for one in courses for run in one.runs}
            named |= {one.key: one for one in courses if one.key}
        return named.get(key.casefold())

    def _build(self, catalog: EnterpriseCatalog) -> Iterator[Content]:
        query = catalog.selection
        if query is None:
            return
        inside, outside = self._courses(catalog)
        programs_of = self._programs_of()
        for course in inside:
            document = course_content(course, programs_of.get(course.uuid, []), catalog, self.catalog.today)
            yield _content(document, document["active"], frozenset(run.key.casefold() for run in course.runs))
            if query.runs and crc32(course.uuid.encode()) % COURSES_A_RUN_ROW == 0:
                yield from _run_rows(document, course)
        if query.runs:
            yield from self._run_without_course(outside, catalog)
        programs = self._programs(catalog)
        yield from (_content(program_content(program, self.catalog.today)) for program in programs)
        if query.watched and programs:
            yield _content(pathway_content(programs, f"{catalog.title}: a Pathway"))
            if query.runs and len(self.catalog.courses) >= IDENTITY_FROM:
                yield _content({"content_type": "course", "title": "A document without key and uuid"})

    def _courses(self, catalog: EnterpriseCatalog) -> tuple[list[Course], list[Course]]:
        """The courses inside and outside of a catalog; of two keys that differ in case, only the first exists."""
        first: dict[str, Course] = {}
        for course in self.catalog.courses:
            first.setdefault((course.key or course.uuid).casefold(), course)
        inside: list[Course] = []
        outside: list[Course] = []
        for course in first.values():
            (inside if catalog.includes(course, self.watched) else outside).append(course)
        return inside, outside

    def _run_without_course(self, outside: list[Course], catalog: EnterpriseCatalog) -> Iterator[Content]:
        """The rows of one course's runs; the catalog does not have the course."""
        course = next((one for one in outside if one.runs and one.key), None)
        if course:
            yield from _run_rows(course_content(course, [], catalog, self.catalog.today), course)

    def _programs_of(self) -> dict[str, list[Program]]:
        found: dict[str, list[Program]] = {}
        for program in self.catalog.programs:
            for course in program.courses:
                found.setdefault(course.uuid, []).append(program)
        return found

    def _programs(self, catalog: EnterpriseCatalog) -> list[Program]:
        share = max(FEWEST_PROGRAMS, catalog.selection.share if catalog.selection else 0)
        degrees = masters(self.catalog.programs)  # no customer buys these
        return [
            program
            for program in self.catalog.programs
            if program not in degrees
            if program.pinned or crc32(f"{catalog.uuid}/{program.uuid}".encode()) % 100 < share
        ]


def _run_rows(document: Document, course: Course) -> Iterator[Content]:
    return (_content(run_content(run, course)) for run in document.get("course_runs") or [])


def _content(document: Document, listed: bool = True, runs: frozenset[str] = frozenset()) -> Content:
    parent: str | None = document.get("parent_content_key")
    key: str = document.get("key") or document.get("uuid") or ""
    return Content(
        document["content_type"],
        key.casefold(),
        parent and parent.casefold(),
        runs,
        listed,
        orjson.dumps(document),
        document.get("normalized_metadata") or {},
        document.get("normalized_metadata_by_run") or {},
    )
