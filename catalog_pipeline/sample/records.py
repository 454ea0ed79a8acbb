"""What the sample upstream knows of an organization, a course, a run and a program.

Dates are kept as the text that is sent, so that a malformed one can be held like any other.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
"""Midnight of day 0. It never changes, so that a seed always gives the same catalog."""

EXECUTIVE_EDUCATION = "executive-education-2u"
B2B, B2C = "custom-b2b-enterprise", "custom-b2c"


@dataclass(eq=False, slots=True)
class Organization:
    """An organization; one that is not `listed` owns courses but is missing from the organizations' list."""

    key: str
    uuid: str
    name: str
    data_modified: str
    listed: bool = True


@dataclass(eq=False, slots=True)
class Run:
    """One run of a course. `in_lms` is False for a run that exists in discovery alone."""

    key: str
    uuid: str
    title: str
    start: str | None
    end: str | None
    enrollment_start: str | None
    enrollment_end: str | None
    go_live: str | None
    status: str
    pacing: str
    price: str
    weeks: int
    effort: int
    modified: str
    staff: tuple[str, ...] = ()
    enrollments: int = 0
    variant_id: str | None = None
    restriction_type: str | None = None
    hidden: bool = False
    in_lms: bool = True


@dataclass(eq=False, slots=True)
class Course:
    """A catalog course with its runs. `pinned` courses are awkward on purpose and no day changes them."""

    key: str | None
    uuid: str
    title: str
    topic: str
    description: str
    outcome: str
    subject: str
    organization: Organization
    language: str
    level: str
    course_type: str
    price: str
    data_modified: str
    key_for_reruns: str = ""
    external_identifier: str | None = None
    product_status: str | None = None
    runs: list[Run] = field(default_factory=list)
    pinned: bool = False


@dataclass(eq=False, slots=True)
class Curriculum:
    """A part of a program, with courses and child programs of its own."""

    uuid: str
    name: str
    courses: list[Course]
    programs: list["Program"] = field(default_factory=list)
    is_active: bool = True


@dataclass(eq=False, slots=True)
class Program:
    """A program; its courses may include some that the course list does not have."""

    number: int
    uuid: str
    title: str
    type: tuple[str, str]
    status: str
    courses: list[Course]
    data_modified: str
    pinned: bool = False
    organizations: list[Organization] = field(default_factory=list)
    """Who authors it; without any, the owners of its courses do."""
    curricula: list[Curriculum] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a day changed. `field` is None where the whole document came (no old) or went (no new)."""

    day: int
    kind: str
    entity: str
    key: str
    field: str | None
    old: Any
    new: Any


def advertised_run(runs: list[Run]) -> Run | None:
    """The published run that starts last; None where no run is published."""
    published = [run for run in runs if run.status == "published"]
    return max(published, key=lambda run: (run.start or "", run.key), default=None)


def instant(when: datetime) -> str:
    """`2026-01-05T00:00:00Z`, with microseconds only where there are some, as upstream writes instants."""
    return when.isoformat().replace("+00:00", "Z")


def moment(days: float, microseconds: int = 0) -> str:
    """The instant so many days after the epoch."""
    return instant(EPOCH + timedelta(days=days, microseconds=microseconds))


def stable_uuid(seed: int, *names: object) -> str:
    """The same uuid for the same names under the same seed, always."""
    return str(uuid5(NAMESPACE_URL, "/".join(("sample", str(seed), *map(str, names)))))


def key_parts(key: str) -> list[str]:
    """The parts of any key, current, slash, CCX or library: organization and number come first."""
    return re.split(r"[+/]", key.split(":", 1)[-1])
