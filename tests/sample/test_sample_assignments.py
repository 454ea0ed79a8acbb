"""The sample's enterprise-access and enterprise-subsidy: budgets, assignments in every state, and what a day moves."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.sample_client import Client

from catalog_pipeline.sample.assignment_documents import upstream_instant
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.enterprise_api import ASSIGNMENT_PAGE
from catalog_pipeline.sample.server import SampleServer

SIZE = 400
STATES = {"allocated", "accepted", "cancelled", "expired", "errored", "reversed"}
POLICIES, CONFIGURATIONS = "/api/v1/subsidy-access-policies/", "/api/v1/assignment-configurations/"
SUBSIDIES, CATALOGS = "/api/v1/subsidies/", "/api/v1/enterprise-catalogs/"
Documents = list[dict[str, Any]]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A reader of a catalog that nobody advances."""
    with SampleServer(build_catalog(SIZE, seed=1)) as server:
        yield Client(server)


@pytest.fixture(scope="module")
def assignments(client: Client) -> Documents:
    return every_assignment(client)


def every_assignment(client: Client) -> Documents:
    found: Documents = []
    for configuration in client.crawl(CONFIGURATIONS, 100):
        found += client.crawl(path_of(configuration["uuid"]), 500)
    return found


def path_of(configuration: str) -> str:
    return f"{CONFIGURATIONS}{configuration}/admin/assignments/"


def content(client: Client, catalog: str, *keys: str) -> Documents:
    path = f"/api/v2/enterprise-catalogs/{catalog}/get_content_metadata/"
    return client.json(path, traverse_pagination=1, content_keys=keys)["results"]


# Subsidies


def test_subsidies_have_a_balance_and_may_have_expired_or_never_expire(client: Client) -> None:
    listed = client.crawl(SUBSIDIES, 2)
    assert len(listed) == 5
    for subsidy in listed:
        assert subsidy.keys() == {
            "uuid",
            "title",
            "enterprise_customer_uuid",
            "expiration_datetime",
            "is_active",
            "current_balance",
        }
        assert type(subsidy["current_balance"]) is int
    ends = {subsidy["title"]: (subsidy["expiration_datetime"], subsidy["is_active"]) for subsidy in listed}
    assert ends["Osprey Open Budget"] == (None, True)
    assert ends["Osprey Budget of 2025"] == ("2025-11-30T00:00:00Z", False)
    assert ends["Halden Learning Budget"] == ("2028-06-30T23:59:59.999999Z", True)


@pytest.mark.parametrize("path", [SUBSIDIES, POLICIES, CONFIGURATIONS])
def test_a_list_is_cut_to_one_customer(client: Client, path: str) -> None:
    whole = client.crawl(path, 100)
    for customer in {document["enterprise_customer_uuid"] for document in whole}:
        found = client.crawl(path, 100, enterprise_customer_uuid=customer)
        assert found == [document for document in whole if document["enterprise_customer_uuid"] == customer]
    assert client.crawl(path, 100, enterprise_customer_uuid="00000000-0000-4000-8000-000000000000") == []


def test_a_summary_names_the_course_whichever_key_is_asked_for(client: Client) -> None:
    (halden,) = (one for one in client.crawl(CATALOGS, 100) if one["title"] == "Executive Education")
    customer = halden["enterprise_customer"]
    path, run = "/api/v1/content-metadata/", "course-v1:HarborlightX+LEAD1+1T2026"
    for key in ("HarborlightX+LEAD1", run):
        body = client.json(f"{path}{key.replace('+', '%2B')}/", enterprise_customer_uuid=customer)
        assert body["content_key"] == "HarborlightX+LEAD1"
        assert (body["source"], body["mode"]) == ("2u", "paid-executive-education")
        assert type(body["content_price"]) is int
        assert body["course_run_key"].startswith("course-v1:HarborlightX+LEAD1")
    assert body["course_run_key"] == run
    assert body["content_price"] > 100_000
    legacy = client.json(f"{path}DunmoreX%2FHIST1%2F2014_Spring/", enterprise_customer_uuid=customer)
    assert (legacy["content_key"], legacy["content_price"]) == ("DunmoreX+HIST1", None)
    assert client.get(f"{path}GoneX%2BOLD1/", enterprise_customer_uuid=customer).status_code == 404
    assert client.get(f"{path}HarborlightX%2BLEAD1/").status_code == 400


# Policies and configurations


def test_policies_are_of_every_kind(client: Client) -> None:
    policies = client.crawl(POLICIES, 3)
    assert {policy["access_method"] for policy in policies} == {"assigned", "direct", "request"}
    assert {(policy["active"], policy["retired"]) for policy in policies} == {
        (True, False),
        (True, True),
        (False, False),
    }
    catalogs = {catalog["uuid"] for catalog in client.crawl(CATALOGS, 100)}
    subsidies = {subsidy["uuid"] for subsidy in client.crawl(SUBSIDIES, 100)}
    configurations = {configuration["uuid"] for configuration in client.crawl(CONFIGURATIONS, 100)}
    for policy in policies:
        assert policy["catalog_uuid"] in catalogs
        assert policy["subsidy_uuid"] in subsidies
        assert (policy["retired_at"] is not None) == policy["retired"]
        assert policy["aggregates"]["amount_redeemed_usd_cents"] >= 0
        if policy["access_method"] == "assigned":
            assert policy["assignment_configuration"] in configurations
            assert policy["spend_limit"] > 0
            assert policy["per_learner_spend_limit"] is policy["per_learner_enrollment_limit"] is None
        else:
            assert policy["assignment_configuration"] is None
    assert any(policy["group_associations"] for policy in policies)


