"""Partner feeds that fit the sample catalog, one set a day. They have good rows, awkward rows and rows in error.

The same seed always gives the same bytes. The source `2u` lists every product of its own that the catalog has, and some
that the catalog lacks.
"""

import base64
import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from catalog_pipeline.sample import vocabulary as words
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.days import SampleCatalog
from catalog_pipeline.sample.drafting import blank_course, draft_run
from catalog_pipeline.sample.payloads import CDN, PARTNER, slugify
from catalog_pipeline.sample.records import (
    B2B,
    B2C,
    EPOCH,
    EXECUTIVE_EDUCATION,
    Course,
    Run,
    stable_uuid,
)

Row = dict[str, str]
COLUMNS = [
    "organization",
    "number",
    "title",
    "course_enrollment_track",
    "course_run_enrollment_track",
    "image",
    "short_description",
    "long_description",
    "what_will_you_learn",
    "course_level",
    "primary_subject",
    "secondary_subject",
    "tertiary_subject",
    "verified_price",
    "fixed_price_usd",
    "publish_date",
    "start_date",
    "start_time",
    "end_date",
    "end_time",
    "reg_close_date",
    "reg_close_time",
    "upgrade_deadline_override_date",
    "upgrade_deadline_override_time",
    "course_pacing",
    "minimum_effort",
    "maximum_effort",
    "length",
    "content_language",
    "transcript_language",
    "variant_id",
    "restriction_type",
    "is_future_variant",
    "external_identifier",
    "redirect_url",
    "organic_url",
    "lead_capture_form_url",
    "certificate_header",
    "certificate_text",
    "stat1",
    "stat1_text",
    "stat2",
    "stat2_text",
    "syllabus",
    "frequently_asked_questions",
    "external_course_marketing_type",
    "meta_title",
    "meta_description",
    "meta_keywords",
    "taxi_form_id",
    "post_submit_url",
    "collaborators",
    "staff",
    "prerequisites",
    "learner_testimonials",
    "additional_information",
    "about_video_link",
    "organization_short_code_override",
    "organization_logo_override",
    "expected_program_type",
    "expected_program_name",
    "course_embargo_(ofac)_restriction_text_added_to_the_faq_section",
    "ofac_comment",
]
"""The header of a partner's CSV, as partners spell it: the sample knows nothing of the code that reads it."""
EXECUTIVE_TRACKS = ("Executive Education(2U)", "Unpaid Executive Education")
BOOTCAMP_TRACKS = ("Bootcamp(2U)", "Paid Bootcamp")
AUDIT_TRACKS = ("Audit Only", "Audit Only")
FIRST_PRODUCTS = 4
NEW_A_DAY = 2
BOOTCAMP_TITLES = ("Développement Web, à distance", "Ciberseguridad: práctica", "Datenanalyse für Einsteiger")
AUDIT_TITLES = ("Εισαγωγή στη Λογική", "Reading the Night Sky", "Über das Zuhören")


@dataclass(frozen=True)
class FeedFile:
    """One file that a partner sends: its path under the folder of feeds, its bytes, and when it was sent."""

    path: str
    data: bytes
    sent: datetime


def write_feeds(folder: Path, courses: int, seed: int, days: int) -> list[Path]:
    """Write the feeds of days 1 to `days` as `<source>/<course type>/<date>.<csv or json>`, each as of its day.

    Files that exist already stay as they are. Returns the paths of the others, in the order of writing.
    """
    written = []
    for feed in feed_files(courses, seed, days):
        path = folder / feed.path
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.part")
        unfinished.write_bytes(feed.data)
        os.utime(unfinished, (feed.sent.timestamp(), feed.sent.timestamp()))
        unfinished.rename(path)
        written.append(path)
    return written


def feed_files(courses: int, seed: int, days: int) -> Iterator[FeedFile]:
    """The feeds of days 1 to `days`, in the order in which they are sent, for a catalog of that size and seed."""
    catalog = build_catalog(courses, seed)
    for day in range(1, days + 1):
        catalog.advance()
        partner = _Partner(catalog, day)
        for minutes, (path, ending, data) in enumerate(partner.feeds()):
            sent = catalog.today + timedelta(hours=12, minutes=minutes)
            yield FeedFile(f"{path}/{catalog.today:%Y-%m-%d}.{ending}", data, sent)


