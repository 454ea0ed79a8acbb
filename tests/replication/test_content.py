"""The content of enterprise catalogs: what is read, what is kept of it, and what happens to what is gone."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from support.catalog import uuid_of
from support.content import (
    CATALOG,
    EnterpriseCatalogs,
    Replica,
    content_course,
    content_run,
    program_document,
    run_document,
)
from werkzeug import Request, Response

from catalog_pipeline.database import locks
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, PUBLISH_LOCK, catalog_lock
from catalog_pipeline.replication.enterprise_refresh import refresh_enterprise
from catalog_pipeline.replication.switching import move
from catalog_pipeline.sources.upstreams import upstreams

R1, R2 = "course-v1:A+1+R1", "course-v1:A+1+R2"


def test_a_course_is_kept_with_its_runs_dates_and_price(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1), content_run(R2, fixed_price_usd="99.50"))]
    report = replica.loaded()
    assert report.counts["catalog.content_metadata"] == {"created": 1}
    assert report.counts["catalog.content_run"] == {"created": 2}
    (course,) = replica.content(
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
    assert replica.runs("run_key, parent_content_key, price, price_from, start_raw, weeks_to_complete") == [
        (R1, "A+1", Decimal("150.00"), "seat", "2026-03-04T00:00:00Z", 6),
        (R2, "A+1", Decimal("99.50"), "fixed", "2026-03-04T00:00:00Z", 6),
    ]
    assert replica.outcome() == ("applied", True)


def test_an_unchanged_catalog_costs_no_writes_of_content_or_landing(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1)), program_document("P")]
    replica.loaded()
    tables = [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"]
    fetched = replica.value("SELECT fetched_at FROM catalog.enterprise_catalog")
    catalogs.listed[CATALOG][0]["content_last_modified"] = "2026-02-01T00:00:00Z"
    report = replica.loaded()
    assert (report.documents, report.changed) == (0, 0)
    assert [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"] == tables
    assert replica.value("SELECT fetched_at FROM catalog.enterprise_catalog") > fetched


def test_a_run_that_vanishes_from_its_document_is_missing_and_returns(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1), content_run(R2))]
    replica.loaded()
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1))]
    replica.loaded()
    assert replica.runs() == [(R1, True), (R2, False)]
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1), content_run(R2))]
    replica.loaded()
    assert replica.runs() == [(R1, True), (R2, True)]


def test_the_run_inside_its_course_goes_before_its_own_document(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    alone = run_document(R2, "A+1", status="archived")
    catalogs.listed[CATALOG] = [alone, content_course("A+1", content_run(R1), content_run(R2))]
    replica.loaded()
    assert replica.content("content_key") == [("A+1",)]
    assert replica.runs("run_key, status") == [(R1, "published"), (R2, "published")]
    catalogs.listed[CATALOG] = [alone | {"status": "reviewed"}, catalogs.listed[CATALOG][1]]
    replica.loaded()
    assert replica.runs("run_key, status") == [(R1, "published"), (R2, "published")]
    # The course gives it up: its own document, which is as it was, has it now.
    catalogs.listed[CATALOG] = [catalogs.listed[CATALOG][0], content_course("A+1", content_run(R1))]
    replica.loaded()
    assert replica.runs("run_key, status, missing_since IS NULL") == [
        (R1, "published", True),
        (R2, "reviewed", True),
    ]


@pytest.mark.parametrize("order", [("A+1", "A+0"), ("A+0", "A+1")])
def test_a_run_that_two_courses_list_is_that_ones_which_its_key_names_in_whatever_order_they_come(
    replica: Replica, catalogs: EnterpriseCatalogs, order: tuple[str, str]
) -> None:
    starts = {"A+1": "2026-04-01T00:00:00Z", "A+0": "2026-05-01T00:00:00Z"}
    courses = {key: content_course(key, content_run(R1, start=start)) for key, start in starts.items()}
    for key in order:
        catalogs.listed[CATALOG].append(courses[key])
        replica.loaded()
    assert replica.runs("run_key, parent_content_key, start_raw") == [(R1, "A+1", starts["A+1"])]
    assert replica.rejects() == [(R1, "parent_content_key", "run_conflict")]
    # What is decided anew changes nothing of that.
    courses["A+0"]["title"] = "Another"
    assert replica.loaded().counts["catalog.content_run"] == {"rejected": 1}
    assert replica.runs("parent_content_key, start_raw") == [("A+1", starts["A+1"])]
    # The course is gone, or gives it up: the other one, which is as it was, has it now, until it is back.
    for without in ([courses["A+0"]], [content_course("A+1"), courses["A+0"]]):
        catalogs.listed[CATALOG] = without
        replica.loaded()
        assert replica.runs("parent_content_key, start_raw, missing_since") == [("A+0", starts["A+0"], None)]
        assert replica.rejects() == []
        catalogs.listed[CATALOG] = list(courses.values())
        replica.loaded()
        assert replica.runs("parent_content_key, start_raw") == [("A+1", starts["A+1"])]
        assert replica.rejects() == [(R1, "parent_content_key", "run_conflict")]


def test_a_run_of_a_course_whose_removal_is_held_back_stays_with_it(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    going = [content_course(f"A+{number}", content_run(f"course-v1:A+{number}+R1")) for number in range(1, 9)]
    other = content_course("B+1", content_run(R1))
    catalogs.listed[CATALOG] = [*going, other]
    replica.loaded()
    catalogs.listed[CATALOG] = [other]
    assert replica.load().outcome == "held"
    courses = "run_key, parent_content_key, missing_since"
    assert (R1, "A+1", None) in replica.runs(courses)
    assert replica.load(accept_removals=True).outcome == "applied"
    assert (R1, "B+1", None) in replica.runs(courses)


def test_a_run_that_its_key_does_not_decide_is_the_first_courses_by_key(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    for key in ("B+2", "b+1", "C+1"):
        catalogs.listed[CATALOG].append(content_course(key, content_run(R1)))
        replica.loaded()
    assert replica.runs("run_key, parent_content_key") == [(R1, "b+1")]


def test_a_run_without_its_course_is_linked_when_the_course_comes(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [run_document(R1, "a+1")]
    replica.loaded()
    assert replica.runs("run_key, content_metadata_id") == [(R1, None)]
    catalogs.listed[CATALOG].append(content_course("A+1"))
    replica.loaded()
    assert replica.runs("run_key, content_metadata_id IS NULL") == [(R1, False)]


def test_repeated_documents_are_folded_and_of_differing_ones_the_later_stands(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    new = content_course("A+1", title="New", content_last_modified="2026-01-12T04:10:55.5Z")
    old = content_course("a+1", title="Old", content_last_modified="2026-01-12 04:10:55z")
    catalogs.listed[CATALOG] = [new, old]
    replica.loaded()
    assert replica.content("content_key, title") == [("A+1", "New")]
    catalogs.listed[CATALOG] = [old, new, old]
    versions = replica.versions()[:-1]
    assert replica.loaded().documents == 0
    assert replica.content("content_key, title") == [("A+1", "New")]
    assert len(replica.versions()[:-1]) == len(versions)


def test_a_list_that_is_short_is_read_once_more_as_a_whole(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    one, two = content_course("A+1"), content_course("A+2")
    catalogs.listed[CATALOG] = [one, two]
    catalogs.paged[CATALOG] = [one, one]
    replica.loaded()
    assert [bool(request.args.get("traverse_pagination")) for request in catalogs.asked] == [False, True]
    assert replica.content("content_key, listed") == [("A+1", True), ("A+2", True)]


def test_a_list_that_stays_short_is_refused_and_changes_nothing(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1"), content_course("A+2")]
    replica.loaded()
    versions = [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"]

    page = {"count": 2, "next": None, "results": [content_course("A+1", title="Other")]}
    catalogs.answer = lambda _: Response(orjson.dumps(page))
    load = replica.load()
    assert (load.outcome, int(load.exit_code)) == ("refused", 4)
    assert "counts 2 documents, and lists fewer" in str(load.detail)
    assert [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"] == versions
    assert replica.outcome() == ("refused", True)


def test_what_the_pages_lack_is_asked_for_by_key(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1")]
    catalogs.hidden[CATALOG] = [content_course("A+2", content_run("course-v1:A+2+R")), content_course("A+3")]
    for number, state in enumerate(("allocated", "accepted", "errored", "cancelled", "expired", "reversed")):
        replica.add_assignment(f"S+{number}", state)
    replica.add_assignment("A+1")
    replica.add_assignment("course-v1:A+2+R", parent_content_key="A+2")
    replica.loaded()
    assert [sorted(keys) for keys in catalogs.keys] == [["A+2", "S+0", "S+1", "S+2", "course-v1:A+2+R"]]
    assert replica.content() == [
        ("A+1", "found", True),
        ("A+2", "found", False),
        *((f"S+{number}", "not_in_catalog", False) for number in range(3)),
    ]
    assert replica.runs() == [("course-v1:A+2+R", True)]
    assert replica.content("content_type, title, price, missing_since IS NULL")[-1] == (None, None, None, False)
    versions = [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"]
    replica.loaded()
    assert [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"] == versions


def test_a_run_alone_brings_its_course(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.hidden[CATALOG] = [content_course("A+1", content_run(R1))]
    replica.add_assignment(R1)
    replica.loaded()
    assert replica.content() == [("A+1", "found", False)]
    assert replica.runs() == [(R1, True)]


def test_keys_are_asked_for_a_hundred_a_call(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.hidden[CATALOG] = [content_course(f"A+{number}") for number in range(150)]
    for number in range(250):
        replica.add_assignment(f"A+{number}")
    replica.loaded()
    assert [len(keys) for keys in catalogs.keys] == [100, 100, 50]
    statuses = replica.rows("SELECT status, count(*) FROM catalog.content_metadata GROUP BY 1 ORDER BY 1")
    assert statuses == [("found", 150), ("not_in_catalog", 100)]


def test_a_course_that_leaves_the_pages_is_listed_no_longer_and_keeps_standing(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1"), content_course("A+2")]
    replica.loaded()
    catalogs.hidden[CATALOG] = [catalogs.listed[CATALOG].pop()]
    replica.loaded()
    assert replica.content() == [("A+1", "found", True), ("A+2", "found", False)]
    # It is not asked for again: nobody needs it.
    replica.loaded()
    assert len(catalogs.keys) == 1
    # Unless every row is.
    catalogs.hidden[CATALOG] = []
    replica.loaded(full=True)
    assert replica.content() == [("A+1", "found", True), ("A+2", "not_in_catalog", False)]


def test_content_that_is_gone_keeps_what_it_held_and_returns(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    courses = [content_course("A+1", content_run(R1)), content_course("A+2")]
    catalogs.listed[CATALOG] = courses
    replica.loaded()
    catalogs.listed[CATALOG] = courses[1:]
    report = replica.loaded()
    assert report.counts["catalog.content_metadata"] == {"updated": 1}
    columns = "content_key, status, missing_since IS NULL, title, price"
    assert replica.content(columns)[0] == ("A+1", "not_in_catalog", False, "Course A+1", Decimal("150.00"))
    assert replica.runs() == [(R1, True)]
    catalogs.listed[CATALOG] = courses
    replica.loaded()
    assert replica.content(columns)[0] == ("A+1", "found", True, "Course A+1", Decimal("150.00"))


def test_a_key_that_was_not_in_the_catalog_is_found_later(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    replica.add_assignment("a+1")
    replica.add_assignment(R2)
    replica.loaded()
    assert replica.content() == [("a+1", "not_in_catalog", False), (R2, "not_in_catalog", False)]
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R2))]
    replica.loaded()
    assert replica.content() == [("A+1", "found", True)]


def test_too_many_removals_are_held_for_that_catalog_and_accepted(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    other = uuid_of("another catalog")
    replica.add_catalog(other)
    courses = [content_course(f"A+{number}", content_run(f"course-v1:A+{number}+R")) for number in range(8)]
    catalogs.listed = {CATALOG: courses, other: courses}
    replica.loaded()
    replica.loaded(other)
    replica.settings = replica.settings.model_copy(update={"removal_floor": 1, "removal_share": 0.2})
    catalogs.listed[CATALOG] = [content_course("A+0", title="New"), *courses[1:3]]
    load = replica.load()
    assert (load.outcome, int(load.exit_code)) == ("held", 4)
    assert f"refresh enterprise --catalog {CATALOG} --accept-removals" in str(load.detail)
    assert replica.value("SELECT count(*) FROM ops.held_removal") == 5
    statuses = "SELECT count(*) FROM catalog.content_metadata WHERE status = 'found'"
    assert replica.value(statuses) == 16
    assert ("New",) in replica.content("title")
    assert replica.outcome()[0] == "held"
    # The other catalog is loaded all the same, and holds nothing.
    replica.loaded(other)
    assert replica.load().outcome == "held"
    catalogs.listed[CATALOG] = courses[:4]
    accepted = replica.load(accept_removals=True)
    assert accepted.outcome == "applied"
    assert replica.value(statuses) == 12
    assert replica.value("SELECT count(*) FROM ops.held_removal") == 0
    assert replica.outcome()[0] == "applied"


def test_a_catalog_that_comes_back_empty_is_held(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1")]
    replica.loaded()
    catalogs.listed[CATALOG] = []
    assert replica.load().outcome == "held"
    assert replica.content() == [("A+1", "found", True)]
    catalogs.listed[CATALOG] = [content_course("A+1")]
    replica.loaded()
    assert replica.value("SELECT count(*) FROM ops.held_removal") == 0


def test_a_catalog_without_content_is_applied(replica: Replica) -> None:
    assert replica.loaded().documents == 0
    assert replica.outcome() == ("applied", True)


NOT_A_LIST = {
    "404": Response("{}", 404),
    "403": Response("{}", 403),
    "500": Response("", 500),
    "HTML": Response("<html></html>", content_type="text/html"),
    "no page": Response("[]", content_type="application/json"),
}


@pytest.mark.parametrize("answer", NOT_A_LIST)
def test_a_catalog_that_cannot_be_read_fails_and_its_rows_stand(
    replica: Replica, catalogs: EnterpriseCatalogs, answer: str
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1")]
    replica.loaded()
    versions = [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"]
    catalogs.answer = lambda _: NOT_A_LIST[answer]
    load = replica.load()
    assert (load.outcome, int(load.exit_code)) == ("failed", 5)
    assert [row for row in replica.versions() if row[0] != "catalog.enterprise_catalog"] == versions
    assert replica.outcome() == ("failed", True)
    detail = replica.value("SELECT last_detail FROM catalog.enterprise_catalog")
    assert detail == str(load.detail)
    catalogs.answer = lambda _: None
    replica.loaded()
    assert replica.value("SELECT last_detail FROM catalog.enterprise_catalog") is None


def test_pages_without_end_fail(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    def endless(request: Request) -> Response:
        page = {"count": 1, "next": "more", "results": [content_course(f"A+{request.args['page']}")]}
        return Response(orjson.dumps(page), content_type="application/json")

    catalogs.answer = endless
    load = replica.load()
    assert load.outcome == "failed"
    assert "the list has no end" in str(load.detail)


def test_keys_that_cannot_be_read_fail_the_whole_catalog(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1")]
    replica.add_assignment("A+2")
    catalogs.answer = lambda request: Response("", 503) if request.args.get("content_keys") else None
    assert replica.load().outcome == "failed"
    assert replica.content() == []


def test_bad_documents_are_rejected_and_their_rows_stand(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1)), content_course("A+2")]
    replica.loaded()
    nobody = {"content_type": "course", "title": "Nobody"}
    catalogs.listed[CATALOG] = [
        nobody,
        content_course("A+1", content_run(R1) | {"key": None}, title="New"),
        content_course("A+2") | {"owners": "A"},
        content_course("A+3") | {"content_type": "bootcamp"},
    ]
    report = replica.load().report
    assert int(report.exit_code) == 3
    assert [(reject[1], reject[2]) for reject in replica.rejects()] == [
        ("content_type", "unknown_value"),
        ("content_key", "missing"),
        ("run_key", "missing"),
        (None, "wrong_shape"),
    ]
    assert replica.content("content_key, title, status") == [
        ("A+1", "Course A+1", "found"),
        ("A+2", "Course A+2", "found"),
    ]
    assert replica.runs() == [(R1, True)]
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1)), content_course("A+2")]
    replica.loaded()
    assert replica.rejects() == []


@pytest.mark.parametrize("modified", ["\ud800", "\0", 5, ["2026-01-12T04:10:55Z"], "yesterday"])
def test_a_document_that_does_not_say_when_it_was_modified_is_read_as_any_other(
    replica: Replica, catalogs: EnterpriseCatalogs, modified: Any
) -> None:
    document = content_course("A+1", content_last_modified=modified)
    page = json.dumps({"count": 1, "next": None, "results": [document]})
    catalogs.answer = lambda _: Response(page, content_type="application/json")
    replica.loaded()
    assert replica.content("content_key, status") == [("A+1", "found")]


def test_what_is_no_document_is_rejected(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    far = content_course("A+2") | {"key": "A+" + "2" * 300}
    catalogs.listed[CATALOG] = [content_course("A+1"), "text", None, ["A+1"], far]
    report = replica.load().report
    assert (report.rejected_documents, int(report.exit_code)) == (4, 3)
    assert sorted({rule for _, _, rule in replica.rejects()}) == ["wrong_length", "wrong_shape"]
    assert replica.content("content_key") == [("A+1",)]


def test_a_catalog_that_upstream_no_longer_lists_keeps_its_content_and_is_not_read(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    other = uuid_of("another catalog")
    catalogs.listed = {CATALOG: [content_course("A+1")], other: [content_course("A+2")]}

    def refreshed() -> dict[str | None, str]:
        with upstreams(replica.settings) as found:
            return {load.catalog: load.outcome for load in refresh_enterprise(replica.engine, found)}

    assert refreshed() == {None: "applied", CATALOG: "applied", other: "applied"}
    del catalogs.listed[other]
    assert refreshed() == {None: "applied", CATALOG: "applied"}
    assert replica.content() == [("A+1", "found", True), ("A+2", "found", True)]
    catalogs.listed[other] = [content_course("A+3")]
    assert refreshed() == {None: "applied", CATALOG: "applied", other: "applied"}
    assert replica.content()[1:] == [("A+2", "not_in_catalog", False), ("A+3", "found", True)]


def test_nulls_are_nothing(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    empty = dict.fromkeys(("owners", "entitlements", "course_type", "product_source", "advertised_course_run_uuid"))
    run = content_run(R1, **dict.fromkeys(("seats", "first_enrollable_paid_seat_price", "start", "uuid", "status")))
    catalogs.listed[CATALOG] = [content_course("A+1", run) | empty, content_course("A+2") | {"course_runs": None}]
    replica.loaded()
    assert replica.rejects() == []
    assert replica.content("content_key, price, price_from, partners, start") == [
        ("A+1", Decimal("0.00"), "none", [], None),
        ("A+2", Decimal("0.00"), "none", [{"name": "University A", "logo_image_url": "https://img/a.png"}], None),
    ]
    assert replica.runs("price, price_from, start, enroll_by") == [
        (Decimal("0.00"), "none", None, datetime(2026, 2, 25, 23, 59, 59, tzinfo=UTC))
    ]


def test_a_document_without_runs_is_read_by_its_normalized_maps(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    dates = {
        "start_date": "2026-03-04T00:00:00Z",
        "end_date": None,
        "enroll_by_date": "2026-02-25T23:59:59.9999999Z",
        "enroll_start_date": None,
        "content_price": 2600.0,
    }
    course = content_course("A+1", normalized_metadata=dates, normalized_metadata_by_run={R1: dates, R2: None})
    del course["course_runs"]
    catalogs.listed[CATALOG] = [course]
    replica.loaded()
    enroll_by = datetime(2026, 2, 25, 23, 59, 59, 999_999, tzinfo=UTC)
    assert replica.content("enroll_by, price, price_from, currency") == [
        (enroll_by, Decimal("2600.00"), "normalized", "USD")
    ]
    assert replica.runs("run_key, enroll_by, price, price_from, enrollment_end_raw") == [
        (R1, enroll_by, Decimal("2600.00"), "normalized", "2026-02-25T23:59:59.9999999Z"),
        (R2, None, Decimal("0.00"), "none", None),
    ]


def test_dates_that_cannot_be_read_are_kept_as_they_are_written(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1, enrollment_end="2026-02-25", start="soon"))]
    replica.loaded()
    assert replica.runs("start, start_raw, enroll_by, enrollment_end_raw, problems") == [
        (None, "soon", None, "2026-02-25", [{"field": "enrollment_end", "raw": "2026-02-25"}])
    ]


def test_restricted_runs_differ_by_catalog(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    other = uuid_of("another catalog")
    replica.add_catalog(other)
    restricted = content_run(R2, restriction_type="custom-b2b-enterprise")
    catalogs.listed = {CATALOG: [content_course("A+1", content_run(R1))]}
    catalogs.listed[other] = [content_course("A+1", content_run(R1), restricted)]
    replica.loaded()
    replica.loaded(other)
    assert replica.rows(
        """SELECT c.uuid::text, count(*), count(r.restriction_type) FROM catalog.content_run r
           JOIN catalog.enterprise_catalog c ON c.id = r.enterprise_catalog_id GROUP BY 1 ORDER BY 2"""
    ) == [(CATALOG, 1, 0), (other, 2, 1)]


def test_a_catalog_does_not_wait_for_another_nor_for_courses(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1")]
    with replica.engine.connect() as holder, holder.begin():
        for lock in (PUBLISH_LOCK, ENTERPRISE_LOCK, catalog_lock(uuid_of("another catalog"))):
            locks.take(holder, lock)
        replica.loaded()


def test_content_is_fetched_by_key_and_becomes_fresh(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1))]
    catalogs.hidden[CATALOG] = [content_course("A+2")]
    replica.loaded()
    replica.execute("UPDATE catalog.content_metadata SET fetched_at = '2020-01-01'")
    replica.execute("UPDATE catalog.content_run SET fetched_at = '2020-01-01'")
    fetched = replica.value("SELECT fetched_at FROM catalog.enterprise_catalog")
    assert replica.fetch(R1, "A+2", "A+3").outcome == "applied"
    assert catalogs.keys == [[R1, "A+2", "A+3"]]
    assert replica.content("content_key, status, listed, fetched_at > '2021-01-01'") == [
        ("A+1", "found", True, True),
        ("A+2", "found", False, True),
        ("A+3", "not_in_catalog", False, True),
    ]
    assert replica.runs("fetched_at > '2021-01-01'") == [(True,)]
    assert replica.value("SELECT fetched_at FROM catalog.enterprise_catalog") == fetched
    # What was not asked for stands, whatever upstream lists by now.
    catalogs.listed[CATALOG] = []
    replica.fetch("A+2")
    assert replica.content("status")[0] == ("found",)
    replica.fetch("A+1")
    assert replica.content("status")[0] == ("not_in_catalog",)


def test_another_address_is_refused_and_touches_nothing(replica: Replica, catalogs: EnterpriseCatalogs) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1")]
    replica.loaded()
    versions = replica.versions()
    elsewhere = catalogs.url.replace("localhost", "127.0.0.1")
    assert elsewhere != catalogs.url
    replica.settings = replica.settings.model_copy(update={"enterprise_catalog_url": elsewhere})
    load = replica.load()
    assert (load.outcome, int(load.exit_code)) == ("refused", 4)
    assert "upstream switch enterprise_catalog --moved" in str(load.detail)
    assert replica.versions() == versions
    move(replica.engine, replica.settings, "enterprise_catalog")
    assert replica.loaded().changed == 0


def test_loads_and_fetches_of_one_catalog_at_once_end_as_one_after_the_other(
    replica: Replica, catalogs: EnterpriseCatalogs
) -> None:
    catalogs.listed[CATALOG] = [content_course("A+1", content_run(R1)), content_course("A+2")]
    catalogs.hidden[CATALOG] = [content_course("A+3")]
    replica.add_assignment("A+9")

    def fetched() -> str:
        return replica.fetch("A+3", "A+8").outcome

    with ThreadPoolExecutor(6) as pool:
        ended = [pool.submit(lambda: replica.load().outcome) for _ in range(3)]
        ended += [pool.submit(fetched) for _ in range(3)]
        assert {future.result() for future in ended} == {"applied"}
    replica.loaded()
    assert replica.content() == [
        ("A+1", "found", True),
        ("A+2", "found", True),
        ("A+3", "found", False),
        ("A+8", "not_in_catalog", False),
        ("A+9", "not_in_catalog", False),
    ]
    assert replica.runs() == [(R1, True)]
