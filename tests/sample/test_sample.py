"""The sample upstream, asked over HTTP as a client would ask."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import requests
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from support.sample_client import Client, token_of

from catalog_pipeline.sample import awkward
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.records import Change
from catalog_pipeline.sample.server import SampleServer

SIZE = 400
LISTS = [
    "/api/v1/courses/",
    "/api/v1/programs/",
    "/api/courses/v1/courses/",
    "/api/program_enrollments/v1/programs/x/enrollments/",
    "/api/program_enrollments/v1/programs/x/courses/course-v1:X+1+R/enrollments/",
    "/api/v1/enterprise-catalogs/",
    "/api/v2/enterprise-catalogs/x/get_content_metadata/",
    "/api/v1/subsidies/",
    "/api/v1/content-metadata/x/",
    "/api/v1/subsidy-access-policies/",
    "/api/v1/assignment-configurations/",
    "/api/v1/assignment-configurations/x/admin/assignments/",
]
CLOCK = {"availability", "is_enrollable", "enrollment_count", "recent_enrollment_count", "programs"}
"""Fields that move with the day itself; `programs` moves with a program."""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A reader of a catalog that nobody advances."""
    with SampleServer(build_catalog(SIZE, seed=1)) as server:
        yield Client(server)


@pytest.fixture
def moving() -> Iterator[Client]:
    """A reader of a catalog of its own, to be advanced."""
    with SampleServer(build_catalog(SIZE, seed=1)) as server:
        yield Client(server)


# Tokens


def test_a_client_gets_a_jwt_token_for_its_credentials(client: Client) -> None:
    body = token_of(client.server).json()
    assert (body["token_type"], body["expires_in"]) == ("JWT", 3600)
    assert body.keys() == {"access_token", "expires_in", "token_type", "scope"}


def test_a_wrong_client_is_refused(client: Client) -> None:
    for wrong in ({"client_id": "somebody"}, {"client_secret": "guess"}):
        answer = token_of(client.server, **wrong)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("header", [None, "JWT nonsense", "JWT ü.1.ä", "Bearer {}"])
def test_a_list_needs_a_token(client: Client, path: str, header: str | None) -> None:
    good = str(client.session.headers["Authorization"]).removeprefix("JWT ")
    headers = {"Authorization": header.format(good).encode()} if header else {}
    answer = requests.get(client.server.url + path, headers=headers, timeout=5)
    assert answer.status_code == 401
    assert "detail" in answer.json()


def test_an_expired_token_is_refused() -> None:
    with SampleServer(build_catalog(3, seed=1), token_lifetime=0) as server:
        answer = Client(server).get("/api/v1/courses/")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Signature has expired."})


# Paging


def test_page_size_without_page_is_ignored(client: Client) -> None:
    assert len(client.page("courses", page_size=100)["results"]) == 20


def test_page_size_has_no_maximum(client: Client) -> None:
    assert len(client.page("courses", page=1, page_size=100_000)["results"]) == SIZE


@pytest.mark.parametrize("start", [{"page": 1, "page_size": 90}, {"limit": 90}])
def test_following_next_reads_everything_once_and_keeps_the_query(client: Client, start: dict[str, int]) -> None:
    body = client.page("courses", exclude_utm=1, **start)
    seen = body["results"]
    while body["next"]:
        assert body["next"].startswith(client.server.url + "/api/v1/courses/?")
        assert "exclude_utm=1" in body["next"]
        body = client.session.get(body["next"], timeout=5).json()
        seen += body["results"]
    assert body["count"] == SIZE
    assert [course["uuid"] for course in seen] == [course["uuid"] for course in client.all("courses")]


def test_previous_leads_back(client: Client) -> None:
    for query in ({"page": 2, "page_size": 7}, {"limit": 7, "offset": 7}):
        body = client.page("courses", **query)
        before = client.session.get(body["previous"], timeout=5).json()
        assert before["results"] == client.page("courses", limit=7)["results"]
        assert before["previous"] is None


