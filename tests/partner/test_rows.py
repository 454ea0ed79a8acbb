"""What becomes of each row of a feed: the rules of deciding, end to end, from the file to the tables."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.catalog import Upstream, course, run
from support.feeds import NOW, FedCatalog, fed, json_of, presented, product, variant

from catalog_pipeline.database.engine import connected
from catalog_pipeline.partner.configuration import SHIPPED
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.queries.history import history

Cells = dict[str, Any]


def changed(found: Any, number: int = 0) -> dict[str, Any]:
    return found["rows"][number]["changes"]


def test_a_new_product_arrives_with_its_course_runs_variants_and_associations(fed_catalog: FedCatalog) -> None:
    found = fed_catalog.feed(fed("1", "v"), fed("1", "w", "2026-10-01"))
    assert [row["outcome"] for row in found["rows"]] == ["new_product", "new_variant"]
    assert fed_catalog.runs() == [
        ("2T2026", "2026-07-01", variant("v"), "published"),
        ("3T2026", "2026-10-01", variant("w"), "published"),
    ]
    assert fed_catalog.courses_of_runs() == {"course-v1:A+1+2T2026": "A+1", "course-v1:A+1+3T2026": "A+1"}
    assert fed_catalog.rows("""
        SELECT key, title, short_description, topic, language, course_type, product_source, external_identifier, status
        FROM catalog.catalog_course""") == [
        ("A+1", "Course 1", "<p>Short</p>", "Computer Science", "en-us", "executive-education-2u", "2u", "id 1",
         "published")
    ]  # fmt: skip
    assert fed_catalog.value("SELECT price FROM catalog.course_run LIMIT 1") == 2400


def test_the_same_rows_in_a_new_file_are_unchanged_and_write_nothing(fed_catalog: FedCatalog) -> None:
    rows = [fed("1", "v"), fed("1"), fed("2", start="2026-10-01"), fed("2", "w", restriction_type="custom-b2c")]
    fed_catalog.feed(*rows)
    before, events = fed_catalog.written(), fed_catalog.value("SELECT count(*) FROM ops.change_event")
    found = fed_catalog.feed(*rows, fed("3", "v"))
    assert [row["outcome"] for row in found["rows"]] == ["unchanged"] * 4 + ["rejected"]
    assert fed_catalog.written() == before
    assert fed_catalog.value("SELECT count(*) FROM ops.change_event") == events


def test_every_row_has_one_outcome_and_they_sum_to_the_rows_of_the_file(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    again, bad = fed("3", "y"), fed("4", variant_id="bad")
    found = fed_catalog.feed(fed("1", "v"), fed("2", "w", verified_price="2500"), fed("3", "x"), again, again, bad)
    assert [row["outcome"] for row in found["rows"]] == [
        *("unchanged", "updated", "new_product", "new_variant", "rejected", "rejected")
    ]
    counted = Counter(row["outcome"] for row in found["rows"])
    assert found["counts"] == {"rows": 6, **counted, "deferred": 0, "archived": 0, "reactivated": 0}
    assert [row["row"] for row in found["rows"]] == [2, 3, 4, 5, 6, 7]


def test_a_variant_on_a_run_of_the_course_updates_that_run_dates_included(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    found = fed_catalog.feed(fed("1", "v", "2026-11-01"))
    assert found["rows"][0]["outcome"] == "updated"
    assert changed(found) == {
        "start": ["2026-07-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"],
        "end": ["2026-08-30T00:00:00+00:00", "2026-12-31T00:00:00+00:00"],
        "enrollment_end": ["2026-07-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"],
    }
    assert fed_catalog.runs() == [("2T2026", "2026-11-01", variant("v"), "published")]


def test_a_variant_on_another_courses_run_is_a_conflict_that_names_the_run(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    found = fed_catalog.feed(fed("2", "v"))
    error = found["rows"][0]["errors"][0]
    assert (error["code"], error["column"], error["value"]) == ("VARIANT_CONFLICT", "variant_id", variant("v"))
    assert "course-v1:A+1+2T2026" in error["message"]


def test_a_variant_on_a_run_of_no_course_is_a_conflict_that_says_what_to_do(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("DELETE FROM catalog.run_association")
    found = fed_catalog.feed(fed("1", "v", verified_price="3"))["rows"][0]
    assert found["errors"][0]["code"] == "VARIANT_CONFLICT"
    assert found["reason"] == (
        "The variant is on course-v1:A+1+2T2026, a run of no course. Associate it with one first."
    )


def test_the_same_schedule_stamps_the_variant_on_a_run_without_one(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1"))
    found = fed_catalog.feed(fed("1", "v"))
    assert changed(found) == {"variant_id": [None, variant("v")]}
    assert len(fed_catalog.runs()) == 1


def test_a_variant_that_the_feed_no_longer_lists_gives_its_run_to_the_new_one(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "old"))
    assert changed(fed_catalog.feed(fed("1", "new"))) == {"variant_id": [variant("old"), variant("new")]}
    assert fed_catalog.value("SELECT count(*) FROM catalog.course_variant") == 1


def test_two_variants_of_one_schedule_that_are_both_listed_have_a_run_each(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "public"))
    found = fed_catalog.feed(fed("1", "public"), fed("1", "private", restriction_type="custom-b2b-enterprise"))
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "new_variant"]
    assert [one[0] for one in fed_catalog.runs()] == ["2T2026", "2T2026a"]


def test_a_variant_that_only_a_rejected_row_lists_keeps_its_run(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    found = fed_catalog.feed(fed("1", "v", verified_price="cheap"), fed("1", "w"))
    assert [row["outcome"] for row in found["rows"]] == ["rejected", "new_variant"]


def test_a_row_without_a_variant_updates_the_run_of_its_schedule_and_keeps_its_variant(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    found = fed_catalog.feed(fed("1", verified_price="99"))
    assert changed(found) == {"price": ["2400.00", "99.00"], "verified_price": ["2400.00", "99.00"]}
    assert fed_catalog.runs()[0][2] == variant("v")


def test_a_row_without_a_variant_and_with_another_schedule_makes_a_run(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1"))
    assert fed_catalog.outcomes(fed("1", start="2026-10-01")) == ["new_variant"]


def test_the_same_variant_twice_rejects_the_later_row_and_names_both(fed_catalog: FedCatalog) -> None:
    found = fed_catalog.feed(fed("1", "v"), fed("1", "v", "2026-10-01"), fed("1"), fed("1"))
    assert [row["outcome"] for row in found["rows"]] == ["new_product", "rejected", "new_variant", "rejected"]
    messages = [row["errors"][0]["message"] for row in found["rows"] if row["errors"]]
    assert "Row 3" in messages[0]
    assert "row 2" in messages[0]
    assert "Row 5" in messages[1]
    assert "row 4" in messages[1]
    assert {row["errors"][0]["code"] for row in found["rows"] if row["errors"]} == {"DUPLICATE_ROW"}


def test_a_course_without_runs_gets_its_first(fed_catalog: FedCatalog) -> None:
    fed_catalog.execute("""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
        SELECT id, '1', 'A+1', 'Old' FROM catalog.organization WHERE key = 'A'""")
    found = fed_catalog.feed(fed("1", "v"))
    assert found["rows"][0]["outcome"] == "new_variant"
    assert changed(found)["title"] == [None, "Course 1"] or changed(found)["title"] == ["Old", "Course 1"]


def test_a_course_of_the_organization_and_number_is_found_whatever_its_key(fed_catalog: FedCatalog) -> None:
    fed_catalog.execute("""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
        SELECT id, '1', 'Old+1', 'Old' FROM catalog.organization WHERE key = 'A'""")
    (row,) = fed_catalog.feed(fed("1", "v"))["rows"]
    assert (row["outcome"], row["course_key"]) == ("new_variant", "Old+1")
    assert fed_catalog.outcomes(fed("1", "v"), force=True) == ["unchanged"]


def test_new_runs_of_a_renamed_course_carry_the_key_for_reruns(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.catalog_course SET key_for_reruns = 'A+one'")
    found = fed_catalog.feed(fed("1", "v"), fed("1", "w", "2026-10-01"))
    assert found["rows"][1]["run_key"] == "course-v1:A+one+3T2026"
    assert fed_catalog.courses_of_runs()["course-v1:A+one+3T2026"] == "A+1"


def test_an_ended_run_is_never_published(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v", "2026-01-01"), fed("1", "w", "2026-10-01", publish_date="2026-09-01"))
    assert [one[3] for one in fed_catalog.runs()] == ["unpublished", "reviewed"]
    assert fed_catalog.outcomes(fed("1", "v", "2026-01-01"), fed("1", "w", "2026-10-01")) == ["unchanged", "updated"]
    assert [one[3] for one in fed_catalog.runs()] == ["unpublished", "published"]


def test_a_run_is_over_at_its_end_and_published_on_its_day(fed_catalog: FedCatalog) -> None:
    ends_now, starts_later = NOW - timedelta(days=60), "2026-10-01"
    fed_catalog.feed(fed("1", "v", f"{ends_now:%Y-%m-%d}"), fed("1", "w", starts_later, publish_date=f"{NOW:%Y-%m-%d}"))
    assert [status for *_, status in fed_catalog.runs()] == ["unpublished", "published"]


@pytest.mark.parametrize("status", ["review_by_legal", "review_by_internal"])
def test_a_run_in_review_is_deferred_and_nothing_of_it_changes(fed_catalog: FedCatalog, status: str) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = :status", status=status)
    fed_catalog.execute("UPDATE catalog.catalog_course SET status = 'draft'")
    before = fed_catalog.written()
    found = fed_catalog.feed(fed("1", "v", "2026-10-01"))
    assert found["rows"][0]["outcome"] == "deferred"
    assert "in review" in found["rows"][0]["reason"]
    assert fed_catalog.written() == before


def test_a_course_of_another_source_is_deferred_with_the_owners_name(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    before = fed_catalog.written()
    found = fed_catalog.feed(fed("1", "v", title="Mine now"), source="edx")
    assert found["rows"][0]["outcome"] == "deferred"
    assert "2u" in found["rows"][0]["reason"]
    assert found["rows"][0]["errors"][0]["code"] == "OWNERSHIP_CONFLICT"
    assert fed_catalog.written() == before
    run_key = fed_catalog.value("SELECT run_key FROM catalog.course_run")
    with connected(fed_catalog.engine) as connection:
        (of_course,), (of_run,) = (explain(connection, key)["deferred_rows"] for key in ("A+1", run_key))
    assert of_course == of_run
    assert "must let go of it first" in of_course["reason"]
    assert "price 2400" in of_course["says"]
    assert "start 2026-07-01T00:00:00Z" in of_course["says"]


def test_a_course_of_no_source_is_adopted_by_the_first_feed_that_lists_it(
    fed_catalog: FedCatalog, upstream: Upstream
) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r1"), product_source=None)]
    fed_catalog.refresh()
    found = fed_catalog.feed(fed("1", "v"))
    assert found["rows"][0]["outcome"] == "new_variant"
    assert changed(found)["product_source"] == [None, "2u"]


def test_a_key_that_differs_only_in_case_from_what_stands_is_rejected(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("abc", "v"))
    found = fed_catalog.feed(fed("ABC", "v"))
    assert found["rows"][0]["errors"][0]["code"] == "CASE_COLLISION"
    assert "A+abc" in found["rows"][0]["reason"]


def test_a_course_of_another_type_of_the_same_source_is_deferred(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    before = fed_catalog.written()
    bootcamp = {"course_enrollment_track": "Bootcamp(2U)", "course_run_enrollment_track": "Unpaid Bootcamp"}
    found = fed_catalog.feed(fed("1", "w", "2026-10-01", **bootcamp), product_type="bootcamp-2u")
    assert found["rows"][0]["outcome"] == "deferred"
    assert "2u/executive-education-2u" in found["rows"][0]["reason"]
    assert fed_catalog.written() == before


def test_subjects_and_levels_that_the_catalog_has_are_known(fed_catalog: FedCatalog) -> None:
    fed_catalog.execute("""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title, topic, partner_attributes)
        SELECT id, '9', 'B+9', 'Baskets', 'Basket Weaving', '{"course_level": "Expert"}'
        FROM catalog.organization WHERE key = 'B'""")
    found = fed_catalog.feed(
        fed("1", "v", primary_subject="basket weaving", course_level="expert"),
        fed("2", "w", primary_subject="Alchemy"),
        fed("3", "x", course_level="Hard"),
    )
    assert [row["outcome"] for row in found["rows"]] == ["new_product", "rejected", "rejected"]
    assert found["rows"][0]["warnings"] == []
    assert [row["errors"][0]["column"] for row in found["rows"][1:]] == ["primary_subject", "course_level"]
    assert fed_catalog.value("SELECT topic FROM catalog.catalog_course WHERE key = 'A+1'") == "Basket Weaving"


SAID_FIRST = {
    "long_description": "<p>Long</p>",
    "start_time": "09:00+02:00",
    "end_time": "18:00",
    "reg_close_time": "12:00",
    "publish_date": "2026-05-01",
    "upgrade_deadline_override_date": "2026-08-01",
    "course_pacing": "Self-Paced",
    "content_language": "de",
    "verified_price": "$1,250",
}
SAID_THEN = {
    "long_description": "<p>Longer</p>",
    "start_time": "10:00",
    "end_time": "19:00",
    "reg_close_time": "13:00",
    "publish_date": "2026-05-02",
    "upgrade_deadline_override_date": "2026-08-02",
    "course_pacing": "Instructor-Paced",
    "content_language": "fr",
    "verified_price": "1300.5",
}
WHERE_IT_IS_KEPT = """
    SELECT c.full_description, to_char(r.start, 'HH24:MI'), to_char(r."end", 'HH24:MI'),
           to_char(r.enrollment_end, 'HH24:MI'), to_char(r.go_live, 'YYYY-MM-DD'),
           to_char(r.upgrade_deadline, 'YYYY-MM-DD'), r.pacing, r.language, r.price::text, r.currency
    FROM catalog.course_run r, catalog.catalog_course c"""


def test_all_that_a_row_says_ends_up_on_its_course_and_run_be_they_new_or_standing(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v", **SAID_FIRST))
    assert fed_catalog.rows(WHERE_IT_IS_KEPT) == [
        ("<p>Long</p>", "07:00", "18:00", "12:00", "2026-05-01", "2026-08-01", "self_paced", "de", "1250.00", "USD")
    ]
    fed_catalog.feed(fed("1", "v", **SAID_THEN))
    assert fed_catalog.rows(WHERE_IT_IS_KEPT) == [
        ("<p>Longer</p>", "10:00", "19:00", "13:00", "2026-05-02", "2026-08-02", "instructor_paced", "fr", "1300.50",
         "USD")
    ]  # fmt: skip


def test_columns_without_a_column_of_their_own_are_kept_and_compared_key_by_key(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v", syllabus="<p>One</p>", staff="Ann, Bob"))
    attributes = fed_catalog.value("SELECT partner_attributes FROM catalog.catalog_course")
    assert (attributes["syllabus"], attributes["staff"]) == ("<p>One</p>", "Ann, Bob")
    assert changed(fed_catalog.feed(fed("1", "v", syllabus="<p>Two</p>", staff=""))) == {
        "syllabus": ["<p>One</p>", "<p>Two</p>"]
    }
    assert fed_catalog.value("SELECT partner_attributes ->> 'staff' FROM catalog.catalog_course") == "Ann, Bob"


def test_the_first_row_speaks_for_the_course_and_a_later_one_that_disagrees_is_warned(fed_catalog: FedCatalog) -> None:
    found = fed_catalog.feed(fed("1", "v", title="First"), fed("1", "w", "2026-10-01", title="Second"))
    assert fed_catalog.value("SELECT title FROM catalog.catalog_course") == "First"
    warning = found["rows"][1]["warnings"][0]
    assert "First" in warning["message"]
    assert "Second" in warning["message"]


def test_a_row_is_told_by_its_own_title_and_its_run_has_the_courses(fed_catalog: FedCatalog) -> None:
    told = fed_catalog.feed(fed("1", "u", title="One"), fed("1", "v", "2026-08-01", title="Other"))
    assert [row["title"] for row in told["rows"]] == ["One", "Other"]
    assert fed_catalog.rows("SELECT title FROM catalog.course_run") == [("One",), ("One",)]


def test_the_courses_price_is_the_first_public_rows(fed_catalog: FedCatalog) -> None:
    private = fed("1", "v", verified_price="10", restriction_type="custom-b2b-enterprise")
    fed_catalog.feed(private, fed("1", "w", "2026-10-01", verified_price="20"), fed("1", "x", "2026-11-01"))
    assert fed_catalog.value("SELECT partner_attributes ->> 'verified_price' FROM catalog.catalog_course") == "20.00"


def test_none_clears_the_restriction_and_blank_leaves_it(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v", restriction_type="custom-b2c"))
    assert fed_catalog.outcomes(fed("1", "v", restriction_type="")) == ["unchanged"]
    assert changed(fed_catalog.feed(fed("1", "v", restriction_type="None"))) == {
        "restriction_type": ["custom-b2c", None],
        "verified_price": [None, "2400.00"],  # of the course, which has a public run now
    }


def test_a_blank_leaves_the_old_value(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    assert fed_catalog.outcomes(fed("1", "v", reg_close_date="", reg_close_time="", external_identifier="")) == [
        "unchanged"
    ]


def test_where_the_rules_let_dates_be_blank_a_row_must_fit_what_stands(fed_catalog: FedCatalog, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    dates = ("start_date", "start_time", "end_date", "end_time")
    lines = SHIPPED.read_text().splitlines()
    rules.write_text("\n".join(line for line in lines if line.strip() not in [f"- {name}" for name in dates]))
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"partner_rules": rules})
    fed_catalog.feed(fed("1", "v"))
    blank = dict.fromkeys(dates, "")
    assert fed_catalog.outcomes(fed("1", "v", **blank)) == ["unchanged"]
    late = {**blank, "start_date": "2026-12-01"}
    found = fed_catalog.feed(fed("1", "v", **late), fed("1", "w", **blank))
    assert [(row["errors"][0]["code"], row["errors"][0]["column"]) for row in found["rows"]] == [
        ("COURSE_RUN_UPDATE_ERROR", "end_date"),
        ("MISSING_REQUIRED_DATA", "start_date"),
    ]
    assert fed_catalog.runs() == [("2T2026", "2026-07-01", variant("v"), "published")]


def test_a_product_number_that_another_course_has_is_rejected(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    nine = {"external_identifier": "9"}
    found = fed_catalog.feed(
        fed("1", "v"), fed("2", "w", external_identifier="id 1"), fed("3", "x", **nine), fed("4", "y", **nine)
    )
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "rejected", "new_product", "rejected"]
    assert "A+1" in found["rows"][1]["reason"]
    assert "A+3" in found["rows"][3]["reason"]


def test_the_successor_of_an_archived_course_takes_its_product_number(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    fed_catalog.feed(fed("2", "w"))
    successor = fed("3", "x", external_identifier="id 1")
    planned = fed_catalog.feed(fed("2", "w"), successor, dry_run=True)
    found = fed_catalog.feed(fed("2", "w"), successor)
    assert found["rows"] == planned["rows"]
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "new_product"]
    (warning,) = found["rows"][1]["warnings"]
    assert (warning["code"], warning["column"]) == ("PRODUCT_NUMBER_GIVEN_UP", "external_identifier")
    assert "A+1, which is archived, had the product number id 1." in warning["message"]
    with connected(fed_catalog.engine) as connection:
        explained = explain(connection, "A+1")
        (event,) = [e for e in history(connection, "A+1") if "external_identifier" in e["changes"]][1:]
    assert explained["course"]["product_number"] == "none: it gave id 1 up for A+3"
    assert explained["history"][-1]["field"] == "external_identifier"
    assert event["changes"] == {"external_identifier": ["id 1", None]}
    assert event["actor"].startswith("load:")
    updated = "SELECT n FROM ops.load_count WHERE table_name = 'catalog.catalog_course' AND outcome = 'updated'"
    assert fed_catalog.rows(f"{updated} ORDER BY load_id DESC LIMIT 1") == [(1,)]
    assert fed_catalog.feed(fed("2", "w"), successor, force=True)["rows"][1]["warnings"] == []
    back = fed_catalog.feed(fed("1", "v"), fed("2", "w"), successor)
    assert [row["outcome"] for row in back["rows"]] == ["rejected", "unchanged", "unchanged"]
    assert back["rows"][0]["reason"] == "A+3 has this product number already. Correct one of them."


def test_a_product_number_of_a_course_that_is_for_sale_but_not_in_the_feed_tells_what_to_do(
    fed_catalog: FedCatalog,
) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    successor = fed("3", "x", external_identifier="id 1")
    found = fed_catalog.feed(fed("2", "w"), successor)
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "rejected"]
    assert "A+1, which this feed does not list, has this product number." in found["rows"][1]["reason"]
    assert fed_catalog.outcomes(fed("2", "w")) == ["unchanged"]
    assert fed_catalog.outcomes(fed("2", "w"), successor) == ["unchanged", "new_product"]


def test_courses_may_swap_their_product_numbers(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    swapped = [fed("1", "v", external_identifier="id 2"), fed("2", "w", external_identifier="id 1")]
    assert fed_catalog.outcomes(*swapped) == ["updated", "updated"]
    assert fed_catalog.outcomes(*swapped, fed("3")) == ["unchanged", "unchanged", "new_product"]


def test_the_database_holds_a_variant_to_one_run(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("1", "w", "2026-10-01"))
    assert fed_catalog.rows("SELECT variant_id FROM catalog.course_variant GROUP BY 1 HAVING count(*) > 1") == []
    with pytest.raises(Exception, match="course_variant_variant_id_key"):
        fed_catalog.execute("UPDATE catalog.course_variant SET variant_id = :v", v=variant("v"))


def test_a_product_that_is_on_sale_is_published_at_once_and_a_scheduled_one_when_it_starts(
    fed_catalog: FedCatalog,
) -> None:
    feed = product("1", presented("u"), presented("v", "scheduled", startDate="2026-08-01"))
    fed_catalog.feed(data=json_of(feed))
    assert [(start, status) for _, start, _, status in fed_catalog.runs()] == [
        ("2026-07-01", "published"),
        ("2026-08-01", "reviewed"),
    ]
    fed_catalog.feed(data=json_of(product("1", presented("u"), presented("v", startDate="2026-08-01"))))
    assert {status for *_, status in fed_catalog.runs()} == {"published"}
    again = fed_catalog.feed(data=json_of(product("1", presented("u"), presented("v", startDate="2026-08-01"))) + b" ")
    assert again["counts"]["unchanged"] == 2


def test_a_key_for_reruns_that_is_no_key_names_no_run_and_stops_no_feed(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.catalog_course SET key_for_reruns = 'no key'")
    found = fed_catalog.feed(fed("1", "v"), fed("1", "w", "2026-10-01"))
    assert found["rows"][1]["run_key"] == "course-v1:A+1+3T2026"
