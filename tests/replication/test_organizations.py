"""Which organization a course belongs to when names change, and in whatever order the documents come."""

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.catalog import Catalog, Document, Upstream, course, organization, uuid_of
from support.databases import Databases

from catalog_pipeline.database.engine import make_engine
from catalog_pipeline.settings import Settings

U1, U2 = uuid_of("u1"), uuid_of("u2")
ORGANIZATIONS = "SELECT key, uuid::text FROM catalog.organization ORDER BY key"
OWNERS = (
    "SELECT c.key, o.key FROM catalog.catalog_course c JOIN catalog.organization o ON o.id = c.organization_id"
    " WHERE c.missing_since IS NULL"
)


def test_a_listed_organization_takes_its_key_from_one_that_is_only_mentioned(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("X+1", owners=[organization("A", uuid=U2)])]
    catalog.refresh()
    upstream.lists["organizations"] = [organization("A", uuid=U1)]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(ORGANIZATIONS) == [("A", U1)]
    upstream.lists["organizations"].append(organization("B", uuid=U2))
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(ORGANIZATIONS) == [("A", U1), ("B", U2)]
    assert dict(catalog.rows(OWNERS)) == {"X+1": "B"}


def test_both_are_listed_at_once_and_a_course_still_uses_the_old_name(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("X+1", owners=[organization("A", uuid=U2)])]
    catalog.refresh()
    upstream.lists["organizations"] = [organization("A", uuid=U1), organization("B", uuid=U2)]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(ORGANIZATIONS) == [("A", U1), ("B", U2)]
    assert dict(catalog.rows(OWNERS)) == {"X+1": "B"}


def test_a_renamed_organization_takes_over_the_courses_of_the_one_that_was_mentioned(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["organizations"] = [organization("Old", uuid=U1)]
    upstream.courses = [course("Old+1", owners=[organization("Old", uuid=U1)]), course("A+2", owners=[])]
    catalog.refresh()
    upstream.lists["organizations"] = [organization("A", uuid=U1)]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(ORGANIZATIONS) == [("A", U1)]
    assert dict(catalog.rows(OWNERS)) == {"Old+1": "A", "A+2": "A"}


def test_a_course_of_a_renamed_organization_does_not_drift_to_one_made_of_its_key(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["organizations"] = [organization("New", uuid=U1)]
    upstream.courses = [course("Old+1", owners=[organization("Old", uuid=U1)]), course("Old+2", owners=[])]
    for _ in range(2):
        catalog.refresh()
        assert dict(catalog.rows(OWNERS)) == {"Old+1": "New", "Old+2": "Old"}
        upstream.courses[0]["title"] = "So that it is decided again"


def test_an_organization_made_of_a_key_gets_the_name_that_a_course_mentions(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", owners=[])]
    catalog.refresh()
    upstream.courses.append(course("A+2"))
    catalog.refresh()
    assert catalog.rows("SELECT key, name, uuid::text FROM catalog.organization") == [
        ("A", "University A", uuid_of("org A"))
    ]


@st.composite
def documents(draw: st.DrawFn) -> list[tuple[str, Document]]:
    """Documents that do not collide, each with its list: organizations, and courses that may use their old names."""
    listed = draw(st.sets(st.integers(0, 3)))
    names = [f"N{n}" for n in range(4)]
    owner = st.integers(0, 3).flatmap(
        lambda n: (
            # Only of one that is listed is it known which of its names is the present one.
            st.sampled_from([names[n], f"Old{n}", *(names[m] for m in listed)]) if n in listed else st.just(names[n])
        ).map(lambda name: {"uuid": uuid_of(names[n]), "key": name, "name": None})
    )
    found = [("organizations", organization(names[n], uuid=uuid_of(names[n]))) for n in sorted(listed)]
    for number in range(draw(st.integers(1, 4))):
        of = draw(st.sampled_from([*names, "Old0", "Old1", "P"]))
        found.append(("courses", course(f"{of}+{number}", owners=draw(st.lists(owner, max_size=2)))))
    return draw(st.permutations(found))


@hypothesis_settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_documents_that_do_not_collide_give_one_catalog_in_any_order_and_any_split(
    databases: Databases,
    settings: Settings,
    upstream: Upstream,
    data: st.DataObject,
) -> None:
    found = data.draw(documents())
    cuts = data.draw(st.sets(st.integers(1, len(found)))) | {len(found)}
    states = []
    for parts in ({len(found)}, cuts):
        with databases.copied() as server:
            engine = make_engine(server, "test")
            catalog = Catalog(engine, settings, upstream)
            for end in sorted(parts):
                for name in ("organizations", "courses"):
                    upstream.lists[name] = [document for list_name, document in found[:end] if list_name == name]
                catalog.refresh()
            assert catalog.rejects() == []
            states.append((sorted(catalog.rows(OWNERS)), catalog.rows(ORGANIZATIONS)))
            engine.dispose()
    assert states[0] == states[1]
