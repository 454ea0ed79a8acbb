"""The pipeline as its user meets it: run, run again, let days pass, look."""

import re
import subprocess
import time
from pathlib import Path
from random import Random

import psycopg
from support.command import COMMAND, Command
from support.databases import Databases
from support.processes import free_port, servers_of, wait_until

from catalog_pipeline.database.engine import Server
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from sensors import nightly


def test_run_materializes_everything_and_a_second_run_changes_nothing(command: Command) -> None:
    first = command("run").stdout
    assert "refresh_discovery …" in first
    assert "rows created or updated" in first
    assert re.search(r"Runs and their courses: \d+ linked_by_discovery, .*\d+ course_created", first)
    assert "catalog-pipeline rejects" in first
    assert "Active in several programs, says the LMS" in first
    assert command("run").stdout.count("Nothing changed.") == 1
    again = command.json("run")
    assert all(row["unchanged"] == row["rows"] for row in again["tables"])
    assert {row["table"] for row in again["tables"] if not row["rows"]} <= {"catalog.enterprise_learner"}
    assert len(again["conflicts"]) == 3
    assert {stage["status"] for stage in again["stages"]} == {"SUCCESS"}
    assert {check["check"] for check in again["checks"]} >= {"documents_valid", "run_key_not_null", "key"}
    assert set(again["associations"]) == {"already_linked", "case_collision", "not_a_course"}
    assert again["associations"]["already_linked"] == sum(
        row["rows"] for row in again["tables"] if row["table"] == "catalog.run_association"
    )
    overview = command.json("sql", "select course_key, status from marts.catalog_overview")
    assert len(overview) == next(row["rows"] for row in again["tables"] if row["table"] == "catalog.catalog_course")


def test_three_days_of_the_sample_change_exactly_what_they_say(command: Command) -> None:
    command.json("refresh", "--full", status=3)
    runs = 'select run_key, course_key, status, start, "end", title from catalog.run'
    courses = "select key, title, status, product_status from catalog.catalog_course"
    before = {row["run_key"]: row for row in command.json("sql", runs)}
    courses_before = {row["key"]: row for row in command.json("sql", courses)}
    changes = command.json("sample", "advance", "--days", "3")
    command.json("refresh", "--full", status=3)  # collisions are decided, and told, anew
    after = {row["run_key"]: row for row in command.json("sql", runs)}
    courses_after = {row["key"]: row for row in command.json("sql", courses)}

    said = {change["key"] for change in changes if change["entity"] == "course_run"}
    moved = {key for key, row in after.items() if before.get(key) != row}
    assert moved <= said | _runs_of(changes, after)
    assert {c["key"] for c in changes if c["kind"] == "run_added"} <= set(after)
    for change in changes:
        if change["kind"] == "date_moved" and after[change["key"]]["status"] != "archived":
            last = [c for c in changes if (c["key"], c["field"]) == (change["key"], change["field"])][-1]
            assert after[change["key"]][change["field"]] == last["new"].replace("Z", "+00:00")
        if change["kind"] == "run_removed":
            assert after[change["key"]]["status"] == "archived"
        if change["kind"] == "course_removed" and change["entity"] == "course":
            assert courses_after[change["key"]]["status"] == "archived"
        if change["kind"] == "retitled":
            assert courses_after[change["key"]] != courses_before.get(change["key"])
    _history_tells(command, [change for change in changes if change["kind"] == "date_moved"])
    unsaid = {key for key, row in courses_after.items() if courses_before.get(key) != row}
    assert unsaid <= {change["key"] for change in changes if change["entity"] == "course"} | {
        row["course_key"] for key in moved for row in (before.get(key, after[key]), after[key])
    }


def _history_tells(command: Command, moves: list[dict[str, str]]) -> None:
    """The history of a run whose date moved shows its beginning and the move, and who did it."""
    key, field = moves[-1]["key"], moves[-1]["field"]
    last = [move for move in moves if (move["key"], move["field"]) == (key, field)][-1]
    first, *later = [event for event in command.json("history", key) if event["entity"] == "course_run"]
    assert first["action"] == "created"
    assert first["changes"][field][0] is None
    (move,) = [event for event in later if field in event["changes"]]
    assert move["changes"][field] == [first["changes"][field][1], last["new"].replace("Z", "+00:00")]
    loads = command.json("sql", "select 'load:' || id as load from ops.load where source = 'discovery' order by id")
    assert [first["actor"], move["actor"]] == [row["load"] for row in loads]
    explained = command.json("explain", key)
    assert explained["schedule_history"][-1]["by"] == move["actor"]


