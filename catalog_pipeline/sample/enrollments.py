"""The enrollments that the sample's LMS lists: of each of its Masters, and of each run of theirs.

Three pairs are always active twice: a learner who has a row active in one run by two programs. Each day the oldest of
them is mended, and a new one comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from catalog_pipeline.sample.masters import courses_of, masters
from catalog_pipeline.sample.records import Change, Program, Run

ORDINARY = 30
"""How many learners there are beside those who are in the sample for a reason."""
ACTIVE_TWICE = 3


@dataclass(frozen=True)
class Enrollment:
    """A learner's enrollment in a program, and the statuses of its rows by run."""

    program: Program
    key: str
    user_name: str
    status: str
    runs: dict[str, str]
    curriculum: int = 0
    """Which of the program's curricula it is of."""

    @property
    def curriculum_uuid(self) -> str:
        """The uuid of that curriculum."""
        return self.program.curricula[self.curriculum].uuid

    def document(self) -> dict[str, Any]:
        """The row that the program's list has."""
        return {
            "student_key": self.key,
            "status": self.status,
            "account_exists": bool(self.user_name),
            "curriculum_uuid": self.curriculum_uuid,
            "username": self.user_name,
            "email": f"{self.user_name.lower()}@learners.example" if self.user_name else "",
        }

    def course_document(self, run_key: str) -> dict[str, Any]:
        """The row that a run's list has."""
        return {
            "student_key": self.key,
            "status": self.runs[run_key],
            "account_exists": bool(self.user_name),
            "curriculum_uuid": self.curriculum_uuid,
            "course_staff": self.key.endswith("-0001"),
        }


@dataclass(frozen=True)
class Pair:
    """A learner who is, on some days, active in a run by two programs: the enrollments' keys, names and statuses."""

    learner: str
    statuses: tuple[str, str]
    place: int
    """Which course of the first program it is about."""
    programs: tuple[int, int]


FIXED = (
    Pair("ben", ("enrolled", "enrolled"), 0, (0, 2)),
    Pair("cleo", ("canceled", "enrolled"), 0, (0, 2)),
    Pair("dev", ("enrolled", "pending"), 0, (1, 2)),
)


class SampleEnrollments:
    """The enrollments of a catalog's programs, day by day. What is asked of a day follows from it alone."""

    def __init__(self, programs: list[Program]) -> None:
        self.masters = masters(programs)
        self.pairs = [*FIXED, *(Pair(f"learner{n}", ("enrolled", "enrolled"), n, (0, 2)) for n in range(ORDINARY))]

    def of_program(self, uuid: str, day: int) -> list[Enrollment] | None:
        """The enrollments of a program, in the order in which they came; None for one that is no Master's."""
        known = next((program for program in self.masters if program.uuid == uuid), None)
        return known and [one for one in self._all(day) if one.program is known]

    def runs_of(self, program_uuid: str) -> set[str]:
        """The keys of a program's runs."""
        program = next(program for program in self.masters if program.uuid == program_uuid)
        return {run.key for course in courses_of(program) for run in course.runs}

    def changes(self, day: int) -> Iterator[Change]:
        """What a day changes: which programs a learner is active in a run by."""
        for number, pair in enumerate(self.pairs):
            old, new = (self._active_by(number, pair, on) for on in (day - 1, day))
            run = self._run(pair)
            if run and old != new:
                yield Change(day, "enrollment_changed", "program_course_enrollment", run.key, "active in", old, new)

    def _active_by(self, number: int, pair: Pair, day: int) -> list[str]:
        statuses = self._statuses(number, day)
        return [self.masters[place].title for place, status in zip(pair.programs, statuses, strict=True)
                if status == "active"]  # fmt: skip

    def _statuses(self, number: int, day: int) -> tuple[str | None, str | None]:
        """The statuses of a pair's two rows on a day; None: there is none yet."""
        count = len(self.pairs)
        if (number - day) % count < ACTIVE_TWICE:
            return "active", "active"
        if day < number:
            return "active", None
        times = (day - number - 1) // count + 1
        return ("inactive", "active") if (number + times) % 2 else ("active", "inactive")

    def _run(self, pair: Pair) -> Run | None:
        """A run that both of the pair's programs have; None where the catalog has no run."""
        runs = [course.runs[0] for course in self.masters[pair.programs[0]].courses if course.runs]
        return runs[pair.place % len(runs)] if runs else None

    def _all(self, day: int) -> Iterator[Enrollment]:
        yield from self._for_a_reason()
        for number, pair in enumerate(self.pairs):
            run, statuses = self._run(pair), self._statuses(number, day)
            for place, status, row in zip(pair.programs, pair.statuses, statuses, strict=True):
                if row is not None:
                    yield self._enrollment(place, f"AL-{2000 + number}", pair.learner, status, run, row)

    def _for_a_reason(self) -> Iterator[Enrollment]:
        """Two spellings, two curricula, two keys, a key of two organizations, no user, a seat of one who is out."""
        (run, *more) = self._first_runs()
        last = more[-1] if more else run
        make = self._enrollment
        yield make(0, "AL-0001", "ann", "enrolled", run, "active")
        yield make(3, "AL-0001", "zoe", "enrolled", run, "active")  # another organization's: another learner
        yield make(0, "AL-0002", "Eve", "enrolled", run, "inactive")
        yield make(2, "al-0002", "eve", "enrolled", run, "active")
        yield make(2, "AL-0003", "finn", "ended", last, "inactive")
        yield make(2, "AL-0003", "finn", "enrolled", last, "active", curriculum=2)
        yield make(0, "AL-0004", "gus", "enrolled", run, "inactive")
        yield make(1, "AL-0005", "gus", "enrolled", last, "active")
        yield make(0, "AL-0006", "", "enrolled", run, "active")
        yield make(1, "AL-0007", "", "pending", None, "")
        yield make(1, "AL-0008", "hal", "canceled", last, "active")
        yield make(2, "AL-0009", "ida", "suspended", run, "inactive")

    def _first_runs(self) -> list[Run | None]:
        """The first run of each course that the first three share."""
        found = [course.runs[0] for course in courses_of(self.masters[2]) if course.runs]
        return list(found) or [None]

    def _enrollment(
        self, place: int, key: str, user_name: str, status: str, run: Run | None, row: str, *, curriculum: int = 0
    ) -> Enrollment:
        return Enrollment(
            self.masters[place], key, user_name, status, {run.key: row} if run and row else {}, curriculum
        )
