"""The sample's Masters, and the enrollments that its LMS lists of them."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from support.sample_client import Client

from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.server import SampleServer

Row = dict[str, Any]
THREE = ("Cybersecurity", "Data Analytics", "Other Master Program")


@pytest.fixture
def client() -> Iterator[Client]:
    with SampleServer(build_catalog(60, seed=1)) as server:
        yield Client(server)


def masters(client: Client) -> dict[str, Row]:
    return {program["title"]: program for program in client.all("programs") if program["type"] == "Masters"}


def runs(client: Client, program: Row, *, inactive: bool = False) -> set[str]:
    """The keys of the runs that a program's document gives it, by the documents of its child programs too."""
    by_uuid = {one["uuid"]: one for one in client.all("programs")}
    found, seen, ahead = set(), set(), [program["uuid"]]
    while ahead:
        uuid = ahead.pop()
        if uuid in seen:
            continue
        seen.add(uuid)
        curricula = [one for one in by_uuid[uuid]["curricula"] if one["is_active"] or inactive]
        courses = [*by_uuid[uuid]["courses"], *(course for one in curricula for course in one["courses"])]
        found |= {run["key"] for course in courses for run in course["course_runs"]}
        ahead += [child["uuid"] for one in curricula for child in one["programs"]]
    return found


def listed(client: Client, uuid: str, run: str | None = None, **query: object) -> list[Row]:
    path = f"courses/{run}/enrollments/" if run else "enrollments/"
    url: str | None = f"{client.server.url}/api/program_enrollments/v1/programs/{uuid}/{path}"
    rows, asked = [], {name: str(value) for name, value in query.items()}
    while url:
        body = client.session.get(url, params=asked, timeout=30).json()
        assert body.keys() == {"next", "previous", "results"}
        rows += body["results"]
        url, asked = body["next"], {}
    return rows


def active(client: Client) -> dict[tuple[str, str], list[str]]:
    """The programs by which each user is active in each run."""
    found = defaultdict(list)
    for program in masters(client).values():
        names = {row["student_key"]: row["username"] for row in listed(client, program["uuid"])}
        for run in runs(client, program):
            for row in listed(client, program["uuid"], run):
                if row["status"] == "active":
                    who = (names[row["student_key"]] or row["student_key"]).lower()
                    found[who, run].append(program["title"])
    return found


def test_three_masters_of_one_organization_share_all_courses_of_two_of_them(client: Client) -> None:
    found = masters(client)
    assert {one["authoring_organizations"][0]["key"] for title, one in found.items() if title in THREE} == {
        "AldermoorX"
    }
    first, second, third = (found[title] for title in THREE)
    assert runs(client, first) | runs(client, second) <= runs(client, third)
    assert runs(client, third, inactive=True) > runs(client, third)
    assert [one["is_active"] for one in third["curricula"]] == [True, False, True]
    (child,) = third["curricula"][0]["programs"]
    assert child["uuid"] == second["uuid"]
    assert second["curricula"][0]["programs"][0]["uuid"] == third["uuid"]  # a cycle


def test_the_lms_lists_every_awkward_enrollment(client: Client) -> None:
    found = {title: listed(client, one["uuid"]) for title, one in masters(client).items()}
    rows = [row for listed_ones in found.values() for row in listed_ones]
    assert rows[0].keys() == {"student_key", "status", "account_exists", "curriculum_uuid", "username", "email"}
    by_user = defaultdict(list)
    for row in rows:
        by_user[row["username"].lower()].append(row)
    assert {row["student_key"] for row in by_user["eve"]} == {"AL-0002", "al-0002"}
    assert {row["student_key"] for row in by_user["gus"]} == {"AL-0004", "AL-0005"}
    assert len({row["curriculum_uuid"] for row in by_user["finn"]}) == 2
    assert {row["username"] for row in rows if row["student_key"] == "AL-0001"} == {"ann", "zoe"}
    assert len(by_user[""]) == 2
    third = masters(client)["Cybersecurity"]
    (run, *_) = [run["key"] for run in third["courses"][0]["course_runs"]]
    row = listed(client, third["uuid"], run)[0]
    assert row.keys() == {"student_key", "status", "account_exists", "curriculum_uuid", "course_staff"}


def test_a_canceled_enrollment_has_a_seat(client: Client) -> None:
    second = masters(client)["Data Analytics"]
    canceled = {row["student_key"] for row in listed(client, second["uuid"]) if row["status"] == "canceled"}
    seats = [row for run in runs(client, second) for row in listed(client, second["uuid"], run)]
    assert [row["status"] for row in seats if row["student_key"] in canceled] == ["active"]


@pytest.mark.parametrize("size", [1, 2, 4, 60])
def test_three_pairs_are_active_twice_on_every_day_and_one_of_them_is_another(size: int) -> None:
    with SampleServer(build_catalog(size, seed=1)) as server:
        moving = Client(server)
        before = {pair for pair, programs in active(moving).items() if len(programs) > 1}
        assert len(before) == 3
        changes = [change for change in server.catalog.advance() if change.kind == "enrollment_changed"]
        after = {pair for pair, programs in active(moving).items() if len(programs) > 1}
        assert (len(after), len(before & after), len(changes)) == (3, 2, 2)
        server.catalog.advance(200)
        assert len([pair for pair, programs in active(moving).items() if len(programs) > 1]) == 3


def test_a_catalog_without_courses_has_the_masters_and_their_enrollments() -> None:
    with SampleServer(build_catalog(0, seed=1)) as server:
        empty = Client(server)
        assert set(THREE) <= set(masters(empty))
        assert all(listed(empty, program["uuid"]) for program in masters(empty).values())
        assert active(empty) == {}


def test_pages_go_by_a_cursor(client: Client) -> None:
    uuid = masters(client)["Other Master Program"]["uuid"]
    assert listed(client, uuid, page_size=2) == listed(client, uuid)
    path = f"/api/program_enrollments/v1/programs/{uuid}/enrollments/"
    second = client.session.get(client.get(path, page_size=2).json()["next"], timeout=5).json()
    assert client.session.get(second["previous"], timeout=5).json() == client.get(path, page_size=2).json()
    assert client.get(path, cursor="x").status_code == 404


def test_what_is_not_in_a_program_is_404(client: Client) -> None:
    path = "/api/program_enrollments/v1/programs/"
    answer = client.get(f"{path}0c9d6f40-0000-4000-8000-000000000000/enrollments/")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "program_does_not_exist")
    uuid = masters(client)["Cybersecurity"]["uuid"]
    answer = client.get(f"{path}{uuid}/courses/course-v1:No+Such+Run/enrollments/")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "course_not_in_program")
