"""What mails about assignments say of the course: the cases that the rules name."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.assignments.texts import TEXTS
from catalog_pipeline.rules.assignment_mails import (
    PROPERTIES,
    Course,
    Customer,
    Kind,
    in_words,
    properties,
    shown_start,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
COURSE = Course(
    title="Leading Through Change",
    start=NOW + 30 * DAY,
    end=NOW + 80 * DAY,
    pacing="instructor_paced",
    weeks_to_complete=6,
    enroll_by=datetime(2026, 6, 20, 23, 59, 59, tzinfo=UTC),
    partners=["Acme University"],
    image_url="https://img/lead10.jpg",
)
ACME = Customer("Acme", "acme", "admin@acme.example", "https://portal.example.org")
EXPIRES = datetime(2026, 6, 20, 23, 59, 59, 999_999, tzinfo=UTC)


def test_the_mail_about_a_new_assignment_says_all_that_is_known() -> None:
    assert properties("create", COURSE, ACME, EXPIRES, NOW) == {
        "contact_admin_link": "mailto:admin@acme.example",
        "organization": "Acme",
        "course_title": "Leading Through Change",
        "enrollment_deadline": "Jun 20, 2026",
        "start_date": "2026-07-01T12:00:00Z",
        "course_partner": "Acme University",
        "course_card_image": "https://img/lead10.jpg",
        "learner_portal_link": "https://portal.example.org/acme",
        "action_required_by_timestamp": "2026-06-20T23:59:59Z",
    }


def test_what_has_no_value_is_left_out() -> None:
    told = properties("create", Course("A"), Customer(None, None, None, None), None, NOW)
    assert told == {"course_title": "A", "start_date": "2026-06-01T12:00:00Z"}


@pytest.mark.parametrize("kind", list(PROPERTIES))
def test_each_kind_of_mail_has_its_own_properties(kind: Kind) -> None:
    told = properties(kind, COURSE, ACME, EXPIRES, NOW)
    about = {"contact_admin_link", "organization", "course_title"}
    schedule = {"start_date", "course_partner", "course_card_image", "learner_portal_link"}
    dates = {"enrollment_deadline", "action_required_by_timestamp"}
    assert (
        set(told)
        == {
            "create": about | schedule | dates,
            "remind": about | schedule | dates,
            "cancel": about,
            "expire": about,
            "nudge": about | schedule | {"days_before_course_start_date"},
        }[kind]
    )


def test_a_nudge_counts_days_by_the_calendar_of_utc() -> None:
    course = Course("A", start=datetime(2026, 7, 1, 0, 30, tzinfo=UTC))
    at = datetime(2026, 6, 1, 23, 50, tzinfo=UTC)
    assert properties("nudge", course, ACME, None, at)["days_before_course_start_date"] == "30"


@pytest.mark.parametrize(
    ("names", "words"),
    [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (["A", "B", "C"], "A, B, and C")],
)
def test_partners_are_named_in_words(names: list[str], words: str) -> None:
    assert in_words(names) == words


@pytest.mark.parametrize("unknown", ["start", "end", "pacing", "weeks_to_complete"])
def test_a_schedule_that_is_not_known_whole_begins_today(unknown: str) -> None:
    assert shown_start(Course(**{**vars(COURSE), unknown: None}), NOW) == NOW


SELF_PACED = {**vars(COURSE), "pacing": "self_paced"}


@pytest.mark.parametrize(
    ("started", "ends", "shown"),
    [
        (-3, 42, "today"),  # it can be ended in time
        (-3, 41, "start"),
        (-15, 1, "today"),  # it began long ago
        (-14, 1, "start"),
        (3, 90, "start"),  # it has not begun
    ],
)
def test_a_self_paced_run_that_can_be_begun_now_begins_today(started: int, ends: int, shown: str) -> None:
    start = NOW + started * DAY
    course = Course(**{**SELF_PACED, "start": start, "end": NOW + ends * DAY})
    assert shown_start(course, NOW) == (NOW if shown == "today" else start)


@given(
    st.sampled_from(list(PROPERTIES)),
    st.builds(
        Course,
        title=st.text(min_size=1),
        start=st.none() | st.datetimes(timezones=st.just(UTC)),
        end=st.none() | st.datetimes(timezones=st.just(UTC)),
        pacing=st.sampled_from([None, "self_paced", "instructor_paced"]),
        weeks_to_complete=st.none() | st.integers(0, 60) | st.just(2**31 - 1),
        enroll_by=st.none() | st.datetimes(timezones=st.just(UTC)),
        partners=st.lists(st.text()),
        image_url=st.none() | st.text(),
    ),
    st.builds(Customer, *[st.none() | st.text()] * 4),
)
def test_every_property_is_text_of_which_a_mail_can_be_written(kind: Kind, course: Course, customer: Customer) -> None:
    told = properties(kind, course, customer, course.enroll_by, NOW)
    assert all(isinstance(value, str) and value for value in told.values())
    assert TEXTS[kind](told).subject
