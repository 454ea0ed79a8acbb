"""The documents that course-discovery sends: courses with their runs, programs' summaries and organizations."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from catalog_pipeline.sample import vocabulary as words
from catalog_pipeline.sample.records import (
    EPOCH,
    EXECUTIVE_EDUCATION,
    Course,
    Organization,
    Program,
    Run,
    advertised_run,
    instant,
    stable_uuid,
)

Document = dict[str, Any]

SITE = "https://www.sample.example"
CDN = "https://cdn.sample.example"
PARTNER = "https://partner.sample.example"
UTM = "?utm_source=catalog-worker&utm_medium=affiliate_partner"
PAID_SEATS = {"verified-audit": "verified", "professional": "professional"}
OWN_SOURCE = {"name": "edX", "slug": "edx", "description": ""}
PARTNER_SOURCE = {"name": "2U", "slug": "2u", "description": ""}
SKILL = "The ability to {}, shown in graded work and recognized by employers across several industries."


UNUSED_COURSE_FIELDS: Document = {
    "excluded_from_seo": False,
    "excluded_from_search": False,
    "prerequisites": [],
    "prerequisites_raw": "",
    "expected_learning_items": [],
    "sponsors": [],
    "card_image_url": None,
    "extra_description": None,
    "additional_information": "",
    "faq": "",
    "learner_testimonials": "",
    "topics": [],
    "url_redirects": [],
    "editors": [],
    "organization_short_code_override": "",
    "organization_logo_override_url": None,
    "geolocation": None,
    "location_restriction": None,
    "in_year_value": None,
    "watchers": [],
    "editable": False,
}

UNUSED_RUN_FIELDS: Document = {
    "external_key": None,
    "instructors": [],
    "reporting_type": "mooc",
    "license": "",
    "video": None,
    "has_ofac_restrictions": False,
    "ofac_comment": "",
    "expected_program_type": None,
    "expected_program_name": "",
    "ai_languages": None,
}


class View(NamedTuple):
    """What a request asks to see: utm marks on URLs, restricted runs by type, hidden runs."""

    utm: bool = False
    restricted: frozenset[str] = frozenset()
    hidden: bool = False


@lru_cache(maxsize=100_000)
def fixed_uuid(*names: str) -> str:
    return stable_uuid(0, *names)


def slugify(text: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def image(name: str, size: str) -> Document:
    return {"src": f"{CDN}/media/{name}{size}.jpg", "description": None, "height": None, "width": None}


def marketing_url(view: View, *path: str) -> str:
    return "/".join((SITE, *path)) + (UTM if view.utm else "")


def availability(run: Run, today: datetime) -> str:
    """Archived, Current, Starting Soon or Upcoming, by upstream's rule of 60 days."""
    now = instant(today)
    if run.end and run.end < now:
        return "Archived"
    if run.start and run.start <= now:
        return "Current"
    if run.start and run.start < instant(today + timedelta(days=60)):
        return "Starting Soon"
    return "Upcoming"


def visible_runs(course: Course, view: View) -> list[Run]:
    """A course's runs without the restricted and hidden ones that the view does not ask for."""
    return [
        run
        for run in course.runs
        if (view.hidden or not run.hidden) and (run.restriction_type is None or run.restriction_type in view.restricted)
    ]


def organization_document(organization: Organization, view: View) -> Document:
    """An organization, as listed and as a course's owner."""
    slug = slugify(organization.key)
    return {
        "uuid": organization.uuid,
        "key": organization.key,
        "name": organization.name,
        "auto_generate_course_run_keys": True,
        "certificate_logo_image_url": f"{CDN}/organization/{slug}-certificate.png",
        "logo_image_url": f"{CDN}/organization/{slug}.png",
        "organization_hex_color": "2B6CB0",
        "data_modified_timestamp": organization.data_modified,
        "description": f"<p>{organization.name} teaches online since 2013.</p>",
        "description_es": "",
        "homepage_url": f"https://{slug}.example",
        "tags": [],
        "marketing_url": marketing_url(view, "school", slug),
        "slug": slug,
        "banner_image_url": None,
        "enterprise_subscription_inclusion": False,
    }


def _person(name: str) -> Document:
    given, family = name.split(" ", 1)
    position = words.POSITIONS[len(name) % len(words.POSITIONS)]
    return {
        "uuid": fixed_uuid("person", name),
        "given_name": given,
        "family_name": family,
        "slug": slugify(name),
        "bio": f"<p>{name} has taught online and on campus for many years, and writes about both.</p>",
        "position": {"title": position, "organization_name": "", "organization_id": None},
        "profile_image_url": f"{CDN}/people/{slugify(name)}.jpg",
        "published": True,
    }


