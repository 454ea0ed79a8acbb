"""The documents that enterprise-catalog sends: courses, their runs as rows of their own, programs and pathways.

A course is discovery's document cut to the fields that the sample's readers need, with what enterprise-catalog adds.
"""

from datetime import datetime

from catalog_pipeline.sample.customers import EnterpriseCatalog
from catalog_pipeline.sample.enterprise_awkward import after_normalizing, before_normalizing
from catalog_pipeline.sample.normalized import normalized_metadata, normalized_metadata_by_run
from catalog_pipeline.sample.payloads import (
    CDN,
    SITE,
    Document,
    View,
    course_document,
    fixed_uuid,
    slugify,
    visible_runs,
)
from catalog_pipeline.sample.programs import program_document
from catalog_pipeline.sample.records import B2B, EXECUTIVE_EDUCATION, Course, Program, advertised_run

PORTAL = "https://portal.sample.example"
XAPI = "https://lms.sample.example/xapi/activities/course"
UTM = "?utm_medium=enterprise&utm_source="
COURSE_FIELDS = (
    "uuid",
    "course_type",
    "title",
    "short_description",
    "full_description",
    "product_source",
    "entitlements",
    "advertised_course_run_uuid",
    "course_run_keys",
    "course_run_statuses",
    "additional_metadata",
)
RUN_FIELDS = (
    "key",
    "uuid",
    "title",
    "status",
    "availability",
    "is_enrollable",
    "is_marketable",
    "is_marketable_external",
    "pacing_type",
    "weeks_to_complete",
    "min_effort",
    "max_effort",
    "restriction_type",
    "start",
    "end",
    "enrollment_start",
    "enrollment_end",
    "variant_id",
    "fixed_price_usd",
    "first_enrollable_paid_seat_price",
)
SEAT_FIELDS = ("type", "price", "currency", "upgrade_deadline", "upgrade_deadline_override", "sku", "bulk_sku")
PATHWAY_STEPS = 3


def course_content(course: Course, programs: list[Program], catalog: EnterpriseCatalog, today: datetime) -> Document:
    """A course as one catalog shows it: with the restricted runs only where the catalog's query allows them.

    A restricted run is never the advertised one.
    """
    allowed = frozenset({B2B}) if catalog.selection and catalog.selection.restricted else frozenset[str]()
    full = course_document(course, [], View(restricted=allowed), today)
    advertised = advertised_run(visible_runs(course, View()))
    full["advertised_course_run_uuid"] = advertised and advertised.uuid
    document = _course(course, full, programs)
    before_normalizing(document)
    document["normalized_metadata"] = normalized_metadata(document)
    document["normalized_metadata_by_run"] = normalized_metadata_by_run(document)
    document["active"] = is_active(document)
    _add_links(document, course, catalog)
    after_normalizing(document)
    return document


def _course(course: Course, full: Document, programs: list[Program]) -> Document:
    key = {} if course.key is None else {"key": course.key}
    owner = full["owners"][0]
    runs = [_run(run) for run in full["course_runs"]]
    if course.course_type != EXECUTIVE_EDUCATION:
        runs = [run | {"parent_content_key": course.key} for run in runs]
    return {
        **key,
        "aggregation_key": f"course:{course.key or course.uuid}",
        "content_type": "course",
        "parent_content_key": None,
        **{name: full[name] for name in COURSE_FIELDS},
        "owners": [{name: owner[name] for name in ("uuid", "key", "name", "logo_image_url")}],
        "card_image_url": None,
        "image_url": full["original_image"]["src"],
        "subjects": [{name: subject[name] for name in ("name", "slug")} for subject in full["subjects"]],
        "languages": sorted({run["content_language_search_facet_name"] for run in full["course_runs"]}),
        "course_runs": runs,
        "programs": [program.title for program in programs],
        "reviews_count": len(course.title) % 40,
        "avg_course_rating": 3 + len(course.title) % 20 / 10,
    }


def _run(full: Document) -> Document:
    seats = [{name: seat[name] for name in SEAT_FIELDS} for seat in full["seats"]]
    return {name: full[name] for name in RUN_FIELDS} | {"seats": seats}


def _add_links(document: Document, course: Course, catalog: EnterpriseCatalog) -> None:
    """The links that are made for the customer who asks. Executive education's runs get none."""
    slug = catalog.customer.slug
    portal = f"{PORTAL}/{slug}/{'executive-education-2u' if course.course_type == EXECUTIVE_EDUCATION else 'course'}"
    document["marketing_url"] = f"{SITE}/course/{slugify(course.title)}{UTM}{slug}"
    document["enrollment_url"] = f"{portal}/{course.key}"
    document["xapi_activity_id"] = f"{XAPI}/{course.key}"
    for run in document.get("course_runs") or []:
        if "parent_content_key" in run:
            run["enrollment_url"] = f"{portal}/{run['key']}/enroll"


def is_active(document: Document) -> bool:
    """Whether an unrestricted run can be enrolled in, and is published and marketable, or marketable elsewhere."""
    return any(
        run["is_enrollable"]
        and ((run["status"] == "published" and run["is_marketable"]) or run["is_marketable_external"])
        for run in document.get("course_runs") or []
        if run["restriction_type"] is None
    )


def lags(run: Document) -> bool:
    """Whether the row of a run says something older than the run inside its course."""
    return int(run["uuid"][-1], 16) % 2 == 1


def run_content(run: Document, course: Course) -> Document:
    """A run as a row of its own, made from the run inside its course. It has no normalized keys.

    Every second row lags behind the run inside the course, which upstream updates at another time.
    """
    lag = {"weeks_to_complete": run["weeks_to_complete"] + 1, "enrollment_end": None} if lags(run) else {}
    return (
        run
        | lag
        | {
            "aggregation_key": f"courserun:{course.key}",
            "content_type": "courserun",
            "parent_content_key": course.key,
            "title": course.title,
        }
    )


def program_content(program: Program, today: datetime) -> Document:
    """A program. It has no `key`, and no link to enroll."""
    full = program_document(program, View(), today)
    return {
        "uuid": program.uuid,
        "aggregation_key": f"program:{program.uuid}",
        "content_type": "program",
        "parent_content_key": None,
        "title": program.title,
        "subtitle": full["subtitle"],
        "type": full["type"],
        "status": full["status"],
        "card_image_url": full["card_image_url"],
        "authoring_organizations": [
            {name: one[name] for name in ("uuid", "key", "name", "logo_image_url")}
            for one in full["authoring_organizations"]
        ],
        "course_keys": [course.key for course in program.courses if course.key],
        "enrollment_url": None,
    }


def pathway_content(programs: list[Program], title: str) -> Document:
    """A learner pathway through some programs. It has no `key`."""
    uuid = fixed_uuid("pathway", title)
    return {
        "uuid": uuid,
        "aggregation_key": f"learnerpathway:{uuid}",
        "content_type": "learnerpathway",
        "parent_content_key": None,
        "title": title,
        "status": "active",
        "overview": f"<p>{title}, step by step.</p>",
        "card_image": {"card": {"url": f"{CDN}/pathways/{slugify(title)}.jpg"}},
        "steps": [
            {"uuid": fixed_uuid("step", title, program.uuid), "programs": [{"uuid": program.uuid}], "courses": []}
            for program in programs[:PATHWAY_STEPS]
        ],
    }
