"""Importing and exporting enrollments: each line whole or rejected, and what is exported comes back unchanged."""

import io
import json
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from support.command import Command
from support.enrollments import CURRICULUM, Programs, run_key

from catalog_pipeline.database.engine import connected
from catalog_pipeline.enrollments.exporting import export_enrollments
from catalog_pipeline.enrollments.importing import ImportReport, import_enrollments
from catalog_pipeline.enrollments.retiring import retire
from catalog_pipeline.errors import UsageError

OTHER = UUID(int=109)


class Imported:
    """Files that are imported, and what they did."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.file = folder / "enrollments.jsonl"

    def __call__(self, *lines: Any, dry_run: bool = False) -> ImportReport:
        """Import lines: documents, or text as it is."""
        self.file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
        return import_enrollments(self.programs.engine, self.file, self.programs.asked(dry_run=dry_run))

    def told(self, *lines: Any, **how: Any) -> list[str]:
        """The outcome of each line, or the rules that it broke."""
        return [
            " ".join(error["rule"] for error in row["errors"]) or row["outcome"] for row in self(*lines, **how).rows
        ]

    def exported(self, program: int, *, as_csv: bool = False) -> str:
        """A program as it is exported."""
        file = io.StringIO()
        with connected(self.programs.engine) as connection:
            export_enrollments(connection, UUID(int=program), file, as_csv=as_csv)
        return file.getvalue()

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of programs on runs: key, program, run, status, and whether the seat is active."""
        return [
            tuple(row.values())
            for row in self.programs.rows("""
                SELECT k.external_key, right(p.uuid::text, 1)::int AS program, right(r.key_course, 1)::int AS run,
                       c.status, s.is_active
                FROM catalog.program_course_enrollment c
                JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
                JOIN catalog.learner_key k ON k.id = e.learner_key_id
                JOIN catalog.program p ON p.id = e.program_id
                JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
                JOIN catalog.course_run r ON r.id = s.course_run_id ORDER BY 1, 2, 3""")
        ]

    def versions(self) -> list[Any]:
        """The transaction that last wrote each row."""
        tables = ("learner", "learner_key", "program_enrollment", "course_enrollment", "program_course_enrollment")
        return [self.programs.rows(f"SELECT id, xmin::text FROM catalog.{table} ORDER BY id") for table in tables]


@pytest.fixture
def imported(programs: Programs, tmp_path: Path) -> Imported:
    return Imported(programs, tmp_path)


def line(key: str | None = "A1", program: int = 1, **values: Any) -> dict[str, Any]:
    """A line about a learner of a program; `run` by number."""
    run = values.pop("run", None)
    document = {"program_uuid": str(UUID(int=program)), "student_key": key, "run_key": run and run_key(run), **values}
    return {name: value for name, value in document.items() if value is not None}


def enrolled(key: str | None = "A1", program: int = 1, **values: Any) -> dict[str, Any]:
    return line(key, program, status="enrolled", **values)


def test_a_line_makes_learner_enrollment_seat_and_row_and_again_nothing(programs: Programs, imported: Imported) -> None:
    lines = [enrolled(run=1, course_status="active"), line(run=2, course_status="inactive"), enrolled("A2")]
    assert imported.told(*lines) == ["created"] * 3
    assert imported.rows() == [("A1", 1, 1, "active", True), ("A1", 1, 2, "inactive", False)]
    before = imported.versions()
    assert imported.told(*lines) == ["unchanged"] * 3
    assert imported.versions() == before


def test_what_is_blank_stays_and_what_is_given_is_set(programs: Programs, imported: Imported) -> None:
    imported(enrolled(run=1, course_status="active", course_staff=True, mode="verified"))
    assert imported.told(line(run=1)) == ["unchanged"]
    assert imported.told(line(status="pending")) == ["updated"]
    assert imported.told(line(run=1, course_staff=False)) == ["updated"]
    assert imported.told(line(run=1, mode="audit")) == ["updated"]
    assert imported.told(line(run=1, course_status="inactive")) == ["updated"]
    assert programs.rows("""
        SELECT e.status, c.status AS row, c.course_staff, s.mode, s.is_active FROM catalog.program_course_enrollment c
        JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
        JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id""") == [
        {"status": "pending", "row": "inactive", "course_staff": False, "mode": "audit", "is_active": False}
    ]


