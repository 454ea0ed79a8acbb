"""Golden rows of the models in `marts`, on a small catalog whose dates are relative to now."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Connection, func, insert, literal_column, text

from catalog_pipeline.models.course import CatalogCourse
from catalog_pipeline.models.organization import Organization
from catalog_pipeline.models.run import RUN_STATUSES, CourseRun, RunAssociation
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import build, run_tests

MODELS = {model.name: model for model in load_models()}
TICK = timedelta(microseconds=1)
TODAY: ColumnElement[Any] = literal_column("date_trunc('day', now(), 'UTC')")
PAID = {"price": Decimal(49)}


def days(number: float) -> ColumnElement[Any]:
    """That many days from now; now itself stands still within a transaction."""
    return func.now() + timedelta(days=number)


@pytest.fixture
def marts(connection: Connection) -> Connection:
    """A connection with the models built over an empty catalog."""
    for model in MODELS.values():
        build(connection, model)
    return connection


def add_course(connection: Connection, key: str = "edX+Demo", **values: Any) -> int:
    """A course and its organization; returns the course's id."""
    organization, _, code = key.partition("+")
    owner = connection.execute(
        insert(Organization).values(key=organization, name=f"{organization} University").returning(Organization.id)
    ).scalar_one()
    course = {"organization_id": owner, "course_code": code, "key": key, "title": f"About {code}"} | values
    return connection.execute(insert(CatalogCourse).values(course).returning(CatalogCourse.id)).scalar_one()


def add_run(connection: Connection, course: int | None, name: str, **values: Any) -> None:
    """A published run of a course; `name` is the last part of its key, or its whole key where it is one."""
    key = name if name.startswith(("ccx-v1:", "course-v1:")) or "/" in name else f"course-v1:edX+Demo+{name}"
    run = {"run_key": key, "key_org": "edX", "key_course": "Demo", "key_run": name, "title": f"Run {name}"}
    statement = insert(CourseRun).values(run | {"status": "published"} | values).returning(CourseRun.id)
    run_id = connection.execute(statement).scalar_one()
    if course is not None:
        association = {"course_run_id": run_id, "catalog_course_id": course, "source": "key", "reason": "Its key."}
        connection.execute(insert(RunAssociation).values(association))


def rows_of(connection: Connection, view: str, order: str) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM marts.{view} ORDER BY {order}"))]


def advertised(connection: Connection) -> str | None:
    """The last part of the advertised run's key."""
    (overview,) = rows_of(connection, "catalog_overview", "course_key")
    key = overview["advertised_run"]
    return key and key.rpartition("+")[2]


@pytest.mark.parametrize(
    ("start", "end", "availability"),
    [
        (None, None, "Upcoming"),
        (days(60), None, "Upcoming"),
        (days(5000), None, "Upcoming"),
        (None, days(1), "Upcoming"),
        (None, days(-1), "Archived"),
        (days(-90), days(-1), "Archived"),
        (days(-90), func.now() - TICK, "Archived"),
        (days(-90), func.now(), "Current"),
        (days(-90), None, "Current"),
        (days(-90), days(90), "Current"),
        (func.now(), None, "Current"),
        (func.now() + TICK, None, "Starting Soon"),
        (days(60) - TICK, None, "Starting Soon"),
        (days(30), days(400), "Starting Soon"),
    ],
)
def test_availability_goes_by_start_and_end(marts: Connection, start: Any, end: Any, availability: str) -> None:
    add_run(marts, None, "1T", start=start, end=end, status="unpublished")
    (calendar,) = rows_of(marts, "run_calendar", "run_key")
    assert calendar["availability"] == availability


@pytest.mark.parametrize(
    ("start", "end", "availability"),
    [
        (None, None, "Upcoming"),
        ("2030-01-01", None, "Upcoming"),
        (None, "2016-01-01", "Archived"),
        ("2015-01-01", "2016-01-01", "Archived"),
        ("2015-10-24", None, "Current"),
        ("2016-01-01", "2017-01-01", "Current"),
        ("2016-07-21", "2017-01-01", "Starting Soon"),
    ],
)
def test_a_session_may_ask_for_the_availability_of_another_day(
    marts: Connection, start: str | None, end: str | None, availability: str
) -> None:
    add_run(marts, None, "1T", start=start and f"{start}T00:00Z", end=end and f"{end}T00:00Z")
    marts.execute(text("SET LOCAL catalog.as_of = '2016-06-21T00:00Z'"))
    (calendar,) = rows_of(marts, "run_calendar", "run_key")
    assert calendar["availability"] == availability