def _runs_of(changes: list[dict[str, str]], after: dict[str, dict[str, str]]) -> set[str]:
    """The runs of courses that came or went."""
    courses = {change["key"] for change in changes if change["kind"] in ("course_added", "course_removed")}
    return {key for key, row in after.items() if row["course_key"] in courses}


def test_an_upstream_that_is_down_fails_the_stage_says_what_to_check_and_exits_5(command: Command) -> None:
    command.env |= {"CATALOG_DISCOVERY_URL": "http://127.0.0.1:9", "CATALOG_REQUEST_RETRIES": "1"}
    failed = command("run", status=5)
    assert "http://127.0.0.1:9/api/v1/organizations/" in failed.stderr
    assert "Check that the upstream is up" in failed.stderr
    assert "Connection refused" in failed.stderr


def test_without_discovery_the_lms_alone_fills_the_catalog(command: Command) -> None:
    port = free_port()
    served = subprocess.Popen(
        [COMMAND, "sample", "serve", "--courses", "60", "--port", str(port)],
        env=command.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert served.stdout
        given = dict(served.stdout.readline().strip().split("=", 1) for _ in range(7))
        others = {name for name in given if name.endswith("_URL")} - {"CATALOG_LMS_URL"}
        command.env |= {name: value for name, value in given.items() if name not in others}
        summary = command.json("run")
    finally:
        served.terminate()
        served.wait()
    assert [stage["job"] for stage in summary["stages"]] == [
        stage.job for stage in nightly.NIGHT if stage.source in (None, "lms")
    ]
    rows = {row["table"]: row["rows"] for row in summary["tables"]}
    assert rows["catalog.course_run"] == rows["catalog.run_association"] > 100
    assert command.json("sql", "select distinct association_source from catalog.run") == [{"association_source": "key"}]


def test_a_run_of_a_process_that_was_killed_is_swept_and_the_next_run_converges(
    command: Command, server: Server
) -> None:
    process = command.start("run")
    publishing = """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32) | objid::bigint = hashtextextended('catalog.publish', 0)"""
    with psycopg.connect(server.url("postgresql"), autocommit=True) as connection:
        wait_until(lambda: connection.execute(publishing).fetchone() != (0,))
        connection.execute("SELECT pg_sleep(0.3)")
    process.kill()
    process.join()
    summary = command.json("run")
    assert {stage["status"] for stage in summary["stages"]} == {"SUCCESS"}
    with psycopg.connect(server.dagster_url().replace("+psycopg2", "")) as connection:
        statuses = dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY 1").fetchall())
    assert set(statuses) <= {"SUCCESS", "FAILURE"}


def test_a_run_killed_at_any_moment_leaves_no_run_behind_and_the_next_is_as_if_nothing_had_been(
    command: Command, server: Server, databases: Databases, home: Path
) -> None:
    catalog = "select run_key, course_key, status, association_source from catalog.run order by run_key"
    (home / "spared").mkdir()
    with databases.copied() as other:
        spared = Command(home / "spared", other)
        started = time.monotonic()
        expected = spared.json("run")["tables"]
        lasted = time.monotonic() - started
        expected_runs = spared.json("sql", catalog)
    rng = Random(2026)
    for _ in range(2):
        process = command.start("run")
        time.sleep(rng.uniform(0.2, 0.9) * lasted)
        process.kill()
        process.join()
    summary = command.json("run")
    assert {stage["status"] for stage in summary["stages"]} == {"SUCCESS"}
    assert [(row["table"], row["rows"]) for row in summary["tables"]] == [
        (row["table"], row["rows"]) for row in expected
    ]
    assert command.json("sql", catalog) == expected_runs
    with psycopg.connect(server.dagster_url().replace("+psycopg2", "")) as connection:
        assert {status for (status,) in connection.execute("SELECT status FROM runs")} <= {"SUCCESS", "FAILURE"}
        assert connection.execute("SELECT count(*) FROM concurrency_slots WHERE run_id IS NOT NULL").fetchone() == (0,)


def test_two_commands_share_the_embedded_server_and_the_last_one_stops_it(home: Path) -> None:
    command = Command(home, None)
    with EmbeddedPostgres(home):
        assert all(finding["ok"] for finding in command.json("doctor"))
        assert len(servers_of(home)) == 1
    assert servers_of(home) == []
