"""Who holds a key, a code, a variant or a run when several claim it, and what happens when the holder lets go."""

from support.catalog import Catalog, Upstream, course, lms_run, organization, program, run, uuid_of

R1, R2 = "course-v1:A+1+r1", "course-v1:A+1+r2"
STANDING = "SELECT key FROM catalog.catalog_course WHERE missing_since IS NULL ORDER BY key"


def test_a_run_made_anew_upstream_under_a_new_uuid_stays(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1))]
    catalog.refresh()
    upstream.courses = [course("A+1", run(R1, uuid=uuid_of("anew")))]
    catalog.refresh()
    assert catalog.rows("SELECT uuid::text, status FROM catalog.course_run") == [(uuid_of("anew"), "published")]
    assert catalog.rejects() == []


def test_the_loser_of_a_collision_takes_the_place_when_the_winner_leaves(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1"), course("a+1", run("course-v1:a+1+r"))]
    catalog.refresh()
    upstream.courses = [course("a+1", run("course-v1:a+1+r"))]
    catalog.refresh()
    assert catalog.rows(STANDING) == [("a+1",)]
    assert catalog.rejects() == []


def test_a_variant_goes_to_the_other_claimant_when_its_holder_leaves(catalog: Catalog, upstream: Upstream) -> None:
    late = run("course-v1:B+1+r", variant_id=uuid_of("v"), start="2026-05-01T00:00:00Z")
    upstream.courses = [course("A+1", run(R1, variant_id=uuid_of("v"))), course("B+1", late)]
    catalog.refresh()
    upstream.courses = [course("A+1", run(R1, variant_id=uuid_of("v")))]
    catalog.refresh()
    assert catalog.rows("SELECT run_key FROM catalog.run WHERE variant_id IS NOT NULL") == [(R1,)]
    assert catalog.rejects() == []


def test_a_product_number_goes_to_the_other_course_when_its_holder_lets_go(
    catalog: Catalog, upstream: Upstream
) -> None:
    details = {"external_identifier": "77"}
    upstream.courses = [course("A+1", additional_metadata=details), course("A+2", additional_metadata=details)]
    catalog.refresh()
    upstream.courses[0]["additional_metadata"] = None
    catalog.refresh()
    assert catalog.rows("SELECT key FROM catalog.catalog_course WHERE external_identifier = '77'") == [("A+2",)]
    upstream.courses[0]["additional_metadata"], upstream.courses[1]["additional_metadata"] = details, None
    catalog.refresh()
    assert catalog.rows("SELECT key FROM catalog.catalog_course WHERE external_identifier = '77'") == [("A+1",)]


def test_a_course_that_is_gone_gives_up_its_code(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", owners=[organization("B")])]
    upstream.lists["organizations"] = [organization("B")]
    catalog.refresh()
    upstream.courses = [course("B+1")]
    catalog.refresh()
    assert catalog.rows(STANDING) == [("B+1",)]
    assert catalog.rejects() == []


def test_a_run_that_two_courses_list_stays_with_the_one_that_did_first_until_that_lets_go(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", run(R1)), course("A+2", run(R1))]
    catalog.refresh()
    holder, other = ("A+1", "A+2") if catalog.courses_of_runs()[R1] == "A+1" else ("A+2", "A+1")
    assert catalog.rejects() == [(R1, "run_key", "duplicate_key")]
    catalog.execute("UPDATE landing.document SET settled_rules = 0")
    catalog.refresh()
    assert catalog.courses_of_runs() == {R1: holder}
    next(c for c in upstream.courses if c["key"] == holder)["course_runs"] = []
    catalog.refresh()
    assert catalog.courses_of_runs() == {R1: other}
    assert catalog.value("SELECT status FROM catalog.course_run") == "published"
    assert catalog.rejects() == []


def test_two_spellings_in_the_lms_are_a_reject_and_the_second_takes_over(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["lms"] = [lms_run("course-v1:A+1+r"), lms_run("course-v1:a+1+r")]
    catalog.refresh("lms")
    assert catalog.rejects() == [("course-v1:a+1+r", "run_key", "case_collision")]
    del upstream.lists["lms"][0]
    catalog.refresh("lms")
    assert catalog.rows("SELECT run_key, status FROM catalog.course_run") == [("course-v1:a+1+r", "published")]


def test_two_keys_of_one_uuid_are_a_reject(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1), run(R2, uuid=uuid_of(R1)))]
    catalog.refresh()
    assert catalog.rejects() == [(R2, "run_key", "duplicate_uuid")]


def test_courses_and_runs_that_swap_their_keys_are_swapped(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1)), course("A+2", run(R2))]
    catalog.refresh()
    before = dict(catalog.rows("SELECT uuid::text, id FROM catalog.catalog_course"))
    upstream.courses = [
        course("A+2", run(R2, uuid=uuid_of(R1)), uuid=uuid_of("A+1")),
        course("A+1", run(R1, uuid=uuid_of(R2)), uuid=uuid_of("A+2")),
    ]
    catalog.refresh()
    assert catalog.rows("SELECT uuid::text, key FROM catalog.catalog_course ORDER BY key") == [
        (uuid_of("A+2"), "A+1"),
        (uuid_of("A+1"), "A+2"),
    ]
    assert dict(catalog.rows("SELECT uuid::text, id FROM catalog.catalog_course")) == before
    assert catalog.courses_of_runs() == {R1: "A+1", R2: "A+2"}
    assert catalog.rejects() == []
    assert renamed(catalog) == [
        ("catalog_course", "A+1", "course_code", "2", "1"),
        ("catalog_course", "A+1", "key", "A+2", "A+1"),
        ("catalog_course", "A+2", "course_code", "1", "2"),
        ("catalog_course", "A+2", "key", "A+1", "A+2"),
        ("course_run", R1, "key_run", "r2", "r1"),
        ("course_run", R1, "run_key", R2, R1),
        ("course_run", R2, "key_run", "r1", "r2"),
        ("course_run", R2, "run_key", R1, R2),
    ]


