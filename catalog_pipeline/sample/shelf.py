"""The sample catalog's documents as JSON, each made once a day, in the order and with the filters of upstream."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.lms import lms_document, organization_of
from catalog_pipeline.sample.payloads import (
    View,
    course_document,
    organization_document,
    program_summary,
    run_document,
)
from catalog_pipeline.sample.programs import program_document
from catalog_pipeline.sample.records import Course, Organization, Program, Run

Query = Mapping[str, str]


class BadTimestampError(ValueError):
    """`timestamp` is not an instant."""


class Shelf:
    """Lists of records, and the JSON of each. JSON that was made for another day is thrown away."""

    def __init__(self, catalog: SampleCatalog) -> None:
        self.catalog = catalog
        self._day = -1

    def _today(self) -> None:
        """Throw away what was made for another day."""
        if self._day == self.catalog.day:
            return
        self._day = self.catalog.day
        self._made: dict[tuple[str, str, View], bytes] = {}
        self._courses = sorted(self.catalog.courses, key=lambda course: (course.key or "", course.uuid))
        self._runs = sorted(self.catalog.runs(), key=lambda pair: (pair[0].key.lower(), pair[0].uuid))
        self._lms_runs = sorted(self.catalog.lms_runs(), key=lambda run: run.key)
        self._programs_of: dict[str, list[Program]] = {}
        for program in self.catalog.programs:
            for course in program.courses:
                self._programs_of.setdefault(course.uuid, []).append(program)

    def _json(self, kind: str, name: str, view: View, make: Callable[[], Any]) -> bytes:
        made = self._made.get((kind, name, view))
        if made is None:
            made = self._made[kind, name, view] = orjson.dumps(make())
        return made

    def courses(self, query: Query) -> list[Course]:
        """Ordered by key; filtered by `keys`, `uuids`, `timestamp`."""
        self._today()
        return _since(_named(_named(self._courses, query, "keys", "key"), query, "uuids", "uuid"), query)

    def course_json(self, course: Course, view: View) -> bytes:
        """The document of one course."""
        programs = self._programs_of.get(course.uuid, [])
        today = self.catalog.today
        return self._json("course", course.uuid, view, lambda: course_document(course, programs, view, today))

    def runs(self, query: Query) -> list[tuple[Run, Course]]:
        """Ordered by folded key; filtered by `keys`, `hidden`, and `include_restricted` as for courses."""
        self._today()
        restricted = view_of(query).restricted
        keys, hidden = _listed(query, "keys"), query.get("hidden")
        return [
            (run, course)
            for run, course in self._runs
            if (keys is None or run.key in keys)
            and (run.restriction_type is None or run.restriction_type in restricted)
            and (hidden is None or run.hidden == (hidden == "1"))
        ]

    def run_json(self, pair: tuple[Run, Course], view: View) -> bytes:
        """The document of one run, with the programs of its course."""
        run, course = pair

        def make() -> Any:
            programs = [program_summary(program, view) for program in self._programs_of.get(course.uuid, [])]
            return run_document(run, course, view, self.catalog.today) | {"programs": programs}

        return self._json("run", run.uuid, view, make)

    def programs(self, query: Query) -> list[Program]:
        """Ordered by id; filtered by `uuids`, `timestamp`."""
        self._today()
        return _since(_named(self.catalog.programs, query, "uuids", "uuid"), query)

    def program_json(self, program: Program, view: View) -> bytes:
        """The document of one program."""
        return self._json("program", program.uuid, view, lambda: program_document(program, view, self.catalog.today))

    def organizations(self, query: Query) -> list[Organization]:
        """In order of creation, without those that are not listed; filtered by `uuids`, `timestamp`."""
        self._today()
        listed = [organization for organization in self.catalog.organizations if organization.listed]
        return _since(_named(listed, query, "uuids", "uuid"), query)

    def organization_json(self, organization: Organization, view: View) -> bytes:
        """The document of one organization."""
        return self._json("organization", organization.uuid, view, lambda: organization_document(organization, view))

    def lms_runs(self, query: Query) -> list[Run]:
        """Ordered by key; filtered by `org`, whose case does not matter."""
        self._today()
        organization = query.get("org", "").lower()
        if not organization:
            return self._lms_runs
        return [run for run in self._lms_runs if organization_of(run).lower() == organization]

    def lms_json(self, run: Run) -> bytes:
        """The LMS's document of one run."""
        return self._json("lms", run.key, View(), lambda: lms_document(run))


def view_of(query: Query) -> View:
    """What a request asks to see. Flags are integers upstream: `exclude_utm=1`."""
    return View(
        utm=query.get("exclude_utm") != "1",
        restricted=frozenset(filter(None, query.get("include_restricted", "").split(","))),
        hidden=query.get("include_hidden_course_runs") == "1",
    )


def _listed(query: Query, parameter: str) -> set[str] | None:
    text = query.get(parameter)
    return set(text.split(",")) if text else None


def _named(records: Iterable[Any], query: Query, parameter: str, attribute: str) -> list[Any]:
    """The records that a comma list names; all of them when there is no list."""
    names = _listed(query, parameter)
    return [record for record in records if names is None or getattr(record, attribute) in names]


def _since(records: list[Any], query: Query) -> list[Any]:
    """The records modified at `timestamp` or later. Raises BadTimestampError for what is not an instant."""
    if not query.get("timestamp"):
        return records
    try:
        since = datetime.fromisoformat(query["timestamp"])
    except ValueError as error:
        raise BadTimestampError(query["timestamp"]) from error
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return [record for record in records if datetime.fromisoformat(record.data_modified) >= since]