def test_another_curriculum_is_another_enrollment(programs: Programs, imported: Imported) -> None:
    programs.insert("curriculum", program_id=programs.programs[1], uuid=OTHER)
    lines = [enrolled(curriculum_uuid=str(uuid)) for uuid in (CURRICULUM[1], OTHER)]
    assert imported.told(*lines) == ["created", "created"]
    assert imported.told(line(status="ended", curriculum_uuid=str(OTHER))) == ["updated"]
    # Without a curriculum, the one that is current is meant.
    assert imported.told(line(status="pending")) == ["updated"]
    assert programs.rows("SELECT curriculum_uuid AS u, status FROM catalog.program_enrollment ORDER BY 1") == [
        {"u": CURRICULUM[1], "status": "pending"},
        {"u": OTHER, "status": "ended"},
    ]


WRONG = [
    ("[]", "not_an_object"),
    ("{", "not_an_object"),
    ({"student_key": "A1", "status": "enrolled"}, "missing"),
    (enrolled(None), "missing"),
    (enrolled("  "), "missing"),
    (enrolled(course_status="active"), "missing"),
    (enrolled(run=1), "missing"),
    (enrolled("A" * 256), "bad_key"),
    (enrolled("A\0"), "bad_key"),
    (enrolled(user_name="a b"), "bad_user_name"),
    ({**enrolled(), "program_uuid": "1"}, "not_a_uuid"),
    (enrolled(curriculum_uuid="x"), "not_a_uuid"),
    (enrolled(program=7), "unknown_program"),
    (enrolled(run=9, course_status="active"), "unknown_run"),
    (enrolled(run=3, course_status="active"), "run_not_in_program"),
    (line(status="there"), "unknown_status"),
    (enrolled(run=1, course_status="there"), "unknown_status"),
    (enrolled(run=1, course_status="active", course_staff="perhaps"), "not_a_flag"),
    (enrolled(run=1, course_status="active", mode="m" * 101), "bad_mode"),
    (enrolled(curriculum_uuid=str(OTHER)), "curriculum_unknown"),
    (line(), "not_enrolled"),
    (line(run=1, course_status="active"), "not_enrolled"),
]


def test_a_wrong_line_is_rejected_whole_and_keeps_no_other_from_being_applied(
    programs: Programs, imported: Imported
) -> None:
    good = enrolled("A2", run=1, course_status="active")
    assert imported.told(*(wrong for wrong, _ in WRONG), good) == [*(rule for _, rule in WRONG), "created"]
    assert programs.rows("SELECT external_key FROM catalog.learner_key") == [{"external_key": "A2"}]


def test_without_one_active_curriculum_it_has_to_be_named(programs: Programs, imported: Imported) -> None:
    programs.insert("curriculum", program_id=programs.programs[1], uuid=OTHER)
    assert imported.told(enrolled(), enrolled(curriculum_uuid=str(OTHER))) == ["curriculum_missing", "created"]
    programs.add_program(3)
    assert imported.told(enrolled(program=3), enrolled(program=3, curriculum_uuid=str(OTHER))) == [
        "curriculum_missing",
        "created",
    ]


