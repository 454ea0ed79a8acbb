"""What a crawl keeps of an upstream that moves, repeats, shrinks and fails while it is read."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from support.catalog import Catalog, Document, Upstream, course, run

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
    pages = count(1)

    def repeat(_name: str, page: int) -> None:
        # The second page always repeats the first, but for a course that is another each time.
        hidden = next(pages)
        upstream.courses = COURSES[:20] * 2 + [COURSES[20 + hidden], *COURSES[41:]] if page == 2 else COURSES[:]

    upstream.before_page = repeat
    catalog.settings = catalog.settings.model_copy(update={"parallel_pages": 1, "page_size": 21})
    with pytest.raises(LoadRefusedError, match="kept changing while it was read"):
        land(catalog)
    assert catalog.value("SELECT count(*) FROM landing.document WHERE missing_since IS NOT NULL") == 0
    assert catalog.rows("SELECT outcome FROM landing.crawl ORDER BY id") == [("complete",), ("incomplete",)]


class TestRepeats:
    """A document that is listed twice for good."""

    def test_what_is_listed_is_landed_and_told_and_nothing_is_marked_missing(
        self, catalog: Catalog, upstream: Upstream, caplog: pytest.LogCaptureFixture
    ) -> None:
        upstream.courses = COURSES[:80]
        land(catalog)
        # One course twice, one gone (or hidden behind it), one new, one changed.
        upstream.courses = [COURSES[0], COURSES[0], *COURSES[2:79], {**COURSES[79], "title": "New"}, COURSES[80]]
        upstream.asked.clear()
        assert land(catalog) == {"created": 1, "changed": 1, "missing": 0}
        assert len(upstream.asked) == 2 * 5
        uuid = COURSES[0]["uuid"]
        assert f"counts 81 documents and lists 80, in two readings alike. Listed more than once: {uuid}." in caplog.text
        assert catalog.value("SELECT count(*) FROM landing.document WHERE missing_since IS NOT NULL") == 0
        assert catalog.rows("SELECT outcome, documents, missing FROM landing.crawl ORDER BY id DESC LIMIT 1") == [
            ("complete", 80, 0)
        ]
        upstream.courses = [COURSES[0], *COURSES[2:81]]
        assert land(catalog)["missing"] == 1

    def test_the_watermark_waits_until_the_list_is_whole_again(self, catalog: Catalog, upstream: Upstream) -> None:
        upstream.courses = [dict(document) for document in COURSES[:10]]
        land(catalog)
        late = {**COURSES[10], "data_modified_timestamp": "2026-03-01T10:00:00Z"}
        upstream.courses += [late, late]
        land(catalog)
        hidden = {**COURSES[11], "data_modified_timestamp": "2026-02-01T10:00:00Z"}
        upstream.courses[-1] = hidden
        assert land(catalog, full=False) == {"created": 1, "changed": 0, "missing": 0}

    def test_of_two_that_differ_the_last_is_kept_and_a_crawl_of_the_same_changes_nothing(
        self, catalog: Catalog, upstream: Upstream
    ) -> None:
        upstream.courses = [COURSES[0], COURSES[1], {**COURSES[0], "title": "The other"}]
        assert land(catalog) == {"created": 2, "changed": 0, "missing": 0}
        assert land(catalog) == {"created": 0, "changed": 0, "missing": 0}


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


def stamped(document: Document, moment: datetime) -> Document:
    return {**document, "data_modified_timestamp": moment.isoformat()}


def watermark(catalog: Catalog) -> datetime | None:
    return catalog.value("SELECT watermark FROM landing.crawl ORDER BY id DESC LIMIT 1")


class TestWatermarks:
    """From when on an incremental crawl asks for changes."""

    def test_a_document_stamped_in_the_future_hides_no_change(self, catalog: Catalog, upstream: Upstream) -> None:
        upstream.courses = [*COURSES[:10], stamped(COURSES[10], datetime(2099, 1, 1, tzinfo=UTC))]
        land(catalog, full=False)
        assert watermark(catalog) == datetime(2026, 1, 1, tzinfo=UTC)
        upstream.courses[3] = stamped({**COURSES[3], "title": "New"}, datetime.now(UTC))
        assert land(catalog, full=False) == {"created": 0, "changed": 1, "missing": 0}

    def test_what_changes_behind_a_long_crawl_is_asked_for_by_the_next(
        self, catalog: Catalog, upstream: Upstream
    ) -> None:
        began = datetime.now(UTC)
        upstream.courses = COURSES[:40]

        def two_hours_later(_name: str, page: int) -> None:
            if page == 2:
                upstream.courses[30] = stamped(COURSES[30], began + timedelta(hours=2))

        upstream.before_page = two_hours_later
        land(catalog, full=False)
        behind = stamped({**COURSES[5], "title": "Changed behind the crawl"}, began + timedelta(minutes=5))
        upstream.courses[5] = behind
        assert land(catalog, full=False)["changed"] == 1
        assert watermark(catalog) < began  # pyright: ignore[reportOptionalOperand]

    @pytest.mark.parametrize("started", ["now()", "'2098-01-01'"], ids=["by a document", "by a clock"])
    def test_a_database_that_holds_a_watermark_of_the_future_heals(
        self, catalog: Catalog, upstream: Upstream, started: str
    ) -> None:
        upstream.courses = COURSES[:10]
        land(catalog)
        catalog.execute(f"UPDATE landing.crawl SET started_at = {started}, watermark = '2097-01-01'")
        # This was changed long before, while crawls asked for what is newer than 2097.
        upstream.courses[3] = stamped({**COURSES[3], "title": "New"}, datetime(2026, 2, 1, tzinfo=UTC))
        upstream.asked.clear()
        assert land(catalog, full=False) == {"created": 0, "changed": 1, "missing": 0}
        assert "timestamp" not in upstream.asked[0]
        assert watermark(catalog) == datetime(2026, 2, 1, tzinfo=UTC)
        land(catalog, full=False)
        assert "timestamp=2026-01-31T23%3A00%3A00" in upstream.asked[1]

    def test_an_incremental_crawl_that_finds_nothing_keeps_the_watermark(
        self, catalog: Catalog, upstream: Upstream
    ) -> None:
        upstream.courses = COURSES[:10]
        land(catalog)
        upstream.courses = []
        land(catalog, full=False)
        assert watermark(catalog) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("levels", [201, 260, 1_000, 1_100, 100_000])
def test_a_document_nested_too_deep_is_one_reject_and_the_others_are_published(
    catalog: Catalog, upstream: Upstream, levels: int
) -> None:
    upstream.courses = [course(f"A+{n}", run(f"course-v1:A+{n}+r")) for n in range(5)]
    upstream.courses[2]["additional_metadata"] = {"deep": "DEEP"}
    upstream.replaced = {b'"DEEP"': b"[" * levels + b"]" * levels}
    report = catalog.refresh()
    assert report.rejected_documents == 1
    assert len(catalog.courses_of_runs()) == 4
    rejects = catalog.rows(
        "SELECT d.key, r.rule, r.message FROM ops.rejected_record r JOIN landing.document d ON d.id = r.document_id"
        " WHERE r.cleared_at IS NULL"
    )
    assert rejects == [
        (upstream.courses[2]["uuid"], "wrong_shape", "The document is nested more than 200 levels deep.")
    ]
    before = catalog.versions()
    catalog.refresh()
    assert catalog.versions() == before
    upstream.replaced = {b'"DEEP"': b"null"}
    catalog.refresh()
    assert len(catalog.courses_of_runs()) == 5
    assert catalog.rejects() == []


def test_an_upstream_that_is_down_leaves_everything_as_it_was(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = COURSES[:]
    catalog.refresh()
    before = catalog.versions()

    def break_down(*_: object) -> None:
        raise ConnectionError

    upstream.before_page = break_down
    with pytest.raises(UpstreamError, match=r"http://.* failed 3 times.*Check that the upstream is up"):
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