def test_what_a_policy_redeemed_is_what_its_accepted_assignments_cost(client: Client, assignments: Documents) -> None:
    for policy in client.crawl(POLICIES, 100):
        if policy["access_method"] == "assigned":
            accepted = [
                one["content_quantity"]
                for one in assignments
                if one["assignment_configuration"] == policy["assignment_configuration"] and one["state"] == "accepted"
            ]
            assert policy["aggregates"]["amount_redeemed_usd_cents"] == -sum(accepted)


def test_a_configuration_is_not_active_and_another_has_no_policy(client: Client) -> None:
    configurations = client.crawl(CONFIGURATIONS, 100)
    assert {one["active"] for one in configurations} == {True, False}
    with_policy = {policy["assignment_configuration"] for policy in client.crawl(POLICIES, 100)}
    assert len([one for one in configurations if one["uuid"] not in with_policy]) == 1


# Assignments


def test_assignments_come_100_or_up_to_500_on_a_page() -> None:
    with SampleServer(build_catalog(800, seed=1)) as server:
        big = Client(server)
        path = path_of(big.crawl(CONFIGURATIONS, 100)[0]["uuid"])
        first, whole = big.json(path), big.json(path, page_size=10_000)
    assert (len(first["results"]), "page=2" in first["next"]) == (100, True)
    assert 100 < len(whole["results"]) == first["count"]
    assert ASSIGNMENT_PAGE == (100, 500)


def test_an_unknown_configuration_is_404(client: Client) -> None:
    assert client.get(path_of("00000000-0000-4000-8000-000000000000")).status_code == 404


def test_assignments_are_in_every_state_of_courses_and_of_runs(assignments: Documents) -> None:
    assert 150 <= len(assignments) <= 300
    assert Counter(one["state"] for one in assignments).keys() == STATES
    for one in assignments:
        assert one["is_assigned_course_run"] == (one["parent_content_key"] is not None)
        assert one["content_quantity"] <= 0
        assert one["is_assigned_course_run"] == one["content_key"].startswith(("course-v1:", "DunmoreX/"))
    assert len({one["is_assigned_course_run"] for one in assignments}) == 2
    assert {one["learner_state"] for one in assignments} == {None, "waiting", "notifying", "failed", "expired"}
    keys = [(one["assignment_configuration"], one["learner_email"].lower(), one["content_key"]) for one in assignments]
    assert len(set(keys)) == len(keys)
    known = [
        (one["assignment_configuration"], one["lms_user_id"], one["content_key"])
        for one in assignments
        if one["lms_user_id"]
    ]
    assert len(set(known)) == len(known)


def test_derived_fields_follow_from_state_and_actions(assignments: Documents) -> None:
    for one in assignments:
        done = {action["action_type"] for action in one["actions"] if action["completed_at"]}
        reminded = [a["completed_at"] for a in one["actions"] if a["action_type"] == "reminded" and a["completed_at"]]
        assert one["recent_action"]["action_type"] == ("reminded" if reminded else "assigned")
        assert not reminded or one["recent_action"]["timestamp"] == max(reminded)
        assert one["state"] != "allocated" or (one["learner_state"] == "waiting") == ("notified" in done)
        assert (one["transaction_uuid"] is not None) == (one["state"] in ("accepted", "reversed"))
        if one["state"] == "errored":
            assert one["error_reason"] == {"action_type": "redeemed", "error_reason": "enrollment_error"}
        created = [action["created"] for action in one["actions"]]
        assert created == sorted(created)
        assert all(upstream_instant(text) for text in created)
    retired = [one["learner_email"] for one in assignments if one["learner_email"].endswith("@retired.invalid")]
    assert retired
    assert all(len(email.split("@")[0]) == len("retired_user") + 16 for email in retired)


def test_an_assignment_list_can_be_filtered_and_counts_learner_states(client: Client) -> None:
    path = path_of(client.crawl(CONFIGURATIONS, 100)[0]["uuid"])
    whole = client.json(path, page_size=500)
    recent = [one["recent_action"]["timestamp"] for one in whole["results"]]
    assert recent == sorted(recent, reverse=True)
    some = client.json(path, page_size=500, state__in="allocated,errored")
    assert some["results"] == [one for one in whole["results"] if one["state"] in ("allocated", "errored")]
    states = Counter(one["learner_state"] for one in some["results"] if one["learner_state"])
    assert {one["learner_state"]: one["count"] for one in some["learner_state_counts"]} == states
    email = whole["results"][0]["learner_email"]
    assert {one["learner_email"] for one in client.json(path, learner_email=email)["results"]} == {email}


