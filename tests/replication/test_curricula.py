"""Who authors a program, and which curricula it has, as discovery's documents say."""

from typing import Any

from support.catalog import Catalog, Document, Upstream, course, organization, program, run, uuid_of

ORGANIZATIONS = (
    "SELECT p.title, o.key, t.position FROM catalog.program_organization t"
    " JOIN catalog.program p ON p.id = t.program_id JOIN catalog.organization o ON o.id = t.organization_id"
    " ORDER BY 1, 3"
)
CURRICULA = (
    "SELECT p.title, c.name, c.is_active FROM catalog.curriculum c JOIN catalog.program p ON p.id = c.program_id"
    " ORDER BY 1, 2"
)
COURSES = (
    "SELECT c.name, k.key, t.position FROM catalog.curriculum_course t JOIN catalog.curriculum c"
    " ON c.id = t.curriculum_id JOIN catalog.catalog_course k ON k.id = t.catalog_course_id ORDER BY 1, 3"
)
CHILDREN = (
    "SELECT c.name, p.title, t.position FROM catalog.curriculum_program t JOIN catalog.curriculum c"
    " ON c.id = t.curriculum_id JOIN catalog.program p ON p.id = t.program_id ORDER BY 1, 3"
)
RUNS = "SELECT run_key, via FROM catalog.program_run WHERE program_uuid = :uuid ORDER BY run_key"


def curriculum(name: str, *courses: str, programs: tuple[str, ...] = (), **fields: Any) -> Document:
    return {
        "uuid": uuid_of(f"curriculum {name}"),
        "name": name,
        "is_active": True,
        "courses": [{"key": key, "uuid": uuid_of(key), "title": f"Once {key}"} for key in courses],
        "programs": [{"uuid": uuid_of(child), "title": f"Once {child}"} for child in programs],
        **fields,
    }


def test_a_program_has_the_organizations_and_curricula_that_its_document_lists(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course(f"X+{n}", run(f"course-v1:X+{n}+R")) for n in (1, 2, 3)]
    upstream.lists["programs"] = [
        program(
            "Master",
            "X+1",
            authoring_organizations=[organization("X"), organization("Y")],
            curricula=[
                curriculum("First", "X+2", "X+1"),
                curriculum("Old", "X+3", is_active=False),
                curriculum("With a child", programs=("Child",)),
            ],
        ),
        program("Child", "X+3"),
    ]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(ORGANIZATIONS) == [("Master", "X", 1), ("Master", "Y", 2)]
    assert catalog.rows(CURRICULA) == [
        ("Master", "First", True),
        ("Master", "Old", False),
        ("Master", "With a child", True),
    ]
    assert catalog.rows(COURSES) == [("First", "X+2", 1), ("First", "X+1", 2), ("Old", "X+3", 1)]
    assert catalog.rows(CHILDREN) == [("With a child", "Child", 1)]
    assert catalog.rows(RUNS, uuid=uuid_of("Master")) == [
        ("course-v1:X+1+R", "program"),
        ("course-v1:X+2+R", "curriculum"),
        ("course-v1:X+3+R", "child"),
    ]
    versions = catalog.versions()
    assert catalog.refresh().changed == 0
    assert catalog.versions() == versions


