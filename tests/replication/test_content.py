"""The content of enterprise catalogs: what is read, what is kept of it, and what happens to what is gone."""

from datetime import UTC, datetime
from decimal import Decimal

import orjson
from support.catalog import uuid_of
from support.content import (
    CATALOG,
    Enterprise,
    EnterpriseCatalogs,
    content_course,
    content_run,
    program_document,
    run_document,
)
from werkzeug import Response

R1, R2 = "course-v1:A+1+R1", "course-v1:A+1+R2"


def test_a_course_is_kept_with_its_runs_dates_and_price(enterprise: Enterprise, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1), content_run(R2, fixed_price_usd="99.50"))]
    report = enterprise.loaded()
    assert report.counts["catalog.content_metadata"] == {"created": 1}
    assert report.counts["catalog.content_run"] == {"created": 2}
    (course,) = enterprise.content(
        "content_key, content_uuid::text, content_type, title, course_type, product_source, advertised_run_key,"
        ' start, "end", enroll_by, price, currency, price_from, partners, image_url, listed, status, missing_since'
    )
    assert course == (
        *("A+1", uuid_of("A+1"), "course", "Course A+1", "verified-audit", "edx", R1),
        *(datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 4, 22, 23, 59, 59, tzinfo=UTC)),
        *(datetime(2026, 2, 25, 23, 59, 59, tzinfo=UTC), Decimal("150.00"), "USD", "seat"),
        *([{"name": "University A", "logo_image_url": "https://img/a.png"}], "https://img/course.jpg"),
        *(True, "found", None),
    )
    assert enterprise.runs("run_key, parent_content_key, price, price_from, start_raw, weeks_to_complete") == [
        (R1, "A+1", Decimal("150.00"), "seat", "2026-03-04T00:00:00Z", 6),
        (R2, "A+1", Decimal("99.50"), "fixed", "2026-03-04T00:00:00Z", 6),
    ]
    assert enterprise.outcome() == ("applied", True)


def test_an_unchanged_catalog_costs_no_writes_of_content_or_landing(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1)), program_document("P")]
    enterprise.loaded()
    tables = [row for row in enterprise.versions() if row[0] != "catalog.enterprise_catalog"]
    fetched = enterprise.value("SELECT fetched_at FROM catalog.enterprise_catalog")
    catalogs.listed[CATALOG][0]["content_last_modified"] = "2026-02-01T00:00:00Z"
    report = enterprise.loaded()
    assert (report.documents, report.changed) == (0, 0)
    assert [row for row in enterprise.versions() if row[0] != "catalog.enterprise_catalog"] == tables
    assert enterprise.value("SELECT fetched_at FROM catalog.enterprise_catalog") > fetched


def test_a_run_that_vanishes_from_its_document_is_missing_and_returns(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1), content_run(R2))]
    enterprise.loaded()
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1))]
    enterprise.loaded()
    assert enterprise.runs() == [(R1, True), (R2, False)]
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1), content_run(R2))]
    enterprise.loaded()
    assert enterprise.runs() == [(R1, True), (R2, True)]


def test_the_run_inside_its_course_goes_before_its_own_document(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    alone = run_document(R2, "A+1", status="archived")
    catalogs.listed[CATALOG] = [alone, content_course("A+1", content_run(R1), content_run(R2))]
    enterprise.loaded()
    assert enterprise.content("content_key") == [("A+1",)]
    assert enterprise.runs("run_key, status") == [(R1, "published"), (R2, "published")]
    catalogs.listed[CATALOG] = [alone | {"status": "reviewed"}, catalogs.listed[CATALOG][1]]
    enterprise.loaded()
    assert enterprise.runs("run_key, status") == [(R1, "published"), (R2, "published")]
    # The course gives it up: its own document, which is as it was, has it now.
    catalogs.listed[CATALOG] = [catalogs.listed[CATALOG][0], content_course("A+1", content_run(R1))]
    enterprise.loaded()
    assert enterprise.runs("run_key, status, missing_since IS NULL") == [
        (R1, "published", True),
        (R2, "reviewed", True),
    ]


def test_a_run_without_its_course_is_linked_when_the_course_comes(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [run_document(R1, "a+1")]
    enterprise.loaded()
    assert enterprise.runs("run_key, content_metadata_id") == [(R1, None)]
    catalogs.listed[CATALOG].append(content_course("A+1"))
    enterprise.loaded()
    assert enterprise.runs("run_key, content_metadata_id IS NULL") == [(R1, False)]


def test_repeated_documents_are_folded_and_of_differing_ones_the_later_stands(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    new = content_course("A+1", title="New", content_last_modified="2026-01-12T04:10:55.5Z")
    old = content_course("a+1", title="Old", content_last_modified="2026-01-12 04:10:55z")
    catalogs.listed[CATALOG] = [new, old]
    enterprise.loaded()
    assert enterprise.content("content_key, title") == [("A+1", "New")]
    catalogs.listed[CATALOG] = [old, new, old]
    versions = enterprise.versions()[:-1]
    assert enterprise.loaded().documents == 0
    assert enterprise.content("content_key, title") == [("A+1", "New")]
    assert len(enterprise.versions()[:-1]) == len(versions)


def test_a_list_that_is_short_is_read_once_more_as_a_whole(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    one, two = content_course("A+1"), content_course("A+2")
    catalogs.listed[CATALOG] = [one, two]
    catalogs.paged[CATALOG] = [one, one]
    enterprise.loaded()
    assert [bool(request.args.get("traverse_pagination")) for request in catalogs.asked] == [False, True]
    assert enterprise.content("content_key, listed") == [("A+1", True), ("A+2", True)]


def test_a_list_that_stays_short_is_refused_and_changes_nothing(
    enterprise: Enterprise, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1"), content_course("A+2")]
    enterprise.loaded()
    versions = [row for row in enterprise.versions() if row[0] != "catalog.enterprise_catalog"]

    page = {"count": 2, "next": None, "results": [content_course("A+1", title="Other")]}
    catalogs.answer = lambda _: Response(orjson.dumps(page))
    load = enterprise.load()
    assert (load.report.outcome, int(load.exit_code)) == ("refused", 4)
    assert "counts 2 documents, and lists fewer" in str(load.report.detail)
    assert [row for row in enterprise.versions() if row[0] != "catalog.enterprise_catalog"] == versions
    assert enterprise.outcome() == ("refused", True)
