"""Every course has the status that the rule says, whichever statements changed courses, runs and associations."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected

COURSES, RUNS = range(1, 5), range(1, 7)
STATEMENTS = {
    "make courses": """
        INSERT INTO catalog.catalog_course
            (id, organization_id, course_code, key, title, status, product_status, missing_since, dropped_since)
        OVERRIDING SYSTEM VALUE SELECT c, 1, c, 'A+' || c, 'Course', :status, :product_status,
                                       CAST(:since AS timestamptz), NULL
        FROM unnest(CAST(:courses AS int[])) c ON CONFLICT DO NOTHING""",
    "make runs": """
        INSERT INTO catalog.course_run (id, run_key, key_org, key_course, key_run, title, status)
        OVERRIDING SYSTEM VALUE SELECT r, 'course-v1:A+1+' || r, 'A', '1', r, 'Run', :run_status
        FROM unnest(CAST(:runs AS int[])) r ON CONFLICT DO NOTHING""",
    "change courses": """
        UPDATE catalog.catalog_course SET product_status = :product_status, dropped_since = CAST(:since AS timestamptz)
        WHERE id = ANY (CAST(:courses AS int[]))""",
    "set statuses": "UPDATE catalog.catalog_course SET status = :status WHERE id = ANY (CAST(:courses AS int[]))",
    "change runs": "UPDATE catalog.course_run SET status = :run_status WHERE id = ANY (CAST(:runs AS int[]))",
    "associate runs": """
        INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
        SELECT r.id, c.id, 'key', 'test' FROM catalog.course_run r JOIN catalog.catalog_course c ON c.id = :course
        WHERE r.id = ANY (CAST(:runs AS int[])) ON CONFLICT DO NOTHING""",
    "move runs": """
        UPDATE catalog.run_association SET catalog_course_id = :course
        WHERE course_run_id = ANY (CAST(:runs AS int[]))
          AND EXISTS (SELECT FROM catalog.catalog_course WHERE id = :course)""",
    "move and associate runs": """
        MERGE INTO catalog.run_association t
        USING (SELECT r.id, c.id AS course FROM catalog.course_run r JOIN catalog.catalog_course c ON c.id = :course
               WHERE r.id = ANY (CAST(:runs AS int[]))) s ON t.course_run_id = s.id
        WHEN MATCHED AND s.id % 2 = 0 THEN DELETE
        WHEN MATCHED THEN UPDATE SET catalog_course_id = s.course
        WHEN NOT MATCHED THEN INSERT (course_run_id, catalog_course_id, source, reason)
            VALUES (s.id, s.course, 'key', 'test')""",
    "make associated runs": """
        WITH made AS (
            INSERT INTO catalog.course_run (id, run_key, key_org, key_course, key_run, title, status)
            OVERRIDING SYSTEM VALUE SELECT r, 'course-v1:A+1+' || r, 'A', '1', r, 'Run', :run_status
            FROM unnest(CAST(:runs AS int[])) r ON CONFLICT DO NOTHING RETURNING id)
        INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
        SELECT m.id, c.id, 'key', 'test' FROM made m, catalog.catalog_course c WHERE c.id = :course""",
    "change runs and courses": """
        WITH changed AS (
                 UPDATE catalog.course_run SET status = :run_status WHERE id = ANY (CAST(:runs AS int[]))),
             moved AS (DELETE FROM catalog.run_association WHERE course_run_id = :run)
        UPDATE catalog.catalog_course SET status = :status, missing_since = CAST(:since AS timestamptz)
        WHERE id = ANY (CAST(:courses AS int[]))""",
    "say why anew": "UPDATE catalog.run_association SET reason = reason || '!'",
    "drop associations": "DELETE FROM catalog.run_association WHERE course_run_id = ANY (CAST(:runs AS int[]))",
    "delete runs": "DELETE FROM catalog.course_run WHERE id = ANY (CAST(:runs AS int[]))",
    "delete courses": """
        DELETE FROM catalog.catalog_course c WHERE id = ANY (CAST(:courses AS int[]))
        AND NOT EXISTS (SELECT FROM catalog.run_association WHERE catalog_course_id = c.id)""",
}
ACTIONS = st.fixed_dictionaries(
    {
        "statement": st.sampled_from(sorted(STATEMENTS)),
        "course": st.sampled_from(COURSES),
        "run": st.sampled_from(RUNS),
        "courses": st.lists(st.sampled_from(COURSES), unique=True),
        "runs": st.lists(st.sampled_from(RUNS), unique=True),
        "status": st.sampled_from(["draft", "published", "archived"]),
        "run_status": st.sampled_from(["published", "unpublished", "archived"]),
        "product_status": st.sampled_from([None, None, "published", "archived"]),
        "since": st.sampled_from([None, None, "2026-01-01"]),
    }
)
FILLED = [
    {"statement": "make courses", "courses": list(COURSES), "status": "draft", "product_status": None, "since": None},
    {"statement": "make associated runs", "runs": [1, 2, 3], "run_status": "published", "course": 1},
]


def do(connection: Connection, **action: object) -> None:
    connection.execute(text(STATEMENTS[str(action.pop("statement"))]), action)


def statuses(connection: Connection) -> dict[int, str]:
    found = connection.execute(text("SELECT id, status FROM catalog.catalog_course"))
    return {course.id: course.status for course in found}


def by_the_rule(connection: Connection) -> dict[int, str]:
    """The status of each course, course by course."""
    runs = connection.execute(
        text(
            "SELECT a.catalog_course_id AS course, r.status FROM catalog.run_association a, catalog.course_run r"
            " WHERE r.id = a.course_run_id"
        )
    ).all()
    found: dict[int, str] = {}
    for course in connection.execute(text("SELECT * FROM catalog.catalog_course")):
        if course.product_status == "archived" or course.missing_since or course.dropped_since:
            found[course.id] = "archived"
        else:
            published = any(run.course == course.id and run.status == "published" for run in runs)
            found[course.id] = "published" if published else "draft"
    return found


@pytest.fixture
def organized(engine: Engine) -> Engine:
    with connected(engine) as connection:
        connection.execute(
            text("INSERT INTO catalog.organization (id, key, name) OVERRIDING SYSTEM VALUE VALUES (1, 'A', 'A')")
        )
    return engine


@given(st.lists(ACTIONS, max_size=12))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_statements_the_status_is_the_rules(organized: Engine, actions: list[dict[str, object]]) -> None:
    with organized.connect() as connection:  # each example is rolled back
        for action in [*FILLED, *actions]:
            do(connection, **action)
            assert statuses(connection) == by_the_rule(connection)


def test_the_history_shows_the_statement_first_and_then_the_status_that_it_led_to(organized: Engine) -> None:
    with connected(organized) as connection:
        for action in FILLED:
            do(connection, **action)
        events = text("SELECT entity, action FROM ops.change_event WHERE entity <> 'organization' ORDER BY id")
        assert connection.execute(events).all() == [
            *[("catalog_course", "created")] * 4,
            *[("course_run", "created")] * 3,
            *[("run_association", "created")] * 3,
            ("catalog_course", "updated"),
        ]


def test_a_statement_that_changes_no_status_writes_no_course(organized: Engine) -> None:
    written = text("SELECT id, xmin::text FROM catalog.catalog_course ORDER BY id")
    with connected(organized) as connection:
        for action in FILLED:
            do(connection, **action)
    with connected(organized) as connection:
        before = connection.execute(written).all()
        do(connection, statement="say why anew")
        do(connection, statement="change runs", runs=[1, 2], run_status="archived")
        connection.execute(text("UPDATE catalog.course_run SET title = 'Another'"))
        assert connection.execute(written).all() == before


@pytest.mark.parametrize(
    ("mine", "theirs", "status"),
    [
        # One run of the course is published while the other one, which was, is unpublished.
        (
            {"statement": "change runs", "runs": [4], "run_status": "published"},
            {"statement": "change runs", "runs": [1, 2, 3], "run_status": "unpublished"},
            "published",
        ),
        # A run is published while it gets its course.
        (
            {"statement": "change runs", "runs": [5], "run_status": "published"},
            {"statement": "associate runs", "runs": [5], "course": 2},
            "published",
        ),
        (
            {"statement": "associate runs", "runs": [5], "course": 2},
            {"statement": "change runs", "runs": [5], "run_status": "published"},
            "published",
        ),
    ],
)
def test_two_sessions_at_once_leave_the_status_that_the_rule_says(
    organized: Engine, mine: dict[str, object], theirs: dict[str, object], status: str
) -> None:
    with connected(organized) as connection:
        for action in FILLED:
            do(connection, **action)
        do(connection, statement="make associated runs", runs=[4], run_status="unpublished", course=1)
        do(connection, statement="make runs", runs=[5], run_status="unpublished")

    def do_theirs() -> None:
        with connected(organized) as connection:
            do(connection, **theirs)

    with ThreadPoolExecutor(1) as pool:
        with connected(organized) as connection:
            do(connection, **mine)
            other = pool.submit(do_theirs)
            with pytest.raises(TimeoutError):
                other.result(0.3)  # it waits for this session
        other.result(30)
    with connected(organized) as connection:
        assert statuses(connection) == by_the_rule(connection)
        assert status in statuses(connection).values()
