"""Dates and variants that only a course's additional_metadata has come onto runs, once."""

from typing import Any

from support.catalog import Document, Upstream, course, run
from support.feeds import NOW, FedCatalog, fed, variant

from catalog_pipeline.partner.backpopulation import backpopulate

R1 = "course-v1:A+1+r1"


def external(
    number: str, *runs: Document, start: str | None = "2026-07-01", named: str | None = "v", **more: Any
) -> Any:
    details = {"external_identifier": number, "start_date": start and f"{start}T00:00:00Z",
               "end_date": "2026-12-01T00:00:00Z", "registration_deadline": None, "product_status": "published",
               "variant_id": named and variant(named), **more}  # fmt: skip
    return course(f"A+{number}", *runs, additional_metadata=details, product_source={"slug": "2u"})


def outcomes(catalog: FedCatalog, *, apply: bool = True) -> list[tuple[str, str, str]]:
    found = backpopulate(catalog.engine, apply=apply, as_of=NOW).to_json()
    return [(row["course_key"], row["outcome"], row["run_key"]) for row in found["rows"]]


def plain_run(key: str, start: str, **fields: Any) -> Document:
    return run(key, start=f"{start}T00:00:00Z", end="2026-12-01T00:00:00Z", **fields)


def test_runs_are_updated_or_made_and_ordinary_courses_left_alone(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [
        external("1", plain_run(R1, "2026-07-01")),
        external("2", plain_run("course-v1:A+2+r1", "2026-01-01"), named="w"),
        external("3", named=None),
        course("A+4", run("course-v1:A+4+r1")),
    ]
    fed_catalog.refresh()
    expected = [
        ("A+1", "updated", R1),
        ("A+2", "new_variant", "course-v1:A+2+2T2026"),
        ("A+3", "new_variant", "course-v1:A+3+2T2026"),
    ]
    before = fed_catalog.written()
    assert outcomes(fed_catalog, apply=False) == expected
    assert fed_catalog.written() == before
    assert outcomes(fed_catalog) == expected
    assert fed_catalog.value("SELECT variant_id::text FROM catalog.run WHERE run_key = :k", k=R1) == variant("v")
    assert fed_catalog.courses_of_runs()["course-v1:A+2+2T2026"] == "A+2"
    after = fed_catalog.written()
    assert {outcome for _, outcome, _ in outcomes(fed_catalog)} == {"unchanged"}
    assert fed_catalog.written() == after


def test_a_course_whose_key_no_run_may_have_is_rejected_and_stops_no_other(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [external("it's"), external("2", named="w")]
    fed_catalog.refresh()
    found = backpopulate(fed_catalog.engine, apply=True, as_of=NOW).to_json()
    assert {row["course_key"]: row["outcome"] for row in found["rows"]} == {"A+2": "new_variant", "A+it's": "rejected"}
    (error,) = next(row["errors"] for row in found["rows"] if row["outcome"] == "rejected")
    assert error["message"] == ("No run's key can be made of A+it's. Give the course a key for reruns that can.")


def test_the_registration_deadline_comes_onto_the_run(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [external("1", plain_run(R1, "2026-07-01"), registration_deadline="2026-06-20T12:00:00Z")]
    fed_catalog.refresh()
    outcomes(fed_catalog)
    assert fed_catalog.value("SELECT to_char(enrollment_end, 'MM-DD HH24:MI') FROM catalog.run") == "06-20 12:00"


def test_a_run_in_review_is_deferred(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [external("1", plain_run(R1, "2026-07-01", status="review_by_legal"))]
    fed_catalog.refresh()
    assert outcomes(fed_catalog) == [("A+1", "deferred", None)]
    assert fed_catalog.value("SELECT variant_id FROM catalog.run") is None


def test_a_course_that_upstream_dropped_is_left_alone(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [external("1", plain_run(R1, "2026-07-01")), course("B+9")]
    fed_catalog.refresh()
    upstream.courses = [course("B+9")]
    fed_catalog.refresh()
    assert outcomes(fed_catalog) == []


def test_a_crawl_does_not_take_back_what_was_taken(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [external("1", plain_run(R1, "2026-07-01"))]
    fed_catalog.refresh()
    outcomes(fed_catalog)
    upstream.courses = [external("1", plain_run(R1, "2026-01-01", title="New")) | {"title": "Upstream's"}]
    fed_catalog.refresh()
    assert fed_catalog.rows("SELECT title, to_char(start, 'MM-DD'), variant_id::text FROM catalog.run") == [
        ("New", "07-01", variant("v"))
    ]
    assert fed_catalog.value("SELECT title FROM catalog.catalog_course") == "Upstream's"


def test_a_course_that_a_feed_carries_is_left_to_the_feed(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [external("1", plain_run(R1, "2026-07-01"))]
    fed_catalog.refresh()
    fed_catalog.execute("UPDATE catalog.catalog_course SET course_type = NULL, product_source = NULL")
    fed_catalog.feed(fed("1", "w"))
    assert outcomes(fed_catalog) == []


def test_bad_metadata_is_rejected_with_its_reason(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    upstream.courses = [external("1", start_date="soon"), external("2", variant_id="none"), external("3", start=None)]
    fed_catalog.refresh()
    found = backpopulate(fed_catalog.engine, apply=True, as_of=NOW).to_json()
    assert [(row["outcome"], row["errors"][0]["code"]) for row in found["rows"]] == [
        ("rejected", "INVALID_DATE"),
        ("rejected", "INVALID_VARIANT_ID"),
        ("rejected", "MISSING_REQUIRED_DATA"),
    ]


def test_a_catalog_without_external_courses_has_nothing_to_take(fed_catalog: FedCatalog) -> None:
    assert outcomes(fed_catalog) == []
