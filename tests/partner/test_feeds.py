"""What becomes of a feed as a whole: order of arrival, bytes that came before, archival, deferral, dry runs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.catalog import Upstream, course, run
from support.feeds import NOW, FedCatalog, csv_of, fed, json_of, presented, product, variant

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import ExitCode, FeedRefusedError
from catalog_pipeline.partner.configuration import SHIPPED
from catalog_pipeline.partner.ingestion import ingest_waiting
from catalog_pipeline.partner.report import report


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def test_applying_gives_exactly_what_the_dry_run_shows(fed_catalog: FedCatalog) -> None:
    feeds = [
        [fed("1", "v"), fed("2", "w"), fed("2")],
        [fed("1", "v", "2026-10-01"), fed("3", "x"), fed("3", "x"), fed("3", "bad", verified_price="-")],
        [fed("2", "w", title="New"), fed("2", "y", "2026-11-01", restriction_type="custom-b2c")],
    ]
    for rows in feeds:
        before = fed_catalog.versions()
        planned = fed_catalog.feed(*rows, dry_run=True)
        assert fed_catalog.versions() == before
        assert fed_catalog.value("SELECT count(*) FROM ops.feed WHERE sha256 = :h", h=planned["feed"]["sha256"]) == 0
        applied = fed_catalog.feed(*rows)
        assert (planned["dry_run"], applied["dry_run"]) == (True, False)
        differing = ("feed", "feed_id", "dry_run")
        assert without(planned, *differing) == without(applied, *differing)


def test_the_report_of_a_kept_feed_can_be_told_again(fed_catalog: FedCatalog) -> None:
    found = fed_catalog.feed(fed("1", "v"), fed("1", "v"))
    with connected(fed_catalog.engine) as connection:
        assert report(connection, found["feed_id"]).to_json() == found
    assert set(found["rows"][0]) >= {"row", "outcome", "reason", "course_key", "run_key", "variant_id", "changes",
                                     "errors", "warnings", "restriction_type", "is_future_variant"}  # fmt: skip


def test_the_bytes_of_a_feed_are_kept_once(fed_catalog: FedCatalog) -> None:
    data = csv_of(fed("1", "v"))
    fed_catalog.feed(data=data)
    fed_catalog.feed(data=data, force=True)
    assert fed_catalog.rows("SELECT source, scope, kind FROM landing.document") == [
        ("partner", "2u/executive-education-2u", "feed")
    ]


def test_the_same_bytes_are_not_decided_again(fed_catalog: FedCatalog) -> None:
    data = csv_of(fed("1", "v"))
    first = fed_catalog.feed(data=data)
    again = fed_catalog.feed(data=data)
    assert again == {**first, "skipped": True}
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 1


def test_force_decides_the_same_bytes_anew(fed_catalog: FedCatalog) -> None:
    data = csv_of(fed("1", "v"))
    fed_catalog.feed(data=data)
    fed_catalog.execute("UPDATE catalog.course_run SET price = 1")
    assert fed_catalog.feed(data=data, force=True)["rows"][0]["changes"] == {"price": ["1.00", "2400.00"]}


def test_the_clock_of_the_decisions_is_kept_with_the_feed(fed_catalog: FedCatalog) -> None:
    clock = NOW + timedelta(days=100)
    fed_catalog.feed(fed("1", "v"), as_of=clock)
    assert fed_catalog.value("SELECT as_of FROM ops.feed") == clock
    assert [status for *_, status in fed_catalog.runs()] == ["unpublished"]  # it ended by that clock


def test_the_report_has_the_form_that_programs_rely_on(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("9", "z"))
    found = fed_catalog.feed(
        fed("1", "v"), fed("1", "w", "2026-10-01", title="Other"), fed("2", "x", verified_price="bad")
    )
    assert set(found) >= {"feed", "dry_run", "counts", "rows", "archived", "reactivated"}
    assert set(found["feed"]) == {"name", "source", "product_type", "sha256"}
    assert list(found["counts"]) == [
        *("rows", "new_product", "new_variant", "updated", "unchanged", "rejected", "deferred", "archived"),
        "reactivated",
    ]
    assert found["rows"][0]["changes"]["title"] == [None, "Course 1"]
    (warning,), (error,) = found["rows"][1]["warnings"], found["rows"][2]["errors"]
    assert set(warning) == {"code", "column", "message"}
    assert (set(error), error["value"]) == ({"code", "column", "value", "message"}, "bad")


def test_the_same_bytes_are_decided_again_when_another_feed_came_in_between(fed_catalog: FedCatalog) -> None:
    data = csv_of(fed("1", "v"))
    fed_catalog.feed(data=data)
    fed_catalog.feed(fed("1", "v", "2026-10-01"))
    assert fed_catalog.feed(data=data)["counts"]["updated"] == 1


def test_the_same_bytes_are_decided_again_while_rows_are_deferred(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'review_by_legal'")
    data = csv_of(fed("1", "v", "2026-10-01"))
    assert fed_catalog.feed(data=data)["counts"]["deferred"] == 1
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'reviewed'")
    assert fed_catalog.feed(data=data)["counts"]["updated"] == 1


def test_the_night_decides_anew_what_was_deferred(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'review_by_legal'")
    fed_catalog.feed(fed("1", "v", "2026-10-01"), fed("2"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'reviewed' WHERE status = 'review_by_legal'")
    (found,) = ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports
    assert [row.outcome for row in found.rows] == ["updated", "unchanged"]
    assert ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports == []


def test_the_same_bytes_are_decided_again_when_the_organization_that_a_row_lacked_has_come(
    fed_catalog: FedCatalog,
) -> None:
    data = csv_of(fed("1", "v"), fed("2", organization="New"))
    assert fed_catalog.feed(data=data)["counts"]["rejected"] == 1
    assert fed_catalog.feed(data=data)["skipped"]
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('new', 'New')")
    assert fed_catalog.feed(data=data)["counts"] | {"unchanged": 1, "new_product": 1, "rejected": 0} == {
        **dict.fromkeys(("new_variant", "updated", "rejected", "deferred", "archived", "reactivated"), 0),
        "rows": 2,
        "unchanged": 1,
        "new_product": 1,
    }


def test_the_night_tells_of_a_rejected_row_that_now_waits_for_something_else(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("9", "w", organization="New"))
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('New', 'New')")
    fed_catalog.execute("""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title, product_source)
        SELECT id, '9', 'New+9', 'Owned', 'edx' FROM catalog.organization WHERE key = 'New'""")
    (found,) = ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports
    assert found.rows[0].outcome == "deferred"
    assert ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports == []


def test_a_feed_that_is_older_than_the_last_applied_writes_nothing(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    before = fed_catalog.written()
    old = fed_catalog.ingest(fed("1", "v", "2026-10-01"), received_at=NOW)
    assert old.outcome == "superseded"
    assert "1.csv" in str(old.detail)
    assert old.rows[0].outcome == "updated"
    assert fed_catalog.written() == before
    assert old.exit_code == ExitCode.REFUSED


def test_force_applies_an_older_feed(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    assert fed_catalog.feed(fed("1", "v", "2026-10-01"), received_at=NOW, force=True)["outcome"] == "applied"
    assert fed_catalog.runs()[0][1] == "2026-10-01"


def test_feeds_of_other_sources_and_types_do_not_supersede_one_another(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    other = fed("9", course_enrollment_track="Bootcamp(2U)", course_run_enrollment_track="Unpaid Bootcamp")
    assert fed_catalog.feed(other, product_type="bootcamp-2u", received_at=NOW)["outcome"] == "applied"


def courses(catalog: FedCatalog) -> dict[str, str]:
    return dict(catalog.rows("SELECT key, status FROM catalog.catalog_course"))  # pyright: ignore[reportArgumentType]


def test_a_product_that_the_feed_no_longer_lists_is_archived_with_a_change_event(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    found = fed_catalog.feed(fed("1", "v"))
    assert (found["counts"]["archived"], found["archived"][0]["course_key"]) == (1, "A+2")
    assert courses(fed_catalog) == {"A+1": "published", "A+2": "archived"}
    assert fed_catalog.value(
        "SELECT count(*) FROM ops.change_event WHERE key = 'A+2' AND changes ? 'dropped_since' AND actor LIKE 'load:%'"
    ) == 1  # fmt: skip


def test_a_product_that_returns_is_reactivated(fed_catalog: FedCatalog) -> None:
    rows = [fed("1", "v"), fed("2", "w")]
    fed_catalog.feed(*rows)
    fed_catalog.feed(rows[0])
    found = fed_catalog.feed(*rows)
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "updated"]
    assert [one["course_key"] for one in found["reactivated"]] == ["A+2"]
    assert set(courses(fed_catalog).values()) == {"published"}


def test_products_of_another_source_or_type_are_not_archived(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v", external_identifier="7"))
    bootcamp = {"course_enrollment_track": "Bootcamp(2U)", "course_run_enrollment_track": "Unpaid Bootcamp"}
    fed_catalog.feed(fed("2", **bootcamp), product_type="bootcamp-2u")
    fed_catalog.feed(fed("3", external_identifier="8"), source="edx")
    assert set(courses(fed_catalog).values()) == {"published"}


def test_a_rejected_or_deferred_row_keeps_its_product_from_being_archived(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("2", "w"), fed("3", "x"))
    found = fed_catalog.feed(fed("1", "v"), fed("2", "w", start_date="soon"), fed("x3", external_identifier="id 3"))
    assert found["counts"]["archived"] == 0


def test_the_key_alone_keeps_the_product_of_a_rejected_or_deferred_row_from_being_archived(
    fed_catalog: FedCatalog,
) -> None:
    nameless = {"external_identifier": ""}
    fed_catalog.feed(fed("1", "v", **nameless), fed("2", "w", **nameless), fed("3", "x", **nameless))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'review_by_legal' WHERE key_course = '3'")
    bad = fed("2", "w", start_date="soon", organization="a", **nameless)
    found = fed_catalog.feed(fed("1", "v", **nameless), bad, fed("3", "x", "2026-10-01", **nameless))
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "rejected", "deferred"]
    assert found["counts"]["archived"] == 0
    assert fed_catalog.feed(fed("1", "v", **nameless))["counts"]["archived"] == 2


def test_a_mostly_rejected_feed_archives_nothing_and_says_so(fed_catalog: FedCatalog) -> None:
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"reject_share": 0.5})
    fed_catalog.feed(fed("1", "v"), fed("2", "w"), fed("3", "x"))
    found = fed_catalog.feed(fed("1", "v"), fed("4", start_date="soon"), fed("5", start_date="soon"))
    assert (found["outcome"], found["counts"]["archived"]) == ("applied", 0)
    assert "2 products" in found["detail"]
    assert set(courses(fed_catalog).values()) == {"published"}


def test_an_archival_over_the_share_holds_the_whole_feed_back(fed_catalog: FedCatalog) -> None:
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"removal_share": 0.2})
    fed_catalog.feed(*(fed(str(n)) for n in range(4)))
    before = fed_catalog.written()
    rows = [fed("0"), fed("1"), fed("2", title="New")]
    for dry_run in (True, False):
        held = fed_catalog.ingest(*rows, accept_removals=False, dry_run=dry_run)
        found = held.to_json()
        assert found["outcome"] == "held"
        assert "--accept-removals" in found["refused"]
        assert found["counts"]["archived"] == 0
        assert found["archived"] == []
        assert held.exit_code == ExitCode.REFUSED
    assert fed_catalog.written() == before
    assert fed_catalog.feed(*rows)["counts"]["archived"] == 1


def test_a_share_is_not_exceeded_by_what_is_just_as_large(fed_catalog: FedCatalog) -> None:
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"removal_share": 0.5, "reject_share": 0.5})
    fed_catalog.feed(fed("1", "v"), fed("2", "w"))
    found = fed_catalog.feed(fed("1", "v"), fed("3", start_date="soon"), accept_removals=False)
    assert (found["outcome"], found["detail"], found["counts"]["archived"]) == ("applied", None, 1)


def test_of_a_mostly_rejected_feed_that_misses_nothing_there_is_nothing_to_say(fed_catalog: FedCatalog) -> None:
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"reject_share": 0.5})
    found = fed_catalog.feed(fed("1", start_date="soon"))
    assert (found["outcome"], found["detail"]) == ("applied", None)


def test_what_is_left_undone_has_an_exit_status_of_its_own(fed_catalog: FedCatalog) -> None:
    assert fed_catalog.ingest(fed("1", "v")).exit_code == ExitCode.DONE
    assert fed_catalog.ingest(fed("1", "v"), source="edx").exit_code == ExitCode.SOME_ROWS_LEFT  # deferred
    assert fed_catalog.ingest(fed("1", "v"), fed("1", "v")).exit_code == ExitCode.SOME_ROWS_LEFT  # rejected


def test_a_feed_that_cannot_be_read_is_kept_as_refused(fed_catalog: FedCatalog) -> None:
    told = []
    with pytest.raises(FeedRefusedError):
        fed_catalog.feed(data=b"organization,number\n", summarize=lambda _, found: told.append(found))
    assert fed_catalog.value("SELECT outcome FROM ops.feed") == "refused"
    assert told[0].to_json()["refused"]
    assert told[0].rows == []


def test_an_unknown_source_is_refused_before_anything_is_kept(fed_catalog: FedCatalog) -> None:
    with pytest.raises(FeedRefusedError, match="nobody"):
        fed_catalog.feed(fed("1"), source="nobody")
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 0


def test_the_summary_is_told_in_the_transaction_that_keeps_the_feed(fed_catalog: FedCatalog) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no mail")

    with pytest.raises(RuntimeError, match="no mail"):
        fed_catalog.feed(fed("1", "v"), summarize=fail)
    assert fed_catalog.value("SELECT count(*) FROM ops.feed") == 0
    assert courses(fed_catalog) == {}


def test_unknown_columns_are_reported_and_ignored(fed_catalog: FedCatalog) -> None:
    found = fed_catalog.feed(fed("1", "v", colour="blue"))
    assert [warning["column"] for warning in found["warnings"]] == ["colour"]


def test_a_loads_counts_add_up(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), fed("1", "v"), fed("2"))
    assert fed_catalog.rows("SELECT table_name, outcome, n FROM ops.load_count ORDER BY 1, 2") == [
        ("catalog.catalog_course", "created", 2),
        ("catalog.course_run", "created", 2),
        ("catalog.course_run", "rejected", 1),
        ("catalog.course_variant", "created", 1),
        ("catalog.run_association", "created", 2),
    ]
    assert fed_catalog.rows("SELECT source, outcome FROM ops.load") == [
        ("partner:2u/executive-education-2u", "applied")
    ]


def test_feeds_apply_in_the_order_of_arrival_whatever_the_clock(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"), received_at=NOW)
    found = fed_catalog.feed(fed("1", "w"), received_at=NOW + timedelta(days=1))
    assert found["rows"][0]["changes"] == {"variant_id": [variant("v"), variant("w")]}


def test_a_feed_of_corrected_rows_leaves_what_it_does_not_list(fed_catalog: FedCatalog, upstream: Upstream) -> None:
    first = fed_catalog.feed(fed("1", "v"), fed("1", "w", verified_price="bad"), fed("2", "x"))
    assert first["counts"]["rejected"] == 1
    corrected = fed_catalog.feed(fed("1", "w", reasons="That is no price."), accept_removals=False)
    assert corrected["outcome"] == "applied"
    assert corrected["rows"][0]["outcome"] == "new_variant"  # the schedule of v, which the feed before still lists
    assert (corrected["counts"]["archived"], corrected["archived"]) == (0, [])
    assert [status for _, _, _, status in fed_catalog.runs()] == ["published"] * 3
    # Both own what they carry: a crawl changes none of it.
    listed = [run(key, start="2020-01-01T00:00:00Z", end="2020-02-01T00:00:00Z") for key, in fed_catalog.rows(
        "SELECT run_key FROM catalog.run WHERE course_key = 'A+1' ORDER BY 1")]  # fmt: skip
    upstream.courses = [course("A+1", *listed, product_source={"slug": "2u"})]
    fed_catalog.refresh()
    assert {start for _, start, _, _ in fed_catalog.runs()} == {"2026-07-01"}
    whole = fed_catalog.feed(fed("1", "v"), fed("1", "w"))
    assert whole["counts"]["archived"] == 1


def test_a_feed_of_corrections_does_not_end_the_waiting_of_the_feed_before(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'review_by_legal'")
    fed_catalog.feed(fed("1", "v", "2026-10-01"), fed("2", verified_price="bad"), fed("3", title="Three"))
    fed_catalog.feed(fed("2", reasons="That is no amount."), fed("3", title="Third", reasons=""))
    assert ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports == []
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'reviewed' WHERE status = 'review_by_legal'")
    (told,) = ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports
    assert (told.counts["rows"], told.counts["updated"], told.archived) == (1, 1, [])
    assert fed_catalog.runs()[0][1] == "2026-10-01"
    # What was put right since, the old file does not undo; and what has come to pass does not come again.
    assert fed_catalog.rows("SELECT title FROM catalog.catalog_course ORDER BY key")[2] == ("Third",)
    assert fed_catalog.rows("SELECT key FROM catalog.catalog_course WHERE status = 'archived'") == []
    assert ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports == []


def test_a_row_in_waiting_that_was_put_right_since_waits_no_more(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'review_by_legal'")
    fed_catalog.feed(fed("1", "v", "2026-10-01"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'reviewed' WHERE status = 'review_by_legal'")
    fed_catalog.feed(fed("1", "v", "2026-11-01", reasons="It was in review."))
    assert ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports == []
    assert fed_catalog.runs()[0][1] == "2026-11-01"


def test_the_file_that_was_corrected_and_decided_in_part_can_be_fed_whole_again(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(fed("1", "v"))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'review_by_legal'")
    whole = csv_of(fed("1", "v", "2026-10-01"), fed("2", title="Two"))
    fed_catalog.feed(data=whole)
    fed_catalog.feed(fed("2", title="Second", reasons=""))
    fed_catalog.execute("UPDATE catalog.course_run SET status = 'reviewed' WHERE status = 'review_by_legal'")
    assert len(ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports) == 1
    again = fed_catalog.feed(data=whole)
    assert [row["outcome"] for row in again["rows"]] == ["unchanged", "updated"]
    assert fed_catalog.rows("SELECT title FROM catalog.catalog_course ORDER BY key")[1] == ("Two",)


def test_a_product_without_a_variant_is_told_and_not_archived(fed_catalog: FedCatalog) -> None:
    fed_catalog.feed(data=json_of(product("1", presented("v")), product("2", presented("w"))))
    found = fed_catalog.feed(data=json_of(product("1", presented("v")), product("2")))
    assert [warning["message"] for warning in found["warnings"]] == ["Product 2 (2) has no variant."]
    assert found["counts"]["archived"] == 0


def test_a_rejected_rows_variant_keeps_its_product_from_being_archived(fed_catalog: FedCatalog) -> None:
    nameless = {"external_identifier": ""}
    fed_catalog.feed(fed("1", "v", **nameless), fed("2", "w", **nameless))
    found = fed_catalog.feed(fed("2", "w", **nameless), fed("1 typo", "v", **nameless))
    assert [row["outcome"] for row in found["rows"]] == ["unchanged", "rejected"]
    assert found["counts"]["archived"] == 0


def test_an_organization_that_a_partner_calls_otherwise_is_waited_for_by_its_key(
    fed_catalog: FedCatalog, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHIPPED.read_text().replace("organization_codes: {}", "organization_codes: {2u: {HARV: C}}"))
    fed_catalog.settings = fed_catalog.settings.model_copy(update={"partner_rules": rules})
    fed_catalog.feed(fed("1", "v", organization="HARV"))
    assert ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports == []
    fed_catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('C', 'C')")
    (told,) = ingest_waiting(fed_catalog.engine, fed_catalog.settings, as_of=NOW).reports
    assert [row.course_key for row in told.rows] == ["C+1"]


def test_the_same_bytes_that_are_skipped_count_as_arrived(fed_catalog: FedCatalog) -> None:
    same = csv_of(fed("1", "v"))
    fed_catalog.feed(data=same, received_at=NOW)
    assert fed_catalog.feed(data=same, received_at=NOW + timedelta(days=3))["skipped"]
    late = fed_catalog.feed(fed("1", "v", verified_price="9"), received_at=NOW + timedelta(days=2))
    assert late["outcome"] == "superseded"
