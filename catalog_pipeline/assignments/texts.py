"""What the mails about an assignment say, in words, made out of their properties."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from catalog_pipeline.rules.assignment_mails import Kind

Properties = Mapping[str, str]
NOBODY = "Your organization"


@dataclass(frozen=True)
class MailText:
    """The parts of a mail, from top to bottom. The templates `mail.txt` and `mail.html` set them."""

    subject: str
    headline: str
    paragraph: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    """Label and value."""
    image: str | None = None
    button: tuple[str, str] | None = None
    """Label and address."""
    contact: str | None = None
    """The address of the customer's administrators, as a mailto link."""


def _created(told: Properties) -> MailText:
    who, course = _who(told), told["course_title"]
    return _invitation(
        told,
        f"{who} assigned you a course: {course}",
        f"A course is waiting for you: {course}",
        f"{who} assigned you this course and pays for it. Enroll in time, and it is yours.",
    )


def _reminded(told: Properties) -> MailText:
    who, course = _who(told), told["course_title"]
    return _invitation(
        told,
        f"Reminder: {who} assigned you {course}",
        f"Still waiting for you: {course}",
        f"{who} assigned you this course and pays for it. You have not enrolled yet.",
    )


def _nudged(told: Properties) -> MailText:
    course, when = told["course_title"], _in_days(told.get("days_before_course_start_date"))
    return _invitation(
        told,
        f"Your course begins {when}: {course}",
        f"{course} begins {when}",
        f"You enrolled in this course, and {_who(told)} pays for it.",
    )


def _cancelled(told: Properties) -> MailText:
    who, course = _who(told), told["course_title"]
    return MailText(
        subject=f"{who} took back your course: {course}",
        headline="Your course was taken back",
        paragraph=f"{who} took back the course {course}, which it had assigned to you.",
        contact=told.get("contact_admin_link"),
    )


def _expired(told: Properties) -> MailText:
    who, course = _who(told), told["course_title"]
    return MailText(
        subject=f"Your assigned course has expired: {course}",
        headline="Your course has expired",
        paragraph=f"{who} assigned you the course {course}. The time to enroll is over, and the assignment has ended.",
        contact=told.get("contact_admin_link"),
    )


def _invitation(told: Properties, subject: str, headline: str, paragraph: str) -> MailText:
    """A mail that leads to the course, with its picture and its dates."""
    address = told.get("learner_portal_link")
    return MailText(
        subject,
        headline,
        paragraph,
        facts=_schedule(told),
        image=told.get("course_card_image"),
        button=("Go to the course", address) if address else None,
        contact=told.get("contact_admin_link"),
    )


TEXTS: dict[Kind, Callable[[Properties], MailText]] = {
    "create": _created,
    "remind": _reminded,
    "cancel": _cancelled,
    "expire": _expired,
    "nudge": _nudged,
}
"""How the mail of each kind is written."""


def _who(told: Properties) -> str:
    return told.get("organization", NOBODY)


def _schedule(told: Properties) -> list[tuple[str, str]]:
    found = [
        ("Offered by", told.get("course_partner")),
        ("Begins", _day(told.get("start_date"))),
        ("Enroll by", told.get("enrollment_deadline")),
        ("Your assignment ends", _day(told.get("action_required_by_timestamp"))),
    ]
    return [(label, value) for label, value in found if value]


def _day(instant: str | None) -> str | None:
    return instant and f"{datetime.fromisoformat(instant).astimezone(UTC):%b %d, %Y}"


def _in_days(days: str | None) -> str:
    """`in 30 days`; only a preview may be of a run that has begun, or whose start is not known."""
    if days is None or int(days) < 1:
        return "soon"
    return "tomorrow" if days == "1" else f"in {days} days"
