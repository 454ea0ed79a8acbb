"""Linking keys to user names: who becomes one with whom, what goes along, and which lines are refused."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.enrollments import CURRICULUM, Programs, run_key

from catalog_pipeline.enrollments.linking import LinkOptions, LinkReport, link_file
from catalog_pipeline.errors import UsageError


class Linked:
    """Files that are linked, and what they did."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.file = folder / "links.jsonl"

    def __call__(self, *lines: Any, organization: str | None = "GTx", dry_run: bool = False, **how: bool) -> LinkReport:
        """Link lines: pairs of key and user name, or whole documents."""
        documents = [
            line if isinstance(line, dict | str) else dict(zip(("external_key", "user_name"), line, strict=True))
            for line in lines
        ]
        self.file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in documents))
        options = LinkOptions(organization, **how)
        return link_file(self.programs.engine, self.file, options, self.programs.asked(dry_run=dry_run))

    def told(self, *lines: Any, **how: Any) -> list[tuple[str, str | None]]:
        """Outcome and reason of each line."""
        return [(row["outcome"], row["reason"]) for row in self(*lines, **how).rows]

    def learners(self) -> dict[str | None, list[str]]:
        """The keys of each learner by user name; those who have none by null."""
        found: dict[str | None, list[str]] = {}
        for row in self.programs.rows("""
            SELECT l.user_name, k.external_key FROM catalog.learner l
            LEFT JOIN catalog.learner_key k ON k.learner_id = l.id ORDER BY k.external_key"""):
            found.setdefault(row["user_name"], []).append(row["external_key"])
        return found

    def holders(self) -> list[tuple[Any, ...]]:
        """The rows of the programs: user name, program, run, status."""
        return [
            tuple(row.values())
            for row in self.programs.rows("""
                SELECT l.user_name, right(p.uuid::text, 1)::int AS program, right(r.key_course, 1)::int AS run, c.status
                FROM catalog.program_course_enrollment c
                JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
                JOIN catalog.program p ON p.id = e.program_id
                JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
                JOIN catalog.course_run r ON r.id = s.course_run_id
                JOIN catalog.learner l ON l.id = c.learner_id ORDER BY 2, 3, 1""")
        ]


@pytest.fixture
def linked(programs: Programs, tmp_path: Path) -> Linked:
    return Linked(programs, tmp_path)


@pytest.fixture
def two(programs: Programs) -> Programs:
    """A1 is active in run 1 by program 1, and B1 in the same run by program 2, later."""
    for program, key in ((1, "A1"), (2, "B1")):
        programs.write(program, {key: "enrolled"})
        programs.write(program, {key: "active"}, run=1)
    return programs


LINKED, UNCHANGED, MERGED, TRANSFERRED = (
    (outcome, None) for outcome in ("linked", "unchanged", "merged", "transferred")
)


def test_a_waiting_learner_gets_a_user_and_again_nothing_changes(programs: Programs, linked: Linked) -> None:
    programs.write(1, {"A1": "enrolled"})
    assert linked.told(("A1", "ann")) == [LINKED]
    assert linked.told((" a1 ", "ANN")) == [UNCHANGED]
    assert linked.learners() == {"ann": ["A1"]}


def test_the_learner_of_the_user_takes_keys_and_rows_and_the_other_is_gone(two: Programs, linked: Linked) -> None:
    two.write(2, {"B1": "inactive"}, run=1, method="patch")
    linked(("A1", "ann"))
    (ann,) = two.rows("SELECT id FROM catalog.learner WHERE user_name = 'ann'")
    (other,) = two.rows("SELECT learner_id AS id FROM catalog.learner_key WHERE external_key = 'B1'")
    (row,) = linked(("B1", "Ann")).rows
    assert (row["outcome"], row["learner_id"], row["merged_from"]) == ("merged", ann["id"], other["id"])
    assert row["deactivated"] == []
    assert linked.learners() == {"ann": ["A1", "B1"]}
    assert linked.holders() == [("ann", 1, 1, "active"), ("ann", 2, 1, "inactive")]
    assert two.rows("SELECT count(*) AS n FROM catalog.course_enrollment") == [{"n": 1}]


def test_of_two_that_hold_a_run_the_one_active_earlier_stays_and_the_other_is_told(
    two: Programs, linked: Linked
) -> None:
    assert linked.told(("A1", "ann")) == [LINKED]
    (row,) = linked(("B1", "ann")).rows
    assert row["outcome"] == "merged"
    assert row["deactivated"] == [{"program": str(UUID(int=2)), "run": run_key(1), "kept_program": str(UUID(int=1))}]
    assert linked.holders() == [("ann", 1, 1, "active"), ("ann", 2, 1, "inactive")]
    assert two.rows("SELECT is_active FROM catalog.course_enrollment") == [{"is_active": True}]


