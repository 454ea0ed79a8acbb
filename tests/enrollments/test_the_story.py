"""The story in the guide is true: its commands are run as they stand, and do what it says."""

import re
import shlex
from pathlib import Path

import pytest
from support.command import Command

GUIDE = (Path(__file__).parents[2] / "docs/enrollments.md").read_text()
STORY = GUIDE.split("<!-- story -->")[1].split("<!-- end -->")[0]
ECHO = re.compile(r"echo '(.*)' > (\S+)")


def test_the_story_of_two_programs_can_be_replayed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.env |= {"CATALOG_SAMPLE_COURSES": "40", "COLUMNS": "300"}
    command("refresh", "discovery", status=3)
    monkeypatch.chdir(tmp_path)
    said = ""
    for line in "".join(re.findall(r"^```sh\n(.*?)^```", STORY, flags=re.MULTILINE | re.DOTALL)).splitlines():
        if wanted := ECHO.fullmatch(line):
            Path(wanted[2]).write_text(wanted[1])
            continue
        arguments, _, comment = line.partition("   # exit status ")
        done = command(*[_here(argument) for argument in shlex.split(arguments)[1:]], status=int(comment or 0))
        said += done.stdout
    assert "is active in Cybersecurity" in said
    assert "To free a seat: catalog-pipeline enrollments move id:1" in said
    assert "2 changed." in said
    assert re.search(r"program_course_enrollment updated +Cybersecurity .* status: active → inactive", said)
    assert said.count("program_course_enrollment created") == 2
    assert " course_enrollment updated" not in said


def _here(argument: str) -> str:
    return str(Path(argument).resolve()) if argument.endswith(".json") else argument
