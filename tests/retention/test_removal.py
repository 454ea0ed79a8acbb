"""What the night removes once it is old, and what must stay."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance
from support.catalog import Catalog, course, run
from support.feeds import FedCatalog, csv_of, fed

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.partner.corrections import read_corrections
from catalog_pipeline.partner.reading import Limits
from catalog_pipeline.partner.report import report
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.queries.show import REMOVED, document
from catalog_pipeline.retention.removal import remove

LATER = datetime.now(UTC) + timedelta(days=400)
LIMITS = Limits(10**9, 10**5)
FEEDS = "rows and bytes of superseded feeds"
PAYLOADS = "payloads of missing documents"
KEY = "course-v1:A+1+r"


def removed(catalog: Catalog, now: datetime = LATER, **settings: Any) -> dict[str, tuple[int, int]]:
    """Rows and bytes that were removed, by kind, as of a later time."""
    found = remove(catalog.engine, catalog.settings.model_copy(update=settings), now=now)
    return {one.kind: (one.rows, one.bytes) for one in found if one.rows or one.bytes}


def payloads(catalog: Catalog, kind: str) -> list[int]:
    found = catalog.rows("SELECT octet_length(payload) FROM landing.document WHERE kind = :kind ORDER BY id", kind=kind)
    return [size for (size,) in found]


def test_nothing_is_removed_before_its_time_or_where_the_setting_is_0(fed_catalog: FedCatalog) -> None:
    fed_catalog.ingest(fed("1", "v"))
    fed_catalog.ingest(fed("2", "w"))
    assert not removed(fed_catalog, datetime.now(UTC) + timedelta(days=179))
    assert not removed(fed_catalog, keep_superseded_feeds=0)
    assert FEEDS in removed(fed_catalog)


def test_a_feed_that_another_took_the_place_of_loses_its_rows_and_bytes_and_keeps_what_became_of_it(
    fed_catalog: FedCatalog,
) -> None:
    first = fed_catalog.ingest(fed("1", "v"), fed("2", "w", verified_price="free"))
    fed_catalog.ingest(fed("1", "v", verified_price="100"))
    acceptance = fed_catalog.rows("SELECT sha256, counts, archived FROM ops.feed ORDER BY id")
    sizes = payloads(fed_catalog, "feed")
    assert removed(fed_catalog) == {FEEDS: (2, sizes[0])}
    assert payloads(fed_catalog, "feed") == [0, sizes[1]]
    assert fed_catalog.rows("SELECT DISTINCT feed_id FROM ops.feed_row") == [(2,)]
    assert fed_catalog.rows("SELECT sha256, counts, archived FROM ops.feed ORDER BY id") == acceptance
    with connected(fed_catalog.engine) as connection:
        told = report(connection, 1)
        assert told.counts == first.counts
        assert told.detail is not None
        assert "Its rows were removed on" in told.detail
        with pytest.raises(UsageError, match="not kept any more"):
            read_corrections(connection, told, LIMITS)
    assert not removed(fed_catalog)


def test_what_the_current_feed_and_its_corrections_say_stays(fed_catalog: FedCatalog) -> None:
    fed_catalog.ingest(fed("1", "v"), fed("2", "w", organization="Unknown"))
    with connected(fed_catalog.engine) as connection:
        before = explain(connection, fed_catalog.value("SELECT run_key FROM catalog.course_run"))
    assert not removed(fed_catalog)
    with connected(fed_catalog.engine) as connection:
        assert explain(connection, fed_catalog.value("SELECT run_key FROM catalog.course_run")) == before
        assert read_corrections(connection, report(connection, 1), LIMITS)


def test_a_feed_of_another_partner_or_one_that_was_held_takes_the_place_of_none(fed_catalog: FedCatalog) -> None:
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"removal_share": 0.2})
    fed_catalog.ingest(fed("1", "v"), fed("2", "w"), fed("3", "x"))
    fed_catalog.ingest(fed("1", "v"), accept_removals=False)
    fed_catalog.ingest(fed("9", "z"), product_type="bootcamp-2u")
    assert fed_catalog.rows("SELECT outcome FROM ops.feed ORDER BY id") == [("applied",), ("held",), ("applied",)]
    assert not removed(fed_catalog)


def test_the_bytes_of_a_past_feed_stay_while_the_current_one_has_the_same_or_they_wait_again(
    fed_catalog: FedCatalog,
) -> None:
    back = csv_of(fed("1", "v"))
    for data in (back, csv_of(fed("2", "w")), back):
        fed_catalog.ingest(data=data)
    size, _ = payloads(fed_catalog, "feed")
    fed_catalog.execute("""
        INSERT INTO ops.feed_arrival (partition_key, path, source, product_type, sha256, received_at, document_id)
        SELECT 'again', 'a.csv', source, product_type, sha256, now(), document_id FROM ops.feed WHERE id = 2""")
    assert removed(fed_catalog) == {FEEDS: (2, 0)}
    assert 0 not in payloads(fed_catalog, "feed")
    assert size


def test_bytes_that_come_again_after_their_removal_are_known_and_kept_again(fed_catalog: FedCatalog) -> None:
    first = csv_of(fed("1", "v"))
    fed_catalog.ingest(data=first)
    fed_catalog.ingest(fed("1", "v", verified_price="100"))
    removed(fed_catalog)
    again = fed_catalog.ingest(data=first, once=True)
    assert again.outcome == "superseded"
    assert again.detail is not None
    assert "The same bytes were decided before" in again.detail
    assert 0 not in payloads(fed_catalog, "feed")


def test_only_mail_that_was_sent_is_removed(fed_catalog: FedCatalog) -> None:
    fed_catalog.execute("""
        INSERT INTO ops.outbox (message_id, kind, subject, sender, recipients, content, due_at, sent_at)
        VALUES ('sent', '', '', '', '{a}', NULL, NULL, now()), ('waits', '', '', '', '{a}', 'x', now(), NULL),
               ('given up', '', '', '', '{a}', 'x', NULL, NULL)""")
    assert removed(fed_catalog) == {"sent mail": (1, 0)}
    assert fed_catalog.rows("SELECT message_id FROM ops.outbox ORDER BY 1") == [("given up",), ("waits",)]


def test_only_rejects_that_were_cleared_are_removed(catalog: Catalog, upstream: Any) -> None:
    upstream.courses = [course("A+1", run(KEY, start="soon")), course("A+2", run("course-v1:A+2+r", start="soon"))]
    catalog.refresh()
    upstream.courses[0] = course("A+1", run(KEY))
    catalog.refresh()
    still = catalog.rejects()
    assert removed(catalog) == {"cleared rejects": (1, 0)}
    assert catalog.rejects() == still != []


def test_the_content_of_a_document_that_is_long_missing_goes_and_who_lists_what_stays(
    catalog: Catalog, upstream: Any
) -> None:
    upstream.courses = [course("A+1", run(KEY)), course("A+2")]
    catalog.refresh()
    upstream.courses = [course("A+2")]
    catalog.refresh()
    listed = catalog.rows("SELECT id, listed_by_id, status FROM catalog.course_run")
    gone, stays = payloads(catalog, "course")
    assert removed(catalog) == {PAYLOADS: (1, gone)}
    assert payloads(catalog, "course") == [0, stays]
    assert catalog.rows("SELECT id, listed_by_id, status FROM catalog.course_run") == listed
    with connected(catalog.engine) as connection:
        (shown,) = document(connection, "A+1")
        assert shown["document"] == REMOVED
        assert explain(connection, KEY)
    upstream.courses = [course("A+1", run(KEY)), course("A+2")]
    assert catalog.refresh().counts["catalog.course_run"]["updated"] == 1
    assert 0 not in payloads(catalog, "course")


def test_the_content_of_a_document_whose_removal_is_held_back_or_that_is_pending_stays(
    catalog: Catalog, upstream: Any
) -> None:
    upstream.courses = [course(f"A+{number}", run(f"course-v1:A+{number}+r")) for number in range(9)]
    catalog.refresh()
    catalog.settings = catalog.settings.model_copy(update={"removal_share": 0.1, "removal_floor": 0})
    upstream.courses = upstream.courses[:2]
    assert catalog.refresh().outcome == "held"
    assert not removed(catalog)
    catalog.execute("DELETE FROM ops.held_removal")  # what is pending would stay by itself
    assert not removed(catalog)


def test_a_dry_run_tells_the_same_and_removes_nothing(fed_catalog: FedCatalog) -> None:
    fed_catalog.ingest(fed("1", "v"))
    fed_catalog.ingest(fed("2", "w"))
    before = fed_catalog.rows("SELECT feed_id, row FROM ops.feed_row ORDER BY 1, 2"), payloads(fed_catalog, "feed")
    told = remove(fed_catalog.engine, fed_catalog.settings, dry_run=True, now=LATER)
    assert before == (
        fed_catalog.rows("SELECT feed_id, row FROM ops.feed_row ORDER BY 1, 2"),
        payloads(fed_catalog, "feed"),
    )
    assert told == remove(fed_catalog.engine, fed_catalog.settings, now=LATER)


def test_the_night_removes_what_is_old_and_tells_how_much(
    fed_catalog: FedCatalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    fed_catalog.ingest(fed("1", "v"))
    fed_catalog.ingest(fed("2", "w"))
    fed_catalog.execute("UPDATE ops.feed SET ingested_at = ingested_at - interval '1 year'")
    result = defs.resolve_job_def("remove_old").execute_in_process(instance=instance)
    assert result.success
    (told,) = [event.step_output_data.metadata for event in result.all_events if event.is_successful_output]
    assert told["rows"].value == 1
