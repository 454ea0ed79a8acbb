"""What a load makes of documents that want one key, code, uuid or product number; of those that exchange them, too."""

from support.catalog import Catalog, Upstream, course, organization, run, uuid_of

R1, R2, R3 = (f"course-v1:A+1+r{n}" for n in (1, 2, 3))


def test_two_spellings_of_a_course_key_are_one_course_and_a_reject(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1)), course("a+1", run("course-v1:a+1+other"))]
    catalog.refresh()
    assert catalog.courses_of_runs() == {R1: "A+1", "course-v1:a+1+other": "A+1"}
    assert catalog.rejects() == [("a+1", "key", "case_collision")]


def test_two_spellings_of_a_run_key_are_one_run_and_a_reject(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1)), course("B+1", run(R1.upper().replace("COURSE-V1", "course-v1")))]
    catalog.refresh()
    assert catalog.courses_of_runs() == {"course-v1:A+1+R1": "B+1"}
    assert catalog.rejects() == [(R1, "run_key", "case_collision")]


def test_a_collision_with_a_row_that_stands_is_a_reject_whichever_comes_later(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("a+1")]
    catalog.refresh()
    upstream.courses = [course("A+1"), course("a+1")]
    catalog.refresh()
    assert catalog.rows("SELECT key FROM catalog.catalog_course") == [("a+1",)]
    assert catalog.rejects() == [("A+1", "key", "case_collision")]


def test_two_spellings_of_an_organization_are_one(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["organizations"] = [organization("Abc"), organization("ABC")]
    upstream.courses = [course("aBC+1")]
    catalog.refresh()
    assert catalog.value("SELECT count(*) FROM catalog.organization") == 1
    assert catalog.rejects() == [("Abc", "key", "case_collision")]


def test_a_course_made_anew_upstream_under_the_same_key_takes_the_old_ones_place(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", run(R1))]
    catalog.refresh()
    upstream.courses = [course("A+1", run(R1), uuid=uuid_of("anew"))]
    catalog.refresh()
    assert catalog.rows("SELECT uuid::text, status FROM catalog.catalog_course") == [(uuid_of("anew"), "published")]
    assert catalog.rejects() == []


def test_a_course_renamed_upstream_keeps_its_row(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1))]
    catalog.refresh()
    before = catalog.value("SELECT id FROM catalog.catalog_course")
    upstream.courses = [course("A+2", run(R1), uuid=uuid_of("A+1"))]
    catalog.refresh()
    assert catalog.rows("SELECT id, key FROM catalog.catalog_course") == [(before, "A+2")]
    assert catalog.courses_of_runs() == {R1: "A+2"}


def test_a_key_freed_and_taken_in_one_crawl_converges(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1")]
    catalog.refresh()
    upstream.courses = [course("A+2", uuid=uuid_of("A+1")), course("A+1", uuid=uuid_of("newcomer"))]
    catalog.refresh()
    assert catalog.rows("SELECT key, uuid::text FROM catalog.catalog_course ORDER BY 1") == [
        ("A+1", uuid_of("newcomer")),
        ("A+2", uuid_of("A+1")),
    ]
    assert catalog.rejects() == []


def test_a_second_course_with_a_partners_product_number_is_kept_without_it(
    catalog: Catalog, upstream: Upstream
) -> None:
    details = {"external_identifier": "77", "product_status": "published"}
    upstream.courses = [course("A+1", additional_metadata=details), course("A+2", additional_metadata=details)]
    catalog.refresh()
    assert catalog.rows("SELECT key, external_identifier FROM catalog.catalog_course ORDER BY 1") == [
        ("A+1", "77"),
        ("A+2", None),
    ]
    assert catalog.rejects() == [("A+2", "external_identifier", "duplicate_external_identifier")]


def test_a_product_that_upstream_calls_archived_gives_its_number_up(catalog: Catalog, upstream: Upstream) -> None:
    live, archived = ({"external_identifier": "77", "product_status": said} for said in ("published", "archived"))
    upstream.courses = [course("A+1", additional_metadata=archived)]
    catalog.refresh()
    upstream.courses = [*upstream.courses, course("A+2", additional_metadata=live)]
    catalog.refresh()
    numbers = "SELECT key, external_identifier FROM catalog.catalog_course ORDER BY 1"
    assert catalog.rows(numbers) == [("A+1", None), ("A+2", "77")]
    assert catalog.rejects() == []
    catalog.execute("UPDATE landing.document SET settled_rules = 0")
    catalog.refresh()
    assert catalog.rows(numbers) == [("A+1", None), ("A+2", "77")]
    assert catalog.rejects() == [("A+1", "external_identifier", "duplicate_external_identifier")]


def test_two_courses_of_one_code_in_one_organization_are_a_reject(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1"), course("Old+1", owners=[organization("A")])]
    catalog.refresh()
    assert catalog.rows("SELECT key FROM catalog.catalog_course") == [("A+1",)]
    assert catalog.rejects() == [("Old+1", "course_code", "duplicate_code")]


def test_a_course_that_loses_its_new_code_keeps_the_old_one_and_its_runs(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1"), course("X+1", run("course-v1:X+1+r"), owners=[organization("B")])]
    catalog.refresh()
    upstream.courses = [course("A+1"), course("X+1", run("course-v1:X+1+r"), owners=[organization("A")]), course("B+1")]
    catalog.refresh()
    assert catalog.rows(
        "SELECT c.key, o.key, c.status FROM catalog.catalog_course c"
        " JOIN catalog.organization o ON o.id = c.organization_id ORDER BY 1"
    ) == [("A+1", "A", "draft"), ("X+1", "B", "published")]
    assert catalog.courses_of_runs() == {"course-v1:X+1+r": "X+1"}
    assert catalog.rejects() == [("B+1", "course_code", "duplicate_code"), ("X+1", "course_code", "duplicate_code")]
