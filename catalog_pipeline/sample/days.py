"""The sample catalog as it stands on one day, and how it moves to the next: about one course in a hundred changes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from catalog_pipeline.sample.drafting import draft_course, next_run
from catalog_pipeline.sample.enrollments import SampleEnrollments
from catalog_pipeline.sample.records import (
    EPOCH,
    EXECUTIVE_EDUCATION,
    Change,
    Course,
    Organization,
    Program,
    Run,
    advertised_run,
    instant,
    moment,
)

CHANGED_SHARE = 0.01
MOST_PROGRAM_COURSES = 8
DEADLINE_WITHIN = 3, 45
"""In how many days from today enrollment ends in a run whose deadline moves."""
WITH_DEADLINE = (EXECUTIVE_EDUCATION, "verified-audit")
"""The course types whose runs have a deadline to enroll, or to upgrade."""


@dataclass(eq=False)
class SampleCatalog:
    """Everything the sample upstream knows, on day `day`. Build it with `build_catalog`."""

    size: int
    """How many courses it had on day 0."""
    seed: int
    organizations: list[Organization]
    courses: list[Course]
    programs: list[Program]
    lms_only: list[Run]
    issued: set[str]
    """Every run key ever given, in lower case, so that none is given twice."""
    next_number: int
    day: int = 0
    changes: list[Change] = field(default_factory=list)

    @property
    def today(self) -> datetime:
        """Midnight of the catalog's day."""
        return EPOCH + timedelta(days=self.day)

    def runs(self) -> Iterator[tuple[Run, Course]]:
        """Every run that discovery has, with its course."""
        return ((run, course) for course in self.courses for run in course.runs)

    def lms_runs(self) -> list[Run]:
        """Every run that the LMS has: discovery's, and its own."""
        return [run for run, _ in self.runs() if run.in_lms] + self.lms_only

    def advance(self, days: int = 1) -> list[Change]:
        """Move on by so many days and return what they changed; `changes` keeps all since day 0.

        Two days at once and one day twice give the same catalog.
        """
        made: list[Change] = []
        enrollments = SampleEnrollments(self.programs)
        for _ in range(days):
            self.day += 1
            made += _Day(self).changes()
            made += enrollments.changes(self.day)
        self.changes += made
        return made


