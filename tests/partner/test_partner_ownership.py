"""Feeds and crawls over one catalog: each field has one owner, whoever came last."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from support.catalog import Document, Upstream, course, run
from support.feeds import FedCatalog, fed, variant

from catalog_pipeline.associations.manual import set_courses, unset_courses
from catalog_pipeline.database.engine import connected
from catalog_pipeline.queries.explain import explain

KEY = "course-v1:A+1+r1"
DATES = {"start": "2026-07-01T00:00:00Z", "end": "2026-08-30T00:00:00Z"}


def listed(*runs: Document, number: str = "1", **fields: Any) -> Document:
    return course(f"A+{number}", *runs, product_source={"slug": "2u"}, course_type="executive-education-2u", **fields)


def facts(catalog: FedCatalog, key: str = KEY) -> dict[str, Any]:
    (row,) = catalog.rows(
        "SELECT title, start, price, restriction_type, variant_id::text, status FROM catalog.run WHERE run_key = :k",
        k=key,
    )
    return dict(zip(("title", "start", "price", "restriction", "variant", "status"), row, strict=True))


def test_a_feed_carries_schedule_price_restriction_and_variant_of_a_listed_run_and_nothing_else(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [listed(run(KEY, status="reviewed", **DATES))]
    fed_catalog.refresh()
    found = fed_catalog.feed(fed("1", "v", restriction_type="custom-b2c"))
    assert found["rows"][0]["run_key"] == KEY
    assert facts(fed_catalog) == {
        "title": f"Run {KEY}",
        "status": "reviewed",  # upstream's
        "start": datetime(2026, 7, 1, tzinfo=UTC),
        "price": 2400,
        "restriction": "custom-b2c",
        "variant": variant("v"),
    }


def test_a_feed_owns_all_that_it_says_of_a_run_once_discovery_is_no_longer_configured(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [listed(run(KEY, status="reviewed", **DATES))]
    fed_catalog.refresh()
    configured = fed_catalog.settings
    fed_catalog.settings = configured.model_copy(update={"discovery_url": None})
    fed_catalog.refresh("lms")
    fed_catalog.feed(fed("1", "v"))
    assert (facts(fed_catalog)["title"], facts(fed_catalog)["price"]) == ("Course 1", 2400)
    fed_catalog.settings = configured
    fed_catalog.refresh()
    assert (facts(fed_catalog)["title"], facts(fed_catalog)["price"]) == (f"Run {KEY}", 2400)


def test_a_crawl_does_not_overwrite_what_the_feed_carries(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [listed(run(KEY, **DATES))]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    before = facts(fed_catalog)
    moved = {"start": "2026-01-01T00:00:00Z", "restriction_type": "custom-b2c", "title": "Moved"}
    upstream.courses = [listed(run(KEY, **{**DATES, **moved}), title="Upstream's", short_description="x")]
    fed_catalog.refresh()
    assert facts(fed_catalog) == {**before, "title": "Moved"}
    assert fed_catalog.rows("SELECT title, short_description, product_source FROM catalog.catalog_course") == [
        ("Course 1", "<p>Short</p>", "2u")
    ]


def test_a_crawl_does_not_overwrite_a_course_that_the_feed_adopted(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(KEY, **DATES), product_source=None)]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = [course("A+1", run(KEY, **DATES), product_source=None, title="New")]
    fed_catalog.refresh()
    assert fed_catalog.rows("SELECT product_source, course_type, title FROM catalog.catalog_course") == [
        ("2u", "executive-education-2u", "Course 1")
    ]
    assert fed_catalog.value("SELECT product_source FROM catalog.course_variant") == "2u"


def test_what_the_newest_feed_no_longer_lists_is_upstreams_again(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [listed(run(KEY, **DATES))]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.feed(fed("2", "w"))
    upstream.courses = [listed(run(KEY, **{**DATES, "start": "2026-06-15T00:00:00Z"}), title="Upstream's")]
    fed_catalog.refresh()
    assert facts(fed_catalog)["start"] == datetime(2026, 6, 15, tzinfo=UTC)
    assert fed_catalog.value("SELECT title FROM catalog.catalog_course WHERE key = 'A+1'") == "Upstream's"


def test_a_row_that_is_rejected_today_goes_on_carrying_what_it_carried(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [listed(run(KEY, **DATES))]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.feed(fed("1", "v", verified_price="much"))
    upstream.courses = [listed(run(KEY, **{**DATES, "start": "2026-06-15T00:00:00Z"}), title="Upstream's")]
    fed_catalog.refresh()
    assert facts(fed_catalog)["start"] == datetime(2026, 7, 1, tzinfo=UTC)
    assert fed_catalog.value("SELECT title FROM catalog.catalog_course") == "Course 1"


def test_upstreams_run_takes_the_place_of_the_one_that_a_feed_made(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    fed_catalog.feed(fed("1", "v"))
    made = "course-v1:A+1+2T2026"
    upstream.courses = [listed(run(KEY, variant_id=variant("v"), start="2026-01-01T00:00:00Z"))]
    fed_catalog.refresh()
    assert facts(fed_catalog)["variant"] == variant("v")
    assert facts(fed_catalog)["start"] == datetime(2026, 7, 1, tzinfo=UTC)
    assert facts(fed_catalog, made)["status"] == "archived"
    assert (
        fed_catalog.value("""
        SELECT n.run_key FROM catalog.course_run o JOIN catalog.course_run n ON n.id = o.superseded_by_id""")
        == KEY
    )
    assert fed_catalog.outcomes(fed("1", "v"), fed("2")) == ["unchanged", "new_product"]
    before = fed_catalog.written()
    fed_catalog.execute("UPDATE landing.document SET settled_rules = 0 WHERE source = 'discovery'")
    fed_catalog.refresh()
    assert fed_catalog.written() == before


def test_a_run_whose_place_another_took_is_not_asked_for_its_schedule(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = [listed(run(KEY, variant_id=variant("v"), start="2026-01-01T00:00:00Z"))]
    fed_catalog.refresh()
    found = fed_catalog.feed(fed("1", "v"), fed("1"))
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "new_variant"]
    assert found["rows"][1]["run_key"] == "course-v1:A+1+2T2026a"
    assert facts(fed_catalog, "course-v1:A+1+2T2026")["status"] == "archived"


def test_upstreams_run_of_the_same_key_is_the_one_that_the_feed_made(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    fed_catalog.feed(fed("1", "v"))
    made = "course-v1:A+1+2T2026"
    upstream.courses = [listed(run(made, start="2026-01-01T00:00:00Z"))]
    fed_catalog.refresh()
    assert facts(fed_catalog, made)["variant"] == variant("v")
    assert facts(fed_catalog, made)["start"] == datetime(2026, 7, 1, tzinfo=UTC)
    assert fed_catalog.outcomes(fed("1", "v"), fed("2")) == ["unchanged", "new_product"]


def test_a_variant_that_upstream_names_on_another_run_stays_where_the_feed_has_it(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    later = run("course-v1:A+1+r2", start="2026-12-01T00:00:00Z", end=None, variant_id=variant("v"))
    upstream.courses = [listed(run(KEY, variant_id=variant("v"), **DATES))]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = [listed(run(KEY, variant_id=variant("v"), **DATES), later)]
    fed_catalog.refresh()
    assert facts(fed_catalog)["variant"] == variant("v")
    assert ("course-v1:A+1+r2", "variant_id", "variant_conflict") in fed_catalog.rejects()


def test_what_upstream_drops_but_a_feed_lists_stays_and_is_the_feeds(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [listed(run(KEY, **DATES)), course("B+9")]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = [course("B+9")]
    fed_catalog.refresh()
    assert facts(fed_catalog)["status"] == "published"
    assert fed_catalog.value("SELECT variant_id::text FROM catalog.course_variant") == variant("v")
    assert fed_catalog.value("SELECT status FROM catalog.catalog_course WHERE key = 'A+1'") == "published"
    assert fed_catalog.outcomes(fed("1", "v", title="Only the feed's")) == ["updated"]
    assert facts(fed_catalog)["title"] == "Only the feed's"


def test_what_a_held_load_misses_is_upstreams_still_though_a_feed_lists_it(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [listed(run(KEY, **DATES))]
    fed_catalog.refresh()
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = []
    assert fed_catalog.refresh().outcome == "held"
    owned = "SELECT count(*) FROM catalog.course_run WHERE listed_by_id IS NOT NULL"
    assert fed_catalog.value(owned) == 1
    assert fed_catalog.refresh(accept_removals=True).outcome == "applied"
    assert fed_catalog.value(owned) == 0
    assert facts(fed_catalog)["status"] == "published"


def test_a_product_that_upstream_says_is_archived_is_reactivated_by_a_feed(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    archived = {"additional_metadata": {"product_status": "archived"}}
    upstream.courses = [listed(run(KEY, **DATES), **archived)]
    fed_catalog.refresh()
    query = "SELECT product_status, status FROM catalog.catalog_course"
    assert fed_catalog.rows(query) == [("archived", "archived")]
    found = fed_catalog.feed(fed("1", "v"))
    assert [product["course_key"] for product in found["reactivated"]] == ["A+1"]
    assert fed_catalog.rows(query) == [("published", "published")]
    upstream.courses = [listed(run(KEY, **DATES), **archived, short_description="x")]
    fed_catalog.refresh()
    assert fed_catalog.rows(query) == [("published", "published")]


def test_a_product_that_upstream_dropped_is_reactivated_by_a_feed(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [listed(run(KEY, **DATES)), course("B+9")]
    fed_catalog.refresh()
    upstream.courses = [course("B+9")]
    fed_catalog.refresh()
    found = fed_catalog.feed(fed("1", "v"))
    assert [one["course_key"] for one in found["reactivated"]] == ["A+1"]
    assert facts(fed_catalog)["status"] == "published"
    assert fed_catalog.outcomes(fed("1", "v"), fed("2")) == ["unchanged", "new_product"]


@pytest.mark.parametrize("feed_first", [True, False])
def test_feed_and_crawl_end_alike_in_either_order(
    fed_catalog: FedCatalog, upstream: Upstream, feed_first: bool
) -> None:
    upstream.courses = [listed(run(KEY, variant_id=variant("v"), **DATES), title="Upstream's")]
    steps = [lambda: fed_catalog.feed(fed("1", "v", verified_price="7")), fed_catalog.refresh]
    for step in steps if feed_first else reversed(steps):
        step()
    assert {**facts(fed_catalog), "title": None} == {
        "title": None,
        "start": datetime(2026, 7, 1, tzinfo=UTC),
        "price": 7,
        "restriction": None,
        "variant": variant("v"),
        "status": "published",
    }
    assert fed_catalog.value("SELECT title FROM catalog.catalog_course") == "Course 1"


SOURCES = "SELECT course_key, association_source FROM catalog.run"


def test_the_key_for_reruns_of_another_course_does_not_take_a_run_that_a_feed_made(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = [course("B+1", key_for_reruns="A+1")]
    fed_catalog.refresh()
    fed_catalog.associate()
    assert fed_catalog.rows(SOURCES) == [("A+1", "feed")]


def test_a_run_that_a_feed_lists_goes_back_to_its_course_when_a_person_gives_it_back(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    fed_catalog.feed(fed("1", "v"))
    upstream.courses = [course("B+1", key_for_reruns="A+1")]
    fed_catalog.refresh()
    key = fed_catalog.value("SELECT run_key FROM catalog.course_run")
    wanted = pd.DataFrame({"line": [1], "run_key": [key], "course_key": ["B+1"]})
    set_courses(fed_catalog.engine, wanted, actor="test")
    fed_catalog.associate()
    assert fed_catalog.rows(SOURCES) == [("B+1", "manual")]
    (row,) = unset_courses(fed_catalog.engine, [key], actor="test").rows
    assert (row["outcome"], row["course_key"]) == ("linked_by_feed", "A+1")
    assert fed_catalog.rows(SOURCES) == [("A+1", "feed")]


def test_a_run_whose_feed_drops_it_stays_where_the_feed_had_it(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    fed_catalog.feed(fed("2", "w"))
    upstream.courses = [course("B+1", key_for_reruns="A+1")]
    fed_catalog.refresh()
    fed_catalog.associate()
    assert sorted(fed_catalog.rows(SOURCES)) == [("A+1", "feed"), ("A+2", "feed")]


def test_discovery_takes_a_run_that_a_feed_made_when_it_lists_it(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    fed_catalog.feed(fed("1", "v"))
    key = fed_catalog.value("SELECT run_key FROM catalog.course_run")
    upstream.courses = [course("B+1", run(key))]
    fed_catalog.refresh()
    fed_catalog.associate()
    assert fed_catalog.rows(SOURCES) == [("B+1", "discovery")]


def test_a_course_that_its_feed_dropped_is_explained_by_that(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(*(fed(number, variant(number)) for number in "123456"))
    fed_catalog.feed(*(fed(number, variant(number)) for number in "12345"))
    with connected(fed_catalog.engine) as connection:
        told = explain(connection, "A+6")
    assert "its partner's feed has not listed it since" in str(told)


def test_a_pacing_or_status_that_upstream_owns_is_warned_of_kept_with_the_row_and_explained(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [listed(run(KEY, status="reviewed", pacing_type="self_paced", **DATES))]
    fed_catalog.refresh()
    found = fed_catalog.feed(fed("1", "v"))
    told = {one["column"]: one for one in found["rows"][0]["warnings"]}
    assert set(told) == {"publish_date", "course_pacing"}
    assert {one["code"] for one in told.values()} == {"OWNED_BY_UPSTREAM"}
    assert told["course_pacing"]["message"] == (
        "discovery lists the run and owns its pacing: self_paced stands, not instructor_paced."
    )
    assert "reviewed stands, not published." in told["publish_date"]["message"]
    assert other_values(fed_catalog) == [
        ("status", "reviewed", "published"),
        ("pacing", "self_paced", "instructor_paced"),
    ]


def test_a_value_of_the_feed_is_explained_although_upstream_changed_its_own_only_later(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    same = {"status": "published", "content_language": "en-us", **DATES}
    upstream.courses = [listed(run(KEY, pacing_type="instructor_paced", **same))]
    fed_catalog.refresh()
    assert fed_catalog.feed(fed("1", "v"))["rows"][0]["warnings"] == []
    assert other_values(fed_catalog) == []
    upstream.courses = [listed(run(KEY, pacing_type="self_paced", **same))]
    fed_catalog.refresh()
    assert other_values(fed_catalog) == [("pacing", "self_paced", "instructor_paced")]


def test_a_run_that_no_upstream_lists_gets_no_warning_of_an_owner(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    found = fed_catalog.feed(fed("1", "v", course_pacing="Self-Paced", publish_date="", restriction_type="custom-b2c"))
    assert found["rows"][0]["warnings"] == []
    key = fed_catalog.value("SELECT run_key FROM catalog.course_run")
    assert other_values(fed_catalog, key) == []


def other_values(catalog: FedCatalog, key: str = KEY) -> list[tuple[Any, ...]]:
    """field, value and what the feed says, of those that `explain` shows."""
    with connected(catalog.engine) as connection:
        others = explain(connection, key)["other_values"]
    return [(one["field"], one["value"], one["says"]) for one in others if one["source"].startswith("2u/")]
