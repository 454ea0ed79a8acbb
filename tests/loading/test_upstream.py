"""An upstream is a name at an address: what is at another address is not read before a person says what it is."""

from typing import Any

import pytest
from sqlalchemy import text
from support.catalog import Catalog, Upstream, course, organization, run

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.clearing import NotOnlySampleError, clear_sample
from catalog_pipeline.loading.upstream import UpstreamChangedError, check_address
from catalog_pipeline.replication.publishing import publish
from catalog_pipeline.replication.switching import (
    SwitchPlan,
    SwitchPlanChangedError,
    move,
    plan_switch,
    switch,
)
from catalog_pipeline.sources import discovery
from catalog_pipeline.sources.upstreams import upstreams

OTHER = {"uuid": "00000000-0000-4000-8000-00000000000a"}


def elsewhere(catalog: Catalog, **settings: Any) -> None:
    """Configure the upstream by another name of its host: another address, at which the same server answers."""
    other = catalog.settings.model_copy(update={"discovery_url": alias_of(catalog.settings.discovery_url), **settings})
    catalog.settings = other


def alias_of(url: str | None) -> str:
    assert url
    return url.replace("localhost", "127.0.0.1") if "localhost" in url else url.replace("127.0.0.1", "localhost")


def planned(catalog: Catalog) -> SwitchPlan:
    with upstreams(catalog.settings) as found:
        return plan_switch(catalog.engine, found, "discovery")


def switched(catalog: Catalog, expected: str) -> SwitchPlan:
    with upstreams(catalog.settings) as found:
        return switch(catalog.engine, found, "discovery", expected)


def crawls(catalog: Catalog) -> int:
    return catalog.value("SELECT count(*) FROM landing.crawl")


@pytest.fixture
def filled(catalog: Catalog, upstream: Upstream) -> Catalog:
    """A catalog that was read from one system, whose place another one has taken since."""
    upstream.courses = [
        course("A+1", run("course-v1:A+1+R1")),
        course("A+2", run("course-v1:A+2+R1")),
    ]
    upstream.lists["organizations"] = [organization("A")]
    catalog.refresh()
    upstream.courses = [
        course("A+1", run("course-v1:A+1+R1", **OTHER), title="Of the other system", **OTHER),
        course("A+3", run("course-v1:A+3+R1")),
    ]
    return catalog


def test_a_service_is_recorded_with_its_address_when_it_is_first_read(catalog: Catalog, upstream: Upstream) -> None:
    upstream.replaced = {b'"results"': b'"nothing"'}
    with pytest.raises(Exception, match="check the upstream's URL"):
        catalog.refresh()
    assert catalog.rows("SELECT * FROM landing.upstream") == []
    upstream.replaced = {}
    catalog.refresh()
    address = upstream.url.removeprefix("http://")
    assert catalog.rows("SELECT service, address, by, off_since FROM landing.upstream") == [
        ("discovery", address, "test", None)
    ]


def test_a_crawl_and_a_load_of_another_address_are_refused_and_touch_nothing(filled: Catalog) -> None:
    before, read = filled.versions(), crawls(filled)
    elsewhere(filled)
    with pytest.raises(UpstreamChangedError, match=r"from discovery at .*, and now .* is configured.*--moved"):
        filled.refresh()
    with pytest.raises(UpstreamChangedError, match="Nothing was changed"):
        publish(filled.engine, discovery, filled.settings)
    assert (filled.versions(), crawls(filled)) == (before, read)


def test_the_same_address_written_otherwise_is_read_as_before(filled: Catalog, upstream: Upstream) -> None:
    filled.settings = filled.settings.model_copy(
        update={"discovery_url": upstream.url.replace("localhost", "LocalHost")}
    )
    assert filled.refresh().documents


def test_a_load_of_a_service_that_is_not_configured_says_so(filled: Catalog) -> None:
    filled.settings = filled.settings.model_copy(update={"discovery_url": None})
    with pytest.raises(UsageError, match="set CATALOG_DISCOVERY_URL"):
        publish(filled.engine, discovery, filled.settings)


def test_a_system_that_moved_keeps_everything_and_is_read_whole_once(filled: Catalog, upstream: Upstream) -> None:
    before = filled.versions()
    elsewhere(filled)
    upstream.courses = [
        course("A+1", run("course-v1:A+1+R1")),
        course("A+2", run("course-v1:A+2+R1")),
    ]
    assert move(filled.engine, filled.settings, "discovery", dry_run=True).after.startswith("127.0.0.1")
    with pytest.raises(UpstreamChangedError):
        filled.refresh(full=False)
    move(filled.engine, filled.settings, "discovery")
    upstream.asked.clear()
    filled.refresh(full=False)
    assert not any("timestamp" in asked for asked in upstream.asked)
    assert filled.versions() == before
    upstream.asked.clear()
    filled.refresh(full=False)
    assert any("timestamp" in asked for asked in upstream.asked)


