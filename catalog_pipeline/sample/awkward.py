"""Courses that are hard to read: legal but awkward ones, and bad ones. Their keys are always the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from catalog_pipeline.sample.drafting import blank_course, draft_run
from catalog_pipeline.sample.records import (
    B2B,
    B2C,
    EPOCH,
    EXECUTIVE_EDUCATION,
    Course,
    Organization,
    Run,
    instant,
    stable_uuid,
)

LMS_ONLY_ORGANIZATION = "VesperLabs"
CCX_KEYS = ("ccx-v1:AldermoorX+CS201+1T2026+ccx@17", "ccx-v1:AldermoorX+CS201+1T2026+ccx@18")
LIBRARY_KEY = "library-v1:VesperLabs+ItemBank"
UNLISTED_COURSE = "OakhavenX+DATA90"
"""A program names this course; the course list does not have it."""

SPRING = datetime(2026, 2, 2, tzinfo=EPOCH.tzinfo)


class Cases:
    """Builds the awkward and the bad courses, one method a case, from a catalog's seed and organizations."""

    def __init__(self, seed: int, organizations: list[Organization]) -> None:
        self.seed = seed
        self.rng = Random(f"{seed}/cases")
        self.organizations = {organization.key: organization for organization in organizations}

    def awkward(self) -> list[Course]:
        """Legal courses, each of which breaks an assumption that a reader might make. The order is fixed."""
        cases: tuple[Callable[[], list[Course]], ...] = (
            self._repointed,
            self._key_for_reruns,
            self._legacy_keys,
            self._case_collisions,
            self._shared_variant,
            self._twins,
            self._unfinished,
            self._keys_of_all_letters,
            self._hidden_run,
        )
        return [course for case in cases for course in case()]

    def bad(self) -> list[Course]:
        """Six documents that every catalog should reject: four because of a run, two because of the course itself."""
        ends_early = self._course("PinecrestX", "GEO1", "Reading Maps", ["1T2026"])
        ends_early.runs[0].end = instant(SPRING - timedelta(days=30))
        negative = self._course("PinecrestX", "GEO2", "Rivers and Deltas", ["1T2026"])
        negative.runs[0].price = "-49.00"
        impossible = self._course("PinecrestX", "GEO3", "Volcanoes", ["1T2026"])
        impossible.runs[0].start = "2026-02-30T00:00:00Z"
        unknown = self._course("PinecrestX", "GEO4", "Glaciers", ["1T2026"])
        unknown.runs[0].status = "in_limbo"
        keyless = self._course("PinecrestX", "GEO5", "The Ocean Floor", ["1T2026"])
        keyless.key = None
        endless = self._course("PinecrestX", "GEO6", "A " + "very " * 60 + "long title", [])
        courses = [ends_early, negative, impossible, unknown, keyless, endless]
        for run in (run for course in courses for run in course.runs):
            run.in_lms = False
        return courses

    def unlisted(self) -> Course:
        """The course that only a program names."""
        return self._course("OakhavenX", "DATA90", "Data Work, Unlisted", ["1T2026"])

    def _course(
        self, organization: str, number: str, title: str, runs: list[str], course_type: str = "verified-audit"
    ) -> Course:
        """A pinned course whose runs `1T2026`, … start one term after another, from the spring of 2026."""
        owner = self.organizations[organization]
        course = blank_course(self.seed, self.rng, owner, number, title, course_type)
        course.pinned = True
        course.runs = [
            self._run(course, f"course-v1:{course.key}+{name}", SPRING + timedelta(days=120 * position))
            for position, name in enumerate(runs)
        ]
        return course

    def _run(self, course: Course, key: str, start: datetime) -> Run:
        run = draft_run(course, key, start, self.seed, self.rng)
        run.status = "published"
        return run

    def _repointed(self) -> list[Course]:
        """Runs under a course that their key does not name; the second one's key names another course."""
        moved = self._course("AldermoorX", "CS201", "Systems Programming", ["1T2026"])
        moved.runs.append(self._run(moved, "course-v1:AldermoorX+CS200+2T2023", SPRING - timedelta(days=990)))
        old = self._course("BrightwaterX", "ECON110", "Principles of Economics", ["1T2026"])
        new = self._course("BrightwaterX", "ECON111", "Economics, Second Edition", ["1T2026"])
        new.runs.append(self._run(new, "course-v1:BrightwaterX+ECON110+1T2024", SPRING - timedelta(days=730)))
        return [moved, old, new]

    def _key_for_reruns(self) -> list[Course]:
        course = self._course("CalderaX", "PHY10", "Waves and Light", [])
        course.key_for_reruns = "CalderaX+PHY10R"
        course.runs = [
            self._run(course, "course-v1:CalderaX+PHY10+1T2024", SPRING - timedelta(days=730)),
            self._run(course, "course-v1:CalderaX+PHY10R+1T2026", SPRING),
        ]
        return [course]

    def _legacy_keys(self) -> list[Course]:
        course = self._course("DunmoreX", "HIST1", "The Ancient Mediterranean", ["1T2026"])
        course.runs.append(self._run(course, "DunmoreX/HIST1/2014_Spring", SPRING - timedelta(days=4380)))
        return [course]

    def _case_collisions(self) -> list[Course]:
        """Two spellings of one course key, as two documents; and two spellings of one run key."""
        upper = self._course("EastlakeX", "STAT101", "Statistics for Everyone", ["1T2026"])
        lower = self._course("EastlakeX", "stat101", "Statistics for everyone", [])
        lower.key = "eastlakex+stat101"
        lower.runs = [self._run(lower, "course-v1:eastlakex+stat101+2T2025", SPRING - timedelta(days=240))]
        runs = self._course("GranitePeakX", "BIO150", "Life in Cold Water", ["1T2026", "1t2026"])
        runs.runs[1].in_lms = False
        return [upper, lower, runs]

    def _shared_variant(self) -> list[Course]:
        course = self._course("HarborlightX", "LEAD1", "Leading Change", ["1T2026", "2T2026"], EXECUTIVE_EDUCATION)
        course.runs[1].variant_id = course.runs[0].variant_id
        return [course]

    def _twins(self) -> list[Course]:
        """One schedule sold twice, in public and to enterprises; then a run for consumers only."""
        course = self._course("JuniperX", "NEG2", "Negotiation Lab", ["1T2026", "2T2026"], EXECUTIVE_EDUCATION)
        public, consumers = course.runs
        consumers.restriction_type = B2C
        key = f"{public.key}a"
        private = replace(
            public,
            key=key,
            uuid=stable_uuid(self.seed, "run", key),
            variant_id=stable_uuid(self.seed, "variant", key),
            restriction_type=B2B,
        )
        course.runs.insert(1, private)
        return [course]

    def _unfinished(self) -> list[Course]:
        """No dates; nothing published; archived by its partner; no runs at all."""
        undated = self._course("IronbridgeX", "ART7", "Sketching for Engineers", ["1T2026"])
        run = undated.runs[0]
        run.start = run.end = run.enrollment_start = run.enrollment_end = run.go_live = None
        unpublished = self._course("KingsfordX", "MUS3", "Counterpoint", ["1T2026"])
        unpublished.runs[0].status = "unpublished"
        archived = self._course("LarkspurX", "FIN9", "Private Equity", ["1T2026"], EXECUTIVE_EDUCATION)
        archived.product_status = "archived"
        empty = self._course("MarisolX", "PHIL2", "Filosofía de la técnica", [])
        empty.language = "es-419"
        return [undated, unpublished, archived, empty]

    def _keys_of_all_letters(self) -> list[Course]:
        """Unicode keys, dots and hyphens, and an organization that the organizations' list lacks."""
        return [
            self._course("Köstenbrück", "Übung-1", "Übungen zur Öffentlichkeit", ["1T2026"]),
            self._course("Nord.Fjell-Tek", "CS-101.x", "Code, Safely", ["2T2025a"]),
            self._course("GhostwoodX", "ENV4", "Forests at Night", ["1T2026"]),
        ]

    def _hidden_run(self) -> list[Course]:
        course = self._course("NorthgateX", "CHEM5", "Organic Chemistry", ["1T2026", "2T2026"])
        course.runs[1].hidden = True
        return [course]