def test_a_run_that_another_program_holds_is_a_conflict_by_earlier_lines_too(
    programs: Programs, imported: Imported
) -> None:
    active = {"run": 1, "course_status": "active"}
    report = imported(enrolled(**active), enrolled(program=2, **active))
    assert [row["outcome"] for row in report.rows] == ["created", "rejected"]
    (error,) = report.rows[1]["errors"]
    assert (error["rule"], error["column"]) == ("conflict", "course_status")
    assert error["message"] == f"Masters 1 ({UUID(int=1)}) holds the run."
    assert imported.told(enrolled(program=2, **active)) == ["conflict"]
    # An earlier line frees the seat.
    assert imported.told(line(run=1, course_status="inactive"), enrolled(program=2, **active)) == ["updated", "created"]
    assert imported.rows() == [("A1", 1, 1, "inactive", True), ("A1", 2, 1, "active", True)]


def test_a_line_of_the_enrollment_and_run_of_an_earlier_one_is_a_duplicate(
    programs: Programs, imported: Imported
) -> None:
    lines = [enrolled(), enrolled(" a1 "), enrolled(run=1, course_status="active"), line(run=1)]
    assert imported.told(*lines) == ["created", "duplicate", "created", "duplicate"]


def test_a_line_that_gives_an_enrollment_another_status_than_an_earlier_one_contradicts_it(
    programs: Programs, imported: Imported
) -> None:
    lines = [enrolled(), line(status="pending", run=1, course_status="active"), line(run=2, course_status="active")]
    assert imported.told(*lines) == ["created", "contradicts", "created"]


def test_a_run_no_longer_in_the_program_may_become_inactive_and_no_more(programs: Programs, imported: Imported) -> None:
    imported(enrolled(run=1, course_status="active"), line(run=2, course_status="inactive"))
    programs.run_sql("DELETE FROM catalog.program_course")
    assert imported.told(line(run=1, course_status="active"), line(run=2, course_status="active")) == [
        "unchanged",
        "run_not_in_program",
    ]
    assert imported.told(line(run=1, course_status="inactive")) == ["updated"]


def test_a_user_name_links_the_key(programs: Programs, imported: Imported) -> None:
    lines = [enrolled(user_name="ann"), enrolled("B1", program=2, user_name="Ann"), enrolled("A2", user_name="bob")]
    assert imported.told(*lines) == ["created"] * 3
    assert programs.rows("SELECT user_name FROM catalog.learner ORDER BY 1") == [
        {"user_name": "ann"},
        {"user_name": "bob"},
    ]
    imported(enrolled("C1"))
    assert imported.told(line("C1", user_name="cat")) == ["updated"]
    assert imported.told(line("C1", user_name="CAT")) == ["unchanged"]


def test_two_keys_of_a_learner_in_one_curriculum_are_rejected(programs: Programs, imported: Imported) -> None:
    imported(enrolled("A1"), enrolled("A2"))
    assert imported.told(line("A1", user_name="ann"), line("A2", user_name="ann")) == ["updated", "two_keys_in_program"]
    assert imported.told(enrolled("A3", user_name="ann")) == ["two_keys_in_program"]
    assert programs.rows("SELECT count(*) AS n FROM catalog.learner_key") == [{"n": 2}]


def test_learners_who_hold_a_run_both_do_not_become_one(programs: Programs, imported: Imported) -> None:
    active = {"run": 1, "course_status": "active"}
    imported(enrolled("A1", **active, user_name="ann"), enrolled("B1", program=2, **active))
    assert imported.told(line("B1", program=2, user_name="ann")) == ["conflict"]
    assert programs.rows("SELECT count(*) AS n FROM catalog.learner") == [{"n": 2}]


def test_a_line_that_is_rejected_links_nothing(programs: Programs, imported: Imported) -> None:
    imported(enrolled("A1", run=1, course_status="active", user_name="ann"))
    # B1 would become ann's, and then the run is program 1's: so neither is done.
    lines = [enrolled("B1", program=2, run=1, course_status="active", user_name="ann"), line("C1", user_name="cat")]
    assert imported.told(*lines) == ["conflict", "not_enrolled"]
    assert programs.rows("SELECT external_key FROM catalog.learner_key") == [{"external_key": "A1"}]
    # Where another line links the same, only the line itself is rejected.
    assert imported.told(*lines, enrolled("B1", program=2, user_name="ann")) == ["conflict", "not_enrolled", "created"]
    assert programs.rows("SELECT external_key AS k FROM catalog.learner_key ORDER BY 1") == [{"k": "A1"}, {"k": "B1"}]