def test_the_one_that_comes_stays_where_it_was_active_earlier(two: Programs, linked: Linked) -> None:
    assert linked.told(("B1", "ann"), ("A1", "ann")) == [LINKED, MERGED]
    assert linked.holders() == [("ann", 1, 1, "active"), ("ann", 2, 1, "inactive")]


def test_of_two_active_since_the_same_instant_the_lower_program_stays(two: Programs, linked: Linked) -> None:
    two.run_sql("UPDATE catalog.program_course_enrollment SET status_since = '2026-01-01'")
    assert linked.told(("B1", "ann"), ("A1", "ann")) == [LINKED, MERGED]
    assert linked.holders() == [("ann", 1, 1, "active"), ("ann", 2, 1, "inactive")]


def test_strict_lets_no_two_become_one_who_hold_a_run(two: Programs, linked: Linked) -> None:
    assert linked.told(("A1", "ann"), ("B1", "ann"), strict=True) == [LINKED, ("rejected", "conflict")]
    assert linked.learners() == {"ann": ["A1"], None: ["B1"]}
    assert linked.holders() == [("ann", 1, 1, "active"), (None, 2, 1, "active")]


def test_a_key_of_somebody_else_is_transferred_with_its_rows(two: Programs, linked: Linked) -> None:
    linked(("A1", "ann"), ("B1", "bob"))
    assert linked.told(("B1", "cat")) == [TRANSFERRED]
    assert linked.learners() == {"ann": ["A1"], "bob": [None], "cat": ["B1"]}
    assert linked.holders() == [("ann", 1, 1, "active"), ("cat", 2, 1, "active")]
    assert two.rows(
        "SELECT l.user_name, s.is_active FROM catalog.course_enrollment s JOIN catalog.learner l ON l.id = s.learner_id"
        " ORDER BY 1"
    ) == [{"user_name": "ann", "is_active": True}, {"user_name": "cat", "is_active": True}]


def test_a_transfer_leaves_the_paid_seat_with_who_paid(two: Programs, linked: Linked) -> None:
    linked(("B1", "bob"))
    two.run_sql(
        "UPDATE catalog.course_enrollment s SET mode = 'verified' FROM catalog.learner l"
        " WHERE l.id = s.learner_id AND l.user_name = 'bob'"
    )
    linked(("B1", "cat"))
    assert two.rows(
        "SELECT l.user_name, s.is_active, s.mode FROM catalog.course_enrollment s"
        " JOIN catalog.learner l ON l.id = s.learner_id WHERE l.user_name IS NOT NULL ORDER BY 1"
    ) == [
        {"user_name": "bob", "is_active": True, "mode": "verified"},
        {"user_name": "cat", "is_active": True, "mode": "masters"},
    ]


def test_a_merge_keeps_the_paid_mode(two: Programs, linked: Linked) -> None:
    linked(("A1", "ann"))
    two.run_sql(
        "UPDATE catalog.course_enrollment s SET mode = 'verified' FROM catalog.learner l"
        " WHERE l.id = s.learner_id AND l.user_name IS NULL"
    )
    linked(("B1", "ann"))
    assert two.rows("SELECT mode FROM catalog.course_enrollment") == [{"mode": "verified"}]


def test_a_key_that_nobody_has_is_noted_only_where_that_is_asked_for(linked: Linked) -> None:
    assert linked.told(("A1", "ann")) == [("rejected", "unknown_key")]
    assert linked.learners() == {}
    assert linked.told(("A1", "ann"), ("A2", "Ann"), create=True) == [LINKED, LINKED]
    assert linked.learners() == {"ann": ["A1", "A2"]}


def test_both_lines_of_a_key_with_two_users_are_refused(programs: Programs, linked: Linked) -> None:
    programs.write(1, {"A1": "enrolled", "A2": "enrolled"})
    repeated = ("rejected", "repeated")
    assert linked.told(("A1", "ann"), ("a1", "bob"), ("A2", "cat"), ("A2", "CAT")) == [
        repeated,
        repeated,
        LINKED,
        UNCHANGED,
    ]


def test_two_keys_with_one_curriculum_of_a_program_do_not_become_one_learner(
    programs: Programs, linked: Linked
) -> None:
    programs.write(1, {"A1": "enrolled", "A2": "pending"})
    assert linked.told(("A1", "ann"), ("A2", "ann")) == [LINKED, ("rejected", "two_keys_in_program")]
    assert linked.learners() == {"ann": ["A1"], None: ["A2"]}


