"""When assignments expire, by the query that decides it, against a plain loop over the rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from support.assignments import Budget
from support.databases import Databases

from catalog_pipeline.assignments.expirations import EVERYTHING, compute
from catalog_pipeline.database.engine import driver, make_engine
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.rules.expiration import COLUMNS, REASONS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DATES = [None, *(NOW + timedelta(days=days) for days in (-100, -90, 0, 1, 30)), NOW + MICROSECOND]
COURSES, RUNS = ["A+1", "A+2"], ["r1", "R2", "r3"]
PROBLEM = {"field": "enrollment_end", "raw": "soon"}
SUBSIDIES = [(None, None), (None, ""), (None, "never"), (NOW, "now"), (NOW + timedelta(days=1), "tomorrow")]


def maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


CONTENT: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "key": st.sampled_from(COURSES),
        "type": st.sampled_from(["course", None]),
        "enroll_by": st.sampled_from(DATES),
        "advertised": maybe([key.swapcase() for key in RUNS]),
    }
)
RUN: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "key": st.sampled_from(RUNS),
        "course": maybe(COURSES),
        "enroll_by": st.sampled_from(DATES),
        "missing": st.booleans(),
        "problems": st.sampled_from([[], [PROBLEM], [PROBLEM, {"field": "upgrade_deadline", "raw": "?"}]]),
    }
)
ASSIGNMENT: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "content_key": st.sampled_from([*COURSES, *RUNS, "a+1"]),
        "parent": maybe([*COURSES, "a+2"]),
        "is_run": st.booleans(),
        "preferred": maybe([*RUNS, "r2", "unknown", ""]),
        "is_requested": st.booleans(),
        "allocated_at": st.sampled_from([date for date in DATES if date]),
        "has_policy": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def standing(databases: Databases) -> Iterator[Budget]:
    """A customer, in a database that the examples share: each rolls its transaction back."""
    with databases.copied() as server:
        engine = make_engine(server, "test")
        yield Budget(engine)
        engine.dispose()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    courses=st.lists(CONTENT, max_size=2, unique_by=lambda row: row["key"]),
    runs=st.lists(RUN, max_size=3, unique_by=lambda row: row["key"].lower()),
    assignments=st.lists(ASSIGNMENT, min_size=1, max_size=6),
    subsidy=st.sampled_from(SUBSIDIES),
)
def test_the_query_decides_as_a_loop_over_the_rows_does(
    standing: Budget, courses: list[Row], runs: list[Row], assignments: list[Row], subsidy: tuple[Any, Any]
) -> None:
    held = {course["key"] for course in courses}
    for run in runs:
        run["course"] = run["course"] if run["course"] in held else None
    assert decided(standing, courses, runs, assignments, subsidy) == [
        expected(assignment, courses, runs, subsidy) for assignment in assignments
    ]


def decided(
    standing: Budget, courses: list[Row], runs: list[Row], assignments: list[Row], subsidy: tuple[Any, Any]
) -> list[Row]:
    """What the query says of each assignment."""
    with standing.engine.connect() as connection, connection.begin() as transaction:
        cursor = driver(connection).cursor()
        other = cursor.execute(
            """INSERT INTO catalog.assignment_configuration (enterprise_customer_id, uuid, owner)
               VALUES (%s, %s, 'here') RETURNING id""",
            (standing.customer, UUID(int=99)),
        ).fetchone()
        assert other
        cursor.execute("UPDATE catalog.subsidy SET expiration = %s, expiration_raw = %s", subsidy)
        ids: dict[str | None, int] = {}
        for row in courses:
            made = cursor.execute(
                """INSERT INTO catalog.content_metadata (enterprise_catalog_id, content_key, content_type, enroll_by,
                       advertised_run_key, content_hash) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id""",
                (standing.catalog, row["key"], row["type"], row["enroll_by"], row["advertised"], row["key"]),
            ).fetchone()
            assert made
            ids[row["key"]] = made[0]
        for row in runs:
            cursor.execute(
                """INSERT INTO catalog.content_run (enterprise_catalog_id, run_key, content_metadata_id, enroll_by,
                       missing_since, problems) VALUES (%s, %s, %s, %s, %s, %s)""",
                (
                    standing.catalog,
                    row["key"],
                    ids.get(row["course"]),
                    row["enroll_by"],
                    NOW if row["missing"] else None,
                    Jsonb(row["problems"]),
                ),
            )
        for number, row in enumerate(assignments):
            cursor.execute(
                """INSERT INTO catalog.content_assignment (assignment_configuration_id, learner_email, content_key,
                       parent_content_key, is_assigned_course_run, preferred_course_run_key, credit_request_uuid,
                       allocated_at, content_quantity) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0)""",
                (
                    standing.configuration if row["has_policy"] else other[0],
                    f"{number}@acme.example",
                    row["content_key"],
                    row["parent"],
                    row["is_run"],
                    row["preferred"],
                    UUID(int=number) if row["is_requested"] else None,
                    row["allocated_at"],
                ),
            )
        compute(connection, EVERYTHING, NOW)
        found = rows(connection, f"SELECT {', '.join(COLUMNS)} FROM computed ORDER BY content_assignment_id")
        transaction.rollback()
    return found


def expected(assignment: Row, courses: list[Row], runs: list[Row], subsidy: tuple[Any, Any]) -> Row:
    """What the rule says of one assignment, step by step."""
    if not assignment["has_policy"]:
        courses, runs, subsidy = [], [], (None, None)
    is_run = assignment["is_run"] or assignment["parent"] is not None
    wanted = assignment["content_key"] if is_run else (assignment["preferred"] or None)
    run = next((run for run in runs if wanted and run["key"].lower() == wanted.lower()), None)
    key = (assignment["parent"] or assignment["content_key"]).lower()
    course = next((course for course in courses if course["key"].lower() == key), None)
    if course is None and run is not None:
        course = next((course for course in courses if course["key"] == run["course"]), None)
    of_course = [run for run in runs if course and run["course"] == course["key"] and not run["missing"]]
    held = course if course and course["type"] else None
    if run and ((run["missing"] and held) or (course and run["course"] not in (None, course["key"]))):
        run = None
    source, enroll_by, run_key, problems = deadline(held, run, wanted)
    if assignment["is_requested"]:
        open_runs = [run for run in of_course if run["enroll_by"] and run["enroll_by"] > NOW]
        if open_runs:
            latest = min(open_runs, key=lambda run: (-run["enroll_by"].timestamp(), run["key"]))
            source, enroll_by, run_key = "latest_run", latest["enroll_by"], latest["key"]
        problems = [problem for run in sorted(of_course, key=lambda run: run["key"]) for problem in run["problems"]]
    elif source in ("advertised_run", "fallback"):
        problems = next((run["problems"] for run in runs if run["key"].lower() == (run_key or "").lower()), [])
    if subsidy[0] is None and subsidy[1]:
        problems = [*problems, {"field": "subsidy_expiration", "raw": subsidy[1]}]
    ninety = assignment["allocated_at"] + timedelta(days=90)
    dates = dict(zip(REASONS, (subsidy[0], enroll_by, ninety), strict=True))
    first = min(date for date in dates.values() if date)
    return {
        "expires_at": first,
        "reason": next(reason for reason in REASONS if dates[reason] == first),
        "subsidy_expires_at": subsidy[0],
        "enroll_by": enroll_by,
        "ninety_days_at": ninety,
        "deadline_from": source,
        "run_key": run_key,
        "content_hash": held["key"] if held else None,
        "problems": problems,
    }


def deadline(held: Row | None, run: Row | None, wanted: str | None) -> tuple[str, Any, str | None, list[Any]]:
    """Where the deadline of an assignment that answers no request comes from, the deadline, its run, its problems."""
    if run:
        return "preferred_run", run["enroll_by"], run["key"], run["problems"]
    if held is None:
        return "none", None, None, []
    return "fallback" if wanted else "advertised_run", held["enroll_by"], held["advertised"], []
