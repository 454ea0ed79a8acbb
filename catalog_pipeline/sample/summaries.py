"""enterprise-subsidy's summary of a course or of one of its runs, made from the content that a catalog shows.

Where upstream's behaviour is not known for certain: the run of a course is the advertised one; a course without a
price has `content_price` null; its mode is `verified`, whatever its seats are.
"""

from catalog_pipeline.sample.normalized import PAID_EXECUTIVE
from catalog_pipeline.sample.payloads import Document
from catalog_pipeline.sample.records import EXECUTIVE_EDUCATION


def content_summary(course: Document, key: str) -> Document:
    """The summary for a course's key, or for a run's: `content_key` is the course's in both cases. Price in cents."""
    run = _run(course, key) or {}
    executive = course.get("course_type") == EXECUTIVE_EDUCATION
    dates = (course.get("normalized_metadata_by_run") or {}).get(run.get("key")) or course.get("normalized_metadata")
    price = (dates or {}).get("content_price")
    return {
        "content_title": course["title"],
        "content_uuid": course["uuid"],
        "content_key": course.get("key"),
        "course_run_uuid": run.get("uuid"),
        "course_run_key": run.get("key"),
        "course_run_start_date": run.get("start"),
        "source": "2u" if executive else "edX",
        "mode": PAID_EXECUTIVE if executive else "verified",
        "content_price": round(price * 100) if price else None,
        "enroll_by_date": run.get("enrollment_end") if executive else _verified_deadline(run),
        "geag_variant_id": run.get("variant_id"),
    }


def _run(course: Document, key: str) -> Document | None:
    runs = course.get("course_runs") or []
    asked = next((run for run in runs if run["key"].casefold() == key.casefold()), None)
    return asked or next((run for run in runs if run["uuid"] == course.get("advertised_course_run_uuid")), None)


def _verified_deadline(run: Document) -> str | None:
    """The deadline of the verified seat, else the end of enrollment; enterprise-catalog takes the earlier of them."""
    seat = next((seat for seat in run.get("seats") or [] if seat["type"] == "verified"), None) or {}
    return seat.get("upgrade_deadline_override") or seat.get("upgrade_deadline") or run.get("enrollment_end")