WRONG: list[tuple[Any, str]] = [
    ({"user_name": "ann"}, "missing"),
    ({"external_key": " ", "user_name": "ann"}, "missing"),
    ({"external_key": "A1"}, "missing"),
    ("[1]", "missing"),
    ("{", "missing"),
    ({"external_key": "A" * 256, "user_name": "ann"}, "bad_key"),
    ({"external_key": "A\0", "user_name": "ann"}, "bad_key"),
    ('{"external_key": "A\\ud800", "user_name": "ann"}', "bad_key"),
    ({"external_key": 7, "user_name": "ann"}, "bad_key"),
    ({"external_key": "A1", "user_name": "a" * 151}, "bad_user_name"),
    ({"external_key": "A1", "user_name": "ann lee"}, "bad_user_name"),
    ({"external_key": "A1", "user_name": "ann\u2003lee"}, "bad_user_name"),
    ({"external_key": "A1", "user_name": "ann", "organization": "None"}, "unknown_organization"),
    ({"external_key": "A9", "user_name": "ann"}, "unknown_key"),
]


def test_a_wrong_line_is_refused_and_keeps_no_other_from_being_linked(programs: Programs, linked: Linked) -> None:
    programs.write(1, {"A1": "enrolled", "A2": "enrolled"})
    report = linked(*(wrong for wrong, _ in WRONG), ("A2", "bob"))
    rejected = [(row, "rejected", reason) for row, (_, reason) in enumerate(WRONG, 1)]
    assert [(row["row"], row["outcome"], row["reason"]) for row in report.rows] == [
        *rejected,
        (len(WRONG) + 1, "linked", None),
    ]
    assert all(row["message"] for row in report.rows[:-1])
    assert report.exit_code == 3


def test_a_line_without_organization_needs_one_for_all(programs: Programs, linked: Linked) -> None:
    programs.write(1, {"A1": "enrolled"})
    assert linked.told(("A1", "ann"), organization=None) == [("rejected", "missing")]
    line = {"external_key": "A1", "user_name": "ann", "organization": "gtx"}
    assert linked.told(line, organization=None) == [LINKED]
    with pytest.raises(UsageError, match="no organization None"):
        linked(("A1", "ann"), organization="None")


def test_a_dry_run_tells_the_same_and_writes_nothing(two: Programs, linked: Linked) -> None:
    lines = (("A1", "ann"), ("B1", "ann"), ("C1", "cat"))
    tried = linked(*lines, create=True, dry_run=True)
    assert linked.learners() == {None: ["A1", "B1"]}
    done = linked(*lines, create=True)
    assert tried.counts == done.counts
    assert tried.rows[:2] == done.rows[:2]
    assert (tried.rows[2]["learner_id"], done.rows[2]["learner_id"] is None) == (None, False)


def test_each_line_sees_what_the_earlier_ones_did(programs: Programs, linked: Linked) -> None:
    programs.write(1, {"A1": "enrolled"})
    programs.write(2, {"A2": "enrolled", "A3": "enrolled"})
    linked(("A3", "cat"))
    # ann gets A1; A2 makes her one with whom has it; A3 is taken from cat; then cat is bob's key no more.
    assert linked.told(("A1", "ann"), ("A2", "ann"), ("A3", "dan"), ("A4", "cat"), create=True) == [
        LINKED,
        MERGED,
        TRANSFERRED,
        LINKED,
    ]
    assert linked.learners() == {"ann": ["A1", "A2"], "dan": ["A3"], "cat": ["A4"]}


def test_csv_names_its_columns_in_the_first_line(programs: Programs, linked: Linked, tmp_path: Path) -> None:
    programs.write(1, {"A1": "enrolled"})
    file = tmp_path / "links.csv"
    file.write_text('external_key,user_name,organization\n A1 ,ann,GTx\n,,\nA9,bob\n"A1","b c",\n')
    report = link_file(programs.engine, file, LinkOptions("GTx"), programs.asked())
    assert [(row["row"], row["outcome"], row["reason"]) for row in report.rows] == [
        (2, "linked", None),
        (4, "rejected", "unknown_key"),
        (5, "rejected", "bad_user_name"),
    ]
    file.write_text("A1,ann\n")
    with pytest.raises(UsageError, match="lacks external_key and user_name"):
        link_file(programs.engine, file, LinkOptions("GTx"), programs.asked())


def test_a_merge_of_two_curricula_keeps_both(programs: Programs, linked: Linked) -> None:
    programs.insert("curriculum", program_id=programs.programs[1], uuid=CURRICULUM[2])
    items = [
        {"student_key": key, "status": "enrolled", "curriculum_uuid": str(CURRICULUM[number])}
        for key, number in (("A1", 1), ("A2", 2))
    ]
    programs.write(1, items)
    assert linked.told(("A1", "ann"), ("A2", "ann")) == [LINKED, MERGED]
    assert programs.rows("SELECT count(DISTINCT learner_id) AS n, count(*) AS m FROM catalog.program_enrollment") == [
        {"n": 1, "m": 2}
    ]
