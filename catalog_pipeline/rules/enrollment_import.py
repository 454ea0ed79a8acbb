"""What becomes of the lines of a file of enrollments. Pure: it decides one line after the other, each as if by itself.

Each line sees what the earlier ones did, so that one may free a seat that a later one takes. No column operation says
that, so this is a loop; all that it needs is in memory.
"""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field

from catalog_pipeline.rules.program_enrollment import CURRENT, PROGRAM_STATUSES

NEW_MODE = "masters"
TAKEN_MODES = ("audit", "honor")
"""The modes of seats that become a program's when it enrolls their learner."""
OUTCOMES = ("created", "updated", "unchanged")
"""What became of a line that was not rejected; of what it did, the first says it all."""


@dataclass(frozen=True)
class Program:
    """A program. `listed` are its curricula; `default` is the only active one, where there is one."""

    id: int
    name: str
    listed: frozenset[str]
    default: str | None


@dataclass(frozen=True)
class Line:
    """A line of the file, its names looked up. Null where it says nothing.

    `learner` and `key` are ids, or what tells one new learner from another. `in_program`: whether the program has the
    run. `links`: whether it changes whose the key is.
    """

    row: int
    learner: Hashable
    key: Hashable | None
    program: Program
    curriculum: str | None = None
    status: str | None = None
    run: int | None = None
    in_program: bool = True
    course_status: str | None = None
    course_staff: bool | None = None
    mode: str | None = None
    links: bool = False


@dataclass(eq=False)
class CourseRow:
    """A program's row on a seat. `id` is null where the file makes it."""

    id: int | None
    status: str
    course_staff: bool = False
    changed: bool = False


@dataclass(eq=False)
class Enrollment:
    """An enrollment in a program, with its rows by run. `id` is null where the file makes it."""

    id: int | None
    learner: Hashable
    key: Hashable | None
    program: int
    curriculum: str
    status: str
    rows: dict[int, CourseRow] = field(default_factory=dict)
    changed: bool = False
    said: str | None = None
    """The status that a line gave it."""
    told: set[int | None] = field(default_factory=set)
    """The runs of the lines about it; null for a line without one."""


@dataclass(eq=False)
class Seat:
    """A seat in a run, and the active row on it with the program that has it. `id` is null where the file makes it."""

    id: int | None
    learner: Hashable
    run: int
    mode: str
    holder: CourseRow | None = None
    holder_name: str | None = None
    changed: bool = False


@dataclass(frozen=True)
class Wrong:
    """Why a line is rejected. `holder`: who holds the run, where that is why."""

    rule: str
    column: str
    holder: str | None = None


@dataclass
class Standing:
    """What stands: the enrollments of a learner in a program, oldest first, and the seats by learner and run."""

    enrollments: dict[tuple[Hashable, int], list[Enrollment]] = field(default_factory=lambda: defaultdict(list))
    seats: dict[tuple[Hashable, int], Seat] = field(default_factory=dict)

    def decide(self, line: Line) -> str | Wrong:
        """Apply a line: created, updated, unchanged, or why not; then nothing changed."""
        found = self._meant(line)
        curriculum = line.curriculum or line.program.default
        if wrong := self._wrong(line, found, curriculum):
            return wrong
        outcomes = {"updated"} if line.links else {"unchanged"}
        if found is None:
            found = self._enroll(line, curriculum or "")
            outcomes.add("created")
        elif line.status is not None and line.status != found.status:
            found.status, found.changed = line.status, True
            outcomes.add("updated")
        found.said = found.said or line.status
        found.told.add(line.run)
        if line.run is not None:
            outcomes.add(self._seat(line, found, line.run))
        return next(outcome for outcome in OUTCOMES if outcome in outcomes)

    def _meant(self, line: Line) -> Enrollment | None:
        """Which of the learner's enrollments in the program a line is about."""
        there = self.enrollments.get((line.learner, line.program.id), [])
        if line.curriculum is not None:
            return next((one for one in there if one.curriculum == line.curriculum), None)

        def preference(one: Enrollment) -> tuple[int, int]:
            row = one.rows.get(line.run) if line.run is not None else None
            has_row = 2 if row is None else 0 if row.status == "active" else 1
            return has_row, CURRENT.index(one.status) if one.status in CURRENT else len(PROGRAM_STATUSES)

        return min(there, key=preference, default=None)

    def _wrong(self, line: Line, found: Enrollment | None, curriculum: str | None) -> Wrong | None:
        row = found.rows.get(line.run) if found and line.run is not None else None
        if line.run is not None and row is None and line.course_status is None:
            return Wrong("missing", "course_status")
        becomes_active = line.course_status == "active" and (row is None or row.status != "active")
        if line.run is not None and not line.in_program and (row is None or becomes_active):
            return Wrong("run_not_in_program", "run_key")
        wrong = _wrong_enrollment(line, found) if found else _wrong_curriculum(line, curriculum)
        if wrong or not becomes_active or line.run is None:
            return wrong
        seat = self.seats.get((line.learner, line.run))
        return Wrong("conflict", "course_status", seat.holder_name) if seat and seat.holder else None

    def _enroll(self, line: Line, curriculum: str) -> Enrollment:
        made = Enrollment(None, line.learner, line.key, line.program.id, curriculum, line.status or "")
        self.enrollments[line.learner, line.program.id].append(made)
        return made

    def _seat(self, line: Line, found: Enrollment, run: int) -> str:
        """Set the row on the run, and its seat."""
        row = found.rows.get(run)
        before = (row.status, row.course_staff) if row else None
        if row is None:
            row = found.rows[run] = CourseRow(None, line.course_status or "")
        row.status = line.course_status or row.status
        row.course_staff = row.course_staff if line.course_staff is None else line.course_staff
        is_updated = before not in (None, (row.status, row.course_staff))
        row.changed = row.changed or is_updated
        becomes_active = row.status == "active" and (before is None or before[0] != "active")
        seat = self.seats.get((line.learner, run))
        if seat is None:
            seat = self.seats[line.learner, run] = Seat(None, line.learner, run, line.mode or NEW_MODE)
        mode = line.mode or (NEW_MODE if becomes_active and seat.mode in TAKEN_MODES else seat.mode)
        if mode != seat.mode:
            seat.mode, seat.changed, is_updated = mode, True, True
        if row.status == "active":
            seat.holder, seat.holder_name = row, line.program.name
        elif seat.holder is row:
            seat.holder = seat.holder_name = None
        return "created" if before is None else "updated" if is_updated else "unchanged"


def _wrong_enrollment(line: Line, found: Enrollment) -> Wrong | None:
    """Why a line cannot be about an enrollment that is there."""
    if found.key is not None and line.key is not None and found.key != line.key:
        return Wrong("two_keys_in_program", "student_key")
    if line.run in found.told:
        return Wrong("duplicate", "run_key" if line.run is not None else "student_key")
    if line.status is not None and found.said not in (None, line.status):
        return Wrong("contradicts", "status")
    return None


def _wrong_curriculum(line: Line, curriculum: str | None) -> Wrong | None:
    """Why a line makes no enrollment."""
    if curriculum is None:
        return Wrong("curriculum_missing", "curriculum_uuid")
    if line.program.listed and curriculum not in line.program.listed:
        return Wrong("curriculum_unknown", "curriculum_uuid")
    return Wrong("not_enrolled", "status") if line.status is None else None
