"""`marts.run_history`: what was known of a run, and when."""

from datetime import UTC, datetime

from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import connected
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import build, run_tests

MODEL = next(model for model in load_models() if model.name == "run_history")
INSERT = (
    "INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, start)"
    " VALUES ('course-v1:A+1+r', 'A', '1', 'r', 't', 'reviewed', '2026-03-01T00:00Z')"
)
STEPS = [
    INSERT,
    "UPDATE catalog.course_run SET title = 'told elsewhere'",
    "UPDATE catalog.course_run SET start = '2026-04-01T00:00Z'",
    "UPDATE catalog.course_run SET status = 'published', start = NULL",
]


def test_each_version_has_its_values_and_the_time_it_was_valid(server_engine: Engine) -> None:
    for step in STEPS:
        with connected(server_engine) as connection:
            connection.execute(text(step))
    with connected(server_engine) as connection:
        build(connection, MODEL)
        assert all(result.passed for result in run_tests(connection, MODEL))
        rows = connection.execute(text("SELECT * FROM marts.run_history ORDER BY valid_from")).all()
    march, april = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    assert [(row.title, row.status, row.start) for row in rows] == [
        ("t", "reviewed", march),
        ("told elsewhere", "reviewed", march),
        ("told elsewhere", "reviewed", april),
        ("told elsewhere", "published", None),
    ]
    assert [row.valid_to for row in rows] == [*(row.valid_from for row in rows[1:]), None]


def test_a_version_overtaken_in_its_own_transaction_and_a_deleted_run_are_not_shown(server_engine: Engine) -> None:
    with connected(server_engine) as connection:
        for step in STEPS:
            connection.execute(text(step))
        build(connection, MODEL)
    count = text("SELECT count(*) FROM marts.run_history")
    with connected(server_engine) as connection:
        assert connection.execute(count).scalar() == 1
        connection.execute(text("DELETE FROM catalog.course_run"))
    with connected(server_engine) as connection:
        rows = connection.execute(text("SELECT valid_to IS NOT NULL FROM marts.run_history")).scalars().all()
    assert rows == [True]


def test_versions_of_transactions_that_overlap_do_not(server_engine: Engine) -> None:
    """The one that began first, and waited for the other, made the last version."""
    with connected(server_engine) as connection:
        connection.execute(text(INSERT))
        build(connection, MODEL)
    with connected(server_engine) as slow:
        slow.execute(text("SELECT now()"))
        with connected(server_engine) as fast:
            fast.execute(text("UPDATE catalog.course_run SET status = 'archived'"))
        slow.execute(text("UPDATE catalog.course_run SET status = 'published'"))
    with connected(server_engine) as connection:
        rows = connection.execute(text("SELECT * FROM marts.run_history ORDER BY valid_from")).all()
    assert [row.status for row in rows] == ["reviewed", "published"]
    assert [row.valid_to for row in rows] == [rows[1].valid_from, None]