def _seats(run: Run, course: Course) -> list[Document]:
    paid = PAID_SEATS.get(course.course_type)
    if course.course_type == EXECUTIVE_EDUCATION:
        prices = {"unpaid-executive-education": "0.00"}
    else:
        prices = {"audit": "0.00"} | ({paid: run.price} if paid else {})
    return [
        {
            "type": kind,
            "price": price,
            "currency": "USD",
            "upgrade_deadline": run.end if kind == "verified" else None,
            "upgrade_deadline_override": None,
            "credit_provider": None,
            "credit_hours": None,
            "sku": f"{kind[0]}{run.uuid[:6]}".upper(),
            "bulk_sku": None,
        }
        for kind, price in prices.items()
    ]


def run_document(run: Run, course: Course, view: View, today: datetime) -> Document:
    """A run inside its course; the list of runs adds `programs`.

    Only `availability`, `is_enrollable` and the enrollment counts change from day to day.
    """
    executive = course.course_type == EXECUTIVE_EDUCATION
    return {
        "key": run.key,
        "uuid": run.uuid,
        "title": run.title,
        "fixed_price_usd": run.price if executive else None,
        "marketing_url": marketing_url(view, "course", f"{slugify(run.title)}-{slugify(run.key)}"),
        "seats": _seats(run, course),
        **_run_schedule(run),
        "weeks_to_complete": run.weeks,
        "pacing_type": run.pacing,
        "restriction_type": run.restriction_type,
        "run_type": fixed_uuid("run-type", course.course_type),
        "status": run.status,
        "variant_id": run.variant_id,
        "course": course.key,
        "course_uuid": course.uuid,
        "staff": [_person(name) for name in run.staff],
        "min_effort": run.effort,
        "max_effort": run.effort + 2,
        "estimated_hours": float(run.weeks * (run.effort + 1)),
        "modified": run.modified,
        "hidden": run.hidden,
        **UNUSED_RUN_FIELDS,
        **_taken_from_course(course, executive),
        **_on_sale(run, course, today),
        **_enrollment_counts(run, today),
    }


def _run_schedule(run: Run) -> Document:
    return {
        "start": run.start,
        "end": run.end,
        "go_live_date": run.go_live,
        "enrollment_start": run.enrollment_start,
        "enrollment_end": run.enrollment_end,
        "announcement": run.go_live,
    }


def _taken_from_course(course: Course, executive: bool) -> Document:
    return {
        "image": image(course.uuid, ".small"),
        "short_description": f"<p>{course.topic}, taught by {course.organization.name}.</p>",
        "full_description": course.description,
        "outcome": course.outcome,
        "level_type": course.level,
        "content_language": course.language,
        "content_language_search_facet_name": words.LANGUAGES[course.language],
        "transcript_languages": [course.language],
        "transcript_languages_search_facet_names": [words.LANGUAGES[course.language]],
        "mobile_available": not executive,
        "eligible_for_financial_aid": not executive,
        "enterprise_subscription_inclusion": not executive,
    }


def _on_sale(run: Run, course: Course, today: datetime) -> Document:
    paid = PAID_SEATS.get(course.course_type)
    state = availability(run, today)
    published = run.status == "published"
    marketable = published and "/" not in run.key
    deadline_passed = run.enrollment_end is not None and run.enrollment_end < instant(today)
    return {
        "type": paid or (None if course.course_type == EXECUTIVE_EDUCATION else "audit"),
        "is_enrollable": published and state != "Archived" and not deadline_passed,
        "is_marketable": marketable,
        "is_marketable_external": marketable,
        "availability": state,
        "first_enrollable_paid_seat_price": int(float(run.price)) if paid and published else None,
    }


def _enrollment_counts(run: Run, today: datetime) -> Document:
    """Counts that grow day by day and touch no timestamp, as upstream's do."""
    recent = run.enrollments // 50
    return {
        "enrollment_count": run.enrollments + recent * (today - EPOCH).days // 30,
        "recent_enrollment_count": recent + (today - EPOCH).days % 3 * (recent > 0),
    }


def _additional_metadata(course: Course) -> Document | None:
    if course.course_type != EXECUTIVE_EDUCATION:
        return None
    slug, first = slugify(course.title), course.runs[0] if course.runs else None
    return {
        "external_identifier": course.external_identifier,
        "external_url": f"{PARTNER}/lp/{slug}/",
        "lead_capture_form_url": f"{PARTNER}/form/{slug}/",
        "facts": [{"heading": "90%", "blurb": "<p>of learners finish this course.</p>"}],
        "certificate_info": {"heading": "About the certificate", "blurb": "<p>Assessed by course work.</p>"},
        "organic_url": f"{PARTNER}/{slug}/",
        "start_date": first and first.start,
        "end_date": first and first.end,
        "registration_deadline": first and first.enrollment_end,
        "variant_id": first and first.variant_id,
        "course_term_override": None,
        "product_status": course.product_status,
        "product_meta": {"title": course.title, "description": course.topic, "keywords": [course.topic]},
        "external_course_marketing_type": "short_course",
        "display_on_org_page": True,
        "taxi_form": {
            "form_id": f"f-{course.external_identifier}",
            "grouping": "",
            "title": None,
            "subtitle": None,
            "post_submit_url": f"{PARTNER}/thanks/{slug}/",
        },
    }