class _Partner:
    """What partners send on one day."""

    def __init__(self, catalog: SampleCatalog, day: int) -> None:
        self.catalog, self.day, self.seed = catalog, day, catalog.seed
        self.organizations = [one for one in catalog.organizations if one.listed]

    def feeds(self) -> Iterator[tuple[str, str, bytes]]:
        """Folder, ending and bytes of each file."""
        yield f"2u/{EXECUTIVE_EDUCATION}", "csv", self.executive_education()
        yield "2u/bootcamp-2u", "csv", self.bootcamps()
        yield f"ext_source/{EXECUTIVE_EDUCATION}", "json", self.product_json()
        yield "openedx/audit", "csv", self.audits()

    def executive_education(self) -> bytes:
        """UTF-8 and commas: all products of the catalog, new products, and rows in error. The last row is ragged."""
        rows = [_row(course, run, EXECUTIVE_TRACKS) for course, run in self._listed()]
        for number in range(FIRST_PRODUCTS + NEW_A_DAY * (self.day - 1)):
            rows += self._own_product(number)
        rows += self._in_error(rows)
        text = _csv(rows, COLUMNS)
        return f"{text}{self.organizations[0].key},RAGGED1,A row without most of its cells\n".encode()

    def bootcamps(self) -> bytes:
        """Windows-1252, semicolons, headers in title case, prices with a dollar sign, times in US Eastern time."""
        rows = []
        for number, title in enumerate(BOOTCAMP_TITLES[: 1 + self.day]):
            course = self._course(f"BC{number + 1}p", title)
            for weeks in (10, 30):
                run = self._run(course, weeks)
                row = _row(course, run, BOOTCAMP_TRACKS)
                row |= {
                    "verified_price": f"${float(run.price):,.0f}",
                    "start_time": "9:00 AM -05:00",
                    "restriction_type": "",
                }
                row |= {
                    day: _american(row[day]) for day in ("start_date", "end_date", "reg_close_date", "publish_date")
                }
                rows.append(row)
        return _csv(rows, COLUMNS, delimiter=";", newline="\r\n", titled=True).encode("cp1252")

    def product_json(self) -> bytes:
        """The partner's product JSON, with a scheduled and private variant, and a product without variants."""
        products = []
        for number in range(2 + self.day):
            course = self._course(f"PJ{number + 1}p")
            public, private = self._run(course, 12), self._run(course, 26)
            products.append(_product(course) | {"variants": [_variant(public)]})
            products[-1]["futureVariants"] = [
                _variant(private) | {"status": "scheduled", "websiteVisibility": "private"}
            ]
        products[-1]["effort"] = "unas horas por semana"
        products.append(_product(self._course("PJ99p")))
        return json.dumps({"products": products}, ensure_ascii=False, indent=1).encode()

    def audits(self) -> bytes:
        """UTF-16 and tabs; courses without variants, whose runs differ in their schedules."""
        columns = [
            column for column in COLUMNS if column not in ("variant_id", "restriction_type", "external_identifier")
        ]
        rows = []
        for number, title in enumerate(AUDIT_TITLES):
            course = self._course(f"AU{number + 1}p", title)
            for weeks in range(8, 8 + 16 * min(self.day, 2), 16):
                rows.append(_row(course, self._run(course, weeks), AUDIT_TRACKS) | {"verified_price": "0"})
        return _csv(rows, columns, delimiter="\t").encode("utf-16")

    def _listed(self) -> Iterator[tuple[Course, Run]]:
        """Products of the partner that the catalog has today, with the variants they have."""
        for course in self.catalog.courses:
            if course.course_type == EXECUTIVE_EDUCATION and course.key and course.product_status == "published":
                yield from ((course, run) for run in course.runs if run.variant_id)

    def _course(self, number: str, title: str = "") -> Course:
        """A product that only the partner has. It is the same on every day."""
        rng = Random(f"{self.seed}/feed/{number}")
        return blank_course(self.seed, rng, rng.choice(self.organizations), number, title, EXECUTIVE_EDUCATION)

    def _run(self, course: Course, weeks: int, name: str = "") -> Run:
        """A variant that starts `weeks` weeks after the sample's first day."""
        key = f"{course.key}+{weeks}{name}"
        return draft_run(course, key, EPOCH + timedelta(weeks=weeks), self.seed, Random(f"{self.seed}/{key}"))

    def _own_product(self, number: int) -> list[Row]:
        """A new product. The first four are awkward, each in its own way. Day 3 undoes the changes of day 2."""
        course = self._course(f"XP{number + 1}p")
        undone, second = self.day % 3 == 0, self.day % 3 == 2
        first, later = self._run(course, 10 + number), self._run(course, 30 + number)
        rows = [_row(course, run, EXECUTIVE_TRACKS) for run in (first, later)]
        if number == 0:  # one schedule, sold in public and to enterprises
            twin = stable_uuid(self.seed, "variant", f"{first.key}/private")
            return [rows[0], rows[0] | {"variant_id": twin, "restriction_type": B2B}]
        if number == 1:  # gone on the second day, back on the third
            return [] if second else rows
        if number == 2:  # restricted and dearer on the second day, free again and later on the third
            rows[0]["restriction_type"] = B2C if second else "None" if undone else ""
            rows[0]["verified_price"] = f"{float(first.price) + (100 if second else 0):.2f}"
            rows[1] |= _schedule(self._run(course, 31 + number, "moved")) if undone else {}
        if number == 3:  # a formula for a title, and a variant that is only announced
            rows[0]["title"] = rows[1]["title"] = '=HYPERLINK("https://partner.sample.example","Click")'
            rows[1]["is_future_variant"] = "True"
        return rows

    def _in_error(self, good: list[Row]) -> list[Row]:
        """One row for each kind of error. Each is a product of its own, except those that repeat a good row."""
        spoiled: list[Row] = [
            {"organization": "NowhereX"},
            {"number": "XE 2p"},
            {"title": ""},
            {"start_date": "2026-02-30"},
            {"start_date": "next spring", "reg_close_date": ""},
            {"end_date": "2020-01-01"},
            {"variant_id": "variant-8"},
            {"verified_price": "12,50"},
            {"primary_subject": "Alchemy"},
            {"course_level": "Impossible"},
            {"minimum_effort": "9", "maximum_effort": "9"},
            {"length": "10 weeks"},
            {"content_language": "Klingon"},
            {"image": "card.jpg"},
            {"long_description": "<script>alert(1)</script>"},
            {"course_enrollment_track": BOOTCAMP_TRACKS[0]},
        ]
        rows = []
        for number, wrong in enumerate(spoiled, start=1):
            course = self._course(f"XE{number}p")
            rows.append(_row(course, self._run(course, 12), EXECUTIVE_TRACKS) | wrong)
        repeated = next(row for row in good if row["number"] == "XP1p")
        other_case = {"number": "xp1P", "variant_id": stable_uuid(self.seed, "variant", "other case")}
        return [*rows, dict(repeated), repeated | other_case]


