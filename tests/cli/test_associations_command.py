"""`associations` and `explain`, as an operator types them."""

from pathlib import Path

from support.command import Command

INSERT = """
    INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
    VALUES ('course-v1:A+1+r', '', '', '', 'Run', 'reviewed'), ('course-v1:A+2+r', '', '', '', 'Run', 'reviewed')"""


def test_an_operator_plans_applies_sets_explains_and_unsets(command: Command) -> None:
    command("psql", "-c", INSERT)
    planned = command.json("associations", "plan")
    assert planned["counts"] == {"course_created": 2}
    assert set(planned["runs"][0]) == {"run_key", "outcome", "reason", "course_key", "previous_course_key"}
    assert command("associations", "apply", "--plan", "0" * 12, status=4).stderr.startswith("error: The plan is")
    assert command.json("associations", "apply", "--plan", planned["plan"])["runs"] == planned["runs"]
    assert "Nothing to change." in command("associations", "apply").stdout
    assert "Set by hand." in command("associations", "set", "course-v1:A+1+r", " A/2", "--reason", "Renamed").stdout
    explained = command.json("explain", "course-v1:A+1+r")
    assert {name: explained["association"][name] for name in ("course_key", "source", "reason")} == {
        "course_key": "A+2",
        "source": "manual",
        "reason": "Renamed",
    }
    assert explained["association"]["decided_by"].startswith("cli:")
    assert [row["run_key"] for row in command.json("explain", "a/2")["runs"]] == ["course-v1:A+1+r", "course-v1:A+2+r"]
    unset = command.json("associations", "unset", "course-v1:A+1+r")
    assert unset["counts"] == {"linked_by_key": 1}


def test_what_an_operator_gets_wrong_is_told_and_changes_nothing(command: Command, tmp_path: Path) -> None:
    command("psql", "-c", INSERT)
    command("associations", "apply")
    assert "no run 'course-v1:A+1+none'" in command("associations", "set", "course-v1:A+1+none", "A+2", status=3).stdout
    assert "no course 'A+none'" in command("associations", "set", "course-v1:A+1+r", "A+none", status=3).stdout
    assert "Give a run's key and a course's key" in command("associations", "set", "course-v1:A+1+r", status=2).stderr
    assert "unknown_run" in command("associations", "unset", "course-v1:A+1+none", status=3).stdout
    assert "catalog-pipeline rejects" in command("explain", "course-v1:A+1+none", status=2).stderr
    file = tmp_path / "associations.csv"
    file.write_text("run_key,course_key\ncourse-v1:A+1+r,A+2\ncourse-v1:A+2+r,A+none\n")
    said = command.json("associations", "set", "--file", str(file), status=3)
    assert [(row["line"], row["outcome"]) for row in said["runs"]] == [(2, "set"), (3, "unknown_course")]
    file.write_text("run_key,course_key\n")
    assert command("associations", "set", "--file", str(file)).stdout == "No line to set.\n"


def test_what_the_lms_would_say_otherwise_is_shown_with_the_owner(command: Command) -> None:
    command.json("refresh", "--full", status=3)
    query = """select min(r.run_key) from catalog.course_run r
               join landing.document d on d.key = r.run_key and d.source = 'lms'
               join landing.document o on o.id = r.listed_by_id and o.source = 'discovery'"""
    run = command("psql", "-At", "-c", query).stdout.strip()
    command("psql", "-c", f"UPDATE catalog.course_run SET title = 'By hand' WHERE run_key = '{run}'")
    explained = command.json("explain", run)
    assert explained["owners"][0]["owner"] == "discovery"
    (title,) = [other for other in explained["other_values"] if other["field"] == "title"]
    assert (title["value"], title["source"]) == ("By hand", "lms")
    assert title["says"] != "By hand"
    assert {document["source"]: document["owns"] for document in explained["documents"]} == {
        "discovery": True,
        "lms": False,
    }