@pytest.mark.parametrize("query", [{"page": 21}, {"page": 0}, {"page": "x"}, {"offset": 400}])
def test_past_the_end_is_404(client: Client, query: dict[str, Any]) -> None:
    answer = client.get("/api/v1/courses/", **query)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


def test_an_empty_catalog_has_one_empty_page() -> None:
    with SampleServer(build_catalog(0, seed=1)) as server:
        empty = Client(server)
        assert empty.page("courses", page=1) == {"count": 0, "next": None, "previous": None, "results": []}
        assert empty.lms() == []


def test_lists_are_ordered_as_upstream_orders_them(client: Client) -> None:
    courses = [course.get("key", "") for course in client.all("courses")]
    runs = [run["key"].lower() for run in client.all("course_runs")]
    assert courses == sorted(courses)
    assert runs == sorted(runs)


# Filters and views


def test_a_timestamp_keeps_what_was_modified_since(client: Client) -> None:
    for kind in ("courses", "programs", "organizations"):
        stamps = sorted(document["data_modified_timestamp"] for document in client.all(kind))
        since = stamps[len(stamps) // 2]
        kept = sorted(document["data_modified_timestamp"] for document in client.all(kind, timestamp=since))
        assert kept == stamps[len(stamps) // 2 :]


def test_a_bad_timestamp_is_400_except_for_runs_which_have_none(client: Client) -> None:
    for kind in ("courses", "programs", "organizations"):
        assert client.get(f"/api/v1/{kind}/", timestamp="yesterday").status_code == 400
    assert client.get("/api/v1/course_runs/", timestamp="yesterday").status_code == 200


def test_keys_and_uuids_select(client: Client) -> None:
    two = client.all("courses", keys="AldermoorX+CS201,MarisolX+PHIL2")
    assert [course["key"] for course in two] == ["AldermoorX+CS201", "MarisolX+PHIL2"]
    assert client.all("courses", uuids=two[1]["uuid"]) == two[1:]
    run_key = "DunmoreX/HIST1/2014_Spring"
    assert [run["key"] for run in client.all("course_runs", keys=run_key)] == [run_key]


def test_urls_carry_utm_marks_unless_excluded(client: Client) -> None:
    assert "utm_source" in client.page("courses")["results"][0]["marketing_url"]
    assert b"utm_" not in client.get("/api/v1/courses/", exclude_utm=1).content


def test_restricted_runs_show_only_when_asked_for(client: Client) -> None:
    def types(**query: object) -> list[str | None]:
        return [run["restriction_type"] for run in client.course("JuniperX+NEG2", **query)["course_runs"]]

    assert types() == [None]
    assert types(include_restricted="custom-b2b-enterprise") == [None, "custom-b2b-enterprise"]
    both = "custom-b2b-enterprise,custom-b2c"
    assert types(include_restricted=both) == [None, "custom-b2b-enterprise", "custom-b2c"]
    assert len(client.all("course_runs", include_restricted=both)) == len(client.all("course_runs")) + 2


def test_hidden_runs_show_only_when_asked_for(client: Client) -> None:
    assert len(client.course("NorthgateX+CHEM5")["course_runs"]) == 1
    assert len(client.course("NorthgateX+CHEM5", include_hidden_course_runs=1)["course_runs"]) == 2


# Documents


def test_a_run_listed_alone_is_the_run_inside_its_course_with_programs(client: Client) -> None:
    alone = {run["uuid"]: run for run in client.all("course_runs")}
    for course in client.all("courses"):
        for run in course["course_runs"]:
            assert alone[run["uuid"]] == run | {"programs": course["programs"]}


def test_a_course_is_of_a_realistic_size(client: Client) -> None:
    courses = client.all("courses")
    assert 9_000 < sum(len(orjson.dumps(course)) for course in courses) / SIZE < 14_000
    assert 2.5 < sum(len(course["course_runs"]) for course in courses) / SIZE < 3.5


def test_money_is_text_and_instants_end_in_z(client: Client) -> None:
    for run in client.all("course_runs"):
        assert all(isinstance(seat["price"], str) for seat in run["seats"])
        assert all(run[name] is None or run[name].endswith("Z") for name in ("start", "end", "modified"))


# What is awkward


def test_some_runs_have_keys_that_do_not_name_their_course(client: Client) -> None:
    runs = {key: client.course(key)["course_run_keys"] for key in ("AldermoorX+CS201", "BrightwaterX+ECON111")}
    assert "course-v1:AldermoorX+CS200+2T2023" in runs["AldermoorX+CS201"]
    assert "course-v1:BrightwaterX+ECON110+1T2024" in runs["BrightwaterX+ECON111"]
    assert client.course("BrightwaterX+ECON110")
    renamed = client.course("CalderaX+PHY10")
    assert renamed["key_for_reruns"] == "CalderaX+PHY10R"
    assert "course-v1:CalderaX+PHY10R+1T2026" in renamed["course_run_keys"]


def test_some_keys_are_spelled_twice(client: Client) -> None:
    keys = [course.get("key", "") for course in client.all("courses")]
    assert {"EastlakeX+STAT101", "eastlakex+stat101"} <= set(keys)
    runs = client.course("GranitePeakX+BIO150")["course_run_keys"]
    assert runs == ["course-v1:GranitePeakX+BIO150+1T2026", "course-v1:GranitePeakX+BIO150+1t2026"]


def test_two_runs_share_one_variant_and_twins_share_one_schedule(client: Client) -> None:
    first, second = client.course("HarborlightX+LEAD1")["course_runs"]
    assert first["variant_id"] == second["variant_id"]
    public, private = client.course("JuniperX+NEG2", include_restricted="custom-b2b-enterprise")["course_runs"]
    assert (public["start"], public["end"]) == (private["start"], private["end"])
    assert public["variant_id"] != private["variant_id"]


def test_courses_may_lack_dates_runs_or_a_published_state(client: Client) -> None:
    (undated,) = client.course("IronbridgeX+ART7")["course_runs"]
    assert undated["start"] is undated["end"] is None
    assert client.course("MarisolX+PHIL2")["course_runs"] == []
    assert client.course("KingsfordX+MUS3")["course_run_statuses"] == ["unpublished"]
    assert client.course("LarkspurX+FIN9")["additional_metadata"]["product_status"] == "archived"


def test_an_organization_owns_a_course_but_is_not_listed(client: Client) -> None:
    assert client.course("GhostwoodX+ENV4")["owners"][0]["key"] == "GhostwoodX"
    listed = {organization["key"] for organization in client.all("organizations")}
    assert "GhostwoodX" not in listed
    assert {"Nord.Fjell-Tek", "Köstenbrück"} <= listed


def test_a_program_names_a_course_that_is_not_listed(client: Client) -> None:
    named = {course["key"] for program in client.all("programs") for course in program["courses"]}
    assert awkward.UNLISTED_COURSE in named
    assert client.all("courses", keys=awkward.UNLISTED_COURSE) == []


def test_six_documents_are_bad_from_fifty_courses_on(client: Client) -> None:
    def run(number: str) -> dict[str, Any]:
        return client.course(f"PinecrestX+{number}")["course_runs"][0]

    assert run("GEO1")["end"] < run("GEO1")["start"]
    assert "-49.00" in [seat["price"] for seat in run("GEO2")["seats"]]
    assert run("GEO3")["start"] == "2026-02-30T00:00:00Z"
    assert run("GEO4")["status"] == "in_limbo"
    assert len([course for course in client.all("courses") if "key" not in course]) == 1
    assert len(client.course("PinecrestX+GEO6")["title"]) > 255
    assert not [course for course in build_catalog(49, seed=1).courses if "GEO" in str(course.key)]


# The LMS


def test_the_lms_list_has_its_own_envelope_and_sizes(client: Client) -> None:
    body = client.get("/api/courses/v1/courses/").json()
    pagination = body["pagination"]
    assert len(body["results"]) == 10
    assert pagination["num_pages"] == -(-pagination["count"] // 10)
    assert pagination["previous"] is None
    assert len(client.get("/api/courses/v1/courses/", page_size=500).json()["results"]) == 100
    assert client.get("/api/courses/v1/courses/", page=pagination["num_pages"] + 1).status_code == 404


def test_the_lms_filters_by_organization_without_regard_to_case(client: Client) -> None:
    upper, lower = client.lms(org="EASTLAKEX"), client.lms(org="eastlakex")
    assert upper == lower
    assert {course["org"] for course in upper} == {"EastlakeX", "eastlakex"}


def test_the_lms_has_discovery_s_runs_and_some_of_its_own(client: Client) -> None:
    lms = {course["course_id"] for course in client.lms()}
    discovery = {run["key"] for run in client.all("course_runs", include_restricted="custom-b2b-enterprise,custom-b2c")}
    alone = lms - discovery
    assert {*awkward.CCX_KEYS, awkward.LIBRARY_KEY} <= alone
    assert all(awkward.LMS_ONLY_ORGANIZATION in key for key in alone - set(awkward.CCX_KEYS))
    # Missing there: the bad documents' five runs, and a second spelling that one case-blind table cannot hold.
    assert len(discovery - lms) == 6
    assert "DunmoreX/HIST1/2014_Spring" in lms


# Days


def test_a_seed_gives_one_catalog_and_days_replay(moving: Client) -> None:
    moving.server.catalog.advance(2)
    moving.server.catalog.advance()
    with SampleServer(build_catalog(SIZE, seed=1), day=3) as replay:
        again = Client(replay)
        for kind in ("courses", "course_runs", "programs", "organizations"):
            assert again.all(kind) == moving.all(kind)
        assert again.lms() == moving.lms()
    assert build_catalog(5, seed=2).courses[0].uuid != build_catalog(5, seed=1).courses[0].uuid


def test_every_kind_of_change_happens_every_day() -> None:
    catalog = build_catalog(SIZE, seed=1)
    kinds = {
        "run_added",
        "date_moved",
        "retitled",
        "archived",
        "run_removed",
        "course_removed",
        "course_added",
        "program_changed",
        "run_repointed",
        "enrollment_changed",
    }
    for day in range(1, 11):
        changes = catalog.advance()
        assert {change.kind for change in changes} == kinds
        assert {change.day for change in changes} == {day}
        archived = {change.field for change in changes if change.kind == "archived"}
        assert archived == {"status", "product_status"}


def test_a_catalog_of_one_course_can_be_advanced() -> None:
    catalog = build_catalog(1, seed=1)
    assert {change.kind for change in catalog.advance(5)} >= {"course_added"}


def test_no_run_key_is_given_twice() -> None:
    catalog = build_catalog(SIZE, seed=1)
    given = [run.key for run, _ in catalog.runs()]
    for change in catalog.advance(60):
        if change.entity == "course_run" and change.field is None and change.new:
            given.append(change.key)
    assert len(given) == len(set(given))


def steady(value: Any) -> Any:
    """A document without what the clock moves."""
    if isinstance(value, dict):
        return {name: steady(item) for name, item in value.items() if name not in CLOCK}
    return [steady(item) for item in value] if isinstance(value, list) else value


def snapshot(client: Client, kind: str) -> dict[str, Any]:
    query = {"include_restricted": "custom-b2b-enterprise,custom-b2c", "include_hidden_course_runs": 1}
    return {document["uuid"]: steady(document) for document in client.all(kind, **query)}


def test_a_day_changes_exactly_what_it_says(moving: Client) -> None:
    before = {kind: snapshot(moving, kind) for kind in ("courses", "course_runs", "programs", "organizations")}
    answer = requests.post(f"{moving.server.url}/sample/advance", json={"days": 1}, timeout=5).json()
    changes = [Change(**change) for change in answer["changes"]]
    after = {kind: snapshot(moving, kind) for kind in before}

    def keys_that_differ(kind: str) -> set[str]:
        old, new = before[kind], after[kind]
        return {(new.get(k) or old[k])["key"] for k in old.keys() | new.keys() if old.get(k) != new.get(k)}

    course_of = {run["uuid"]: run["course"] for run in before["course_runs"].values()}
    course_of_key = {run["key"]: course_of[uuid] for uuid, run in before["course_runs"].items()}
    runs = {change.key for change in changes if change.entity == "course_run"}
    courses = {change.key for change in changes if change.entity == "course"}
    courses |= {course_of_key[key] for key in runs if key in course_of_key}
    courses |= {change.new for change in changes if change.kind in ("run_added", "run_repointed")}

    assert keys_that_differ("courses") == courses
    assert keys_that_differ("course_runs") == runs
    assert before["organizations"] == after["organizations"]
    for change in changes:
        if change.kind != "enrollment_changed":
            assert_shown(change, after)


def assert_shown(change: Change, after: dict[str, dict[str, Any]]) -> None:
    """The document that a change names is as the change says."""
    kind = {"course": "courses", "course_run": "course_runs", "program": "programs"}[change.entity]
    identity = "uuid" if change.entity == "program" else "key"
    found = [document for document in after[kind].values() if document.get(identity) == change.key]
    if change.field is None:
        assert bool(found) == (change.new is not None)
    elif change.field == "product_status":
        assert found[0]["additional_metadata"]["product_status"] == change.new
    elif change.field == "courses":
        assert [course["key"] for course in found[0]["courses"]] == change.new
    else:
        assert found[0][change.field] == change.new


def test_an_incremental_crawl_sees_what_changed_and_not_what_went(moving: Client) -> None:
    changes = moving.server.catalog.advance()
    seen = {course["key"] for course in moving.all("courses", timestamp="2026-01-06T00:00:00Z")}
    gone = {change.key for change in changes if change.kind == "course_removed"}
    named = {change.key for change in changes if change.entity == "course"}
    assert named - gone <= seen
    assert not gone & seen
    assert len(seen) < 20
    programs = moving.all("programs", timestamp="2026-01-06T00:00:00Z")
    assert {program["uuid"] for program in programs} == {change.key for change in changes if change.entity == "program"}


def test_pinned_courses_never_change() -> None:
    catalog = build_catalog(SIZE, seed=1)
    pinned = {course.key for course in catalog.courses if course.pinned}
    assert not pinned & {change.key for change in catalog.advance(100)}
    assert pinned == {course.key for course in catalog.courses if course.pinned}


def test_state_and_advance_need_no_token(moving: Client) -> None:
    url = f"{moving.server.url}/sample"
    state = requests.get(f"{url}/state", timeout=5).json()
    assert (state["day"], state["today"], state["courses"]) == (0, "2026-01-05", SIZE)
    assert requests.post(f"{url}/advance", json={"days": 4}, timeout=5).json()["day"] == 4
    assert requests.get(f"{url}/state", timeout=5).json()["today"] == "2026-01-09"


@pytest.mark.parametrize("body", [b'{"days": 0}', b'{"days": "2"}', b"[]", b"{", b'{"days": true}'])
def test_a_senseless_advance_is_400(client: Client, body: bytes) -> None:
    assert requests.post(f"{client.server.url}/sample/advance", data=body, timeout=5).status_code == 400


# The seams


def test_requests_are_counted_by_path(moving: Client) -> None:
    moving.page("courses")
    moving.page("courses", page=2)
    assert moving.server.requests == {"/oauth2/access_token": 1, "/api/v1/courses/": 2}


def test_middleware_may_come_between() -> None:
    class Unavailable:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with SampleServer(build_catalog(1, seed=1), middleware=[Middleware(Unavailable)]) as server:
        assert requests.get(f"{server.url}/api/v1/courses/", timeout=5).status_code == 503
        assert server.requests == {"/api/v1/courses/": 1}
