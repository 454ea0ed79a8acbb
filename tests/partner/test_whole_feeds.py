"""A feed is applied whole or not at all: killed between any two statements, and next to other feeds and crawls."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, event
from support.catalog import Upstream, course, run
from support.feeds import NOW, FedCatalog, csv_of, fed, variant

from catalog_pipeline.errors import FeedRefusedError


class KilledError(BaseException):
    """Nothing catches it: what a dying process leaves undone stays undone."""


@contextmanager
def killed_at(engine: Engine, number: int) -> Any:
    """Die before the statement of this number (from 1); yields how many there were."""
    seen = []

    def count(*_: object) -> None:
        seen.append(1)
        if len(seen) == number:
            raise KilledError

    event.listen(engine, "before_cursor_execute", count)
    try:
        with suppress(KilledError):
            yield seen
    finally:
        event.remove(engine, "before_cursor_execute", count)
    engine.dispose()


def everything(catalog: FedCatalog) -> list[tuple[Any, ...]]:
    """Every row of every table, by the transaction that wrote it."""
    tables = catalog.rows(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('catalog', 'ops', 'landing')"
    )
    query = " UNION ALL ".join(f"SELECT '{name}', ctid::text, xmin::text FROM {name}" for (name,) in tables)
    return sorted(catalog.rows(query))


@pytest.mark.parametrize(
    "data",
    [
        csv_of(
            fed("1", "v", "2026-10-01"), fed("1", "w"), fed("3", "x"), fed("3", "x"), fed("4", "y", start_date="soon")
        ),
        b"organization,number\n",
    ],
    ids=["applied", "refused"],
)
def test_a_feed_that_is_killed_between_any_two_statements_leaves_nothing(fed_catalog: FedCatalog, data: bytes) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "z"))
    before = everything(fed_catalog)

    def feed() -> Any:
        with pytest.raises(FeedRefusedError) if data.startswith(b"organization,number\n") else _nothing():
            return fed_catalog.feed(data=data, received_at=NOW + timedelta(days=1))

    number = 0
    while True:
        number += 1
        with killed_at(fed_catalog.engine, number) as seen:
            feed()
        if len(seen) < number:
            break
        assert everything(fed_catalog) == before, f"statement {number} left something"
    assert number > 3
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 2


@contextmanager
def _nothing() -> Any:
    yield


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What works return that begin at the same time."""
    barrier = Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [one.result() for one in [pool.submit(begin, work) for work in works]]


def test_two_feeds_at_once_end_as_if_one_came_after_the_other(fed_catalog: FedCatalog) -> None:
    mine = csv_of(fed("1", "v"), fed("2", "w"))
    yours = csv_of(fed("8", "v"), fed("9", "x"))
    found = at_once(
        lambda: fed_catalog.feed(data=mine), lambda: fed_catalog.feed(data=yours, source="edx", received_at=NOW)
    )
    assert sorted(row["outcome"] for one in found for row in one["rows"]) == [
        *("new_product", "new_product", "new_product", "rejected")
    ]
    assert fed_catalog.value("SELECT count(*) FROM catalog.course_variant WHERE variant_id = :v", v=variant("v")) == 1


def test_the_newer_of_two_feeds_at_once_has_the_last_word(fed_catalog: FedCatalog) -> None:
    older, newer = csv_of(fed("1", "v", "2026-10-01")), csv_of(fed("1", "v", "2026-11-01"))
    found = at_once(
        lambda: fed_catalog.feed(data=older, received_at=NOW),
        lambda: fed_catalog.feed(data=newer, received_at=NOW + timedelta(hours=1)),
    )
    assert {one["outcome"] for one in found} <= {"applied", "superseded"}
    assert [one[:3] for one in fed_catalog.runs()] == [("3T2026", "2026-11-01", variant("v"))]


def test_a_feed_and_a_crawl_at_once_end_as_if_one_came_after_the_other(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [
        course(
            "A+1",
            run("course-v1:A+1+r1", variant_id=variant("v"), start="2026-07-01T00:00:00Z", end="2026-08-30T00:00:00Z"),
            product_source={"slug": "2u"},
            course_type="executive-education-2u",
            title="Upstream's",
        )
    ]
    at_once(lambda: fed_catalog.feed(fed("1", "v", verified_price="7")), fed_catalog.refresh)
    assert fed_catalog.rows("SELECT run_key, price FROM catalog.run WHERE variant_id = :v", v=variant("v")) == [
        ("course-v1:A+1+r1", 7)
    ]
    assert fed_catalog.rows("SELECT title FROM catalog.catalog_course") == [("Course 1",)]
