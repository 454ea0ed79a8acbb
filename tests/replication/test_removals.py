"""What a load makes of rows that upstream no longer lists: archived, or held back until a person accepts it."""

from typing import Any

import pytest
from support.catalog import Catalog, Upstream, course, lms_run, organization, program, run, uuid_of

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.queries.explain import explain

STANDING = "SELECT count(*) FROM catalog.{} WHERE missing_since IS NULL"
HELD = "SELECT table_name, record_key FROM ops.held_removal ORDER BY 1, 2"
PENDING = "SELECT key FROM landing.document WHERE payload_hash IS DISTINCT FROM settled_hash ORDER BY key"


@pytest.fixture
def guarded(catalog: Catalog) -> Catalog:
    """A catalog whose guard has the limits that are shipped."""
    catalog.settings = catalog.settings.model_copy(update={"removal_share": 0.2})
    return catalog


def courses(count: int, first: int = 0, org: str = "A") -> list[dict[str, Any]]:
    """Courses, each with a run."""
    return [course(f"{org}+{n}", run(f"course-v1:{org}+{n}+r")) for n in range(first, first + count)]


@pytest.mark.parametrize(("gone", "held"), [(21, True), (20, False)])
def test_removals_over_the_share_are_held_back_and_the_rest_is_published(
    guarded: Catalog, upstream: Upstream, gone: int, held: bool
) -> None:
    upstream.courses = courses(100)
    guarded.refresh()
    upstream.courses = courses(100)[gone:] + courses(3, org="New")
    upstream.courses[0]["title"] = "Changed"
    report = guarded.refresh()
    assert guarded.value("SELECT count(*) FROM catalog.catalog_course WHERE title = 'Changed'") == 1
    assert guarded.value(STANDING.format("catalog_course")) == 103 - (0 if held else gone)
    assert guarded.value(STANDING.format("course_run")) == 103 - (0 if held else gone)
    assert len(guarded.rows(HELD)) == (2 * gone if held else 0)
    assert len(guarded.rows(PENDING)) == (gone if held else 0)
    if held:
        assert (report.outcome, report.exit_code) == ("held", ExitCode.REFUSED)
        assert "21 of the 100 rows of catalog.catalog_course" in (report.detail or "")
        assert "`catalog-pipeline refresh discovery --accept-removals`" in (report.detail or "")
        assert guarded.rows("SELECT outcome FROM ops.load ORDER BY id") == [("applied",), ("held",)]


def test_one_of_three_programs_is_archived_beside_many_changes(guarded: Catalog, upstream: Upstream) -> None:
    upstream.courses = courses(50)
    upstream.lists["programs"] = [program(name, "A+1") for name in "PQR"]
    guarded.refresh()
    del upstream.lists["programs"][0]
    for document in upstream.courses:
        document["title"] += " anew"
    assert guarded.refresh().outcome == "applied"
    assert guarded.value(STANDING.format("program")) == 2
    assert guarded.value("SELECT count(*) FROM catalog.catalog_course WHERE title LIKE '% anew'") == 50


def test_what_the_load_brings_does_not_count_as_standing(guarded: Catalog, upstream: Upstream) -> None:
    upstream.courses = courses(40)
    guarded.refresh()
    upstream.courses = courses(400, org="B")
    assert guarded.refresh().outcome == "held"
    assert guarded.value(STANDING.format("catalog_course")) == 440


def test_a_list_that_comes_back_empty_is_held_however_short_it_was(guarded: Catalog, upstream: Upstream) -> None:
    upstream.courses = courses(2)
    upstream.lists["programs"] = [program("P", "A+1")]
    guarded.refresh()
    upstream.lists["programs"] = []
    upstream.courses[0]["title"] = "Changed"
    report = guarded.refresh()
    assert report.outcome == "held"
    assert "discovery answers an empty list where something stood" in (report.detail or "")
    assert guarded.rows(HELD) == [("program", uuid_of("P"))]
    assert guarded.value("SELECT status FROM catalog.program") == "active"
    assert guarded.value("SELECT count(*) FROM catalog.catalog_course WHERE title = 'Changed'") == 1
    assert guarded.refresh(accept_removals=True).outcome == "applied"
    assert guarded.value("SELECT status FROM catalog.program") == "archived"


