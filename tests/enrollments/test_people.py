"""What is known of a learner, waiting ones that expire, and retired ones who come back by no way."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.command import Command
from support.enrollments import AS_OF, CURRICULUM, Programs, run_key

from catalog_pipeline.database.engine import connected
from catalog_pipeline.enrollments.asked import Asked
from catalog_pipeline.enrollments.expiring import Expired, expire
from catalog_pipeline.enrollments.linking import LinkOptions, link_file
from catalog_pipeline.enrollments.retiring import Retired, retire
from catalog_pipeline.enrollments.showing import show_learner
from catalog_pipeline.errors import UsageError
from catalog_pipeline.learners.finding import find_learner
from catalog_pipeline.sources.documents import compress, content_hash, decode, decompress, encode

KEY, NAME = "Key-4711-Zebra", "annabel_zebra"


@pytest.fixture
def learner(programs: Programs, tmp_path: Path) -> int:
    """A learner with a key and a name, active in run 1 by program 1."""
    programs.write(1, {KEY: "enrolled"})
    programs.write(1, {KEY: "active"}, run=1)
    link(programs, tmp_path, KEY, NAME)
    return programs.rows("SELECT id FROM catalog.learner")[0]["id"]


def link(
    programs: Programs, folder: Path, key: str, name: str, *, create: bool = False
) -> list[tuple[str, str | None]]:
    """Link one key; returns outcome and reason."""
    file = folder / "links.jsonl"
    file.write_text(json.dumps({"external_key": key, "user_name": name, "organization": "GTx"}))
    report = link_file(programs.engine, file, LinkOptions(create=create), programs.asked())
    return [(row["outcome"], row["reason"]) for row in report.rows]


def shown(programs: Programs, learner: int, *, personal: bool = False) -> dict[str, Any]:
    with connected(programs.engine) as connection:
        return show_learner(connection, learner, personal=personal)


def test_a_learner_is_shown_without_name_and_keys_unless_they_are_asked_for(programs: Programs, learner: int) -> None:
    found = shown(programs, learner)
    assert (found["learner_id"], found["linked"], found["retired_at"], found["user_name"]) == (
        learner,
        True,
        None,
        None,
    )
    assert found["keys"] == [{"organization": "GTx", "external_key": None}]
    (enrollment,) = found["program_enrollments"]
    assert (enrollment["program"], enrollment["curriculum"], enrollment["status"]) == (
        UUID(int=1),
        CURRICULUM[1],
        "enrolled",
    )
    (row,) = enrollment["course_enrollments"]
    assert (row["run"], row["status"], row["course_staff"]) == (run_key(1), "active", False)
    (seat,) = found["course_enrollments"]
    assert (seat["run"], seat["is_active"], seat["mode"]) == (run_key(1), True, "masters")
    personal = shown(programs, learner, personal=True)
    assert (personal["user_name"], personal["keys"][0]["external_key"]) == (NAME, KEY)


def later(programs: Programs, days: float, *, dry_run: bool = False) -> Asked:
    """Somebody asks this many days after now, by the database's clock."""
    now = programs.rows("SELECT now() AS now")[0]["now"]
    return Asked("cli:ann", now + timedelta(days=days), programs.settings, dry_run)


def told(done: Expired) -> tuple[int, int]:
    return done.expired, done.course_enrollments


def test_who_waits_too_long_is_removed_with_all_that_then_holds_nothing(programs: Programs, learner: int) -> None:
    programs.write(1, {"B1": "enrolled", "B2": "pending"})
    programs.write(1, {"B1": "active", "B2": "inactive"}, run=1)
    assert told(expire(programs.engine, later(programs, 29), 30)) == (0, 0)
    assert told(expire(programs.engine, later(programs, 31, dry_run=True), 30)) == (2, 2)
    assert told(expire(programs.engine, later(programs, 31), 30)) == (2, 2)
    for table in ("learner", "learner_key", "program_enrollment", "course_enrollment", "program_course_enrollment"):
        assert programs.rows(f"SELECT count(*) AS n FROM catalog.{table}") == [{"n": 1}]
    assert programs.rows("SELECT id FROM catalog.learner") == [{"id": learner}]


