"""Reviewed runs are published on their day."""

from datetime import UTC, datetime

import pytest
from support.catalog import Catalog, Upstream, course, run

from catalog_pipeline.loading.go_live import publish_due_runs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "go_live", "becomes"),
    [
        ("reviewed", "2026-03-01T12:00Z", "published"),
        ("reviewed", "2020-01-01T00:00Z", "published"),
        ("reviewed", "2026-03-01T12:00:01Z", "reviewed"),
        ("reviewed", None, "reviewed"),
        ("review_by_internal", "2020-01-01T00:00Z", "review_by_internal"),
        ("unpublished", "2020-01-01T00:00Z", "unpublished"),
        ("archived", "2020-01-01T00:00Z", "archived"),
    ],
)
def test_a_run_of_our_own_is_published_when_it_is_reviewed_and_its_day_has_come(
    catalog: Catalog, status: str, go_live: str | None, becomes: str
) -> None:
    catalog.add_run("course-v1:A+1+r", status=status, go_live=go_live)
    catalog.associate()
    report = publish_due_runs(catalog.engine, NOON)
    assert catalog.value("SELECT status FROM catalog.course_run") == becomes
    assert catalog.value("SELECT status FROM catalog.catalog_course") == (
        "published" if becomes == "published" else "draft"
    )
    assert report.changed == (2 if becomes != status else 0)  # the run, and the course's status
    assert publish_due_runs(catalog.engine, NOON).changed == 0


def test_the_status_of_what_discovery_lists_is_discoverys_to_say(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r", status="reviewed", go_live_date="2020-01-01T00:00:00Z"))]
    catalog.refresh()
    assert publish_due_runs(catalog.engine).changed == 0
    assert catalog.value("SELECT status FROM catalog.course_run") == "reviewed"


def test_a_run_that_is_over_is_not_published_though_its_day_comes(catalog: Catalog) -> None:
    catalog.add_run("course-v1:A+1+r", status="reviewed", go_live="2026-02-01T00:00Z", end="2026-03-01T12:00Z")
    catalog.add_run("course-v1:A+1+s", status="reviewed", go_live="2026-02-01T00:00Z", end="2026-03-01T12:00:01Z")
    publish_due_runs(catalog.engine, NOON)
    assert catalog.rows("SELECT status FROM catalog.course_run ORDER BY run_key") == [("reviewed",), ("published",)]


def test_publishing_a_run_unpublishes_runs_of_its_course_whose_enrollment_has_passed(catalog: Catalog) -> None:
    """As course-discovery does: at the end of the run or of its enrollment, whichever comes first."""
    catalog.add_run("course-v1:A+1+due", status="reviewed", go_live=NOON)
    catalog.add_run("course-v1:A+1+open", end="2026-03-02T12:00Z", enrollment_end="2026-03-01T12:00:01Z")
    catalog.add_run("course-v1:A+1+undated")
    catalog.add_run("course-v1:A+1+ended", end="2026-03-01T12:00Z", enrollment_end="2026-03-02T12:00Z")
    catalog.add_run("course-v1:A+1+closed", end="2027-03-01T12:00Z", enrollment_end="2026-03-01T12:00Z")
    catalog.add_run("course-v1:A+2+closed", enrollment_end="2026-03-01T12:00Z")
    catalog.associate()
    report = publish_due_runs(catalog.engine, NOON)
    query = "SELECT right(run_key, -10) FROM catalog.course_run WHERE status = 'unpublished' ORDER BY 1"
    assert catalog.rows(query) == [("A+1+closed",), ("A+1+ended",)]
    assert report.counts["catalog.course_run"] == {"updated": 3}
    assert catalog.value("SELECT detail FROM ops.load WHERE source = 'go_live'") == report.detail
    assert str(report.detail).endswith("passed: 2.")
    assert publish_due_runs(catalog.engine, NOON).changed == 0


@pytest.mark.parametrize("published", [{"enrollment_end": "2026-03-01T12:00Z"}, {"has_seats": False}])
def test_no_run_is_unpublished_where_none_remains_that_is_open(catalog: Catalog, published: dict[str, object]) -> None:
    catalog.add_run("course-v1:A+1+due", status="reviewed", go_live=NOON, **published)
    catalog.add_run("course-v1:A+1+closed", enrollment_end="2026-03-01T12:00Z")
    catalog.associate()
    publish_due_runs(catalog.engine, NOON)
    assert catalog.rows("SELECT status FROM catalog.course_run") == [("published",), ("published",)]


def test_discovery_says_whether_its_runs_are_unpublished(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r", end="2026-02-01T12:00:00Z"))]
    catalog.refresh()
    catalog.add_run("course-v1:A+1+due", status="reviewed", go_live=NOON)
    catalog.associate()
    assert publish_due_runs(catalog.engine, NOON).counts["catalog.course_run"] == {"updated": 1}
    assert catalog.rows("SELECT status FROM catalog.course_run") == [("published",), ("published",)]
