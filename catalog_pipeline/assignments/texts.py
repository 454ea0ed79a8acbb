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
    paragraphs: list[str]
    facts: list[tuple[str, str]] = field(default_factory=list)
    """Label and value."""
    image: str | None = None
    button: tuple[str, str] | None = None
    """Label and address."""
    contact: str | None = None
    """The address of the customer's administrators, as a mailto link."""


def _created(told: Properties) -> MailText:
    organization, course = _who(told), told["course_title"]
    return MailText(
        subject=f"{organization} assigned you a course: {course}",
        headline=f"A course is waiting for you: {course}",
        paragraphs=[f"{organization} assigned you this course and pays for it. Enroll in time, and it is yours."],
        facts=_schedule(told),
        image=told.get("course_card_image"),
        button=_button(told, "Go to the course"),
        contact=told.get("contact_admin_link"),
    )


def _reminded(told: Properties) -> MailText:
    organization, course = _who(told), told["course_title"]
    return MailText(
        subject=f"Reminder: {organization} assigned you {course}",
        headline=f"Still waiting for you: {course}",
        paragraphs=[f"{organization} assigned you this course and pays for it. You have not enrolled yet."],
        facts=_schedule(told),
        image=told.get("course_card_image"),
        button=_button(told, "Go to the course"),
        contact=told.get("contact_admin_link"),
    )


def _cancelled(told: Properties) -> MailText:
    organization, course = _who(told), told["course_title"]
    return MailText(
        subject=f"{organization} took back your course: {course}",
        headline="Your course was taken back",
        paragraphs=[f"{organization} took back the course {course}, which it had assigned to you."],
        contact=told.get("contact_admin_link"),
    )


def _expired(told: Properties) -> MailText:
    organization, course = _who(told), told["course_title"]
    return MailText(
        subject=f"Your assigned course has expired: {course}",
        headline="Your course has expired",
        paragraphs=[
            f"{organization} assigned you the course {course}. The time to enroll is over, and the assignment ended."
        ],
        contact=told.get("contact_admin_link"),
    )


def _nudged(told: Properties) -> MailText:
    organization, course = _who(told), told["course_title"]
    days = told.get("days_before_course_start_date")
    when = f"in {days} days" if days and days != "1" else "tomorrow"
    return MailText(
        subject=f"Your course begins {when}: {course}",
        headline=f"{course} begins {when}",
        paragraphs=[f"You enrolled in this course, which {organization} pays for. It begins soon."],
        facts=_schedule(told),
        image=told.get("course_card_image"),
        button=_button(told, "Go to my courses"),
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


def _button(told: Properties, label: str) -> tuple[str, str] | None:
    address = told.get("learner_portal_link")
    return (label, address) if address else None