def test_some_assignments_are_of_inactive_courses_and_of_what_is_in_no_catalog(
    client: Client, assignments: Documents
) -> None:
    keys = {one["parent_content_key"] or one["content_key"] for one in assignments if one["state"] == "allocated"}
    listed: set[str] = set()
    held: set[str] = set()
    for catalog in client.crawl(CATALOGS, 100):
        uuid = catalog["uuid"]
        listed |= {one["key"] for one in content(client, uuid) if "key" in one}
        ordered = sorted(keys)
        for start in range(0, len(ordered), 100):
            held |= {one["key"] for one in content(client, uuid, *ordered[start : start + 100])}
    assert keys & held - listed, "a course that is not active comes by key only"
    assert any(key.startswith("GoneX+") for key in keys - held)


def test_assignments_are_the_same_on_whatever_day_the_sample_stands(client: Client, assignments: Documents) -> None:
    with SampleServer(build_catalog(SIZE, seed=1), day=5) as server:
        later = every_assignment(Client(server))

    def fixed(found: Documents) -> list[dict[str, Any]]:
        return [{k: v for k, v in one.items() if k != "earliest_possible_expiration"} for one in found]

    assert fixed(later) == fixed(assignments)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_tiny_sample_has_customers_and_few_assignments(size: int) -> None:
    with SampleServer(build_catalog(size, seed=1)) as server:
        tiny = Client(server)
        assert len(tiny.crawl(CATALOGS, 100)) == 7
        assert all(content(tiny, catalog["uuid"]) == [] for catalog in tiny.crawl(CATALOGS, 100)) == (size == 0)
        assert len(every_assignment(tiny)) == (5 if size else 0)


def test_only_the_four_forms_that_upstream_reads_are_dates() -> None:
    read = ["2026-01-05T00:00:00Z", "2026-01-05 00:00:00.123456z"]
    unread = ["2026-01-05", "2026-01-05T00:00:00+00:00", "2026-01-05T00:00:00.1234567Z", "2026-01-05 00:00", "", None]
    assert all(upstream_instant(text) for text in read)
    assert not any(upstream_instant(text) for text in unread)


# A day's advance


def test_a_day_moves_a_deadline_that_live_assignments_expire_by() -> None:
    with SampleServer(build_catalog(SIZE, seed=1)) as server:
        moving = Client(server)
        before = {one["uuid"]: one["earliest_possible_expiration"] for one in every_assignment(moving)}
        subsidies = {one["uuid"]: one["expiration_datetime"] for one in moving.crawl(SUBSIDIES, 100)}
        changes = server.catalog.advance()
        after = every_assignment(moving)
        ends = {one["uuid"]: one["expiration_datetime"] for one in moving.crawl(SUBSIDIES, 100)}
    assert len([uuid for uuid, end in ends.items() if end != subsidies[uuid]]) == 2
    live = [one for one in after if one["state"] in ("allocated", "accepted", "errored")]
    moved = [one for one in live if one["earliest_possible_expiration"] != before[one["uuid"]]]
    reasons = {one["earliest_possible_expiration"]["reason"] for one in moved}
    assert {"ENROLLMENT_DATE_PASSED", "SUBSIDY_EXPIRED"} <= reasons
    dated = {change.key for change in changes if change.kind == "date_moved"}
    assert dated & {one["content_key"] for one in moved}


def test_a_day_takes_a_run_from_a_course_and_makes_a_course_inactive() -> None:
    with SampleServer(build_catalog(SIZE, seed=1)) as server:
        moving = Client(server)
        (big,) = (one["uuid"] for one in moving.crawl(CATALOGS, 100) if one["title"] == "All Courses")
        live = [one for one in every_assignment(moving) if one["state"] in ("allocated", "accepted", "errored")]
        courses = {one["parent_content_key"] or one["content_key"] for one in live}
        listed = {one["key"] for one in content(moving, big) if one.get("key") in courses}
        changes = server.catalog.advance()
        after = {one["key"]: one for one in content(moving, big, *sorted(courses)[:100])}
        inactive = {key for key, one in after.items() if one["content_type"] == "course" and not one["active"]}
    removed = {change.old: change.key for change in changes if change.kind == "run_removed"}
    assert inactive & listed
    for course, run in removed.items():
        assert course in courses
        assert run not in [one["key"] for one in after[course]["course_runs"]]


def test_assignments_were_allocated_before_day_0_and_ninety_days_count_from_then(assignments: Documents) -> None:
    for one in assignments:
        if one["recent_action"]["action_type"] == "assigned":
            allocated = datetime.fromisoformat(one["recent_action"]["timestamp"])
            assert allocated < datetime.fromisoformat("2026-01-05T00:00:00Z")
            expires = one["earliest_possible_expiration"]
            if expires["reason"] == "NINETY_DAYS_PASSED":
                assert datetime.fromisoformat(expires["date"]) == allocated + timedelta(days=90)