def test_a_session_may_ask_for_the_advertised_run_of_another_day(marts: Connection) -> None:
    course = add_course(marts)
    for year in (2016, 2018):
        dates = {"start": f"{year}-01-01T00:00Z", "end": f"{year}-12-01T00:00Z"}
        add_run(marts, course, str(year), **{**PAID, **dates})
    shown = {}
    for day in ("2015-06-01", "2016-06-21", "2017-06-01", "2018-06-21", "2018-11-25"):
        marts.execute(text(f"SET LOCAL catalog.as_of = '{day}T00:00Z'"))
        (row,) = rows_of(marts, "advertised_run", "course_key")
        shown[day] = (row["run_key"].rpartition("+")[2], row["tier"])
    assert shown == {
        "2015-06-01": ("2016", 2),
        "2016-06-21": ("2016", 1),
        "2017-06-01": ("2018", 2),
        "2018-06-21": ("2018", 1),
        "2018-11-25": ("2018", 3),
    }


def test_the_run_calendar_has_a_row_for_every_run_with_or_without_a_course(marts: Connection) -> None:
    course = add_course(marts)
    dates = {"start": "2024-01-01T00:00Z", "end": "2024-02-09T12:00Z"}
    enrollment = {"enrollment_start": "2023-12-01T00:00Z", "enrollment_end": "2024-01-15T00:00Z"}
    add_run(marts, course, "1T", **dates, **enrollment)
    add_run(marts, None, "2T", start="2024-01-01T00:00Z", status="reviewed")
    first, second = rows_of(marts, "run_calendar", "run_key")
    assert {name: value for name, value in first.items() if name not in {*dates, *enrollment}} == {
        "run_key": "course-v1:edX+Demo+1T",
        "course_key": "edX+Demo",
        "organization_key": "edX",
        "title": "Run 1T",
        "status": "published",
        "weeks": Decimal("5.6"),
        "availability": "Archived",
        "association_source": "key",
    }
    assert {name: f"{first[name]:%Y-%m-%dT%H:%MZ}" for name in {*dates, *enrollment}} == dates | enrollment
    assert {name for name, value in second.items() if value is None} == {
        "course_key",
        "organization_key",
        "end",
        "enrollment_start",
        "enrollment_end",
        "weeks",
        "association_source",
    }


def test_the_overview_counts_runs_by_status_and_lists_courses_without_runs(marts: Connection) -> None:
    demo = add_course(marts, title="Demo", topic="Physics", course_type="audit", status="published")
    add_course(marts, "MITx+Idle")
    for number, status in enumerate([*RUN_STATUSES, "published"]):
        add_run(marts, demo, f"{number}T", status=status)
    add_run(marts, None, "8T")
    demo_row, idle = rows_of(marts, "catalog_overview", "runs DESC")
    assert demo_row == {
        "organization_key": "edX",
        "organization_name": "edX University",
        "course_key": "edX+Demo",
        "title": "Demo",
        "topic": "Physics",
        "course_type": "audit",
        "status": "published",
        "runs": 7,
        "runs_published": 2,
        "runs_reviewed": 1,
        "runs_in_review": 2,
        "runs_unpublished": 1,
        "runs_archived": 1,
        "next_start": None,
        "advertised_run": "course-v1:edX+Demo+4T",
    }
    assert idle == dict.fromkeys(idle, None) | {
        "organization_key": "MITx",
        "organization_name": "MITx University",
        "course_key": "MITx+Idle",
        "title": "About Idle",
        "status": "draft",
    } | {name: 0 for name in idle if name.startswith("runs")}


def test_the_next_start_is_the_earliest_to_come_of_a_published_or_reviewed_run(marts: Connection) -> None:
    course = add_course(marts)
    add_run(marts, course, "begun", start=func.now())
    add_run(marts, course, "unpublished", start=days(1), status="unpublished")
    add_run(marts, course, "reviewed", start=days(2), status="reviewed")
    add_run(marts, course, "published", start=days(3))
    (overview,) = rows_of(marts, "catalog_overview", "course_key")
    assert overview["next_start"] - marts.execute(text("SELECT now()")).scalar_one() == timedelta(days=2)


