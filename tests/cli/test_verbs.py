"""Each verb: what it prints, as JSON too, and what it says to bad input."""

import json
import resource
import subprocess
import sys

import pytest
from support.command import COMMAND, Command

from catalog_pipeline.database.engine import Server


@pytest.fixture
def filled(command: Command) -> Command:
    command("refresh", status=3)
    return command


def test_refresh_tells_crawls_and_loads(command: Command) -> None:
    told = command.json("refresh", "discovery", "--full", status=3)
    assert {crawl["kind"]: crawl["mode"] for crawl in told["crawls"]} == dict.fromkeys(
        ("organization", "course", "program"), "full"
    )
    assert told["loads"][0]["counts"]["catalog.catalog_course"]["created"] > 50
    assert command.json("refresh", "discovery")["loads"][0]["counts"] == {}
    assert "Nothing changed upstream" in command("refresh", "discovery").stdout


def test_status_show_and_rejects_answer_for_people_and_programs(filled: Command) -> None:
    status = filled.json("status")
    assert status["tables"]["catalog.course_run"] > 100
    assert status["pending"] == []
    assert "Last crawls" in filled("status").stdout
    run = filled.json("sql", "select run_key, course_key, organization_key from catalog.run limit 1")[0]
    assert (
        filled.json("show", run["run_key"].upper().replace("COURSE-V1", "course-v1"))["run"]["run_key"]
        == run["run_key"]
    )
    assert run["run_key"] in [row["run_key"] for row in filled.json("show", run["course_key"])["runs"]]
    assert filled.json("show", run["organization_key"])["organization"]["key"] == run["organization_key"]
    raw = json.loads(filled("show", run["run_key"], "--raw").stdout)
    assert run["run_key"] in json.dumps(raw, ensure_ascii=False)
    rejects = filled.json("rejects", "--rule", "case_collision")
    assert {reject["rule"] for reject in rejects} == {"case_collision"}
    assert filled("rejects", "--csv").stdout.startswith("source,record_key,")


def test_history_tells_when_what_changed_and_by_whom(filled: Command) -> None:
    run = filled.json("sql", "select run_key from catalog.run where start is not null limit 1")[0]["run_key"]
    filled("psql", "-c", f"update catalog.course_run set start = start - interval '1 day' where run_key = '{run}'")
    events = filled.json("history", run)
    assert [event["action"] for event in events] == ["created", "created", "updated"]
    assert list(events[-1]["changes"]) == ["start"]
    assert [event["actor"].split(":")[0] for event in events] == ["load", "load", "sql"]
    assert "course_run updated" in filled("history", run).stdout


def test_history_goes_back_beyond_a_change_of_key(command: Command) -> None:
    insert = """insert into catalog.course_run (run_key, key_org, key_course, key_run, title, status)
                values ('course-v1:A+1+old', '', '', '', 'Run', 'reviewed')"""
    command("psql", "-c", insert)
    command("associations", "apply")
    command("psql", "-c", "update catalog.course_run set run_key = 'course-v1:A+1+new'")
    told = [(event["entity"], event["action"]) for event in command.json("history", "course-v1:A+1+new")]
    assert told == [("course_run", "created"), ("run_association", "created"), ("course_run", "updated")]


def test_show_says_when_a_course_has_no_runs(command: Command) -> None:
    command("psql", "-c", "insert into catalog.organization (key) values ('A')")
    assert command("show", "A").stdout.endswith("\nCourses: none.\n")
    command("psql", "-c", "insert into catalog.catalog_course (key) values ('A+1')")
    assert command("show", "A+1").stdout.endswith("\nRuns: none.\n")


def test_a_key_that_is_not_utf_8_is_answered_in_one_line(command: Command) -> None:
    for arguments in (["show"], ["associations", "set", "course-v1:A+1+r"], ["associations", "unset"]):
        done = command(*arguments, "course-v1:\udcff+1+r", status=2)
        assert done.stderr.startswith("error: The argument 'course-v1:\\udcff+1+r' is not UTF-8")
        assert done.stderr.count("\n") == 1


def test_sql_reads_and_cannot_write(filled: Command) -> None:
    assert filled("sql", "select 1 as a, '=x' as b", "--csv").stdout == "a,b\n1,'=x\n"
    for statement in ("delete from catalog.program", "commit; delete from catalog.program", "select nonsense"):
        assert "The database refuses this query" in filled("sql", statement, status=2).stderr
    assert filled.json("sql", "select count(*) as n from catalog.program")[0]["n"] > 0


