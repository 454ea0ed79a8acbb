"""The dates and the price that enterprise-catalog derives for a course and for each of its runs, as upstream does it.

Upstream compares deadlines as text, so that fractions and offsets are ordered wrongly. So does the sample: whoever
needs the right deadline has to derive it from the runs.
"""

from collections.abc import Iterable
from typing import Any

from catalog_pipeline.sample.payloads import Document
from catalog_pipeline.sample.records import EXECUTIVE_EDUCATION

SEAT_ORDER = ("verified", "professional", "no-id-professional", "unpaid-executive-education", "audit")
PAID_EXECUTIVE = "paid-executive-education"


def normalized_metadata(course: Document) -> Document:
    """Of the advertised run. Without one, the dates are null and the price is that of the course's entitlement."""
    uuid = course.get("advertised_course_run_uuid")
    advertised = next((run for run in _listed(course, "course_runs") if uuid and run["uuid"] == uuid), None)
    return _normalized(course, advertised)


def normalized_metadata_by_run(course: Document) -> dict[str, Document]:
    """Of every run, by its key."""
    return {run["key"]: _normalized(course, run) for run in _listed(course, "course_runs")}


def _normalized(course: Document, run: Document | None) -> Document:
    return {
        "start_date": run and run.get("start"),
        "end_date": run and run.get("end"),
        "enroll_by_date": run and _enroll_by(course, run),
        "enroll_start_date": run and run.get("enrollment_start"),
        "content_price": _price(course, run or {}),
    }


def _enroll_by(course: Document, run: Document) -> str | None:
    """Executive education: the end of enrollment alone. Others: it, or the best seat's deadline if that is smaller."""
    if course.get("course_type") == EXECUTIVE_EDUCATION:
        return run.get("enrollment_end")
    seat = best_seat(_listed(run, "seats")) or {}
    deadline = seat.get("upgrade_deadline_override") or seat.get("upgrade_deadline")
    return min(filter(None, (deadline, run.get("enrollment_end"))), default=None)


def best_seat(seats: Iterable[Document]) -> Document | None:
    """The seat whose mode comes first in the order of modes, else any seat."""
    return min(
        seats, key=lambda seat: SEAT_ORDER.index(seat["type"]) if seat["type"] in SEAT_ORDER else 99, default=None
    )


def _price(course: Document, run: Document) -> float:
    """In dollars: fixed, else of the entitlement to executive education, else of a seat, else 0. A 0 counts as none."""
    entitlements = (one["price"] for one in _listed(course, "entitlements") if one["mode"] == PAID_EXECUTIVE)
    offers = (run.get("fixed_price_usd"), *entitlements, run.get("first_enrollable_paid_seat_price"))
    return next((float(price) for price in offers if price and float(price)), 0.0)


def _listed(document: Document, name: str) -> list[Any]:
    """A list of a document; empty where it is null or absent."""
    return document.get(name) or []