def _subject(name: str) -> Document:
    slug = slugify(name)
    return {
        "name": name,
        "subtitle": f"Learn {name} online",
        "description": f"<p>Courses in {name.replace('&', '&amp;')} from universities around the world.</p>",
        "banner_image_url": f"{CDN}/subjects/{slug}-banner.jpg",
        "card_image_url": f"{CDN}/subjects/{slug}.jpg",
        "slug": slug,
        "uuid": fixed_uuid("subject", name),
    }


def _type_attributes(kind: tuple[str, str]) -> Document:
    return {"uuid": fixed_uuid("program-type", kind[1]), "slug": kind[1], "coaching_supported": False}


def program_summary(program: Program, view: View) -> Document:
    slug = slugify(program.title)
    return {
        "uuid": program.uuid,
        "title": program.title,
        "type": program.type[0],
        "type_attrs": _type_attributes(program.type),
        "marketing_slug": slug,
        "marketing_url": marketing_url(view, program.type[1], slug),
        "number_of_courses": len(program.courses),
    }


def _entitlements(course: Course) -> list[Document]:
    executive = course.course_type == EXECUTIVE_EDUCATION
    mode = "paid-executive-education" if executive else PAID_SEATS.get(course.course_type)
    sku = course.uuid[:7].upper()
    return (mode and [{"mode": mode, "price": course.price, "currency": "USD", "sku": sku, "expires": None}]) or []


def course_document(course: Course, programs: list[Program], view: View, today: datetime) -> Document:
    """A course with its visible runs. A course without a key has no `key` at all."""
    runs = visible_runs(course, view)
    advertised = advertised_run(runs)
    documents = [run_document(run, course, view, today) for run in runs]
    return ({} if course.key is None else {"key": course.key}) | {
        "uuid": course.uuid,
        "title": course.title,
        "course_runs": documents,
        "course_run_keys": [run.key for run in runs],
        "course_run_statuses": sorted({run.status for run in runs}),
        "canonical_course_run_key": course.runs[0].key if course.runs else None,
        "advertised_course_run_uuid": advertised.uuid if advertised else None,
        "enrollment_count": sum(document["enrollment_count"] for document in documents),
        "recent_enrollment_count": sum(document["recent_enrollment_count"] for document in documents),
        "key_for_reruns": course.key_for_reruns,
        "entitlements": _entitlements(course),
        "owners": [organization_document(course.organization, view)],
        "programs": [program_summary(program, view) for program in programs],
        "type": fixed_uuid("course-type", course.course_type),
        "course_type": course.course_type,
        "additional_metadata": _additional_metadata(course),
        "modified": course.data_modified,
        "data_modified_timestamp": course.data_modified,
        **_course_prose(course),
        **_course_web(course, view),
        **UNUSED_COURSE_FIELDS,
    }


def _course_prose(course: Course) -> Document:
    return {
        "short_description": f"<p>{course.topic}, taught by {course.organization.name}.</p>",
        "full_description": course.description,
        "outcome": course.outcome,
        "syllabus_raw": f"<ol><li>First steps in {course.topic}</li><li>Methods</li><li>Project</li></ol>",
        "level_type": course.level,
        "subjects": [_subject(course.subject)],
        "skill_names": list(words.SKILLS[:3]),
        "skills": [
            {"name": name, "description": SKILL.format(f"bring {name.lower()} to {course.topic}")}
            for name in words.SKILLS[:3]
        ],
    }


def _course_web(course: Course, view: View) -> Document:
    slug = slugify(course.title)
    executive = course.course_type == EXECUTIVE_EDUCATION
    path = ("executive-education", slug) if executive else ("learn", slugify(course.topic), slug)
    return {
        "url_slug": "/".join(path),
        "url_slug_history": ["/".join(path)],
        "marketing_url": marketing_url(view, *path),
        "image": image(course.uuid, ".small"),
        "original_image": image(course.uuid, ""),
        "video": {"src": f"https://video.sample.example/{course.uuid}", "description": None, "image": None},
        "collaborators": [_collaborator(course)] if executive else [],
        "product_source": PARTNER_SOURCE if executive else OWN_SOURCE,
        "enterprise_subscription_inclusion": not executive,
    }


def _collaborator(course: Course) -> Document:
    name = words.COLLABORATORS[len(course.title) % len(words.COLLABORATORS)]
    return {"name": name, "image": {}, "image_url": None, "uuid": fixed_uuid("collaborator", name)}