def _row(course: Course, run: Run, tracks: tuple[str, str]) -> Row:
    """A row of a product's variant, as the catalog of the sample describes both."""
    organization, number = str(course.key).split("+")
    slug = slugify(course.title) or "product"
    effort = 2 + len(course.topic) % 6
    return {
        "organization": organization,
        "number": number,
        "title": course.title,
        "course_enrollment_track": tracks[0],
        "course_run_enrollment_track": tracks[1],
        "image": f"{CDN}/media/{course.uuid}.jpg",
        "short_description": f"<p>{course.topic}, taught by {course.organization.name}.</p>",
        "long_description": course.description,
        "what_will_you_learn": course.outcome,
        "course_level": course.level,
        "primary_subject": course.subject,
        "verified_price": run.price,
        "fixed_price_usd": course.price,
        "publish_date": (run.go_live or "")[:10],
        **_schedule(run),
        "course_pacing": "Self-Paced" if run.pacing == "self_paced" else "Instructor-Paced",
        "minimum_effort": str(effort),
        "maximum_effort": str(effort + 2),
        "length": str(5 + len(course.title) % 9),
        "content_language": course.language,
        "transcript_language": course.language,
        "variant_id": run.variant_id or "",
        "restriction_type": run.restriction_type or "",
        "is_future_variant": "False",
        "external_identifier": course.external_identifier or "",
        "redirect_url": f"{PARTNER}/lp/{slug}/",
        "organic_url": f"{PARTNER}/{slug}/",
        "lead_capture_form_url": f"{PARTNER}/form/{slug}/",
        "syllabus": f"<ol><li>First steps in {course.topic}</li><li>Methods</li><li>Project</li></ol>",
        "external_course_marketing_type": "short_course",
        "staff": words.GIVEN_NAMES[len(course.title) % len(words.GIVEN_NAMES)],
    }


