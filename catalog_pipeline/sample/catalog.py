"""Builds the sample catalog of a size and a seed. The same size and seed always give the same catalog. No I/O."""

from random import Random

from catalog_pipeline.sample import vocabulary as words
from catalog_pipeline.sample.awkward import CCX_KEYS, LIBRARY_KEY, LMS_ONLY_ORGANIZATION, Cases
from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.drafting import blank_course, draft_course, draft_run
from catalog_pipeline.sample.masters import draft_masters
from catalog_pipeline.sample.records import (
    EPOCH,
    Course,
    Organization,
    Program,
    Run,
    moment,
    stable_uuid,
)

COURSES_WITH_BAD_ONES = 50
"""The smallest size of a catalog that has bad documents; a smaller catalog has none."""


def build_catalog(courses: int, seed: int) -> SampleCatalog:
    """The catalog of day 0, with exactly that many courses in its list.

    The awkward courses come first, then (from 50 courses on) the bad ones, then plain ones.
    """
    organizations = _organizations(seed)
    cases = Cases(seed, organizations)
    fixed = cases.awkward()
    if courses >= COURSES_WITH_BAD_ONES:
        fixed += cases.bad()
    listed = [organization for organization in organizations if organization.listed]
    issued: set[str] = set()
    plain = [draft_course(seed, number, listed, issued) for number in range(courses - len(fixed))]
    everything = (fixed + plain)[:courses]
    programs = _programs(seed, everything[:3], cases.unlisted(), plain) if courses else []
    return SampleCatalog(
        size=courses,
        seed=seed,
        organizations=organizations,
        courses=everything,
        programs=[*programs, *draft_masters(seed, everything, organizations, len(programs))],
        lms_only=_lms_only(seed, courses) if courses else [],
        issued=issued,
        next_number=len(plain),
    )


def _organizations(seed: int) -> list[Organization]:
    names = (*words.ORGANIZATIONS, words.UNLISTED_ORGANIZATION)
    return [
        Organization(
            key=key,
            uuid=stable_uuid(seed, "organization", key),
            name=name,
            data_modified=moment(-600 + position),
            listed=(key, name) != words.UNLISTED_ORGANIZATION,
        )
        for position, (key, name) in enumerate(names)
    ]


def _programs(seed: int, first: list[Course], unlisted: Course, plain: list[Course]) -> list[Program]:
    """The pinned program, which names a course that is not listed, and one program for 20 plain courses."""
    rng = Random(f"{seed}/programs")
    courses = [[*first, unlisted]]
    if len(plain) >= 3:
        courses += [rng.sample(plain, 3) for _ in range(max(1, len(plain) // 20))]
    return [
        Program(
            number=number,
            uuid=stable_uuid(seed, "program", number),
            title=f"{members[0].topic}: {'from First Steps to Practice' if number % 2 else 'a Career Path'}",
            type=words.PROGRAM_TYPES[number % len(words.PROGRAM_TYPES)],
            status="active" if number % 7 else "retired",
            courses=members,
            data_modified=moment(-rng.uniform(1, 400)),
            pinned=number == 1,
        )
        for number, members in enumerate(courses, start=1)
    ]


def _lms_only(seed: int, courses: int) -> list[Run]:
    """What the LMS alone has: an organization of its own, two CCX of one run, and a library."""
    rng = Random(f"{seed}/lms")
    organization = Organization(LMS_ONLY_ORGANIZATION, "", "Vesper Labs", moment(-600))
    keys = [
        f"course-v1:{LMS_ONLY_ORGANIZATION}+LAB{number}+{term}"
        for number in range(1, 2 + courses // 40)
        for term in ("2025", "2026")
    ]
    return [
        draft_run(blank_course(seed, rng, organization, "LAB", course_type="audit"), key, EPOCH, seed, rng)
        for key in (*keys, *CCX_KEYS, LIBRARY_KEY)
    ]