def test_memory_that_runs_out_is_told_in_one_line(command: Command) -> None:
    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (800_000_000, 800_000_000))

    query = "select repeat('x', 10000000) from generate_series(1, 1000)"
    done = subprocess.run(
        [COMMAND, "sql", query],
        env=command.env, cwd=command.home, capture_output=True, text=True, preexec_fn=little_memory,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: Memory ran out")
    assert done.stderr.count("\n") == 1


def test_psql_is_psql(command: Command) -> None:
    assert command("psql", "-At", "-c", "select 1 + 1").stdout == "2\n"
    command("psql", "-c", "select nonsense", status=1)


def test_keys_says_what_each_line_is(command: Command) -> None:
    lines = "course-v1:edX+DemoX+2026\r\nedX+DemoX\n\nlibrary-v1:edX+Lib\ncourse-v1:é+日本+٣\n"
    told = command("keys", "-", "--json", status=3, input=lines).stdout.splitlines()
    rows = [json.loads(line) for line in told]
    assert [row["input"] for row in rows] == [
        "course-v1:edX+DemoX+2026",
        "edX+DemoX",
        "",
        "library-v1:edX+Lib",
        "course-v1:é+日本+٣",
    ]
    assert [row["valid"] for row in rows] == [True, False, False, False, True]
    assert list(rows[0]) == ["input", "valid", "kind", "org", "course", "run", "course_key", "reason"]
    assert all(row["reason"] for row in rows if not row["valid"])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["refresh", "studio"], 2, "'studio' is no source"),
        (["show", "course-v1:no+such+run"], 2, "has no run, course or organization"),
        (["show", "7aec0012-7c58-57b5-9753-7dc9a9bf7186"], 2, "`assignments show` an assignment"),
        (["history", "nothing"], 2, "Nothing is known"),
        (["show", "nothing", "--raw"], 2, "No upstream document"),
        (["keys", "/no/such/file"], 2, "cannot be read: No such file"),
        (["sql", "do $$ begin end $$"], 2, "returns no rows"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_bad_input_is_answered_in_one_line(command: Command, arguments: list[str], status: int, said: str) -> None:
    done = command(*arguments, status=status)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CATALOG_DISCOVERY_ULR", "x", "did you mean CATALOG_DISCOVERY_URL?"),
        ("CATALOG_DISCOVERY_URL", "discovery.example", "give a whole URL"),
        ("CATALOG_PAGE_SIZE", "many", "CATALOG_PAGE_SIZE"),
        ("CATALOG_DATABASE_URL", "mysql://ann:secret@h/d", "give a Postgres URL"),
    ],
)
def test_a_wrong_setting_is_told_at_start(command: Command, name: str, value: str, said: str) -> None:
    command.env[name] = value
    done = command("status", status=2)
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_out_of_reach_exits_5_without_showing_the_password(command: Command) -> None:
    command.env["CATALOG_DATABASE_URL"] = "postgresql://ann:secret@127.0.0.1:9/catalog"
    done = command("status", status=5)
    assert "127.0.0.1:9/catalog" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_an_older_or_newer_schema_is_told_at_start(command: Command, server: Server) -> None:
    command("psql", "-c", "update ops.alembic_version set version_num = '9999'")
    assert "newer than this code" in command("status", status=4).stderr
    command("psql", "-c", "drop schema ops cascade")
    assert "catalog-pipeline migrate" in command("status", status=4).stderr


def test_the_doctor_says_what_is_wrong_and_what_to_do(command: Command) -> None:
    command.env |= {"CATALOG_LMS_URL": "http://127.0.0.1:9", "CATALOG_REQUEST_RETRIES": "0"}
    findings = command.json("doctor", status=5)
    assert {finding["what"]: finding["ok"] for finding in findings} == {
        "database": True,
        "schema": True,
        "events": True,
        "feeds": True,
        "mail": True,
        "size": True,
        "roles": True,
        "disk": True,
        "lms": False,
        "cron": True,
        "daemon": True,
        "night": True,
    }
    told = {finding["what"]: finding["detail"] for finding in findings}
    assert "Check that the upstream is up" in told["lms"]
    assert "`catalog-pipeline up` starts it" in told["daemon"]


def test_the_doctor_looks_at_feeds_mail_cron_and_daemon(command: Command) -> None:
    stray = command.home / "feeds" / "2u" / "products.csv"
    stray.parent.mkdir(parents=True)
    stray.write_text("")
    command(
        "psql",
        "-c",
        """insert into ops.feed (name, source, product_type, sha256, received_at, as_of, outcome, counts, warnings,
                                 archived, reactivated)
           values ('a.csv', '2u', 'bootcamp-2u', repeat('0', 64), now(), now(), 'held', '{}', '[]', '[]', '[]');
           insert into ops.outbox (message_id, kind, subject, sender, recipients, content, due_at)
           values ('<a@b>', 'feed', 'S', 'a@b.example', '{c@d.example}', '', null)""",
    )
    command.env |= {"CATALOG_NIGHTLY_CRON": "nonsense", "CATALOG_AUTOMATION": "on"}
    told = {finding["what"]: finding["detail"] for finding in command.json("doctor", status=5) if not finding["ok"]}
    assert set(told) == {"feeds", "mail", "cron", "daemon"}
    assert "a.csv of 2u/bootcamp-2u is held" in told["feeds"]
    assert "products.csv is nobody's feed" in told["feeds"]
    assert "1 mails were given up" in told["mail"]
    assert "'nonsense' is no cron expression" in told["cron"]


def test_verbs_that_only_ask_load_nothing_heavy(command: Command) -> None:
    insert = "insert into catalog.organization (key, name) values ('A', 'A');"
    course = "insert into catalog.catalog_course (organization_id, course_code, key, title) select id, 'B', 'A+B', 'T'"
    command("psql", "-c", f"{insert} {course} from catalog.organization")
    heavy = {"alembic", "dagster", "numpy", "pandas", "pandera", "pyarrow", "requests", "sqlalchemy.orm"}
    verbs = [["status"], ["show", "A+B"], ["history", "A+B"], ["explain", "A+B"], ["sql", "select 1"], ["rejects"]]
    code = f"""
import gc, sys
from catalog_pipeline.cli import main
for verb in {verbs!r}:
    sys.argv = ["catalog-pipeline", *verb]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code
    assert not {heavy!r} & set(sys.modules), (verb, {heavy!r} & set(sys.modules))
    assert gc.get_freeze_count()
"""
    subprocess.run([sys.executable, "-c", code], env=command.env, cwd=command.home, check=True)


def test_help_is_there_at_once_for_nothing_heavy_is_imported() -> None:
    heavy = {"dagster", "pandas", "psycopg", "pyarrow", "requests", "sqlalchemy", "starlette"}
    code = f"import sys, catalog_pipeline.cli; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
