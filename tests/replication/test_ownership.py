"""Ownership passes on when an owner is no longer configured, and back when it returns."""

from datetime import UTC, datetime
from typing import Any

import pytest
from support.catalog import Catalog, Upstream, course, lms_run, run

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.go_live import publish_due_runs
from catalog_pipeline.queries.explain import explain

R1, R2 = "course-v1:A+1+R1", "course-v1:A+1+R2"
LATER = {"start": "2026-09-01T00:00:00Z", "start_type": "timestamp"}


def schedule(catalog: Catalog, key: str = R1) -> tuple[Any, ...]:
    return catalog.rows("SELECT title, start::date::text, price FROM catalog.course_run WHERE run_key = :key", key=key)[
        0
    ]


def owners(catalog: Catalog, key: str) -> dict[str, str]:
    with connected(catalog.engine) as connection:
        found = explain(connection, key)["owners"]
    return {field: row["owner"] for row in found for field in row["fields"].split(", ")}


@pytest.fixture
def both(catalog: Catalog, upstream: Upstream) -> Catalog:
    """Discovery lists two runs, and the LMS the first of them, with another start."""
    upstream.courses = [course("A+1", run(R1), run(R2, status="reviewed", go_live_date="2020-01-01T00:00:00Z"))]
    upstream.lists["lms"] = [lms_run(R1, **LATER)]
    catalog.refresh()
    catalog.refresh("lms")
    return catalog


def without_discovery(catalog: Catalog) -> str | None:
    url = catalog.settings.discovery_url
    catalog.settings = catalog.settings.model_copy(update={"discovery_url": None})
    return url


def test_runs_of_a_discovery_that_is_switched_off_pass_on_to_the_lms_and_back(both: Catalog) -> None:
    assert schedule(both) == (f"Run {R1}", "2026-01-01", 150)
    url = without_discovery(both)
    both.refresh("lms")
    assert schedule(both) == (f"LMS {R1}", "2026-09-01", 150)
    assert schedule(both, R2) == (f"Run {R2}", "2026-01-01", 150)
    assert both.courses_of_runs() == {R1: "A+1", R2: "A+1"}
    after = both.versions()
    both.refresh("lms")
    assert both.versions() == after
    both.settings = both.settings.model_copy(update={"discovery_url": url})
    both.refresh()
    both.refresh("lms")
    assert schedule(both) == (f"Run {R1}", "2026-01-01", 150)
    assert owners(both, R1)["start"] == "discovery"


def test_explain_says_who_owns_what_once_discovery_is_switched_off(both: Catalog) -> None:
    without_discovery(both)
    both.refresh("lms")
    first, second = owners(both, R1), owners(both, R2)
    assert (first["start"], first["price"]) == ("lms", "nobody: the LMS does not say it")
    assert second["start"].startswith("nobody: discovery, which listed it, has not been configured since ")


def test_a_reviewed_run_of_a_discovery_that_is_switched_off_goes_live(both: Catalog) -> None:
    assert publish_due_runs(both.engine, datetime(2026, 3, 1, tzinfo=UTC)).counts["catalog.course_run"]["updated"] == 0
    without_discovery(both)
    both.refresh("lms")
    publish_due_runs(both.engine, datetime(2026, 3, 1, tzinfo=UTC))
    assert both.value("SELECT status FROM catalog.course_run WHERE run_key = :key", key=R2) == "published"


def test_what_a_discovery_that_returns_no_longer_lists_is_archived(both: Catalog, upstream: Upstream) -> None:
    url = without_discovery(both)
    both.refresh("lms")
    upstream.courses = [course("A+1", run(R1))]
    both.settings = both.settings.model_copy(update={"discovery_url": url})
    both.refresh()
    assert both.value("SELECT status FROM catalog.course_run WHERE run_key = :key", key=R2) == "archived"
