"""The sample's enterprise-catalog: a list without order, documents that differ by catalog, and awkward content."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.middleware import Middleware
from support.sample_client import Client

from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.customers import build_customers
from catalog_pipeline.sample.enterprise_api import TOO_MANY_KEYS
from catalog_pipeline.sample.faults import Fault, Faults
from catalog_pipeline.sample.server import SampleServer

SIZE = 400
Documents = list[dict[str, Any]]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A reader of a catalog that nobody advances."""
    with SampleServer(build_catalog(SIZE, seed=1)) as server:
        yield Client(server)


def path_of(client: Client, title: str) -> str:
    """The address of the content of the catalog with that title."""
    listed = client.json("/api/v1/enterprise-catalogs/", page_size=100)["results"]
    (uuid,) = (catalog["uuid"] for catalog in listed if catalog["title"] == title)
    return f"/api/v2/enterprise-catalogs/{uuid}/get_content_metadata/"


def content(client: Client, title: str, *keys: str) -> Documents:
    """A catalog's content in one answer: what it lists, or what the keys match."""
    return client.json(path_of(client, title), traverse_pagination="False", content_keys=keys)["results"]


def course(client: Client, key: str, title: str = "All Courses") -> dict[str, Any]:
    (found,) = (document for document in content(client, title, key) if document["content_type"] == "course")
    return found


def identity(document: dict[str, Any]) -> str:
    return document.get("key") or document.get("uuid") or ""


# Lists and pages


def test_catalogs_are_listed_with_their_customer(client: Client) -> None:
    body = client.json("/api/v1/enterprise-catalogs/")
    assert body.keys() == {"count", "next", "previous", "results"}
    assert (body["count"], len(body["results"])) == (7, 7)
    for catalog in body["results"]:
        assert catalog.keys() == {"uuid", "title", "enterprise_customer", "enterprise_customer_name"}
    assert len({catalog["enterprise_customer"] for catalog in body["results"]}) == 5
    sizes = {one["title"]: len(content(client, one["title"])) for one in body["results"]}
    assert sizes["To Be Chosen"] == 0
    assert 200 <= sizes["All Courses"] <= 300
    assert all(20 <= size <= 150 for title, size in sizes.items() if title not in ("To Be Chosen", "All Courses"))


def test_a_catalog_that_is_not_listed_has_content_all_the_same(client: Client) -> None:
    (hidden,) = (one for one in build_customers(SIZE, seed=1).catalogs if not one.listed)
    body = client.json(f"/api/v2/enterprise-catalogs/{hidden.uuid}/get_content_metadata/")
    assert (body["title"], body["count"] > 10) == ("Field Crews", True)