def test_a_row_that_changed_saves_its_enrollment_and_another_programs_saves_the_learner(programs: Programs) -> None:
    programs.write(1, {"B1": "enrolled", "B2": "enrolled"})
    programs.write(2, {"B1": "enrolled"})
    programs.write(1, {"B2": "active"}, run=1)
    before = "ALTER TABLE catalog.{0} DISABLE TRIGGER USER; UPDATE catalog.{0} SET updated_at = now() - interval '{1}'"
    programs.run_sql(before.format("program_enrollment", "40 days"))
    programs.run_sql(
        f"UPDATE catalog.program_enrollment SET updated_at = now() WHERE program_id = {programs.programs[2]}"
    )
    assert told(expire(programs.engine, later(programs, 1), 30)) == (1, 0)
    assert programs.rows("""
        SELECT k.external_key AS key, right(p.uuid::text, 1) AS program FROM catalog.program_enrollment e
        JOIN catalog.program p ON p.id = e.program_id JOIN catalog.learner_key k ON k.learner_id = e.learner_id
        ORDER BY 1""") == [{"key": "B1", "program": "2"}, {"key": "B2", "program": "1"}]


def test_what_the_lms_keeps_does_not_expire(programs: Programs) -> None:
    programs.write(1, {"B1": "enrolled"})
    programs.run_sql("UPDATE catalog.program SET enrollments_owner = 'lms'")
    assert told(expire(programs.engine, later(programs, 90), 30)) == (0, 0)


def test_the_days_are_the_settings_or_have_to_be_given(programs: Programs) -> None:
    with pytest.raises(UsageError, match="--days"):
        expire(programs.engine, later(programs, 1))
    programs.write(1, {"B1": "enrolled"})
    programs.settings = programs.settings.model_copy(update={"waiting_enrollment_days": 60})
    done = expire(programs.engine, later(programs, 60))
    assert (done.days, done.expired) == (60, 1)
    with pytest.raises(UsageError, match="no time"):
        expire(programs.engine, later(programs, 1), 10**9)


def landed(programs: Programs, program: int, rows: list[dict[str, Any]]) -> None:
    """Land what the LMS lists of a program."""
    document = {"enrollments": rows}
    programs.run_sql(
        "INSERT INTO landing.document (source, scope, kind, key, payload, payload_hash, settled_hash)"
        " VALUES ('enrollments', '', 'enrollments', :key, :payload, :hash, :hash)",
        key=str(UUID(int=program)),
        payload=compress(encode(document)),
        hash=content_hash(document),
    )


def everything(programs: Programs) -> Iterator[str]:
    """Every row of every table as text, what is compressed unpacked; the statistics too."""
    for table in programs.rows(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname IN ('catalog', 'landing', 'ops', 'marts')"
    ):
        for row in programs.rows(f"SELECT t::text AS row FROM {table['name']} t"):
            yield row["row"]
    for row in programs.rows("SELECT payload FROM landing.document"):
        yield decompress(row["payload"]).decode()
    for row in programs.rows("SELECT s::text AS row FROM pg_stats s"):
        yield row["row"]


def retired(programs: Programs, named: str, *, dry_run: bool = False) -> Retired:
    return retire(programs.engine, named, programs.asked(dry_run=dry_run))


def test_a_retired_learner_is_known_by_hashes_and_nowhere_by_name_or_key(programs: Programs, learner: int) -> None:
    landed(programs, 1, [{"student_key": KEY.upper(), "username": NAME}, {"student_key": "B1", "username": "bob"}])
    landed(programs, 2, [{"student_key": "B1", "username": "bob"}])
    programs.run_sql(
        "INSERT INTO ops.outbox (message_id, kind, subject, sender, recipients, content)"
        " VALUES ('1', 'k', 's', 'a@b', ARRAY[CAST(:key AS text)], ''), ('2', 'k', 's', 'a@b', ARRAY['c@d'], '')",
        key=KEY,
    )
    programs.run_sql("ANALYZE")
    before = [text for text in everything(programs) if KEY.lower() in text.lower() or NAME in text]
    assert len(before) > 4
    done = retired(programs, f"user:{NAME}")
    assert (done.learner_id, done.retired_at) == (learner, AS_OF)
    assert done.replaced == {
        "catalog.learner": 1,
        "catalog.learner_key": 1,
        "landing.document": 1,
        "ops.outbox": 1,
    }
    assert [text for text in everything(programs) if KEY.lower() in text.lower() or NAME in text.lower()] == []
    found = shown(programs, learner, personal=True)
    assert found["user_name"].startswith("retired:")
    assert found["keys"][0]["external_key"].startswith("retired:")
    assert found["program_enrollments"][0]["status"] == "enrolled"
    (document, _) = programs.rows(
        "SELECT payload, payload_hash = settled_hash AS settled FROM landing.document ORDER BY id"
    )
    assert document["settled"]
    rows = decode(decompress(document["payload"]))["enrollments"]
    assert rows[0] == {"student_key": found["keys"][0]["external_key"], "username": found["user_name"]}
    assert rows[1] == {"student_key": "B1", "username": "bob"}