def test_an_authoring_organization_that_is_not_listed_is_made_as_a_mentioned_one(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["programs"] = [program("Master", authoring_organizations=[organization("Z")])]
    catalog.refresh()
    assert catalog.rows("SELECT key, name, listed_by_id FROM catalog.organization") == [("Z", "University Z", None)]
    assert catalog.rows(ORGANIZATIONS) == [("Master", "Z", 1)]


def test_what_a_document_does_not_say_stands_and_an_empty_list_empties(catalog: Catalog, upstream: Upstream) -> None:
    listed = {
        "authoring_organizations": [organization("X")],
        "curricula": [curriculum("First", "X+1", programs=("P",))],
    }
    upstream.courses = [course("X+1")]
    upstream.lists["programs"] = [program("P", **listed)]
    catalog.refresh()
    stood = [catalog.rows(query) for query in (ORGANIZATIONS, CURRICULA, COURSES, CHILDREN)]
    assert all(stood)
    first = curriculum("First", "X+1")
    for said in (
        {},
        {"authoring_organizations": None, "curricula": None},
        {"curricula": [first | {"courses": None, "programs": None}]},
    ):
        upstream.lists["programs"] = [program("P", **said)]
        catalog.refresh()
        assert catalog.rejects() == []
        assert [catalog.rows(query) for query in (ORGANIZATIONS, CURRICULA, COURSES, CHILDREN)] == stood
    upstream.lists["programs"] = [program("P", authoring_organizations=[], curricula=[curriculum("First")])]
    catalog.refresh()
    assert [catalog.rows(query) for query in (ORGANIZATIONS, COURSES, CHILDREN)] == [[], [], []]
    upstream.lists["programs"] = [program("P", curricula=[])]
    catalog.refresh()
    assert catalog.rows(CURRICULA) == []


def test_a_child_that_is_not_listed_is_rejected_and_comes_once_it_is(catalog: Catalog, upstream: Upstream) -> None:
    parent = program("P", curricula=[curriculum("First", "X+9", programs=("Child", "P"))])
    upstream.lists["programs"] = [parent]
    catalog.refresh()
    assert {rule for *_, rule in catalog.rejects()} == {"unknown_program", "unknown_course"}
    assert catalog.rows(CHILDREN) == [("First", "P", 2)]
    upstream.lists["programs"] = [parent, program("Child")]
    upstream.courses = [course("X+9")]
    catalog.refresh()
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(CHILDREN) == [("First", "Child", 1), ("First", "P", 2)]
    assert catalog.rows(COURSES) == [("First", "X+9", 1)]


def test_what_a_curriculum_says_of_its_courses_and_programs_beyond_which_they_are_makes_nothing_pending(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("X+1")]
    upstream.lists["programs"] = [program("P", curricula=[curriculum("First", "X+1", programs=("P",))])]
    catalog.refresh()
    lagging = upstream.lists["programs"][0]["curricula"][0]
    lagging["courses"][0]["title"] = lagging["programs"][0]["title"] = "Newer"
    assert catalog.refresh().documents == 0
    lagging["courses"][0]["key"] = "X+2"
    assert catalog.refresh().documents == 1


def test_a_curriculum_that_is_no_curriculum_rejects_its_program(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["programs"] = [
        program("A", curricula=[{"name": "Without uuid"}]),
        program("B", curricula=["text"]),
        program("C", curricula={"uuid": 1}),
    ]
    catalog.refresh()
    assert sorted(rule for *_, rule in catalog.rejects()) == ["missing", "wrong_shape", "wrong_shape"]
    assert catalog.value("SELECT count(*) FROM catalog.program") == 0


def test_a_mentioned_organization_that_gives_way_hands_over_its_programs_and_keys(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["organizations"] = [organization("Old", uuid=uuid_of("u1"))]
    upstream.lists["programs"] = [program("P", authoring_organizations=[organization("A", uuid=uuid_of("u2"))])]
    catalog.refresh()
    catalog.execute("""
        WITH one AS (INSERT INTO catalog.learner DEFAULT VALUES RETURNING id)
        INSERT INTO catalog.learner_key (learner_id, organization_id, external_key)
        SELECT one.id, o.id, 'K1' FROM one, catalog.organization o WHERE o.key = 'A'""")
    upstream.lists["organizations"] = [organization("A", uuid=uuid_of("u1"))]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(ORGANIZATIONS) == [("P", "A", 1)]
    assert catalog.rows(
        "SELECT o.key, o.uuid::text FROM catalog.learner_key k JOIN catalog.organization o ON o.id = k.organization_id"
    ) == [("A", uuid_of("u1"))]
