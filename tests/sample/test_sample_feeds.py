"""The sample's partner feeds: the same for ever, for organizations that exist, and awkward in every way they claim."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from catalog_pipeline.partner.columns import RawFeed, Reference, ValidatedFeed
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.reading import Limits, parse_feed
from catalog_pipeline.partner.validation import validate_feed
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.feeds import feed_files, write_feeds

RULES = load_rules()
LIMITS = Limits(size=10_000_000, cell=100_000)
FOLDERS = ["2u/executive-education-2u", "2u/bootcamp-2u", "ext_source/executive-education-2u", "openedx/audit"]
Feeds = dict[tuple[str, int], tuple[RawFeed, ValidatedFeed]]


@pytest.fixture(scope="module")
def feeds() -> Feeds:
    """Each feed of three days, by folder and day, read and validated as the sample catalog would."""
    catalog = build_catalog(100, 1)
    listed = [organization.key for organization in catalog.organizations if organization.listed]
    subjects = [course.subject for course in catalog.courses]
    reference = Reference(pd.Series(listed, dtype=TEXT), pd.Series(subjects, dtype=TEXT), pd.Series([], dtype=TEXT))
    found: Feeds = {}
    for place, feed in enumerate(feed_files(100, 1, 3)):
        source, product_type, name = feed.path.split("/")
        raw = parse_feed(feed.data, name, LIMITS, feed.sent)
        done = validate_feed(raw, product_type=product_type, source=source, rules=RULES, reference=reference)
        found[f"{source}/{product_type}", place // 4 + 1] = raw, done
    return found


def rows(feeds: Feeds, number: str, day: int) -> pd.DataFrame:
    _, done = feeds[FOLDERS[0], day]
    return done.rows[done.rows["number"] == number]


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not() -> None:
    first, again, other = ([*feed_files(30, seed, 2)] for seed in (1, 1, 2))
    assert first == again
    assert [feed.path for feed in first] == [feed.path for feed in other]
    assert all(one.data != two.data for one, two in zip(first, other, strict=True))


def test_there_is_a_feed_for_each_folder_and_day_and_all_but_one_are_good(feeds: Feeds) -> None:
    assert sorted(feeds) == sorted((folder, day) for folder in FOLDERS for day in (1, 2, 3))
    for (folder, _), (raw, done) in feeds.items():
        assert done.errors.empty == (folder != FOLDERS[0])
        assert len(done.rows) >= 3
        assert raw.format == ("json" if folder.startswith("ext_source") else "csv")


def test_the_errors_are_of_every_kind(feeds: Feeds) -> None:
    for day in (1, 2, 3):
        _, done = feeds[FOLDERS[0], day]
        assert set(done.errors["code"]) == {
            "MISSING_ORGANIZATION",
            "MISSING_COURSE_TYPE",
            "MISSING_REQUIRED_DATA",
            "COURSE_CREATE_ERROR",
            "COURSE_UPDATE_ERROR",
            "COURSE_RUN_UPDATE_ERROR",
            "IMAGE_DOWNLOAD_FAILURE",
            "INVALID_VARIANT_ID",
            "INVALID_DATE",
            "CASE_COLLISION",
            "RAGGED_ROW",
        }
        assert done.errors["row"].nunique() == 18


def test_the_feed_lists_all_that_the_catalog_has_of_the_partner(feeds: Feeds) -> None:
    catalog = build_catalog(100, 1)
    for day in (1, 2, 3):
        catalog.advance()
        of_partner = [course for course in catalog.courses if course.product_status == "published"]
        variants = {run.variant_id for course in of_partner for run in course.runs if run.variant_id}
        assert len(variants) > 10
        assert variants <= set(feeds[FOLDERS[0], day][1].rows["variant_id"])


def test_new_products_come_every_day_with_several_variants(feeds: Feeds) -> None:
    for day in (1, 2, 3):
        numbers = feeds[FOLDERS[0], day][1].rows["number"]
        own = {number for number in numbers if number.startswith("XP")}
        assert own == {f"XP{n}p" for n in range(1, 3 + 2 * day)} - ({"XP2p"} if day == 2 else set())
        assert (numbers.value_counts()[sorted(own - {"XP1p"})] == 2).all()


def test_one_schedule_is_sold_in_public_and_to_enterprises(feeds: Feeds) -> None:
    public, private, repeated = rows(feeds, "XP1p", 1).to_dict("records")
    assert repeated["variant_id"] == public["variant_id"]
    assert (public["start"], public["end"]) == (private["start"], private["end"])
    assert public["variant_id"] != private["variant_id"]
    assert pd.isna(public["restriction_type"])
    assert private["restriction_type"] == "custom-b2b-enterprise"


def test_a_restriction_is_set_and_cleared_and_a_price_and_a_date_change(feeds: Feeds) -> None:
    first, second, third = (rows(feeds, "XP3p", day).reset_index(drop=True) for day in (1, 2, 3))
    assert [day["restriction_type"][0] for day in (second, third)] == ["custom-b2c", "None"]
    assert second["price"][0] == first["price"][0] + 100 == third["price"][0] + 100
    assert first["start"][1] == second["start"][1] < third["start"][1]
    assert first["variant_id"].tolist() == second["variant_id"].tolist() == third["variant_id"].tolist()


def test_a_formula_and_an_announced_variant_are_among_them(feeds: Feeds) -> None:
    product = rows(feeds, "XP4p", 1)
    assert product["title"].str.startswith("=HYPERLINK").all()
    assert product["is_future_variant"].tolist() == [False, True]


def test_the_other_feeds_are_in_other_forms(feeds: Feeds) -> None:
    data = {feed.path.rpartition("/")[0]: feed.data for feed in feed_files(100, 1, 1)}
    assert data["2u/bootcamp-2u"].decode("cp1252").startswith("Organization;Number;")
    assert data["openedx/audit"].decode("utf-16").startswith("organization\tnumber\t")
    audits = feeds["openedx/audit", 2][1].rows
    assert audits["variant_id"].isna().all()
    assert (audits["number"].value_counts() == 2).all()
    products, _ = feeds["ext_source/executive-education-2u", 1]
    assert products.warnings["message"].str.contains("has no variant|names no hours").all()


def test_files_are_whole_and_as_old_as_their_day(tmp_path: Path) -> None:
    paths = write_feeds(tmp_path, 0, 1, 2)
    assert sorted(paths) == sorted(file for file in tmp_path.rglob("*") if file.is_file())
    days = [datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat() for path in paths]
    assert days == [path.stem for path in paths]