def test_what_the_lms_keeps_is_refused(programs: Programs, imported: Imported) -> None:
    programs.run_sql("UPDATE catalog.program SET enrollments_owner = 'lms' WHERE id = :id", id=programs.programs[1])
    assert imported.told(enrolled(), enrolled(program=2)) == ["owned_elsewhere", "created"]


def test_a_retired_learner_does_not_come_back(programs: Programs, imported: Imported) -> None:
    imported(enrolled("A1", user_name="ann"), enrolled("A2"))
    retire(programs.engine, "key:GTx:A1", programs.asked())
    assert imported.told(
        line("a1", status="pending"), enrolled("A3", user_name="ANN"), enrolled("A1", user_name="bob")
    ) == ["retired", "retired", "retired"]
    assert [json.loads(one)["student_key"] for one in imported.exported(1).splitlines()] == ["A2"]
    (form,) = programs.rows("SELECT external_key FROM catalog.learner_key WHERE external_key LIKE 'retired:%'")
    assert imported.told(enrolled(form["external_key"])) == ["retired"]


def test_a_dry_run_tells_the_same_and_writes_nothing(programs: Programs, imported: Imported) -> None:
    lines = [enrolled(run=1, course_status="active", user_name="ann"), enrolled(program=7)]
    tried = imported(*lines, dry_run=True)
    assert programs.rows("SELECT count(*) AS n FROM catalog.learner") == [{"n": 0}]
    assert imported(*lines) == tried
    assert tried.exit_code == 3


@pytest.mark.parametrize("as_csv", [False, True])
def test_what_is_exported_is_imported_unchanged(programs: Programs, imported: Imported, as_csv: bool) -> None:
    programs.insert("curriculum", program_id=programs.programs[1], uuid=OTHER)
    odd = ["=1+1", "'=1", "''", "@x", "a,b", 'a"b', "-5", "+49", "é\u200bz", "a\nb", "'abc", "−3"]
    first = str(CURRICULUM[1])
    imported(
        *(enrolled(key, curriculum_uuid=first) for key in odd),
        enrolled("A1", curriculum_uuid=first, run=1, course_status="active", course_staff=True, user_name="=ann"),
        enrolled("A1", curriculum_uuid=str(OTHER), run=2, course_status="inactive", mode="verified"),
        enrolled(None, curriculum_uuid=first, user_name="bob"),
    )
    before = imported.versions()
    exported = imported.exported(1, as_csv=as_csv)
    imported.file = imported.file.with_suffix(".csv" if as_csv else ".jsonl")
    report = imported(exported)
    assert {row["outcome"] for row in report.rows} == {"unchanged"}, report.rows
    assert report.counts["rows"] == len(odd) + 3
    assert imported.versions() == before
    # And into an empty database it makes the same.
    programs.run_sql(
        "DELETE FROM catalog.program_enrollment; DELETE FROM catalog.course_enrollment;"
        " DELETE FROM catalog.learner_key; DELETE FROM catalog.learner"
    )
    assert set(imported.told(exported)) == {"created"}
    assert imported.exported(1, as_csv=as_csv) == exported


def test_a_hundred_thousand_lines_of_which_three_are_wrong(programs: Programs, imported: Imported) -> None:
    lines = []
    for number in range(25_000):
        for run in (None, 1, 2):
            lines.append(enrolled(f"K{number}", run=run, course_status=run and "active"))
        lines.append(enrolled(f"K{number}", program=2, user_name=f"user{number}"))
    lines[10] = line("nobody")
    lines[50_000] = {**lines[50_000], "status": "wrong"}
    lines[99_999] = {**lines[99_999], "program_uuid": str(UUID(int=9))}
    report = imported(*lines)
    assert {row["row"]: row["errors"][0]["rule"] for row in report.rows if row["errors"]} == {
        11: "not_enrolled",
        50_001: "unknown_status",
        100_000: "unknown_program",
    }
    assert report.counts == {"rows": 100_000, "created": 99_997, "updated": 0, "unchanged": 0, "rejected": 3}


