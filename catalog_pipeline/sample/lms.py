"""The documents that the LMS's course list sends, made from the same runs, and from those that only the LMS has."""

from datetime import datetime
from urllib.parse import quote

from catalog_pipeline.sample.payloads import Document
from catalog_pipeline.sample.records import Run, key_parts

LMS = "https://lms.sample.example"
UNDATED_START = "2030-01-01T00:00:00Z"
"""What the LMS shows as the start of a course that has no start date."""


def organization_of(run: Run) -> str:
    """The organization that a run's key names."""
    return key_parts(run.key)[0]


def lms_document(run: Run) -> Document:
    """A run as the LMS lists it: under its own key, knowing nothing of catalog courses."""
    organization, number, *_ = key_parts(run.key)
    asset = f"/asset-v1:{organization}+{number}+type@asset+block@images_course_image.jpg"
    return {
        "blocks_url": f"{LMS}/api/courses/v2/blocks/?course_id={quote(run.key, safe='')}",
        "effort": f"{run.effort} hours",
        "end": run.end,
        "enrollment_start": run.enrollment_start,
        "enrollment_end": run.enrollment_end,
        "id": run.key,
        "media": {
            "banner_image": {"uri": asset, "uri_absolute": LMS + asset},
            "course_image": {"uri": asset},
            "course_video": {"uri": None},
            "image": {"raw": LMS + asset, "small": LMS + asset, "large": LMS + asset},
        },
        "name": run.title,
        "number": number,
        "org": organization,
        "short_description": None,
        "start": run.start or UNDATED_START,
        "start_display": f"{datetime.fromisoformat(run.start):%b. %d, %Y}" if run.start else None,
        "start_type": "timestamp" if run.start else "empty",
        "pacing": "self" if run.pacing == "self_paced" else "instructor",
        "mobile_available": False,
        "hidden": run.hidden,
        "invitation_only": run.restriction_type is not None,
        "course_id": run.key,
    }