CURRENT = {**PAID, "start": days(-30), "end": days(90)}
NEXT = {**PAID, "start": days(10), "end": days(90)}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ({"old": CURRENT | {"start": days(-60)}, "new": CURRENT, "next": NEXT}, "new"),
        ({"begun": CURRENT, "undated": CURRENT | {"start": None}}, "begun"),
        ({"undated": CURRENT | {"start": None}, "next": NEXT}, "undated"),
        ({"endless": CURRENT | {"end": None, "upgrade_deadline": days(5)}, "next": NEXT}, "endless"),
        ({"fourteen": CURRENT | {"end": TODAY + timedelta(days=14)}, "next": NEXT}, "fourteen"),
        ({"thirteen": CURRENT | {"end": TODAY + timedelta(days=14) - TICK}, "next": NEXT}, "next"),
        ({"later": NEXT | {"start": days(20)}, "next": NEXT, "free": CURRENT | {"price": None}}, "next"),
        ({"begins now": CURRENT | {"start": func.now()}, "old": CURRENT}, "begins now"),
        ({"short": CURRENT | {"end": days(3)}, "free": {"start": days(5)}}, "free"),
        ({"free": {"start": days(-5)}, "zero": {"start": days(400), "price": 0, "end": days(500)}}, "zero"),
        ({"undated": {}, "dated": {"start": days(-500)}}, "dated"),
        ({"b": CURRENT, "a": CURRENT}, "a"),
        ({"b": NEXT, "a": NEXT}, "a"),
        ({"b": {}, "a": {}}, "a"),
        ({}, None),
    ],
)
def test_the_advertised_run_goes_by_three_tiers(
    marts: Connection, runs: dict[str, dict[str, Any]], expected: str | None
) -> None:
    course = add_course(marts)
    for name, values in runs.items():
        add_run(marts, course, name, **values)
    assert advertised(marts) == expected


@pytest.mark.parametrize(
    "closed",
    [
        {"price": None},
        {"price": 0},
        {"end": None},
        {"enrollment_end": days(-1)},
        {"enrollment_end": func.now()},
        {"upgrade_deadline": days(-1)},
        {"upgrade_deadline": days(-1), "enrollment_end": days(80)},
    ],
)
def test_a_run_that_cannot_be_upgraded_gives_way_to_one_that_can(marts: Connection, closed: dict[str, Any]) -> None:
    course = add_course(marts)
    add_run(marts, course, "open", **CURRENT | {"start": days(-60), "enrollment_end": days(1)})
    add_run(marts, course, "closed", **CURRENT | closed)
    assert advertised(marts) == "open"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *[("run", {"status": status}) for status in RUN_STATUSES if status != "published"],
        ("run", {"has_seats": False}),
        ("edX/Demo/2014", {}),
        ("ccx-v1:edX+Demo+run+ccx@17", {}),
    ],
)
def test_a_run_that_is_not_published_or_has_no_seats_or_an_old_key_is_never_advertised(
    marts: Connection, name: str, values: dict[str, Any]
) -> None:
    course = add_course(marts)
    add_run(marts, course, name, **CURRENT | values)
    assert advertised(marts) is None
    add_run(marts, course, "poor", has_seats=None)
    assert advertised(marts) == "poor"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_s_file_runs_as_it_is(marts: Connection, name: str) -> None:
    content = MODELS[name].path.read_text()
    result = marts.exec_driver_sql(content, execution_options={"no_parameters": True})
    assert list(result.keys()) == list(MODELS[name].columns)


def test_every_test_of_the_marts_holds_on_a_catalog_with_courses_and_runs(marts: Connection) -> None:
    course = add_course(marts)
    add_run(marts, course, "1T", **CURRENT)
    add_run(marts, None, "2T", start=days(10), status="review_by_legal")
    results = [result for model in MODELS.values() for result in run_tests(marts, model)]
    assert len(results) > 20
    assert [result for result in results if not result.passed] == []