def test_a_load_that_holds_the_same_again_writes_nothing(guarded: Catalog, upstream: Upstream) -> None:
    lost = run("course-v1:C+1+r", variant_id=uuid_of("v"), start="2026-05-01T00:00:00Z")
    upstream.courses = [*courses(20), course("C+1", lost), course("c+1")]
    upstream.courses[0]["course_runs"][0]["variant_id"] = uuid_of("v")
    upstream.lists["programs"] = [program("P", "A+19", "Z+9")]
    guarded.refresh()
    upstream.courses = [*upstream.courses[10:], course("B+1", owners=[organization("A")])]
    upstream.courses[0] |= {"title": "Changed", "course_runs": []}
    assert guarded.refresh().outcome == "held"
    before, rejects = guarded.versions(), guarded.rejects()
    report = guarded.refresh()
    assert (report.outcome, report.changed) == ("held", 0)
    assert guarded.versions() == before
    assert guarded.rejects() == rejects


def test_a_document_with_a_held_removal_keeps_all_its_rows_and_its_other_values_are_published(
    guarded: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", *(run(f"course-v1:A+1+r{n}") for n in range(10))), *courses(1, 5)]
    guarded.refresh()
    upstream.courses[0] |= {"title": "Changed", "course_runs": upstream.courses[0]["course_runs"][:1]}
    assert guarded.refresh().outcome == "held"
    assert guarded.value(STANDING.format("course_run")) == 11
    assert guarded.value("SELECT title FROM catalog.catalog_course WHERE key = 'A+1'") == "Changed"
    assert guarded.rows(PENDING) == [(uuid_of("A+1"),)]
    with connected(guarded.engine) as connection:
        (held,) = explain(connection, "course-v1:A+1+r9")["held_removals"]
        assert explain(connection, "course-v1:A+1+r0")["held_removals"] == []
        assert explain(connection, "A+1")["held_removals"] == []
    assert held["source"] == "discovery"
    assert held["meaning"].endswith("catalog-pipeline refresh discovery --accept-removals")
    upstream.courses[0]["course_runs"] = [run(f"course-v1:A+1+r{n}") for n in range(10)]
    assert guarded.refresh().outcome == "applied"
    assert guarded.rows(PENDING) == guarded.rows(HELD) == []


def test_a_held_course_gives_up_neither_its_number_nor_its_code_nor_its_variant(
    guarded: Catalog, upstream: Upstream
) -> None:
    upstream.lists["organizations"] = [organization("A"), organization("B")]
    upstream.courses = courses(20)
    fed = {"external_identifier": "77", "product_status": "published"}
    upstream.courses[0] |= {"additional_metadata": fed}
    upstream.courses[0]["course_runs"][0]["variant_id"] = uuid_of("v")
    guarded.refresh()
    late = run("course-v1:B+0+r", variant_id=uuid_of("v"), start="2026-05-01T00:00:00Z")
    wanting = course("B+0", late, additional_metadata=fed)
    same_code = course("X+0", run("course-v1:X+0+r"), owners=[organization("A")])
    upstream.courses = [*upstream.courses[10:], wanting, same_code]
    assert guarded.refresh().outcome == "held"
    number = "SELECT key FROM catalog.catalog_course WHERE external_identifier = '77'"
    variant = "SELECT run_key FROM catalog.run WHERE variant_id IS NOT NULL"
    assert guarded.rows(number) == [("A+0",)]
    assert guarded.rows(variant) == [("course-v1:A+0+r",)]
    assert guarded.rejects() == [
        ("B+0", "external_identifier", "duplicate_external_identifier"),
        ("X+0", "course_code", "duplicate_code"),
        ("course-v1:B+0+r", "variant_id", "variant_conflict"),
    ]
    assert guarded.courses_of_runs()["course-v1:A+0+r"] == "A+0"
    assert guarded.value("SELECT status FROM catalog.catalog_course WHERE key = 'A+0'") == "published"
    guarded.refresh(accept_removals=True)
    assert guarded.rows(number) == [("B+0",)]
    assert guarded.rows(variant) == [("course-v1:B+0+r",)]
    assert guarded.rejects() == []


def test_a_course_that_wants_the_key_or_code_of_a_held_one_stays_as_it_was(
    guarded: Catalog, upstream: Upstream
) -> None:
    upstream.courses = courses(20)
    guarded.refresh()
    renamed = course("A+0", run("course-v1:A+19+r"), uuid=uuid_of("A+19"))
    newcomer = course("A+19", uuid=uuid_of("new"))
    upstream.courses = [*courses(8, 11), renamed, newcomer]
    assert guarded.refresh().outcome == "held"
    keys = "SELECT key, course_code, uuid::text FROM catalog.catalog_course WHERE key IN ('A+0', 'A+19') ORDER BY 1"
    assert guarded.rows(keys) == [("A+0", "0", uuid_of("A+0")), ("A+19", "19", uuid_of("A+19"))]
    assert guarded.value("SELECT count(*) FROM catalog.catalog_course WHERE status = 'published'") == 20
    assert guarded.courses_of_runs()["course-v1:A+19+r"] == "A+19"
    assert {key for key, *_ in guarded.rejects()} == {"A+0", "A+19"}


def test_a_run_of_a_held_course_moves_where_another_course_lists_it(guarded: Catalog, upstream: Upstream) -> None:
    upstream.courses = courses(20)
    guarded.refresh()
    upstream.courses = upstream.courses[10:]
    upstream.courses[0]["course_runs"].append(run("course-v1:A+0+r"))
    assert guarded.refresh().outcome == "held"
    assert guarded.courses_of_runs()["course-v1:A+0+r"] == "A+10"
    assert guarded.courses_of_runs()["course-v1:A+1+r"] == "A+1"


@pytest.mark.parametrize("changed", [False, True])
def test_a_crawl_that_lists_a_held_course_again_ends_it(guarded: Catalog, upstream: Upstream, changed: bool) -> None:
    upstream.courses = courses(20)
    guarded.refresh()
    before = guarded.versions()
    upstream.courses = upstream.courses[16:]
    guarded.refresh()
    assert len(guarded.rows(HELD)) == 32
    upstream.courses = courses(20)
    upstream.courses[0]["title"] = "Changed" if changed else upstream.courses[0]["title"]
    # An incremental crawl would not see the courses that are as they were.
    report = guarded.refresh(full=False)
    assert (report.outcome, report.documents) == ("applied", int(changed))
    assert guarded.rows(HELD) == guarded.rows(PENDING) == []
    if not changed:
        assert [row for row in guarded.versions() if row[0] != "landing.document"] == [
            row for row in before if row[0] != "landing.document"
        ]


def test_accepting_looks_again_and_archives_what_is_listed_as_held_and_no_more(
    guarded: Catalog, upstream: Upstream
) -> None:
    upstream.courses = courses(40)
    guarded.refresh()
    upstream.courses = courses(20, 20)
    guarded.refresh()
    # Ten of those have come back since, and ten others have gone.
    upstream.courses = courses(30, 10)[:20]
    report = guarded.refresh(full=False, accept_removals=True)
    assert report.outcome == "held"
    gone = "SELECT count(*) FROM catalog.catalog_course WHERE missing_since IS NOT NULL"
    assert guarded.value(gone) == 10
    assert guarded.value(f"{gone} AND key = ANY(:keys)", keys=[f"A+{n}" for n in range(10)]) == 10
    assert {key for table, key in guarded.rows(HELD) if table == "catalog_course"} == {f"A+{n}" for n in range(30, 40)}
    assert guarded.refresh(accept_removals=True).outcome == "applied"
    assert guarded.value(gone) == 20


def test_accepting_after_upstream_recovered_archives_nothing(guarded: Catalog, upstream: Upstream) -> None:
    upstream.courses = courses(20)
    guarded.refresh()
    upstream.courses = courses(4)
    guarded.refresh()
    upstream.courses = courses(20)
    assert guarded.refresh(full=False, accept_removals=True).outcome == "applied"
    assert guarded.value(STANDING.format("catalog_course")) == 20


def test_accepting_without_a_held_load_holds_like_any_other(guarded: Catalog, upstream: Upstream) -> None:
    upstream.courses = courses(20)
    guarded.refresh()
    upstream.courses = courses(4)
    assert guarded.refresh(accept_removals=True).outcome == "held"
    assert guarded.value(STANDING.format("catalog_course")) == 20


def test_the_lms_has_a_guard_of_its_own(guarded: Catalog, upstream: Upstream) -> None:
    upstream.lists["lms"] = [lms_run(f"course-v1:A+1+r{n}") for n in range(20)]
    upstream.courses = courses(20)
    guarded.refresh("lms")
    guarded.refresh()
    upstream.lists["lms"] = upstream.lists["lms"][:4]
    upstream.courses = courses(4)
    assert guarded.refresh("lms").outcome == "held"
    assert guarded.refresh().outcome == "held"
    assert guarded.refresh("lms", accept_removals=True).outcome == "applied"
    assert guarded.value("SELECT count(*) FROM catalog.course_run WHERE status = 'archived'") == 16
    assert guarded.value(STANDING.format("catalog_course")) == 20


BAD = {"a bad value": {"title": None}, "a bad shape": {"owners": "A"}}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_moves_to_a_rejected_course_is_not_archived(
    catalog: Catalog, upstream: Upstream, what: str, before: bool
) -> None:
    key = "course-v1:A+1+r2"
    upstream.courses = [course("A+1", run("course-v1:A+1+r1"), run(key)), course("B+1")]
    catalog.refresh()
    moved = course("B+1", run(key), **BAD[what])
    if before:  # the rejected document lists the run already when the other one lets it go
        upstream.courses[1] = moved
        catalog.refresh()
    upstream.courses = [course("A+1", run("course-v1:A+1+r1"), title="Changed"), moved]
    assert catalog.refresh().outcome == "applied"
    standing = "SELECT status, missing_since IS NULL FROM catalog.course_run WHERE run_key = :key"
    assert catalog.rows(standing, key=key) == [("published", True)]
    assert catalog.courses_of_runs()[key] == "A+1"
    assert catalog.value("SELECT title FROM catalog.catalog_course WHERE key = 'A+1'") == "Changed"
    versions = catalog.versions()
    catalog.refresh()
    assert catalog.versions() == versions
    upstream.courses[1] = course("B+1", run(key))
    catalog.refresh()
    assert catalog.courses_of_runs()[key] == "B+1"
    assert catalog.rejects() == catalog.rows(PENDING) == []


def test_a_run_that_a_rejected_course_listed_is_archived_when_that_drops_it(
    catalog: Catalog, upstream: Upstream
) -> None:
    key = "course-v1:A+1+r2"
    upstream.courses = [course("A+1", run(key)), course("B+1")]
    catalog.refresh()
    upstream.courses = [course("A+1"), course("B+1", run(key), title=None)]
    catalog.refresh()
    upstream.courses[1] = course("B+1", title=None)
    catalog.refresh()
    assert catalog.rows("SELECT status FROM catalog.course_run") == [("archived",)]
    assert catalog.rows(PENDING) == []


@pytest.mark.parametrize(("lists", "field"), [("courses", "course_runs"), ("programs", "courses")])
@pytest.mark.parametrize("said", [True, False])
def test_a_document_that_does_not_say_what_it_lists_is_rejected_and_what_stood_stays(
    catalog: Catalog, upstream: Upstream, lists: str, field: str, said: bool
) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r1"))]
    upstream.lists["programs"] = [program("P", "A+1")]
    catalog.refresh()
    before = [row for row in catalog.versions() if row[0] != "landing.document"]
    document = upstream.lists[lists][0]
    document[field] = None
    if not said:
        del document[field]
    report = catalog.refresh()
    assert report.rejected_documents == 1
    assert catalog.rejects() == [(None, None, "wrong_shape")]
    assert field in catalog.value("SELECT message FROM ops.rejected_record")
    assert [row for row in catalog.versions() if row[0] != "landing.document"] == before