def test_a_program_whose_first_organization_is_another_by_now_is_imported_unchanged(
    programs: Programs, imported: Imported
) -> None:
    imported(enrolled("A1", user_name="ann"), enrolled("A2", user_name="bob"))
    other = programs.insert("organization", key="UTx", name="Other")
    programs.run_sql("UPDATE catalog.program_organization SET organization_id = :other", other=other)
    (ann,) = programs.rows("SELECT id FROM catalog.learner WHERE user_name = 'ann'")
    programs.insert("learner_key", learner_id=ann["id"], organization_id=other, external_key="U1")
    exported = imported.exported(1)
    assert [json.loads(one)["student_key"] for one in exported.splitlines()] == ["U1", None]
    before = imported.versions()
    assert imported.told(exported) == ["unchanged", "unchanged"]
    assert imported.versions() == before


EVERYTHING = ("program_course_enrollment", "program_enrollment", "course_enrollment", "learner_key", "learner")


@pytest.mark.parametrize("seed", range(8))
def test_a_file_does_what_its_lines_do_one_after_the_other(programs: Programs, imported: Imported, seed: int) -> None:
    random = Random(seed)
    two_keys = [enrolled("k0", user_name="ann"), enrolled("k1", program=2, user_name="ann")]
    statuses = {(program, key): random.choice(["enrolled", "ended"]) for program in (1, 2) for key in range(3)}
    places = [(program, key, run) for program in (1, 2) for key in range(3) for run in (None, 1, 1, 2, 3)]
    lines = [
        line(
            f"k{key}",
            program,
            run=run,
            status=random.choice([statuses[program, key], None]),
            course_status=run and random.choice(["active", "active", "inactive", None]),
            mode=random.choice([None, "verified", "audit"]) if run else None,
        )
        for program, key, run in dict.fromkeys(random.sample(places, 20))
    ]
    found = []
    for one_by_one in (False, True):
        for table in EVERYTHING:
            programs.run_sql(f"DELETE FROM catalog.{table}")
        imported(*two_keys)
        told = [imported.told(one)[0] for one in lines] if one_by_one else imported.told(*lines)
        found.append((told, imported.rows(), imported.exported(1), imported.exported(2)))
    assert found[0] == found[1]
    assert "created" in found[0][0]


def test_the_commands_import_and_export(programs: Programs, command: Command) -> None:
    header = "program_uuid,student_key,status,run_key,course_status"
    rows = f"{UUID(int=1)},A1,enrolled,{run_key(1)},active\n{UUID(int=1)},A2,wrong,,\n"
    report = json.loads(command("enrollments", "import", "-", "--json", input=f"{header}\n{rows}", status=3).stdout)
    assert report["counts"] == {"rows": 2, "created": 1, "updated": 0, "unchanged": 0, "rejected": 1}
    assert report["rows"][1]["row"] == 3
    assert [error["rule"] for error in report["rows"][1]["errors"]] == ["unknown_status"]
    exported = command("enrollments", "export", str(UUID(int=1)), "--csv").stdout
    assert "1 line: 1 unchanged." in command("enrollments", "import", "-", input=exported).stdout
    command("enrollments", "export", str(UUID(int=9)), status=2)


def test_csv_that_lacks_its_header_is_refused(programs: Programs, imported: Imported) -> None:
    imported.file = imported.file.with_suffix(".csv")
    with pytest.raises(UsageError, match="lacks program_uuid and student_key"):
        imported("A1,enrolled")
