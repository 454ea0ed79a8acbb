"""The verbs about the enrollments that the LMS lists, as their user runs them."""

import pytest
from support.command import Command


@pytest.fixture
def enrolled(command: Command) -> Command:
    """A command whose database has the sample's courses, programs and enrollments."""
    command.env["CATALOG_SAMPLE_COURSES"] = "8"
    command("refresh", "discovery", status=3)  # a program names a course that is not listed
    command("refresh", "enrollments")
    return command


def test_a_refresh_reports_each_program_and_an_unchanged_one_writes_nothing(command: Command) -> None:
    command.env["CATALOG_SAMPLE_COURSES"] = "8"
    told = command.json("refresh", "all", status=3)
    loads = {load["program"]: load for load in told["loads"] if "program" in load}
    assert len(loads) == 4
    assert {load["outcome"] for load in loads.values()} == {"applied"}
    assert {load["detail"] for load in loads.values()} == {None}
    assert sum(load["counts"]["catalog.program_enrollment"]["created"] for load in loads.values()) == 48
    again = command.json("refresh", "enrollments")
    assert [load["program"] for load in again["loads"]] == sorted(loads)
    assert {what for load in again["loads"] for counts in load["counts"].values() for what in counts} <= {"unchanged"}
    one = min(loads)
    assert [load["program"] for load in command.json("refresh", "enrollments", "--program", one)["loads"]] == [one]


def test_conflicts_are_listed_and_one_that_is_mended_is_listed_no_more(enrolled: Command) -> None:
    before = enrolled.json("enrollments", "conflicts")
    assert [list(conflict) for conflict in before] == [["learner_id", "run", "programs", "reason"]] * 3
    assert [list(one) for one in before[0]["programs"]] == [["program", "since", "counted"]] * 2
    assert [[one["counted"] for one in conflict["programs"]] for conflict in before] == [[True, False]] * 3
    assert {conflict["reason"] for conflict in before} == {"first_by_uuid", "enrolled_there"}
    said = enrolled("enrollments", "conflicts").stdout
    assert "Other Master Program" in said
    enrolled("sample", "advance")
    enrolled("refresh", "enrollments")
    after = enrolled.json("enrollments", "conflicts")
    learners = [{conflict["learner_id"] for conflict in found} for found in (before, after)]
    assert (len(after), len(learners[0] & learners[1])) == (3, 2)
    reasons = {conflict["learner_id"]: conflict["reason"] for conflict in before}
    assert all(reasons.get(one["learner_id"], "active_earlier") == one["reason"] for one in after)


def test_an_adopted_program_is_ours_and_no_longer_read(enrolled: Command) -> None:
    conflict = enrolled.json("enrollments", "conflicts")[0]
    counted, other = (one["program"] for one in conflict["programs"])
    ours = enrolled.json("enrollments", "adopt", other)
    assert ours["program"] == other
    assert ours["enrollments"] > 0
    assert conflict["learner_id"] not in {one["learner_id"] for one in enrolled.json("enrollments", "conflicts")}
    read = [load["program"] for load in enrolled.json("refresh", "enrollments")["loads"]]
    assert (counted in read, other in read) == (True, False)
    assert "taken over" in enrolled("refresh", "enrollments", "--program", other, status=2).stderr
    learner = f"id:{conflict['learner_id']}"
    moved = enrolled.json(
        "enrollments", "move", learner, "--run", conflict["run"], "--from", other, "--to", counted, status=4
    )
    assert moved["refused"]["reason"] == "owned_elsewhere"
    assert enrolled.json("enrollments", "cancel", learner, "--program", other)["applied"]
    assert enrolled.json("enrollments", "adopt", other) == ours


def test_what_is_not_replicated_is_told_with_the_setting(command: Command) -> None:
    command.env["CATALOG_DISCOVERY_URL"] = command.env["CATALOG_LMS_URL"] = "http://127.0.0.1:9"
    assert "CATALOG_ENROLLMENTS=on" in command("refresh", "enrollments", status=2).stderr
    assert "--program is for" in command("refresh", "lms", "--program", "1" * 32, status=2).stderr
    assert "no program" in command("enrollments", "adopt", "1" * 32, status=2).stderr
    assert command.json("enrollments", "conflicts") == []
