"""What mails about an assignment say of it. Pure: `as_of` is the only clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

Kind = Literal["create", "remind", "cancel", "expire", "nudge"]
STARTED_LONG_AGO = timedelta(days=14)
SELF_PACED = "self_paced"
ABOUT = ("contact_admin_link", "organization", "course_title")
SCHEDULE = ("start_date", "course_partner", "course_card_image", "learner_portal_link")
PROPERTIES: dict[Kind, tuple[str, ...]] = {
    "create": (*ABOUT, "enrollment_deadline", *SCHEDULE, "action_required_by_timestamp"),
    "remind": (*ABOUT, "enrollment_deadline", *SCHEDULE, "action_required_by_timestamp"),
    "cancel": ABOUT,
    "expire": ABOUT,
    "nudge": (*ABOUT, *SCHEDULE, "days_before_course_start_date"),
}
"""The properties that the mail of each kind has, where they have a value."""


@dataclass(frozen=True)
class Course:
    """What is known of the assigned course, and of the run whose dates count. None: not known."""

    title: str
    start: datetime | None = None
    end: datetime | None = None
    pacing: str | None = None
    weeks_to_complete: int | None = None
    enroll_by: datetime | None = None
    partners: Sequence[str] = ()
    image_url: str | None = None


@dataclass(frozen=True)
class Customer:
    """What is known of the customer, and where its learners go."""

    name: str | None
    slug: str | None
    contact_email: str | None
    portal_url: str | None


def properties(
    kind: Kind, course: Course, customer: Customer, expires_at: datetime | None, as_of: datetime
) -> dict[str, str]:
    """The properties of a mail, as text. What has no value is left out."""
    in_days = (course.start.date() - as_of.astimezone(UTC).date()).days if course.start else None
    values = {
        "contact_admin_link": customer.contact_email and f"mailto:{customer.contact_email}",
        "organization": customer.name,
        "course_title": course.title,
        "enrollment_deadline": course.enroll_by and f"{course.enroll_by.astimezone(UTC):%b %d, %Y}",
        "start_date": _seconds(shown_start(course, as_of)),
        "course_partner": in_words(course.partners),
        "course_card_image": course.image_url,
        "learner_portal_link": customer.portal_url
        and customer.slug
        and f"{customer.portal_url}/{quote(customer.slug)}",
        "action_required_by_timestamp": expires_at and _seconds(expires_at),
        "days_before_course_start_date": None if in_days is None else str(in_days),
    }
    return {name: value for name in PROPERTIES[kind] if (value := values[name])}


def shown_start(course: Course, as_of: datetime) -> datetime:
    """The start date as a learner should read it: today, where a course can be begun at any time.

    That is where something of the schedule is not known, and where a self-paced run has begun that can still be ended
    in time, or that began over two weeks ago.
    """
    if not (course.start and course.end and course.pacing and course.weeks_to_complete):
        return as_of
    if course.pacing != SELF_PACED or course.start > as_of:
        return course.start
    days_left = (course.end.astimezone(UTC).date() - as_of.astimezone(UTC).date()).days
    in_time = 7 * course.weeks_to_complete <= days_left
    return as_of if in_time or as_of - course.start > STARTED_LONG_AGO else course.start


def in_words(names: Sequence[str]) -> str:
    """`A`; `A and B`; `A, B, and C`; nothing for none."""
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])}, and {names[-1]}"


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
