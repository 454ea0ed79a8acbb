"""How results reach the terminal and other programs: text as text, columns by position, keys whole."""

import json
import re
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from support.command import Command

CLI = Path(__file__).parents[2] / "catalog_pipeline" / "cli"
MARKUP = r"T \[/b] [link=https://evil.example]here[/link] :smile: [red]"
COURSE = """
    insert into catalog.organization (key, name) values ('Org', 'Org');
    insert into catalog.catalog_course (organization_id, course_code, key, title)
    select id, 'C1', 'Org+C1', :'title' from catalog.organization;
    update catalog.catalog_course set title = title || '!';
    insert into catalog.course_run (run_key, key_org, key_course, key_run, title, status)
    values ('course-v1:Org+C1+1', 'Org', 'C1', '1', :'title', 'reviewed')"""
UNSEEN = "\x1b]0;owned\x07 \x9b31m \u202egnol\u2066 \x7f"


@pytest.mark.parametrize("verb", ["show", "explain", "history"])
def test_text_from_outside_is_no_markup(command: Command, verb: str) -> None:
    command("psql", "-v", f"title={MARKUP}", input=COURSE)
    command.env["COLUMNS"] = "400"
    command("associations", "apply")
    told = command(verb, "Org+C1").stdout + command(verb, "course-v1:Org+C1+1").stdout
    assert MARKUP in told
    assert MARKUP in command("sql", "select title from catalog.catalog_course").stdout


def test_a_feed_with_markup_is_checked_as_any_other(command: Command, tmp_path: Path) -> None:
    header = command("partner", "template").stdout
    feed = tmp_path / "feed [b].csv"
    feed.write_text(f"{header}{MARKUP}\n")
    assert "feed [b].csv, checked as" in command("partner", "check", str(feed), status=3).stdout


def test_markup_in_the_answer_of_an_upstream_crashes_nothing(command: Command, httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("no", content_type="text/html[/b]")
    command.env |= {"CATALOG_LMS_URL": httpserver.url_for(""), "CATALOG_REQUEST_RETRIES": "0"}
    assert "[/b]" in command("doctor", status=5).stdout


def test_signs_that_act_on_a_terminal_are_told_by_number(command: Command) -> None:
    query = "select " + " || ".join(f"chr({ord(sign)})" for sign in UNSEEN) + " as told"
    shown = command("sql", query).stdout
    assert r"\x1b]0;owned\x07 \x9b31m \u202egnol\u2066 \x7f" in shown
    as_json = command("sql", query, "--json").stdout
    assert json.loads(as_json) == [{"told": UNSEEN}]
    as_csv = command("sql", query, "--csv").stdout
    assert as_csv == "told\n]0;owned 31m gnol \n"
    assert not set(shown + as_json + as_csv) & set(UNSEEN.replace(" ", "")) & set("\x1b\x07\x9b\u202e\u2066\x7f")
    failed = command("show", f"\x1b[31m{MARKUP}", status=2).stderr
    assert "\x1b" not in failed
    assert MARKUP.replace("\\", "\\\\") in failed


def test_sql_prints_columns_by_position_and_values_as_postgres_writes_them(command: Command) -> None:
    query = """select 1 as status, 'two' as status, '{"a": [1]}'::jsonb as j, interval '1 day' as i, true as b,
                      -5.10 as n, 'infinity'::timestamptz as t"""
    assert command("sql", query, "--csv").stdout.splitlines() == [
        "status,status,j,i,b,n,t",
        '1,two,"{""a"": [1]}",1 day,t,-5.10,infinity',
    ]
    assert command.json("sql", query) == [
        {"status": 1, "status_2": "two", "j": {"a": [1]}, "i": "1 day", "b": True, "n": "-5.10", "t": "infinity"}
    ]
    assert re.split(r"\s{2,}|\n", command("sql", query).stdout)[7:10] == ["1", "two", '{"a": [1]}']


def test_sql_reads_a_file_prints_a_list_and_refuses_two_formats(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "report.sql"
    file.write_text("select 1 as one, null as two")
    assert command("sql", "--file", str(file), "--expanded").stdout.split() == ["one", "1", "two"]
    assert "Give --json or --csv, not both" in command("sql", "--json", "select 1", "--csv", status=2).stderr
    assert "Give a query, or --file" in command("sql", "select 1", "--file", str(file), status=2).stderr


def test_the_version_is_told(command: Command) -> None:
    assert re.fullmatch(r"[0-9.]+\n", command("--version").stdout)


def test_rejects_without_a_feed_are_those_of_the_last_feed_that_has_some(command: Command) -> None:
    assert "No feed has rejected rows" in command("partner", "rejects", status=2).stderr
    command(
        "psql",
        "-c",
        """insert into ops.feed (name, source, product_type, sha256, received_at, as_of, outcome, counts, warnings,
                                 archived, reactivated)
           select n || '.csv', '2u', 'bootcamp-2u', repeat(n::text, 64), now(), now(), 'applied',
                  jsonb_build_object('rejected', 2 - n), '[]', '[]', '[]' from generate_series(1, 2) n""",
    )
    told = command("partner", "rejects").stderr
    assert "1.csv, 2u/bootcamp-2u (feed 1) is the last feed that has rejected rows:" in told


def test_a_reject_without_a_key_shows_the_key_of_its_document(command: Command) -> None:
    command(
        "psql",
        "-c",
        """insert into landing.document (source, scope, kind, key, payload, payload_hash)
           values ('discovery', '', 'course', 'a-uuid', '', decode(repeat('00', 16), 'hex'));
           insert into ops.load (source, outcome, started_at, as_of, documents, rejected_documents)
           values ('discovery', 'applied', now(), now(), 1, 1);
           insert into ops.rejected_record (load_id, document_id, table_name, record_key, rule, message)
           select 1, id, 'catalog.catalog_course', '', 'nullable', 'key is blank' from landing.document""",
    )
    assert command.json("rejects")[0]["record_key"] == "a-uuid"


def test_all_that_the_command_prints_goes_through_one_module() -> None:
    direct = re.compile(r"sys\.std(out|err)|typer\.echo|\bprint\(|Console\(")
    assert [file.name for file in CLI.glob("*.py") if direct.search(file.read_text())] == ["console.py"]