class _Day:
    """One day's work. Each plain course is changed once at most, so that the day's changes never overlap."""

    def __init__(self, catalog: SampleCatalog) -> None:
        self.catalog = catalog
        self.rng = Random(f"{catalog.seed}/day/{catalog.day}")
        self.touched = 0
        self.untouched = [course for course in catalog.courses if not course.pinned]
        self.rng.shuffle(self.untouched)
        self.in_programs = {course.uuid for program in catalog.programs for course in program.courses}

    def changes(self) -> list[Change]:
        """Make every kind of change at least once, as far as the catalog has something to change."""
        kinds: tuple[tuple[Callable[[], Iterable[Change]], float], ...] = (
            (self._add_run, 0.30),
            (self._move_dates, 0.30),
            (self._retitle, 0.15),
            (self._unpublish_run, 0.08),
            (self._archive_course, 0.04),
            (self._remove_run, 0.04),
            (self._remove_course, 0.02),
            (self._add_course, 0.04),
            (self._change_program, 0),
            (self._repoint_run, 0),
            (self._move_deadline, 0),
            (self._withdraw_course, 0),
        )
        courses = len(self.catalog.courses)
        return [
            change
            for make, share in kinds
            for _ in range(max(1, round(share * CHANGED_SHARE * courses)))
            for change in make()
        ]

    def _take(self, wanted: Callable[[Course], Any]) -> Course | None:
        """A course that no change of today has used and that `wanted` accepts; it counts as used from now on."""
        course = next((course for course in self.untouched if wanted(course)), None)
        if course:
            self.untouched.remove(course)
        return course

    def _touch(self, *records: Course | Run | Program) -> None:
        """Stamp documents as modified today, no two at the same instant."""
        for record in records:
            self.touched += 1
            stamp = moment(self.catalog.day + 0.25, self.touched)
            if isinstance(record, Run):
                record.modified = stamp
            else:
                record.data_modified = stamp

    def _set(self, kind: str, course: Course, record: Course | Run, name: str, new: Any) -> Change:
        """Give a course, or a run of it, a new value."""
        old = getattr(record, name)
        setattr(record, name, new)
        self._touch(course)
        if isinstance(record, Run):
            self._touch(record)
        entity = "course_run" if isinstance(record, Run) else "course"
        return Change(self.catalog.day, kind, entity, str(record.key), name, old, new)

    def _came(self, kind: str, entity: str, key: str, new: str) -> Change:
        return Change(self.catalog.day, kind, entity, key, None, None, new)

    def _went(self, kind: str, entity: str, key: str, old: str) -> Change:
        return Change(self.catalog.day, kind, entity, key, None, old, None)

    def _add_run(self) -> Iterator[Change]:
        course = self._take(lambda course: course.product_status != "archived")
        if course:
            catalog = self.catalog
            run = next_run(course, catalog.seed, self.rng, catalog.issued, catalog.today)
            course.runs.append(run)
            self._touch(course, run)
            yield self._came("run_added", "course_run", run.key, str(course.key))

    def _move_dates(self) -> Iterator[Change]:
        """Move the start and end of a run that has not ended by some days."""
        today = instant(self.catalog.today)
        course = self._take(lambda course: any((run.end or "") > today for run in course.runs))
        if course:
            yield from self._postpone(course, next(run for run in course.runs if (run.end or "") > today))

    def _move_deadline(self) -> Iterator[Change]:
        """Move the dates of an advertised run that learners can enroll in for a few weeks only."""
        soon, later = (instant(self.catalog.today + timedelta(days=days)) for days in DEADLINE_WITHIN)

        def closes(course: Course) -> bool:
            run = advertised_run(course.runs)
            has_deadline = course.course_type in WITH_DEADLINE
            return run is not None and has_deadline and soon < (run.enrollment_end or run.end or "") < later

        course = self._take(closes)
        run = course and advertised_run(course.runs)
        if course and run:
            yield from self._postpone(course, run)

    def _postpone(self, course: Course, run: Run) -> Iterator[Change]:
        later = timedelta(days=self.rng.randint(1, 21))
        for name in ("start", "end", "enrollment_end"):
            old = getattr(run, name)
            if old:
                yield self._set("date_moved", course, run, name, instant(datetime.fromisoformat(old) + later))

    def _withdraw_course(self) -> Iterator[Change]:
        """Unpublish the last run of a course that learners could enroll in."""
        today = instant(self.catalog.today)

        def last_open(course: Course) -> Run | None:
            published = [run for run in course.runs if run.status == "published"]
            open_one = len(published) == 1 and today < min(published[0].enrollment_end or "9", published[0].end or "9")
            return published[0] if open_one else None

        course = self._take(last_open)
        run = course and last_open(course)
        if course and run:
            yield self._set("archived", course, run, "status", "unpublished")

    def _retitle(self) -> Iterator[Change]:
        course = self._take(lambda course: True)
        if course:
            today = self.catalog.today
            edition = f"{course.title.split(' (')[0]} ({today.day} {today:%B %Y} edition)"
            yield self._set("retitled", course, course, "title", edition)

    def _unpublish_run(self) -> Iterator[Change]:
        course = self._take(lambda course: any(run.status == "published" for run in course.runs))
        if course:
            run = next(run for run in course.runs if run.status == "published")
            yield self._set("archived", course, run, "status", "unpublished")

    def _archive_course(self) -> Iterator[Change]:
        course = self._take(lambda course: course.product_status == "published")
        if course:
            yield self._set("archived", course, course, "product_status", "archived")

    def _remove_run(self) -> Iterator[Change]:
        course = self._take(lambda course: len(course.runs) > 1)
        if course:
            run = course.runs.pop(self.rng.randrange(len(course.runs)))
            self._touch(course)
            yield self._went("run_removed", "course_run", run.key, str(course.key))

    def _remove_course(self) -> Iterator[Change]:
        """Remove a course and its runs. No list mentions that they are gone."""
        course = self._take(lambda course: course.uuid not in self.in_programs)
        if course:
            self.catalog.courses.remove(course)
            yield self._went("course_removed", "course", str(course.key), course.title)
            for run in course.runs:
                yield self._went("course_removed", "course_run", run.key, str(course.key))

    def _add_course(self) -> Iterator[Change]:
        catalog = self.catalog
        owners = [organization for organization in catalog.organizations if organization.listed]
        course = draft_course(catalog.seed, catalog.next_number, owners, catalog.issued, catalog.today)
        catalog.next_number += 1
        catalog.courses.append(course)
        self._touch(course, *course.runs)
        yield self._came("course_added", "course", str(course.key), course.title)
        for run in course.runs:
            yield self._came("course_added", "course_run", run.key, str(course.key))

    def _change_program(self) -> Iterator[Change]:
        """Add a course to a program; a program that is full loses its oldest course."""
        programs = [program for program in self.catalog.programs if not program.pinned]
        course = self._take(lambda course: course.uuid not in self.in_programs) if programs else None
        if course:
            program = self.rng.choice(programs)
            old = [course.key for course in program.courses]
            program.courses = [*program.courses, course][-MOST_PROGRAM_COURSES:]
            self._touch(program)
            new = [course.key for course in program.courses]
            yield Change(self.catalog.day, "program_changed", "program", program.uuid, "courses", old, new)

    def _repoint_run(self) -> Iterator[Change]:
        """Move a run to another course of its organization. Its key still names the old course."""
        source = self._take(lambda course: len(course.runs) > 1)
        target = source and self._take(lambda course: course.organization is source.organization)
        if source and target:
            run = source.runs.pop(0)
            target.runs.append(run)
            self._touch(source, target, run)
            yield Change(self.catalog.day, "run_repointed", "course_run", run.key, "course", source.key, target.key)
