"""Builds the sample's enterprise records for a catalog of a size and a seed: customers, and assignments of its content.

The content is chosen as day 0 has it, and so that the first days change what live assignments depend on: a run's dates
move, runs and courses go, a course is no longer active.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from catalog_pipeline.sample.assignments import Assignment, Target, draft_assignments
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.customers import Configuration, Customers, Policy, build_customers
from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.payloads import View, visible_runs
from catalog_pipeline.sample.records import Change, Course, Run, advertised_run

WATCHED_DAYS = 3
ASSIGNMENTS_A_COURSE = 0.75
OTHER_TARGETS = 40
GONE = (
    Target("GoneX+OLD1", "course-v1:GoneX+OLD1+1T2024", False, "A Course of the Past", 14_900),
    Target("GoneX+OLD2", "course-v1:GoneX+OLD2+2T2025", True, "Another Course of the Past", 19_900),
)
"""What is in no catalog."""
WATCHED_KINDS = ("date_moved", "run_removed", "archived", "run_repointed")


@dataclass(eq=False)
class Enterprise:
    """The customers and their assignments. `watched` are the uuids of courses that the first days change."""

    customers: Customers
    watched: frozenset[str]
    assignments: list[Assignment] = field(default_factory=list)

    def assignments_of(self, configuration: Configuration) -> list[Assignment]:
        """A configuration's assignments."""
        return [one for one in self.assignments if one.configuration is configuration]

    def redeemed(self, policy: Policy) -> int:
        """What accepted assignments of a policy cost, in cents."""
        accepted = (one for one in self.assignments if one.state == "accepted")
        return sum(one.target.cents for one in accepted if one.configuration is policy.configuration)


def build_enterprise(courses: int, seed: int) -> Enterprise:
    """The records for the catalog of that many courses and that seed: always the same, on whatever day it stands."""
    catalog = build_catalog(courses, seed)
    coming = build_catalog(courses, seed).advance(WATCHED_DAYS) if courses else []
    first = list(_first_targets(catalog, coming))
    watched = frozenset(course.uuid for course, _ in first if not course.pinned)
    enterprise = Enterprise(build_customers(courses, seed), watched)
    for configuration in enterprise.customers.configurations:
        targets = _targets(enterprise, configuration, catalog, first)
        count = max(1, round(courses * ASSIGNMENTS_A_COURSE * configuration.share / 100)) if courses else 0
        learners = enterprise.customers.learners_of(configuration.customer)
        enterprise.assignments += draft_assignments(configuration, learners, targets, count)
    return enterprise


def _first_targets(catalog: SampleCatalog, coming: Iterable[Change]) -> Iterator[tuple[Course, Run | None]]:
    """What the first days change, a course with the run that changes; then the pinned courses, which never change."""
    runs = {run.key: (course, run) for run, course in catalog.runs()}
    courses = {course.key: course for course in catalog.courses}
    for change in sorted(coming, key=lambda change: (change.day, change.kind != "date_moved")):
        if change.entity == "course_run" and change.kind in WATCHED_KINDS and change.key in runs:
            yield runs[change.key]
        elif change.kind in ("course_removed", "archived", "retitled") and change.key in courses:
            yield courses[change.key], None
    yield from ((course, None) for course in catalog.courses if course.pinned)


def _targets(
    enterprise: Enterprise,
    configuration: Configuration,
    catalog: SampleCatalog,
    first: list[tuple[Course, Run | None]],
) -> list[Target]:
    """What a configuration's assignments name: of its policy's catalog; of every course where it has no policy.

    Assignments that are imported are of the courses that end last, since the pipeline that imports them expires them.
    """
    policy = enterprise.customers.policy_of(configuration)

    def offered(course: Course) -> bool:
        return bool(course.key) and (policy is None or policy.catalog.includes(course, enterprise.watched))

    rng = Random(f"{catalog.seed}/targets/{configuration.uuid}")
    others = [course for course in catalog.courses if offered(course) and not course.pinned]
    rng.shuffle(others)
    if not configuration.customer.served:
        others.sort(key=lambda course: max((run.end or "" for run in course.runs), default=""), reverse=True)
    chosen = [(course, run) for course, run in first if offered(course)]
    chosen += [(course, None) for course in others[:OTHER_TARGETS]]
    targets = [_target(course, run, number) for number, (course, run) in enumerate(chosen)]
    places = (len(targets) // 2, len(targets))
    for place, gone in zip(places, GONE, strict=True):
        targets.insert(place, gone)
    return list(dict.fromkeys(targets))


def _target(course: Course, run: Run | None, number: int) -> Target:
    """A course or a run of it: of three in turn one names a run, and one in eight courses prefers none."""
    runs = visible_runs(course, View())
    chosen = run or advertised_run(runs) or (runs[0] if runs else None)
    run_based = number % 3 == 0 and chosen is not None
    preferred = None if chosen is None or (not run_based and run is None and number % 8 == 7) else chosen.key
    price = chosen.price if chosen else course.price
    return Target(str(course.key), preferred, run_based, course.title, abs(round(float(price) * 100)))
