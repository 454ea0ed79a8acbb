"""The verbs of `enrollments`, as a person types them: what they print and refuse, and their exit status."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.command import Command
from support.enrollments import Programs, run_key

ONE, TWO = (str(UUID(int=number)) for number in (1, 2))
RUN = run_key(1)


@pytest.fixture
def learners(tmp_path: Path) -> Any:
    """Writes a file of learners with one status."""

    def write(status: str, *keys: str) -> str:
        path = tmp_path / f"{status}.json"
        path.write_text(json.dumps([{"student_key": key, "status": status} for key in keys]))
        return str(path)

    return write


def test_the_requirements_story_enrolled_in_one_refused_by_two_moved_in_one_command(
    command: Command, programs: Programs, learners: Any
) -> None:
    enrolled, active = learners("enrolled", "ann", "bob"), learners("active", "ann")
    for program in (ONE, TWO):
        told = command.json("enrollments", "write", program, enrolled, "--method", "post")
        assert (told["overall"], told["refused"]) == ("ok", None)
        assert told["results"] == {key: {"status": "enrolled", "detail": None} for key in ("ann", "bob")}
    assert command.json("enrollments", "write", ONE, active, "--method", "post", "--run", RUN)["run"] == RUN
    told = command.json("enrollments", "write", TWO, active, "--method", "post", "--run", RUN, status=3)
    free_by = told["results"]["ann"]["detail"]["free_by"]
    said = command("enrollments", "write", TWO, active, "--method", "post", "--run", RUN, status=3).stdout
    assert free_by in said
    assert "Masters 1" in said
    assert "1 conflict." in said
    assert command.json(*free_by.split(), "--dry-run")["applied"]
    assert "2 changed." in command(*free_by.split()).stdout
    assert programs.active() == [("ann", "2/1")]
    assert "so already" in command(*free_by.split()).stdout
    told = command.json("enrollments", "cancel", "ann", "--program", TWO)
    assert [seat["run"] for seat in told["staying"]] == [RUN]


def test_refusals_have_status_4_and_wrong_requests_2(command: Command, programs: Programs, learners: Any) -> None:
    enrolled = learners("enrolled", "ann")
    command("enrollments", "write", ONE, enrolled, "--method", "PUT")
    moving = ("enrollments", "move", "ann", "--from", ONE, "--to", TWO)
    refused = command(*moving, "--run", RUN, status=4)
    assert "Nothing was changed (not_active_there)." in refused.stdout
    assert (
        command.json("enrollments", "cancel", "ann", "--program", TWO, status=4)["refused"]["reason"] == "not_enrolled"
    )
    assert "not both" in command(*moving, status=2).stderr
    assert "not both" in command(*moving, "--run", RUN, "--all-runs", status=2).stderr
    for arguments, said in (
        ((ONE, enrolled, "--method", "delete"), "'delete' is no method"),
        ((ONE, "nowhere.json", "--method", "put"), "cannot be read"),
        ((str(UUID(int=9)), enrolled, "--method", "put"), "no program"),
        ((ONE, enrolled, "--method", "put", "--run", "edX/Demo"), "no run edX/Demo"),
    ):
        assert said in command("enrollments", "write", *arguments, status=2).stderr


def test_learners_may_come_by_standard_input(command: Command, programs: Programs) -> None:
    told = command("enrollments", "write", ONE, "-", "--method", "post", input='[{"student_key": "ann"}]', status=2)
    assert "item 1: status is missing" in told.stderr
    assert "no JSON" in command("enrollments", "write", ONE, "-", "--method", "post", input="[", status=2).stderr
    assert command("enrollments", "write", ONE, "-", "--method", "post", input="[]").stdout == "Nobody was sent.\n"
