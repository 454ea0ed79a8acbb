"""What a load makes of upstream's documents, end to end: over HTTP, through landing, into the tables."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from support.catalog import Catalog, Upstream, course, lms_run, organization, program, run, uuid_of

from catalog_pipeline.errors import ExitCode, LoadRefusedError

R1, R2, R3 = (f"course-v1:A+1+r{n}" for n in (1, 2, 3))


def test_a_course_arrives_with_its_organization_runs_and_associations(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["organizations"] = [organization("A")]
    upstream.courses = [course("A+1", run(R1), run(R2, status="unpublished")), course("A+2")]
    report = catalog.refresh()
    assert catalog.rows("SELECT key, title, status, topic, language FROM catalog.catalog_course ORDER BY key") == [
        ("A+1", "Course A+1", "published", "Mathematics", "en-us"),
        ("A+2", "Course A+2", "draft", "Mathematics", None),
    ]
    assert catalog.rows(
        "SELECT run_key, course_key, organization_key, association_source FROM catalog.run ORDER BY 1"
    ) == [
        (R1, "A+1", "A", "discovery"),
        (R2, "A+1", "A", "discovery"),
    ]
    assert catalog.rows("SELECT start, price, currency FROM catalog.course_run WHERE run_key = :k", k=R1) == [
        (datetime(2026, 1, 1, tzinfo=UTC), 150, "USD")
    ]
    assert report.counts["catalog.course_run"] == Counter(created=2)
    assert report.exit_code == ExitCode.DONE


def test_an_unchanged_upstream_costs_no_writes(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["organizations"] = [organization("A")]
    upstream.courses = [course("A+1", run(R1, variant_id=uuid_of("v"))), course("a+1"), course("B+1", run("bad key"))]
    upstream.lists["programs"] = [program("P", "A+1", "Z+9")]
    catalog.refresh()
    before = catalog.versions()
    upstream.courses[0]["modified"] = "2026-05-05T00:00:00Z"
    upstream.courses[0]["course_runs"][0]["enrollment_count"] = 9
    assert catalog.refresh().documents == 0
    assert catalog.versions() == before


def test_deciding_everything_anew_writes_nothing_new(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["organizations"] = [organization("A")]
    upstream.courses = [course("A+1", run(R1, variant_id=uuid_of("v"))), course("a+1", run(R2))]
    upstream.lists["programs"] = [program("P", "A+1", "Z+9")]
    first = catalog.refresh()
    before = [row for row in catalog.versions() if row[0] != "landing.document"]
    catalog.execute("UPDATE landing.document SET settled_rules = 0")
    again = catalog.refresh()
    assert [row for row in catalog.versions() if row[0] != "landing.document"] == before
    assert again.changed == 0
    assert {t: sum(c.values()) for t, c in again.counts.items() if c} == {
        t: sum(c.values()) for t, c in first.counts.items() if c
    }


def test_what_moved_upstream_moves_here_and_nothing_else(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1), run(R2)), course("A+2")]
    catalog.refresh()
    before = {row[:2]: row[2] for row in catalog.versions()}
    upstream.courses[0]["course_runs"][0]["end"] = "2026-07-01T00:00:00Z"
    report = catalog.refresh()
    after = {row[:2]: row[2] for row in catalog.versions()}
    assert Counter(table for (table, _), xmin in after.items() if before[table, _] != xmin) == Counter(
        {"catalog.course_run": 1, "landing.document": 1}
    )
    assert report.counts["catalog.course_run"] == Counter(updated=1, unchanged=1)


BAD_DOCUMENTS: dict[str, tuple[dict[str, Any], tuple[str | None, str | None, str]]] = {
    "without a key": ({**course("A+1"), "key": None}, (None, "key", "missing")),
    "a number for a title": (course("A+1", title=7), ("A+1", "title", "not_text")),
    "a text for a list": (course("A+1", owners="A"), (None, None, "wrong_shape")),
    "an unparsable date": (course("A+1", run(R1, start="tomorrow")), (R1, "start", "not_an_instant")),
    "a date without a zone": (course("A+1", run(R1, start="2026-01-01T00:00:00")), (R1, "start", "not_an_instant")),
    "a month too many": (course("A+1", run(R1, start="2026-13-01T00:00:00Z")), (R1, "start", "not_an_instant")),
    "an end before its start": (course("A+1", run(R1, end="2025-01-01T00:00:00Z")), (R1, "end", "end_before_start")),
    "a negative price": (
        course("A+1", run(R1, seats=[{"price": "-1.00", "currency": "USD"}])),
        (R1, "price", "too_small"),
    ),
    "a price in words": (
        course("A+1", run(R1, seats=[{"price": "free", "currency": "USD"}])),
        (R1, "price", "not_an_amount"),
    ),
    "an unknown status": (course("A+1", run(R1, status="live")), (R1, "status", "unknown_value")),
    "an over-long title": (course("A+1", title="x" * 256), ("A+1", "title", "wrong_length")),
    "a NUL character": (course("A+1", title="a\0b"), ("A+1", "title", "not_text")),
    "half a surrogate pair": (course("A+1", title="HALF"), ("A+1", "title", "not_text")),
    "a run key that is none": (course("A+1", run("A+1+r1")), ("A+1+r1", "run_key", "invalid_key")),
    "a variant that is no uuid": (course("A+1", run(R1, variant_id="v1")), (R1, "variant_id", "wrong_form")),
    "a course key of three parts": (course("A+1+2"), ("A+1+2", "key", "wrong_form")),
    "a price that is no number": (
        course("A+1", run(R1, seats=[{"price": "sNaN", "currency": "USD"}])),
        (R1, "price", "not_an_amount"),
    ),
    "an instant before year one": (
        course("A+1", run(R1, start="0000-01-01T00:00:00Z")),
        (R1, "start", "not_an_instant"),
    ),
    "a newline after a uuid": (course("A+1", uuid=uuid_of("A+1") + "\n"), ("A+1", "uuid", "wrong_form")),
    "an invisible character in a key": (course("A+1\u200b"), ("A+1\u200b", "key", "wrong_form")),
    "a course key of the old form with three parts": (course("A/1/2"), ("A/1/2", "key", "wrong_form")),
    "a course key with a slash and a plus": (course("A/1+2"), ("A/1+2", "key", "wrong_form")),
    "a restriction nobody knows": (
        course("A+1", run(R1, restriction_type="custom")),
        (R1, "restriction_type", "unknown_value"),
    ),
}


@pytest.mark.parametrize("what", BAD_DOCUMENTS)
def test_a_bad_document_is_rejected_and_the_rest_goes_on(catalog: Catalog, upstream: Upstream, what: str) -> None:
    document, reject = BAD_DOCUMENTS[what]
    upstream.courses = [document, course("B+1", run("course-v1:B+1+r"))]
    report = catalog.refresh()
    assert catalog.rejects() == [reject]
    assert catalog.courses_of_runs() == {"course-v1:B+1+r": "B+1"}
    assert (report.documents, report.rejected_documents) == (2, 1)
    assert report.exit_code == ExitCode.SOME_ROWS_LEFT


BAD_KEYS_FOR_RERUNS: dict[Any, str] = {
    "A+" + "x" * 300: "wrong_length",
    "A": "wrong_form",
    "A+1+2": "wrong_form",
    "A/1/2": "wrong_form",
    "A/1+2": "wrong_form",
    "A +1": "wrong_form",
    "A/": "wrong_form",
    7: "not_text",
}


@pytest.mark.parametrize("value", BAD_KEYS_FOR_RERUNS)
def test_a_key_for_reruns_that_is_no_key_is_left_out_and_its_course_stays(
    catalog: Catalog, upstream: Upstream, value: Any
) -> None:
    upstream.courses = [course("A+1", run(R1), key_for_reruns=value)]
    report = catalog.refresh()
    assert catalog.rejects() == [("A+1", "key_for_reruns", BAD_KEYS_FOR_RERUNS[value])]
    assert catalog.rows("SELECT key, status, key_for_reruns FROM catalog.catalog_course") == [
        ("A+1", "published", None)
    ]
    assert catalog.courses_of_runs() == {R1: "A+1"}
    assert (report.rejected_documents, report.counts["catalog.catalog_course"]) == (0, Counter(created=1))
    upstream.courses = [course("A+1", run(R1), key_for_reruns="A+2")]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.value("SELECT key_for_reruns FROM catalog.catalog_course") == "A+2"


@pytest.mark.parametrize("value", ["Old+9", "Old/9", " Old+9\n", "\tOld/9 ", "\u00a0Old+9"])
def test_a_key_for_reruns_with_a_slash_or_blanks_claims_the_runs_that_it_means(
    catalog: Catalog, upstream: Upstream, value: str
) -> None:
    upstream.courses = [course("A+1", key_for_reruns=value)]
    upstream.lists["lms"] = [lms_run("course-v1:Old+9+r"), lms_run("Old/9/r2")]
    catalog.refresh()
    catalog.refresh("lms")
    assert catalog.rejects() == []
    assert catalog.value("SELECT key_for_reruns FROM catalog.catalog_course") == "Old+9"
    assert catalog.courses_of_runs() == {"course-v1:Old+9+r": "A+1", "Old/9/r2": "A+1"}


def test_blanks_are_no_key_for_reruns(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", key_for_reruns="  ")]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.value("SELECT key_for_reruns FROM catalog.catalog_course") is None


def test_a_course_key_with_a_slash_is_kept_with_a_plus(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("edX/SlashX", run("edX/SlashX/2014"), owners=[organization("edX")])]
    upstream.lists["programs"] = [program("P", "edX/SlashX")]
    upstream.lists["programs"][0]["courses"][0]["uuid"] = None
    upstream.lists["lms"] = [lms_run("course-v1:edX+SlashX+2015")]
    catalog.refresh()
    catalog.refresh("lms")
    assert catalog.rejects() == []
    assert catalog.rows(
        "SELECT c.key, c.course_code, o.key FROM catalog.catalog_course c"
        " JOIN catalog.organization o ON o.id = c.organization_id"
    ) == [("edX+SlashX", "SlashX", "edX")]
    assert catalog.courses_of_runs() == {"edX/SlashX/2014": "edX+SlashX", "course-v1:edX+SlashX+2015": "edX+SlashX"}
    assert catalog.value("SELECT count(*) FROM catalog.program_course") == 1


def test_a_document_that_is_no_object_is_rejected(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = ["oops", None, course("A+1")]
    assert catalog.refresh().rejected_documents == 2
    assert catalog.rejects() == [(None, None, "wrong_shape")] * 2


def test_all_reasons_of_a_document_are_told(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1, status="live", start="x"), run(R2, pacing_type="fast"), title="")]
    catalog.refresh()
    assert catalog.rejects() == [
        ("A+1", "title", "missing"),
        (R1, "start", "not_an_instant"),
        (R1, "status", "unknown_value"),
        (R2, "pacing", "unknown_value"),
    ]
    assert catalog.value("SELECT message FROM ops.rejected_record WHERE rule = 'not_an_instant'").startswith(
        "start is not an instant with its zone"
    )


def test_a_rejected_document_leaves_standing_what_stood_and_a_corrected_one_clears_its_reject(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", run(R1), run(R2))]
    catalog.refresh()
    upstream.courses = [course("A+1", run(R1, status="live"), title="New")]
    catalog.refresh()
    assert catalog.rows("SELECT title, status FROM catalog.catalog_course") == [("Course A+1", "published")]
    assert catalog.value("SELECT count(*) FROM catalog.course_run WHERE missing_since IS NULL") == 2
    upstream.courses = [course("A+1", run(R1), title="New")]
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.value("SELECT title FROM catalog.catalog_course") == "New"
    assert catalog.value("SELECT status FROM catalog.course_run WHERE run_key = :k", k=R2) == "archived"


def test_a_run_re_pointed_to_another_course_moves(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1), run(R2)), course("A+101")]
    catalog.refresh()
    upstream.courses = [course("A+1", run(R1)), course("A+101", run(R2))]
    catalog.refresh()
    assert catalog.courses_of_runs() == {R1: "A+1", R2: "A+101"}
    assert catalog.value("SELECT status FROM catalog.course_run WHERE run_key = :k", k=R2) == "published"


def test_a_manual_association_survives_every_crawl(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run(R1)), course("B+1")]
    catalog.refresh()
    catalog.execute("""
        UPDATE catalog.run_association SET source = 'manual',
            catalog_course_id = (SELECT id FROM catalog.catalog_course WHERE key = 'B+1')""")
    upstream.courses[0]["title"] = "Moved"
    catalog.refresh()
    assert catalog.courses_of_runs() == {R1: "B+1"}


def test_the_run_that_starts_last_keeps_a_variant_that_several_name(catalog: Catalog, upstream: Upstream) -> None:
    variant = uuid_of("variant")
    upstream.courses = [
        course("A+1", run(R1, variant_id=variant), run(R2, variant_id=variant, start="2026-02-01T00:00:00Z"))
    ]
    catalog.refresh()
    holder = "SELECT r.run_key FROM catalog.course_variant v JOIN catalog.course_run r ON r.id = v.course_run_id"
    assert catalog.rows(holder) == [(R2,)]
    assert catalog.rejects() == [(R1, "variant_id", "variant_conflict")]
    upstream.courses[0]["course_runs"][0]["start"] = "2026-03-01T00:00:00Z"
    catalog.refresh()
    assert catalog.rows(holder) == [(R1,)]


def test_a_variant_moves_to_a_run_of_another_document_that_starts_later(catalog: Catalog, upstream: Upstream) -> None:
    variant = uuid_of("variant")
    upstream.courses = [course("A+1", run(R1, variant_id=variant)), course("B+1")]
    catalog.refresh()
    upstream.courses[1] = course("B+1", run("course-v1:B+1+r", variant_id=variant, start="2026-05-01T00:00:00Z"))
    catalog.refresh()
    assert catalog.rows("SELECT run_key FROM catalog.run WHERE variant_id IS NOT NULL") == [("course-v1:B+1+r",)]


@pytest.mark.parametrize(
    ("known", "owners", "expected"),
    [(["Key"], ["Own"], "Key"), ([], ["Own", "Key"], "Key"), ([], ["Own", "Other"], "Own"), ([], [], "Key")],
)
def test_the_organization_is_the_keys_else_the_first_owner_else_made_from_the_key(
    catalog: Catalog, upstream: Upstream, known: list[str], owners: list[str], expected: str
) -> None:
    upstream.lists["organizations"] = [organization(key) for key in known]
    upstream.courses = [course("Key+1", owners=[organization(key) for key in owners])]
    catalog.refresh()
    query = "SELECT o.key FROM catalog.catalog_course c JOIN catalog.organization o ON o.id = c.organization_id"
    assert catalog.rows(query) == [(expected,)]


def test_what_upstream_no_longer_lists_is_archived_and_returns_when_listed_again(
    catalog: Catalog, upstream: Upstream
) -> None:
    documents = [course("A+1", run(R1)), course("A+2", run(R2))]
    upstream.courses = documents[:]
    catalog.refresh()
    upstream.courses = documents[:1]
    catalog.refresh()
    gone = "SELECT status, missing_since IS NOT NULL FROM catalog.{} WHERE {} = :key"
    assert catalog.rows(gone.format("catalog_course", "key"), key="A+2") == [("archived", True)]
    assert catalog.rows(gone.format("course_run", "run_key"), key=R2) == [("archived", True)]
    upstream.courses = documents
    catalog.refresh()
    assert catalog.rows(gone.format("catalog_course", "key"), key="A+2") == [("published", False)]
    assert catalog.rows(gone.format("course_run", "run_key"), key=R2) == [("published", False)]


def test_a_load_of_mostly_bad_documents_is_refused_whole(catalog: Catalog, upstream: Upstream) -> None:
    catalog.settings = catalog.settings.model_copy(update={"reject_share": 0.5})
    upstream.courses = [course("A+1", title=None), course("A+2", title=None), course("A+3")]
    with pytest.raises(LoadRefusedError, match=r"2 of the 3 documents .*title missing \(2\)"):
        catalog.refresh()
    assert catalog.value("SELECT count(*) FROM catalog.catalog_course") == 0
    assert catalog.value("SELECT outcome FROM ops.load") == "refused"
    upstream.courses[0]["title"] = "Better"
    assert catalog.refresh().counts["catalog.catalog_course"]["created"] == 2


def test_a_programs_unknown_course_is_a_reject_until_it_appears(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1")]
    upstream.lists["programs"] = [program("P", "A+1", "A+2")]
    catalog.refresh()
    assert catalog.rejects() == [("A+2", "course_key", "unknown_course")]
    upstream.courses.append(course("A+2"))
    catalog.refresh()
    catalog.refresh()
    assert catalog.rejects() == []
    assert catalog.rows(
        "SELECT c.key, p.position FROM catalog.program_course p JOIN catalog.catalog_course c"
        " ON c.id = p.catalog_course_id ORDER BY 2"
    ) == [("A+1", 1), ("A+2", 2)]


def test_a_course_taken_out_of_a_program_is_taken_out(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1"), course("A+2")]
    upstream.lists["programs"] = [program("P", "A+1", "A+2")]
    catalog.refresh()
    upstream.lists["programs"] = [program("P", "A+2", status="retired")]
    catalog.refresh()
    assert catalog.rows("SELECT position FROM catalog.program_course") == [(1,)]
    assert catalog.rows("SELECT status FROM catalog.program") == [("retired",)]


def test_counts_add_up_to_the_rows_that_upstream_sent(catalog: Catalog, upstream: Upstream) -> None:
    twice = run(R1)
    upstream.courses = [
        course("A+1", twice, twice, run(R2)),
        course("B+1", twice),
        course("C+1", run(R3, status="live"), run("course-v1:C+1+r")),
    ]
    report = catalog.refresh()
    assert report.counts["catalog.course_run"] == Counter(created=2, duplicate=1, rejected=3)
    stored = catalog.rows("SELECT table_name, outcome, n FROM ops.load_count")
    assert sorted(stored) == sorted((t, o, n) for t, counts in report.counts.items() for o, n in counts.items())


def test_without_discovery_runs_come_from_the_lms_and_courses_from_their_keys(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.lists["lms"] = [
        lms_run("course-v1:Org+C1+r1", start="2026-02-05T05:00:00Z", start_type="timestamp"),
        lms_run("course-v1:org+c1+r2", hidden=True),
        lms_run("Org/C2/r"),
        lms_run("ccx-v1:Org+C1+r1+ccx@1"),
        lms_run("library-v1:Org+Lib"),
        lms_run("course-v1:Org+C3+r+branch@draft-branch", start="2030-01-01T00:00:00Z"),
    ]
    report = catalog.refresh("lms")
    assert catalog.courses_of_runs() == {
        "course-v1:Org+C1+r1": "Org+C1",
        "course-v1:org+c1+r2": "Org+C1",
        "Org/C2/r": "Org+C2",
        "ccx-v1:Org+C1+r1+ccx@1": "Org+C1",
        "course-v1:Org+C3+r": "Org+C3",
    }
    assert catalog.rows("SELECT key, status FROM catalog.catalog_course ORDER BY 1") == [
        ("Org+C1", "published"),
        ("Org+C2", "published"),
        ("Org+C3", "published"),
    ]
    assert catalog.rejects() == [("library-v1:Org+Lib", "run_key", "not_a_course")]
    assert report.counts["catalog.organization"] == Counter(created=1)
    assert catalog.value("SELECT start FROM catalog.course_run WHERE key_course = 'C3'") is None


def test_the_lms_does_not_touch_what_discovery_lists_and_takes_it_over_when_discovery_drops_it(
    catalog: Catalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", run(R1, variant_id=uuid_of("v")), run(R2))]
    upstream.lists["lms"] = [lms_run(R1), lms_run(R3)]
    catalog.refresh()
    assert catalog.refresh("lms").counts["catalog.course_run"] == Counter(created=1, unchanged=1)
    assert catalog.value("SELECT count(*) FROM catalog.course_variant") == 1
    title = "SELECT title FROM catalog.course_run WHERE run_key = :key"
    assert catalog.value(title, key=R1) == f"Run {R1}"
    assert catalog.courses_of_runs()[R3] == "A+1"
    upstream.courses = [course("A+1", run(R2))]
    catalog.refresh()
    catalog.refresh("lms")
    assert catalog.rows("SELECT title, status FROM catalog.course_run WHERE run_key = :key", key=R1) == [
        (f"LMS {R1}", "published")
    ]


def test_key_for_reruns_goes_before_a_course_of_the_runs_own_key(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+old", key_for_reruns="A+new"), course("A+new")]
    upstream.lists["lms"] = [lms_run("course-v1:A+new+r")]
    catalog.refresh()
    catalog.refresh("lms")
    assert catalog.courses_of_runs() == {"course-v1:A+new+r": "A+old"}


def test_two_courses_that_claim_a_runs_key_leave_it_to_be_decided(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", key_for_reruns="A+n"), course("A+2", key_for_reruns="A+n")]
    upstream.lists["lms"] = [lms_run("course-v1:A+n+r")]
    catalog.refresh()
    catalog.refresh("lms")
    assert catalog.courses_of_runs() == {"course-v1:A+n+r": None}
    assert catalog.rejects() == [("course-v1:A+n+r", "run_key", "ambiguous")]


def test_a_course_made_from_a_key_is_adopted_when_discovery_lists_it(catalog: Catalog, upstream: Upstream) -> None:
    upstream.lists["lms"] = [lms_run("course-v1:a+1+r")]
    catalog.refresh("lms")
    upstream.courses = [course("A+1", run(R1))]
    catalog.refresh()
    assert catalog.rows("SELECT key, title FROM catalog.catalog_course") == [("A+1", "Course A+1")]
    assert set(catalog.courses_of_runs().values()) == {"A+1"}