def test_another_system_is_a_plan_that_changes_nothing(filled: Catalog) -> None:
    before, read = filled.versions(), crawls(filled)
    elsewhere(filled)
    found = planned(filled)
    assert {(row["key"], row["outcome"]) for row in found.rows} == {
        ("A", "goes_on"),
        ("A+1", "goes_on"),
        ("A+2", "archived"),
        ("A+3", "new"),
        ("course-v1:A+1+R1", "goes_on"),
        ("course-v1:A+2+R1", "archived"),
        ("course-v1:A+3+R1", "new"),
    }
    assert planned(filled).digest == found.digest
    assert (filled.versions(), crawls(filled)) == (before, read)


def test_the_plan_of_another_system_is_applied_by_its_hash_alone(filled: Catalog, upstream: Upstream) -> None:
    elsewhere(filled)
    shown = planned(filled).digest
    upstream.courses.append(course("A+4"))
    before = filled.versions()
    with pytest.raises(SwitchPlanChangedError, match="Nothing was changed"):
        switched(filled, shown)
    assert filled.versions() == before
    ids = dict(filled.rows("SELECT key, id FROM catalog.catalog_course"))  # pyright: ignore[reportArgumentType]
    shown = planned(filled)
    done = switched(filled, shown.digest)
    assert done.rows == shown.rows
    assert filled.rows("SELECT key, id, title, status FROM catalog.catalog_course WHERE key IN ('A+1', 'A+2')"
                       " ORDER BY key") == [
        ("A+1", ids["A+1"], "Of the other system", "published"),
        ("A+2", ids["A+2"], "Course A+2", "archived"),
    ]  # fmt: skip
    after = filled.versions()
    filled.refresh()
    assert filled.versions() == after
    with pytest.raises(UsageError, match="already"):
        planned(filled)


def test_a_list_that_repeats_documents_does_not_tell_what_another_system_lacks(
    filled: Catalog, upstream: Upstream
) -> None:
    elsewhere(filled)
    upstream.courses += upstream.courses[:1]
    with pytest.raises(Exception, match="does not tell what is gone"):
        planned(filled)


def test_a_database_of_a_real_upstream_is_not_cleared_as_the_samples(filled: Catalog) -> None:
    before = filled.versions()
    with pytest.raises(NotOnlySampleError, match="from another upstream: discovery at "):
        clear_sample(filled.engine, filled.settings)
    assert filled.versions() == before


def test_what_people_made_keeps_the_samples_database_from_being_cleared(catalog: Catalog) -> None:
    catalog.add_run("course-v1:A+1+Mine")
    with pytest.raises(NotOnlySampleError, match="made by hand: course_run course-v1:A"):
        clear_sample(catalog.engine, catalog.settings)
    assert catalog.value("SELECT count(*) FROM catalog.course_run") == 1


def test_a_customer_of_ones_own_keeps_the_samples_database_from_being_cleared(catalog: Catalog) -> None:
    transitions = catalog.value("SELECT count(*) FROM catalog.assignment_transition")
    catalog.execute("INSERT INTO catalog.enterprise_customer (uuid, name) VALUES (gen_random_uuid(), 'Acme')")
    with pytest.raises(NotOnlySampleError, match="enterprise customers that are not the sample's: Acme"):
        clear_sample(catalog.engine, catalog.settings)
    catalog.execute("DELETE FROM catalog.enterprise_customer")
    clear_sample(catalog.engine, catalog.settings)
    assert catalog.value("SELECT count(*) FROM catalog.assignment_transition") == transitions > 0


def test_the_sample_and_real_systems_are_not_read_into_one_database(catalog: Catalog) -> None:
    catalog.execute("INSERT INTO landing.upstream (service, address, since, by) VALUES ('lms', 'l', now(), 'x')")
    sample = catalog.settings.model_copy(update={"discovery_url": None, "lms_url": None})
    with connected(catalog.engine) as connection:
        with pytest.raises(UpstreamChangedError, match=r"from lms at l, and now sample is configured\. Set CATALOG_"):
            check_address(connection, sample, "subsidy")
        real = catalog.settings.model_copy(update={"subsidy_url": "https://subsidy.example"})
        check_address(connection, real, "subsidy")
        connection.execute(text("UPDATE landing.upstream SET address = 'sample'"))
        with pytest.raises(UpstreamChangedError, match=r"from lms at sample, and now subsidy\.example is configured"):
            check_address(connection, real, "subsidy")
