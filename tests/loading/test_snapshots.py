"""The daily counts, rebuilt from the history of changes."""

from datetime import UTC, date, datetime, timedelta

from support.catalog import Catalog

from catalog_pipeline.database.engine import connected
from dbt_like_sql.project import load_models
from dbt_like_sql.runner import Counts, build, run_tests

MODEL = next(model for model in load_models() if model.name == "catalog_daily")
MAY = [date(2026, 5, day) for day in range(1, 8)]


def at(catalog: Catalog, day: date, *statements: str, hour: int = 12) -> None:
    """Do something on a day: what it changes is told as of then."""
    last = catalog.value("SELECT coalesce(max(id), 0) FROM ops.change_event")
    for statement in statements:
        catalog.execute(statement)
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    catalog.execute("UPDATE ops.change_event SET at = :moment WHERE id > :last", moment=moment, last=last)


def built(catalog: Catalog, first: date, last: date) -> Counts:
    with connected(catalog.engine) as connection:
        counts = build(connection, MODEL, (first, last))
        assert all(result.passed for result in run_tests(connection, MODEL))
    return counts


def counts_of(catalog: Catalog, day: date) -> dict[tuple[str, str], tuple[int, int]]:
    rows = catalog.rows("SELECT organization_key, status, courses, runs FROM marts.catalog_daily WHERE day = :d", d=day)
    return {(organization, status): (courses, runs) for organization, status, courses, runs in rows}


def a_week(catalog: Catalog) -> None:
    run = "INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status) VALUES"
    at(
        catalog,
        MAY[1],
        "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A'), ('B', 'B')",
        """INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
           SELECT id, '1', key || '+1', 'Course' FROM catalog.organization""",
        f"{run} ('course-v1:A+1+r', '', '', '', 'Run', 'reviewed')",
        f"{run} ('course-v1:A+1+s', '', '', '', 'Run', 'published')",
    )
    at(
        catalog,
        MAY[2],
        """INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
           SELECT r.id, c.id, 'manual', 'Test.' FROM catalog.course_run r, catalog.catalog_course c
           WHERE c.key = 'A+1'""",
        "UPDATE catalog.course_run SET title = 'Renamed'",
    )
    # The last hour of a day belongs to it, and the first of the next does not.
    at(catalog, MAY[3], "UPDATE catalog.course_run SET status = 'published'", hour=23)
    at(catalog, MAY[4], "UPDATE catalog.course_run SET status = 'archived' WHERE run_key LIKE '%s'", hour=0)
    at(
        catalog,
        MAY[5],
        """UPDATE catalog.run_association
           SET catalog_course_id = (SELECT id FROM catalog.catalog_course WHERE key = 'B+1')""",
        "UPDATE catalog.catalog_course SET product_status = 'archived' WHERE key = 'B+1'",
        "DELETE FROM catalog.course_run WHERE run_key LIKE '%r'",
    )


EXPECTED = {
    MAY[0]: {},
    MAY[1]: {("A", "draft"): (1, 0), ("B", "draft"): (1, 0),
             ("(none)", "reviewed"): (0, 1), ("(none)", "published"): (0, 1)},
    MAY[2]: {("B", "draft"): (1, 0), ("A", "reviewed"): (0, 1), ("A", "published"): (1, 1)},
    MAY[3]: {("B", "draft"): (1, 0), ("A", "published"): (1, 2)},
    MAY[4]: {("B", "draft"): (1, 0), ("A", "published"): (1, 1), ("A", "archived"): (0, 1)},
    MAY[5]: {("A", "draft"): (1, 0), ("B", "archived"): (1, 1)},
    MAY[6]: {("A", "draft"): (1, 0), ("B", "archived"): (1, 1)},
}  # fmt: skip


def test_any_past_day_is_rebuilt_as_it_was_at_its_end(catalog: Catalog) -> None:
    a_week(catalog)
    built(catalog, MAY[0], MAY[-1])
    assert {day: counts_of(catalog, day) for day in MAY} == EXPECTED


def test_one_day_alone_is_the_same_as_in_a_range_and_leaves_the_others(catalog: Catalog) -> None:
    a_week(catalog)
    for day in reversed(MAY):
        built(catalog, day, day)
    assert {day: counts_of(catalog, day) for day in MAY} == EXPECTED
    again = built(catalog, MAY[0], MAY[-1])
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)


def test_a_day_that_was_built_too_early_is_corrected_and_what_is_no_more_goes(catalog: Catalog) -> None:
    a_week(catalog)
    built(catalog, MAY[5], MAY[5])
    at(catalog, MAY[5], "UPDATE catalog.course_run SET status = 'published'", hour=13)
    built(catalog, MAY[5], MAY[5])
    assert counts_of(catalog, MAY[5]) == {
        ("A", "draft"): (1, 0),
        ("B", "archived"): (1, 0),
        ("B", "published"): (0, 1),
    }


def test_what_a_transaction_wrote_that_began_before_midnight_and_waited_for_a_later_one_counts_once(
    catalog: Catalog,
) -> None:
    a_week(catalog)
    at(catalog, MAY[6], "UPDATE catalog.course_run SET status = 'unpublished'", "DELETE FROM catalog.run_association")
    at(
        catalog,
        MAY[5],
        "UPDATE catalog.course_run SET status = 'published'",
        """INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
           SELECT r.id, c.id, 'manual', 'Test.' FROM catalog.course_run r, catalog.catalog_course c
           WHERE c.key = 'B+1'""",
        hour=23,
    )
    built(catalog, MAY[5], MAY[6])
    assert counts_of(catalog, MAY[5]) == EXPECTED[MAY[5]]
    assert counts_of(catalog, MAY[6]) == {
        ("A", "draft"): (1, 0),
        ("B", "archived"): (1, 0),
        ("B", "published"): (0, 1),
    }


def test_without_days_today_is_built(catalog: Catalog) -> None:
    a_week(catalog)
    with connected(catalog.engine) as connection:
        build(connection, MODEL)
    today = datetime.now(UTC).date()
    assert catalog.rows("SELECT DISTINCT day FROM marts.catalog_daily") == [(today,)]
    assert counts_of(catalog, today) == EXPECTED[MAY[6]]
    assert today - MAY[6] > timedelta(0)


def test_what_a_wrong_clock_stamped_ahead_hides_nothing_that_came_after_it(catalog: Catalog) -> None:
    a_week(catalog)
    at(catalog, MAY[5].replace(year=3000), "UPDATE catalog.catalog_course SET product_status = NULL WHERE key = 'B+1'")
    at(catalog, MAY[6], "UPDATE catalog.course_run SET status = 'published'")
    built(catalog, MAY[0], MAY[-1])
    assert {day: counts_of(catalog, day) for day in MAY} == EXPECTED | {
        MAY[5]: {("A", "draft"): (1, 0), ("B", "draft"): (1, 0), ("B", "archived"): (0, 1)},
        MAY[6]: {("A", "draft"): (1, 0), ("B", "published"): (1, 1)},
    }