def test_a_retired_learner_is_found_again_by_name_and_key_and_nothing_changes(programs: Programs, learner: int) -> None:
    first = retired(programs, f"user:{NAME}")
    for named in (f"user:{NAME.upper()}", f"key:GTx:{KEY.lower()}", KEY, f"id:{learner}"):
        again = retired(programs, named)
        assert (again.learner_id, again.retired_at, again.replaced) == (learner, first.retired_at, {})


def test_a_dry_run_of_retiring_replaces_nothing(programs: Programs, learner: int) -> None:
    tried = retired(programs, KEY, dry_run=True)
    assert tried.replaced == {"catalog.learner": 1, "catalog.learner_key": 1}
    assert shown(programs, learner, personal=True)["user_name"] == NAME


def test_a_retired_key_or_name_comes_back_neither_by_write_nor_by_link(
    programs: Programs, learner: int, tmp_path: Path
) -> None:
    retired(programs, KEY)
    refused = ("illegal-operation", "retired")
    assert programs.told(1, {KEY.lower(): "enrolled"}, method="put") == {KEY.lower(): refused}
    assert programs.told(2, {KEY: "enrolled"}) == {KEY: refused}
    assert link(programs, tmp_path, KEY, "somebody", create=True) == [("rejected", "retired")]
    assert link(programs, tmp_path, "B1", NAME.upper(), create=True) == [("rejected", "retired")]
    (form,) = programs.rows("SELECT external_key AS key FROM catalog.learner_key")
    assert link(programs, tmp_path, form["key"], "somebody") == [("rejected", "retired")]
    assert programs.rows("SELECT count(*) AS n FROM catalog.learner") == [{"n": 1}]


def test_a_key_of_another_organization_is_somebody_else(programs: Programs, learner: int, tmp_path: Path) -> None:
    retired(programs, KEY)
    programs.insert("organization", key="UTx", name="Other")
    file = tmp_path / "links.jsonl"
    file.write_text(json.dumps({"external_key": KEY, "user_name": "bob", "organization": "UTx"}))
    report = link_file(programs.engine, file, LinkOptions(create=True), programs.asked())
    assert [row["outcome"] for row in report.rows] == ["linked"]


def test_a_bare_key_of_two_organizations_names_both_learners(programs: Programs, learner: int, tmp_path: Path) -> None:
    programs.insert("organization", key="UTx", name="Other")
    file = tmp_path / "links.jsonl"
    file.write_text(json.dumps({"external_key": KEY, "user_name": "bob", "organization": "UTx"}))
    link_file(programs.engine, file, LinkOptions(create=True), programs.asked())
    with connected(programs.engine) as connection:
        assert find_learner(connection, f"key:gtx:{KEY}", b"") == learner
        with pytest.raises(UsageError, match=f"id:{learner}, id:"):
            find_learner(connection, KEY, b"")


def test_the_secret_is_made_once_and_nobody_else_may_read_it(programs: Programs, learner: int) -> None:
    retired(programs, KEY)
    file = programs.settings.folder / "retirement_secret"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = file.read_bytes()
    assert programs.asked().secret == secret


def test_an_expired_learner_who_was_retired_stays_known(programs: Programs) -> None:
    programs.write(1, {KEY: "enrolled"})
    retired(programs, KEY)
    assert told(expire(programs.engine, later(programs, 31), 30)) == (1, 0)
    assert programs.told(1, {KEY: "enrolled"}) == {KEY: ("illegal-operation", "retired")}


def test_the_commands_print_json_and_lines(programs: Programs, learner: int, command: Command) -> None:
    shown_ = command.json("enrollments", "show", f"id:{learner}", "--personal")
    assert shown_["user_name"] == NAME
    assert NAME not in command("enrollments", "show", f"id:{learner}").stdout
    link_ = ("enrollments", "link", "-", "--org", "GTx", "--create")
    report = json.loads(command(*link_, "--json", input="external_key,user_name\nB1,bob\nB2,b b\n", status=3).stdout)
    assert report["counts"] == {"rows": 2, "linked": 1, "merged": 0, "transferred": 0, "unchanged": 0, "rejected": 1}
    assert [row["row"] for row in report["rows"]] == [2, 3]
    assert "1 line: 1 unchanged." in command(*link_, input='{"external_key": "B1", "user_name": "bob"}').stdout
    done = command.json("enrollments", "retire", f"id:{learner}", "--dry-run")
    assert (done["learner_id"], done["replaced"]) == (learner, {"catalog.learner": 1, "catalog.learner_key": 1})
    assert "Learner" in command("enrollments", "retire", f"id:{learner}").stdout
    assert "Nothing is left" in command("enrollments", "retire", f"user:{NAME}").stdout
    assert command.json("enrollments", "expire", "--days", "0", "--as-of", "2020-01-01")["expired"] == 0
    command("enrollments", "expire", status=2)
    command("enrollments", "show", "user:nobody", status=2)
