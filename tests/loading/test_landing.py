"""What a crawl keeps of an upstream that moves, repeats, shrinks and fails while it is read."""

import threading

import pytest
from support.catalog import Catalog, Upstream, course, run

from catalog_pipeline.errors import LoadRefusedError, UpstreamError, UpstreamRefusedError
from catalog_pipeline.loading.landing import crawl
from catalog_pipeline.sources import discovery
from catalog_pipeline.sources.upstreams import upstreams

COURSES = [course(f"A+{n}", run(f"course-v1:A+{n}+r")) for n in range(90)]


def land(catalog: Catalog, *, full: bool = True) -> dict[str, int]:
    with upstreams(catalog.settings) as found:
        return crawl(catalog.engine, found.client("discovery"), discovery.COURSES, full=full).counts


def test_pages_are_read_to_the_last_and_landed_once(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = COURSES[:]
    assert land(catalog) == {"created": 90, "changed": 0, "missing": 0}
    assert len(upstream.asked) == 5
    assert land(catalog) == {"created": 0, "changed": 0, "missing": 0}


def test_a_list_that_shrinks_under_the_crawl_is_read_again(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = COURSES[:]
    first_time = iter([True])

    def shrink(_name: str, page: int) -> None:
        if page == 2 and next(first_time, False):
            del upstream.courses[0]  # every row moves up one place: page 2 now begins with what was its second row

    upstream.before_page = shrink
    land(catalog)
    assert catalog.value("SELECT count(*) FROM landing.document WHERE missing_since IS NULL") >= 89
    assert set(catalog.rows("SELECT key FROM landing.document")) >= {(d["uuid"],) for d in COURSES[1:]}


def test_a_list_that_never_holds_still_is_refused_and_nothing_of_it_kept(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = COURSES[:]
    land(catalog)
    upstream.courses = COURSES[:]
    lock = threading.Lock()

    def repeat(_name: str, page: int) -> None:
        with lock:  # the second page always repeats the first
            upstream.courses = COURSES[:20] * 2 + COURSES[40:] if page == 2 else COURSES[:]

    upstream.before_page = repeat
    catalog.settings = catalog.settings.model_copy(update={"parallel_pages": 1})
    with pytest.raises(LoadRefusedError, match="kept changing while it was read"):
        land(catalog)
    assert catalog.value("SELECT count(*) FROM landing.document WHERE missing_since IS NOT NULL") == 0
    assert catalog.rows("SELECT outcome FROM landing.crawl ORDER BY id") == [("complete",), ("incomplete",)]


def test_an_incremental_crawl_asks_from_the_last_watermark_less_an_hour(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [dict(document) for document in COURSES]
    land(catalog, full=False)
    assert "timestamp" not in upstream.asked[0]
    upstream.courses[3] = {**COURSES[3], "title": "New", "data_modified_timestamp": "2026-03-01T10:00:00Z"}
    del upstream.courses[7]
    upstream.asked.clear()
    assert land(catalog, full=False) == {"created": 0, "changed": 1, "missing": 0}
    assert "timestamp=2025-12-31T23%3A00%3A00" in upstream.asked[0]
    upstream.asked.clear()
    land(catalog, full=False)
    assert "timestamp=2026-03-01T09%3A00%3A00" in upstream.asked[0]
    assert land(catalog) == {"created": 0, "changed": 0, "missing": 1}


def test_an_upstream_that_is_down_leaves_everything_as_it_was(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = COURSES[:]
    catalog.refresh()
    before = catalog.versions()
    catalog.settings = catalog.settings.model_copy(update={"discovery_url": "http://127.0.0.1:9"})
    with pytest.raises(UpstreamError, match=r"http://127.0.0.1:9/.* failed 3 times.*Check that the upstream is up"):
        catalog.refresh()
    assert catalog.versions() == before


def test_an_address_that_is_not_discovery_says_to_check_the_url(catalog: Catalog, upstream: Upstream) -> None:
    catalog.settings = catalog.settings.model_copy(update={"discovery_url": f"{upstream.url}/elsewhere"})
    with pytest.raises((UpstreamRefusedError, UpstreamError), match=r"[Cc]heck"):
        catalog.refresh()


def test_two_crawls_at_once_end_as_one_after_the_other(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = COURSES[:]
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(catalog.refresh())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 3
    assert sum(report.counts["catalog.course_run"]["created"] for report in reports) == 90
    assert catalog.value("SELECT count(*) FROM landing.document") == 90