def renamed(catalog: Catalog) -> list[tuple[object, ...]]:
    """The renamings in the history. What holds a key's place while keys are swapped is nowhere in it."""
    assert catalog.value("SELECT count(*) FROM ops.change_event e WHERE to_jsonb(e)::text LIKE '%~~~%'") == 0
    return catalog.rows("""
        SELECT entity, key, "column", old #>> '{}', new #>> '{}' FROM ops.column_change
        WHERE action = 'updated' AND "column" IN ('key', 'course_code', 'run_key', 'key_run') ORDER BY 1, 2, 3""")


def test_organizations_that_swap_their_keys_are_swapped_also_in_the_history(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["organizations"] = [organization("A"), organization("B")]
    catalog.refresh()
    uuids = "SELECT key, uuid::text FROM catalog.organization ORDER BY key"
    before = catalog.rows(uuids)
    upstream.lists["organizations"] = [organization("A", uuid=before[1][1]), organization("B", uuid=before[0][1])]
    catalog.refresh()
    assert catalog.rows(uuids) == [("A", before[1][1]), ("B", before[0][1])]
    assert renamed(catalog) == [("organization", "A", "key", "B", "A"), ("organization", "B", "key", "A", "B")]


def test_courses_that_swap_their_organizations_keep_their_codes_in_the_history(
    catalog: Catalog, upstream: Upstream
) -> None:
    owners = [organization("A"), organization("B")]
    upstream.courses = [course("X+1", owners=owners[:1]), course("Y+1", owners=owners[1:])]
    catalog.refresh()
    upstream.courses = [course("X+1", owners=owners[1:]), course("Y+1", owners=owners[:1])]
    catalog.refresh()
    owned = "SELECT c.key, o.key FROM catalog.catalog_course c JOIN catalog.organization o ON o.id = c.organization_id"
    assert catalog.rows(f"{owned} ORDER BY 1") == [("X+1", "B"), ("Y+1", "A")]
    assert renamed(catalog) == []


def test_an_organization_is_known_by_its_uuid_under_two_keys(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [
        course("X+1", owners=[organization("A", uuid=uuid_of("o"))]),
        course("Y+1", owners=[organization("B", uuid=uuid_of("o"))]),
    ]
    catalog.refresh()
    assert catalog.value("SELECT count(DISTINCT organization_id) FROM catalog.catalog_course") == 1


def test_a_run_joins_the_course_that_holds_its_code_under_another_key(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("Old+1", owners=[organization("A")])]
    upstream.lists["lms"] = [lms_run("course-v1:A+1+r")]
    catalog.refresh()
    catalog.refresh("lms")
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": "Old+1"}


def test_runs_of_a_course_that_lost_its_code_go_to_the_course_that_holds_it(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1"), course("Old+1", run("course-v1:Old+1+r"), owners=[organization("A")])]
    catalog.refresh()
    assert catalog.courses_of_runs() == {"course-v1:Old+1+r": "A+1"}
    catalog.execute("UPDATE landing.document SET settled_rules = 0")
    catalog.refresh()
    assert catalog.rows(STANDING) == [("A+1",)]


def test_a_run_named_twice_with_two_variants_keeps_one(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1, variant_id=uuid_of("v")), run(R1, variant_id=uuid_of("w")))]
    catalog.refresh()
    assert catalog.value("SELECT count(*) FROM catalog.course_variant") == 1


def test_a_program_that_names_a_course_twice_has_it_once(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("B+2")]
    upstream.lists["programs"] = [program("P", "B+2")]
    upstream.lists["programs"][0]["courses"].append({"key": "Z+9", "uuid": uuid_of("B+2")})
    catalog.refresh()
    assert catalog.rows("SELECT position FROM catalog.program_course") == [(1,)]


def test_a_program_that_goes_while_its_missing_course_appears_is_archived(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1")]
    upstream.lists["programs"] = [program("P", "A+1", "A+2")]
    catalog.refresh()
    upstream.courses.append(course("A+2"))
    catalog.refresh()
    upstream.lists["programs"] = [program("Q", "A+1")]
    catalog.refresh()
    assert catalog.value("SELECT status FROM catalog.program WHERE title = 'P'") == "archived"
    assert catalog.rejects() == []


def test_an_ambiguity_is_told_once_and_no_more_when_it_is_resolved(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", key_for_reruns="A+n"), course("A+2", key_for_reruns="A+n")]
    upstream.lists["lms"] = [lms_run("course-v1:A+n+r")]
    for source in ("discovery", "lms", "lms", "discovery"):
        catalog.refresh(source)
    assert len(catalog.rejects()) == 1
    upstream.courses[1]["key_for_reruns"] = ""
    catalog.refresh()
    catalog.refresh()
    assert catalog.courses_of_runs() == {"course-v1:A+n+r": "A+1"}
    upstream.courses[1]["title"] = "So that something is decided"
    catalog.refresh()
    assert catalog.rejects() == []


def test_a_made_course_has_the_title_of_the_run_that_starts_first(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["lms"] = [
        lms_run("course-v1:A+1+a_late", start="2027-01-01T00:00:00Z", start_type="timestamp"),
        lms_run("course-v1:A+1+b_early", start="2025-01-01T00:00:00Z", start_type="timestamp"),
    ]
    catalog.refresh("lms")
    assert catalog.value("SELECT title FROM catalog.catalog_course") == "LMS course-v1:A+1+b_early"