def _schedule(run: Run) -> Row:
    schedule = {}
    for name, moment in (("start", run.start), ("end", run.end), ("reg_close", run.enrollment_end)):
        schedule[f"{name}_date"], schedule[f"{name}_time"] = (moment or "")[:10], (moment or "")[11:19]
    return schedule


def _american(day: str) -> str:
    return f"{day[5:7]}/{day[8:]}/{day[:4]}" if day else ""


def _csv(
    rows: list[Row], columns: list[str], delimiter: str = ",", newline: str = "\n", *, titled: bool = False
) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=newline)
    writer.writerow(column.replace("_", " ").title() if titled else column for column in columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return file.getvalue()


def _product(course: Course) -> dict[str, Any]:
    """A product as the partner's JSON has it, without its variants."""
    slug = slugify(course.title)
    return {
        "id": course.external_identifier,
        "name": course.title,
        "altName": None,
        "abbreviation": str(course.key).split("+")[1],
        "altUniversityAbbreviation": course.organization.key,
        "blurb": f"<p>{course.topic}, taught by {course.organization.name}.</p>",
        "language": "Español" if course.language.startswith("es") else "English",
        "altSubjectMatter": course.subject,
        "cardUrl": base64.b64encode(f"{CDN}/media/{course.uuid}.jpg".encode()).decode(),
        "edxPlpUrl": f"{PARTNER}/lp/{slug}/",
        "edxRedirectUrl": f"{PARTNER}/{slug}/",
        "lcfURL": f"{PARTNER}/form/{slug}/",
        "durationWeeks": 8,
        "effort": "7–10 hours per week",
        "introduction": course.description,
        "isThisCourseForYou": "<p>It is, if you want to learn.</p>",
        "whatWillSetYouApart": course.outcome,
        "metaKeywords": [course.topic, course.subject],
        "productType": "short_course",
        "curriculum": {
            "heading": course.topic,
            "modules": [{"module_number": 1, "heading": "Start", "description": "Go"}],
        },
        "testimonials": [{"name": words.GIVEN_NAMES[1], "title": words.POSITIONS[0], "text": "Worth the time."}],
        "faqs": [{"id": 1, "headline": "When does it start?", "blurb": "<p>See above.</p>"}],
        "certificate": {"headline": "About the certificate", "blurb": "<p>Assessed by course work.</p>"},
        "stats": {"stat1": "90%", "stat1Blurb": "finish", "stat2": "4.8", "stat2Blurb": "of 5 stars"},
    }


def _variant(run: Run) -> dict[str, Any]:
    return {
        "id": run.variant_id,
        "currency": "USD",
        "normalPrice": run.price,
        "finalPrice": run.price,
        "startDate": (run.start or "")[:10],
        "endDate": (run.end or "")[:10],
        "finalRegCloseDate": (run.enrollment_end or "")[:10],
        "websiteVisibility": "public",
        "status": "active",
    }
