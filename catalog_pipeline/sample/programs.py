"""The documents that course-discovery's program list sends: a program, with its courses in brief."""

from datetime import datetime

from catalog_pipeline.sample.payloads import (
    CDN,
    Document,
    View,
    availability,
    fixed_uuid,
    image,
    marketing_url,
    organization_document,
    program_summary,
    slugify,
    visible_runs,
)
from catalog_pipeline.sample.records import Course, Curriculum, Program, Run


def program_document(program: Program, view: View, today: datetime) -> Document:
    """A program. Only the summary inside a course has `number_of_courses`."""
    summary = program_summary(program, view)
    del summary["number_of_courses"]
    owners = {course.organization.uuid: course.organization for course in program.courses}
    organizations = program.organizations or list(owners.values())
    return summary | {
        "subtitle": "Learn at your own pace, and finish with a certificate.",
        "status": program.status,
        "banner_image": {},
        "hidden": False,
        "courses": [_course(course, view, today) for course in program.courses],
        "authoring_organizations": [organization_document(organization, view) for organization in organizations],
        "card_image_url": f"{CDN}/programs/{slugify(program.title)}.jpg",
        "is_program_eligible_for_one_click_purchase": program.status == "active",
        "degree": None,
        "curricula": [_curriculum(curriculum, view, today) for curriculum in program.curricula],
        "marketing_hook": f"{len(program.courses)} courses, one certificate",
        "total_hours_of_effort": None,
        "recent_enrollment_count": 0,
        "organization_short_code_override": "",
        "organization_logo_override_url": None,
        "primary_subject_override": None,
        "level_type_override": None,
        "language_override": None,
        "labels": [],
        "taxi_form": None,
        "data_modified_timestamp": program.data_modified,
        "excluded_from_search": False,
        "excluded_from_seo": False,
        "has_ofac_restrictions": None,
        "ofac_comment": "",
        "course_run_statuses": sorted({run.status for course in program.courses for run in course.runs}),
        "subscription_eligible": None,
        "subscription_prices": [],
    }


def _curriculum(curriculum: Curriculum, view: View, today: datetime) -> Document:
    return {
        "uuid": curriculum.uuid,
        "name": curriculum.name,
        "marketing_text_brief": None,
        "marketing_text": None,
        "is_active": curriculum.is_active,
        "courses": [_course(course, view, today) for course in curriculum.courses],
        "programs": [program_summary(program, view) | {"status": program.status} for program in curriculum.programs],
    }


def _course(course: Course, view: View, today: datetime) -> Document:
    return ({} if course.key is None else {"key": course.key}) | {
        "uuid": course.uuid,
        "title": course.title,
        "course_runs": [_run(run, view, today) for run in visible_runs(course, view)],
        "entitlements": [],
        "owners": [
            {
                "uuid": course.organization.uuid,
                "key": course.organization.key,
                "name": course.organization.name,
            }
        ],
        "image": image(course.uuid, ".small"),
        "short_description": f"<p>{course.topic}, taught by {course.organization.name}.</p>",
        "type": fixed_uuid("course-type", course.course_type),
        "course_type": course.course_type,
        "url_slug": slugify(course.title),
    }


def _run(run: Run, view: View, today: datetime) -> Document:
    return {
        "key": run.key,
        "uuid": run.uuid,
        "title": run.title,
        "marketing_url": marketing_url(view, "course", slugify(run.key)),
        "start": run.start,
        "end": run.end,
        "enrollment_start": run.enrollment_start,
        "enrollment_end": run.enrollment_end,
        "pacing_type": run.pacing,
        "status": run.status,
        "availability": availability(run, today),
    }
