"""`catalog-pipeline partner`, with a database: ingest, feeds, show, rejects, backpopulate."""

import csv
import io
import sys
from pathlib import Path

import pytest
from conftest_command import Command

sys.path.append(str(Path(__file__).parents[1] / "loading"))

from conftest_feeds import csv_of, fed

TYPE = "executive-education-2u"


@pytest.fixture
def feed(home: Path) -> Path:
    """A feed of a good row, one of no organization, and one whose price is a formula."""
    folder = home / "feeds" / "2u" / TYPE
    folder.mkdir(parents=True)
    file = folder / "one.csv"
    file.write_bytes(csv_of(fed("1", "v"), fed("2", "w", organization="Nobody"), fed("3", "x", verified_price="=1+1")))
    return file


def test_a_feed_is_planned_ingested_shown_and_its_rejects_come_back_as_csv(command: Command, feed: Path) -> None:
    command("psql", "-c", "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A')")
    planned = command.json("partner", "ingest", str(feed), "--dry-run", status=3)
    assert [row["outcome"] for row in planned["rows"]] == ["new_product", "rejected", "rejected"]
    assert command.json("partner", "feeds") == []
    applied = command.json("partner", "ingest", str(feed), status=3)
    assert {**applied, "dry_run": True, "feed_id": None} == planned
    assert applied["feed"]["source"] == "2u" and applied["feed"]["product_type"] == TYPE
    assert "same bytes" in command("partner", "ingest", str(feed), status=3).stdout

    (listed,) = command.json("partner", "feeds")
    assert (listed["name"], listed["outcome"], listed["counts"]["rejected"]) == ("one.csv", "applied", 2)
    assert command.json("partner", "show", "one.csv") == applied
    assert "course-v1:A+1+2T2026" in command("partner", "show", str(listed["id"])).stdout
    assert "MISSING_ORGANIZATION" in command("partner", "rejects", "one.csv").stdout
    assert "No upstream document is" in command("show", applied["feed"]["sha256"], "--raw", status=2).stderr

    corrected = command("partner", "rejects", "one.csv", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(corrected)))
    assert [row["verified_price"] for row in rows] == ["2400", "'=1+1"]
    assert "Nobody" in rows[0]["reasons"]
    mended = feed.with_name("two.csv")
    mended.write_text(corrected.replace("Nobody", "A").replace("'=1+1", "100"))
    again = command.json("partner", "ingest", str(mended))
    assert (again["counts"]["new_product"], again["counts"]["archived"]) == (2, 0)


def test_a_feed_of_nobody_says_which_options_are_missing(command: Command, home: Path) -> None:
    file = home / "one.csv"
    file.write_bytes(csv_of(fed("1")))
    assert "--source" in command("partner", "ingest", str(file), status=2).stderr
    assert (
        "gone.csv"
        in command("partner", "ingest", "gone.csv", "--source", "2u", "--product-type", TYPE, status=4).stderr
    )


def test_an_unknown_feed_is_told(command: Command) -> None:
    assert "partner feeds" in command("partner", "show", "7", status=2).stderr


def test_backpopulation_needs_to_be_told_whether_to_apply(command: Command) -> None:
    command("partner", "backpopulate", status=2)
    assert command.json("partner", "backpopulate", "--dry-run")["rows"] == []
