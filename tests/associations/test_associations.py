"""Associations on the real database: planned, applied, set by hand, and safe from whoever else writes."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.catalog import Catalog, Upstream, course, lms_run, run

from catalog_pipeline.associations.manual import ManualChanges, read_file, set_courses, unset_courses
from catalog_pipeline.associations.planning import AssociationPlan, PlanChangedError, associate, plan
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError
from catalog_pipeline.queries.explain import explain


def planned(catalog: Catalog) -> AssociationPlan:
    with connected(catalog.engine) as connection:
        return plan(connection)


def outcomes(found: AssociationPlan | ManualChanges) -> dict[str, tuple[str, str | None]]:
    rows = found.rows() if isinstance(found, AssociationPlan) else found.rows
    return {row["run_key"]: (row["outcome"], row["course_key"]) for row in rows}


def set_course(catalog: Catalog, *pairs: tuple[str, str]) -> ManualChanges:
    wanted = pd.DataFrame([(n, *pair) for n, pair in enumerate(pairs, 1)], columns=["line", "run_key", "course_key"])
    return set_courses(catalog.engine, wanted, actor="cli:ann")


def test_each_run_gets_one_outcome_with_its_reason_and_a_plan_changes_nothing(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [
        course("A+1", run("course-v1:A+1+hand"), run("course-v1:A+1+HAND")),
        course("A+2", key_for_reruns="A+22"),
        course("A+3", key_for_reruns="A+33"),
        course("A+4", key_for_reruns="A+33"),
    ]
    upstream.lists["lms"] = [lms_run("library-v1:A+lib"), lms_run("nonsense")]
    catalog.refresh()
    catalog.refresh("lms")
    for key in (
        "course-v1:A+1+own",
        "course-v1:A+22+r",
        "course-v1:A+33+r",
        "course-v1:New+1+r",
        "what",
        "library-v1:A+x",
    ):
        catalog.add_run(key)
    set_course(catalog, ("course-v1:A+1+HAND", "A+3"))
    before = catalog.versions()
    found = planned(catalog)
    assert outcomes(found) == {
        "course-v1:A+1+HAND": ("kept_manual", "A+3"),
        "course-v1:A+1+hand": ("case_collision", None),
        "course-v1:A+1+own": ("linked_by_key", "A+1"),
        "course-v1:A+22+r": ("linked_by_key", "A+2"),
        "course-v1:A+33+r": ("ambiguous", None),
        "course-v1:New+1+r": ("course_created", "New+1"),
        "what": ("invalid_key", None),
        "nonsense": ("invalid_key", None),
        "library-v1:A+x": ("not_a_course", None),
        "library-v1:A+lib": ("not_a_course", None),
    }
    assert all(row["reason"] for row in found.rows())
    assert catalog.versions() == before


def test_a_run_that_a_source_could_not_bring_but_somebody_inserted_has_one_outcome(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["lms"] = [lms_run("nonsense")]
    catalog.refresh("lms")
    assert planned(catalog).counts == {"invalid_key": 1}
    catalog.add_run("nonsense")
    assert planned(catalog).counts == {"invalid_key": 1}


def test_applying_does_the_plan_and_is_nothing_the_second_time(catalog: Catalog) -> None:
    for key in ("course-v1:A+1+r", "course-v1:a+1+s", "course-v1:B+2+r"):
        catalog.add_run(key)
    catalog.add_run("junk")
    foreseen = planned(catalog)
    report, done = associate(catalog.engine)
    assert done.rows() == foreseen.rows()
    assert report.counts["catalog.organization"] == {"created": 2}
    assert report.counts["catalog.catalog_course"] == {"created": 2}
    assert report.counts["catalog.run_association"] == {"created": 3, "rejected": 1}
    assert catalog.rejects() == [("junk", "run_key", "invalid_key")]
    before = catalog.versions()
    again, plan_again = associate(catalog.engine)
    assert not again.counts["catalog.run_association"]
    assert plan_again.counts == {"already_linked": 3, "invalid_key": 1}
    assert catalog.versions() == before
    assert len(catalog.rejects()) == 1


def test_a_plan_that_has_changed_meanwhile_is_refused_whole(catalog: Catalog) -> None:
    catalog.add_run("course-v1:A+1+r")
    digest = planned(catalog).digest
    catalog.add_run("course-v1:B+1+r")
    with pytest.raises(PlanChangedError, match=digest):
        associate(catalog.engine, expected=digest)
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": None, "course-v1:B+1+r": None}
    associate(catalog.engine, expected=planned(catalog).digest)
    assert None not in catalog.courses_of_runs().values()


def test_an_association_by_key_follows_a_course_that_comes_to_claim_its_reruns(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["lms"] = [lms_run("course-v1:A+new+r")]
    catalog.refresh("lms")
    upstream.courses = [course("A+old", key_for_reruns="A+new")]
    catalog.refresh()
    found = catalog.associate()
    assert outcomes(found) == {"course-v1:A+new+r": ("linked_by_key", "A+old")}
    assert found.rows()[0]["previous_course_key"] == "A+new"
    assert catalog.value("SELECT count(*) FROM catalog.catalog_course WHERE key = 'A+new'") == 1


def test_what_a_person_sets_survives_every_sync_until_it_is_unset(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r")), course("A+2"), course("B+1")]
    catalog.refresh()
    said = set_course(catalog, ("course-v1:A+1+r", "b+1"))
    assert outcomes(said) == {"course-v1:A+1+r": ("set", "B+1")}
    assert "moves from A to B" in said.rows[0]["reason"]
    upstream.courses[0] |= {"title": "Other"}
    catalog.refresh()
    catalog.associate()
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": "B+1"}
    assert set_course(catalog, ("course-v1:A+1+r", "B+1")).counts == {"already_set": 1}
    unset = unset_courses(catalog.engine, ["COURSE-v1:A+1+R"], actor="cli:ann")
    assert outcomes(unset) == {"course-v1:A+1+r": ("linked_by_discovery", "A+1")}
    assert unset.rows[0]["previous_course_key"] == "B+1"
    assert unset_courses(catalog.engine, ["course-v1:A+1+r"], actor="cli:ann").counts == {"not_manual": 1}
    actors = catalog.rows(
        "SELECT DISTINCT actor FROM ops.change_event WHERE entity = 'run_association' AND actor LIKE 'cli:%'"
    )
    assert actors == [("cli:ann",)]


def test_a_run_that_nobody_can_place_has_no_course_when_it_is_unset(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", key_for_reruns="A+9"), course("A+2", key_for_reruns="A+9")]
    catalog.refresh()
    catalog.add_run("course-v1:A+9+r")
    set_course(catalog, ("course-v1:A+9+r", "A+1"))
    unset = unset_courses(catalog.engine, ["course-v1:A+9+r"], actor="cli:ann")
    assert outcomes(unset) == {"course-v1:A+9+r": ("ambiguous", None)}
    assert catalog.rejects() == [("course-v1:A+9+r", "run_key", "ambiguous")]
    set_course(catalog, ("course-v1:A+9+r", "A+1"))
    catalog.associate()
    assert catalog.rejects() == []


def test_a_wrong_line_is_told_and_the_right_ones_are_written(catalog: Catalog, upstream: Upstream) -> None:
    archived = course("A+old", additional_metadata={"product_status": "archived"})
    upstream.courses = [course("A+1", run("course-v1:A+1+r"), run("course-v1:A+1+s")), archived]
    catalog.refresh()
    said = set_course(
        catalog,
        ("course-v1:A+1+r", "A+old"),
        ("course-v1:A+1+none", "A+1"),
        ("course-v1:A+1+s", "A+none"),
        ("course-v1:a+1+R", "A+1"),
    )
    assert [row["outcome"] for row in said.rows] == ["set", "unknown_run", "unknown_course", "conflicting_line"]
    assert said.rows[0]["reason"] == "Set by hand. The course is archived."
    assert "Line 1 " in said.rows[3]["reason"]
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": "A+old", "course-v1:A+1+s": "A+1"}


def test_of_a_file_of_ten_thousand_lines_three_wrong_ones_are_told_with_their_lines(
    catalog: Catalog, tmp_path: Path
) -> None:
    catalog.execute("""
        INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
        SELECT 'course-v1:A+1+r' || n, 'A', '1', 'r' || n, 'Run', 'published' FROM generate_series(1, 10000) n""")
    catalog.add_run("course-v1:B+2+r")
    catalog.associate()
    file = tmp_path / "associations.csv"
    with file.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.writer(out)
        writer.writerow(["run_key", "course_key", "note"])
        for number in range(1, 10_001):
            wrong = {5000: ("course-v1:A+1+none", "B+2"), 7000: ("course-v1:A+1+r7000", ""), 10_000: ("", "B+2")}
            writer.writerow([*wrong.get(number, (f"course-v1:A+1+r{number}", "B+2")), "x"])
    said = set_courses(catalog.engine, read_file(file), actor="cli:ann")
    assert said.counts == {"set": 9_997, "unknown_run": 2, "unknown_course": 1}
    wrong_lines = {row["line"]: row["outcome"] for row in said.rows if row["outcome"] != "set"}
    assert wrong_lines == {5001: "unknown_run", 7001: "unknown_course", 10_001: "unknown_run"}
    assert catalog.value("SELECT count(*) FROM catalog.run WHERE association_source = 'manual'") == 9_997


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"run,course\n", "no column course_key, run_key"),
        (b"", "no column"),
        (b"run_key,course_key\n\xff\xfe\n", "cannot be read"),
        (b"run_key,course_key\ncourse-v1:A+1+r\x00,A+1\n", "cannot be read: it has NUL"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_none_says_what_is_needed(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "associations.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read_file(file)
    assert str(file) in str(caught.value)


def test_two_people_at_once_are_one_after_the_other(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r")), course("A+2"), course("A+3")]
    catalog.refresh()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(set_course, catalog, ("course-v1:A+1+r", key)) for key in ("A+2", "A+3")]
    said = [one.result().rows[0] for one in both]
    first, second = sorted(said, key=lambda row: row["previous_course_key"] != "A+1")
    assert second["previous_course_key"] == first["course_key"]
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": second["course_key"]}


def test_eight_writers_that_make_the_same_organization_at_once_do_not_fail(catalog: Catalog) -> None:
    def write(number: int) -> None:
        catalog.add_run(f"course-v1:NewOrg+{number % 3}+r{number}")
        catalog.associate()

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(write, number) for number in range(24)]
    assert [one.result() for one in done] == [None] * 24
    assert catalog.rows("SELECT key FROM catalog.organization") == [("NewOrg",)]
    assert catalog.value("SELECT count(*) FROM catalog.catalog_course") == 3
    assert None not in catalog.courses_of_runs().values()


def test_what_another_writer_made_since_the_plan_is_taken_as_it_is(catalog: Catalog) -> None:
    """Its course is there, under another key: the run stays without one, and the next plan finds it."""
    catalog.add_run("course-v1:A+1+r")
    with connected(catalog.engine) as other:
        other.execute(text("INSERT INTO catalog.organization (key, name) VALUES ('a', 'Early')"))
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(catalog.associate)
            other.execute(
                text("""INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
                        SELECT id, '1', 'Early+1', 'Early' FROM catalog.organization WHERE key = 'a'""")
            )
            _wait_for_a_lock(catalog)
            other.commit()
            late.result()
    catalog.associate()
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": "Early+1"}


def test_what_a_person_sets_with_psql_since_the_plan_stands(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", key_for_reruns="A+9"), course("B+1")]
    catalog.add_run("course-v1:A+9+r")
    catalog.associate()
    catalog.refresh()
    assert outcomes(planned(catalog)) == {"course-v1:A+9+r": ("linked_by_key", "A+1")}
    with connected(catalog.engine) as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            text("""UPDATE catalog.run_association SET source = 'manual',
                    catalog_course_id = (SELECT id FROM catalog.catalog_course WHERE key = 'B+1')""")
        )
        late = pool.submit(catalog.associate)
        _wait_for_a_lock(catalog)
        other.commit()
        late.result()
    assert catalog.courses_of_runs() == {"course-v1:A+9+r": "B+1"}
    assert outcomes(planned(catalog)) == {"course-v1:A+9+r": ("kept_manual", "B+1")}


def _wait_for_a_lock(catalog: Catalog) -> None:
    for _ in range(200):
        if catalog.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            return
        catalog.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("nobody waits")


def test_a_document_that_spells_a_runs_key_in_other_letters_is_among_those_that_touched_it(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r"))]
    upstream.lists["lms"] = [lms_run("course-v1:A+1+R")]
    catalog.refresh()
    catalog.refresh("lms")
    with connected(catalog.engine) as connection:
        found = explain(connection, "course-v1:A+1+r")
    assert {other["source"] for other in found["other_values"]} == {"lms"}
    assert {document["source"] for document in found["documents"]} == {"discovery", "lms"}


def test_a_course_with_runs_cannot_be_deleted_and_the_end_of_its_last_run_does_not_delete_it(catalog: Catalog) -> None:
    catalog.add_run("course-v1:A+1+r")
    catalog.associate()
    with pytest.raises(IntegrityError, match="run_association_catalog_course_id_fkey"):
        catalog.execute("DELETE FROM catalog.catalog_course")
    catalog.execute("DELETE FROM catalog.course_run")
    assert catalog.rows("SELECT key FROM catalog.catalog_course") == [("A+1",)]