def test_a_page_says_which_one_it_is_and_whose(client: Client) -> None:
    path = path_of(client, "All Courses")
    body = client.json(path, page=2, page_size=30)
    assert body["next"].startswith(client.server.url + path)
    assert "page=3" in body["next"]
    assert "page=1" in body["previous"]
    assert (body["current_page"], body["start"], len(body["results"])) == (2, 30, 30)
    assert body["num_pages"] == -(-body["count"] // 30)
    assert body["uuid"] in path
    assert (body["title"], len(body["enterprise_customer"])) == ("All Courses", 36)


@pytest.mark.parametrize(("asked", "given"), [(None, 10), (100, 100), (5000, 100)])
def test_a_page_of_content_has_10_documents_or_up_to_100(client: Client, asked: int | None, given: int) -> None:
    assert len(client.json(path_of(client, "All Courses"), page_size=asked)["results"]) == given


def test_traverse_pagination_answers_everything_whatever_its_text_says(client: Client) -> None:
    for value in ("True", "False", "0"):
        body = client.json(path_of(client, "All Courses"), traverse_pagination=value, page=99)
        assert body.keys() == {"previous", "next", "count", "results", "uuid", "title", "enterprise_customer"}
        assert (body["previous"], body["next"], len(body["results"])) == (None, None, body["count"])
    assert len(client.json(path_of(client, "All Courses"), traverse_pagination="")["results"]) == 10


def test_an_empty_catalog_answers_an_envelope(client: Client) -> None:
    body = client.json(path_of(client, "To Be Chosen"))
    assert (body["count"], body["num_pages"], body["results"]) == (0, 1, [])


def test_an_unknown_catalog_and_a_page_past_the_end_are_404(client: Client) -> None:
    unknown = "/api/v2/enterprise-catalogs/6f1f5f0e-0000-4000-8000-00000000ca7a/get_content_metadata/"
    assert client.get(unknown).status_code == 404
    answer = client.get(path_of(client, "All Courses"), page=100)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


def test_pages_have_no_order_so_a_crawl_meets_some_documents_twice_and_misses_others(client: Client) -> None:
    path = path_of(client, "All Courses")
    everything = {identity(document) for document in content(client, "All Courses")}
    crawls = [[identity(document) for document in client.crawl(path, 50)] for _ in range(3)]
    assert crawls[0] != crawls[1] != crawls[2]
    for crawl in crawls:
        assert len(crawl) == len(everything)
        assert set(crawl) < everything
        assert len(set(crawl)) > 0.8 * len(everything)
    assert content(client, "Technology and Data") != content(client, "Technology and Data")


# Keys


def test_more_than_100_keys_are_refused_with_a_text(client: Client) -> None:
    path = path_of(client, "All Courses")
    answer = client.session.get(client.server.url + path, params={"content_keys": ["x"] * 101}, timeout=5)
    assert (answer.status_code, answer.json()) == (400, TOO_MANY_KEYS)
    assert client.json(path, content_keys=["x"] * 100)["results"] == []


def test_a_run_s_key_brings_its_course(client: Client) -> None:
    moved, title = "course-v1:AldermoorX+CS200+2T2023", "Technology and Data"
    assert moved in [run["key"] for run in course(client, "AldermoorX+CS201", title)["course_runs"]]
    assert [document["key"] for document in content(client, title, moved)] == ["AldermoorX+CS201"]


def test_a_course_s_key_brings_its_runs_where_they_are_in_the_catalog(client: Client) -> None:
    listed = content(client, "All Courses")
    rows = [document for document in listed if document["content_type"] == "courserun"]
    keys = {identity(document) for document in listed}
    row = next(row for row in rows if row["parent_content_key"] in keys)
    found = content(client, "All Courses", row["parent_content_key"])
    assert {document["content_type"] for document in found} == {"course", "courserun"}
    assert {document["parent_content_key"] for document in found} == {None, row["parent_content_key"]}
    assert {row["key"], row["parent_content_key"]} <= {
        document["key"] for document in content(client, "All Courses", row["key"])
    }


def test_some_runs_are_in_a_catalog_without_their_course(client: Client) -> None:
    listed = content(client, "All Courses")
    parents = {document["parent_content_key"] for document in listed if document["content_type"] == "courserun"}
    alone = [key for key in parents if not any(one["key"] == key for one in content(client, "All Courses", key))]
    assert len(alone) == 1


def test_unknown_keys_are_silently_absent_and_a_plus_that_is_not_escaped_is_a_space(client: Client) -> None:
    assert content(client, "All Courses", "GoneX+OLD1", "course-v1:GoneX+OLD1+1T2024") == []
    path = path_of(client, "All Courses")
    assert client.json(f"{path}?content_keys=CalderaX+PHY10")["count"] == 0
    assert client.json(f"{path}?content_keys=CalderaX%2BPHY10")["count"] == 1
    assert client.json(f"{path}?content_keys=calderax%2Bphy10")["count"] == 1


def test_keys_are_answered_in_pages_too(client: Client) -> None:
    keys = [identity(document) for document in content(client, "Technology and Data")][:30]
    body = client.json(path_of(client, "Technology and Data"), content_keys=keys)
    assert (len(body["results"]), body["count"]) == (10, 30)
    assert "content_keys=" in body["next"]


def test_a_course_that_is_not_active_comes_by_key_only(client: Client) -> None:
    listed = {identity(document) for document in content(client, "All Courses")}
    for key in ("KingsfordX+MUS3", "MarisolX+PHIL2"):
        assert key not in listed
        assert course(client, key)["active"] is False
    for document in content(client, "All Courses"):
        assert document["content_type"] != "course" or "uuid" not in document or document["active"]


# What is in a catalog


def test_a_catalog_has_courses_runs_programs_and_a_pathway(client: Client) -> None:
    listed = content(client, "All Courses")
    assert Counter(document["content_type"] for document in listed).keys() == {
        "course",
        "courserun",
        "program",
        "learnerpathway",
    }
    for document in listed:
        kind = document["content_type"]
        if kind in ("program", "learnerpathway"):
            assert "key" not in document
            assert document["aggregation_key"] == f"{kind}:{document['uuid']}"
        if kind == "courserun":
            assert document["aggregation_key"] == f"courserun:{document['parent_content_key']}"
            assert not {"normalized_metadata", "normalized_metadata_by_run"} & document.keys()


def test_a_run_s_row_may_lag_behind_the_run_inside_its_course(client: Client) -> None:
    listed = content(client, "All Courses")
    nested = {run["key"]: run for one in listed for run in one.get("course_runs") or []}
    rows = [one for one in listed if one["content_type"] == "courserun" and one["key"] in nested]
    same = Counter(row["weeks_to_complete"] == nested[row["key"]]["weeks_to_complete"] for row in rows)
    assert same.keys() == {True, False}


def test_a_catalog_that_allows_restricted_runs_shows_more_runs_of_a_course(client: Client) -> None:
    key = "JuniperX+NEG2"
    without, allowed = (course(client, key, title) for title in ("All Courses", "Executive Education"))
    runs, more = ([run["key"] for run in found["course_runs"]] for found in (without, allowed))
    assert {*more} - {*runs} == {"course-v1:JuniperX+NEG2+1T2026a"}
    assert {run["restriction_type"] for run in allowed["course_runs"]} == {None, "custom-b2b-enterprise"}
    assert allowed["normalized_metadata_by_run"].keys() == {*more}
    assert allowed["advertised_course_run_uuid"] == without["advertised_course_run_uuid"]


def test_a_course_has_the_links_of_the_customer_who_asks(client: Client) -> None:
    ours, theirs = (course(client, "CalderaX+PHY10", title) for title in ("All Courses", "Clinical Leadership"))
    assert "halden-freight" in ours["enrollment_url"]
    assert "calloway-clinics" in theirs["enrollment_url"]
    assert {run["parent_content_key"] for run in ours["course_runs"]} == {"CalderaX+PHY10"}
    executive = course(client, "HarborlightX+LEAD1")
    assert not any({"parent_content_key", "enrollment_url"} & run.keys() for run in executive["course_runs"])


def test_every_document_is_modified_at_every_request_and_says_nothing_new(client: Client) -> None:
    before, after = (course(client, "CalderaX+PHY10") for _ in range(2))
    assert before.pop("content_last_modified") < after.pop("content_last_modified")
    assert before == after


# Normalized dates and price


def test_normalized_dates_are_those_of_the_run_and_of_the_advertised_run(client: Client) -> None:
    for document in content(client, "Energy Transition"):
        if document["content_type"] == "course":
            by_run = document["normalized_metadata_by_run"]
            for run in document["course_runs"]:
                dates = by_run[run["key"]]
                assert (dates["start_date"], dates["end_date"]) == (run["start"], run["end"])
                assert dates["enroll_start_date"] == run["enrollment_start"]
                if run["uuid"] == document["advertised_course_run_uuid"]:
                    assert document["normalized_metadata"] == dates


def test_executive_education_takes_its_deadline_from_enrollment_and_others_the_smaller_text(client: Client) -> None:
    executive = course(client, "JuniperX+NEG2")
    first = executive["course_runs"][0]
    assert executive["normalized_metadata_by_run"][first["key"]]["enroll_by_date"] == first["enrollment_end"]
    fractions = course(client, "NorthgateX+CHEM5")
    run = fractions["course_runs"][0]
    assert run["enrollment_end"] == "2026-03-20T00:00:00Z"
    assert run["seats"][-1]["upgrade_deadline"] == "2026-03-20T00:00:00.5Z"
    assert fractions["normalized_metadata_by_run"][run["key"]]["enroll_by_date"] == "2026-03-20T00:00:00.5Z"
    overridden = course(client, "AldermoorX+CS201")
    assert overridden["normalized_metadata_by_run"][overridden["course_runs"][0]["key"]]["enroll_by_date"] == (
        "2026-05-15T12:00:00Z"
    )


def test_prices_are_fixed_then_of_the_entitlement_then_of_a_seat_then_zero(client: Client) -> None:
    executive = course(client, "HarborlightX+LEAD1")
    fixed, unfixed = executive["course_runs"]
    prices = {key: dates["content_price"] for key, dates in executive["normalized_metadata_by_run"].items()}
    assert (fixed["fixed_price_usd"], unfixed["fixed_price_usd"]) == (f"{prices[fixed['key']]:.2f}", None)
    assert prices[unfixed["key"]] == float(executive["entitlements"][0]["price"])
    seat = course(client, "CalderaX+PHY10")
    run = seat["course_runs"][0]
    assert seat["normalized_metadata_by_run"][run["key"]]["content_price"] == run["first_enrollable_paid_seat_price"]
    free = next(one for one in content(client, "All Courses") if one.get("course_type") == "audit")
    assert free["normalized_metadata"]["content_price"] == 0.0


# Awkward documents


def test_a_course_has_null_where_others_have_prices_and_lists(client: Client) -> None:
    document = course(client, "DunmoreX+HIST1")
    assert [document[name] for name in ("entitlements", "owners", "subjects", "product_source")] == [None] * 4
    assert all(run["seats"] is None and run["fixed_price_usd"] is None for run in document["course_runs"])
    assert document["normalized_metadata"]["content_price"] == 0.0


def test_a_course_lacks_the_normalized_keys_and_another_the_list_of_runs(client: Client) -> None:
    assert not {"normalized_metadata", "normalized_metadata_by_run"} & course(client, "BrightwaterX+ECON111").keys()
    without = course(client, "Nord.Fjell-Tek+CS-101.x")
    assert "course_runs" not in without
    assert without["normalized_metadata"]["start_date"]


def test_an_advertised_run_may_be_none_of_the_course_s(client: Client) -> None:
    document = course(client, "CalderaX+PHY10")
    assert document["advertised_course_run_uuid"] not in [run["uuid"] for run in document["course_runs"]]
    dates = document["normalized_metadata"]
    assert [dates[name] for name in ("start_date", "end_date", "enroll_by_date", "enroll_start_date")] == [None] * 4


def test_dates_come_with_fractions_offsets_spaces_without_time_or_as_nonsense(client: Client) -> None:
    first, second = course(client, "HarborlightX+LEAD1")["course_runs"]
    assert (first["start"], first["enrollment_end"]) == ("2026-02-02T01:00:00+01:00", "2026-01-27T23:59:59.9999999Z")
    assert (second["start"], second["enrollment_end"]) == ("2026-06-02t00:00:00z", "2026-05-26 23:59:59-05:00")
    assert course(client, "GhostwoodX+ENV4")["course_runs"][0]["enrollment_end"] == "2026-04-30"
    assert course(client, "AldermoorX+CS201")["course_runs"][0]["enrollment_end"] == "end of April"
    assert course(client, "PinecrestX+GEO3")["course_runs"][0]["start"] == "2026-02-30T00:00:00Z"


def test_a_product_source_may_be_a_text_or_an_object_without_a_slug(client: Client) -> None:
    assert course(client, "BrightwaterX+ECON110")["product_source"] == "edX"
    widened = course(client, "Köstenbrück+Übung-1")["product_source"]
    assert widened == {"name": "2u", "slug": None, "description": None}


def test_a_document_has_neither_key_nor_uuid(client: Client) -> None:
    assert [document["title"] for document in content(client, "All Courses") if not identity(document)] == [
        "A document without key and uuid"
    ]


def test_keys_that_differ_in_case_alone_are_one_course(client: Client) -> None:
    assert course(client, "eastlakex+stat101")["key"] == "EastlakeX+STAT101"


# Faults


def test_a_fault_breaks_the_content_of_every_catalog_or_of_one() -> None:
    catalog = build_catalog(20, seed=1)
    with SampleServer(catalog) as server:
        one, other = (path_of(Client(server), title) for title in ("All Courses", "Technology and Data"))
    faults = [Fault("not-found", 1, None, one.split("/")[4]), Fault("forbidden", 1, 1, "content")]
    with SampleServer(catalog, middleware=[Middleware(Faults, faults=faults)]) as server:
        client = Client(server)
        statuses = [client.get(path).status_code for path in (one, other, other, one)]
        assert statuses == [404, 403, 200, 404]
        assert client.get("/api/v1/courses/", page=1).status_code == 200


@pytest.mark.parametrize("where", ["subsidies", "policies", "configurations", "enterprise-catalogs"])
def test_a_fault_breaks_any_list(where: str) -> None:
    paths = {
        "subsidies": "/api/v1/subsidies/",
        "policies": "/api/v1/subsidy-access-policies/",
        "configurations": "/api/v1/assignment-configurations/",
        "enterprise-catalogs": "/api/v1/enterprise-catalogs/",
    }
    faults = [Fault("wrong-count", None, None, where), Fault("server-error", None, 1, where)]
    with SampleServer(build_catalog(3, seed=1), middleware=[Middleware(Faults, faults=faults[::-1])]) as server:
        client = Client(server)
        assert client.get(paths[where]).status_code == 500
        body = client.json(paths[where])
        assert body["count"] == len(body["results"]) + 7
