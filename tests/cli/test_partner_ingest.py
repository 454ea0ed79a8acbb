"""`catalog-pipeline partner`, with a database: ingest, feeds, show, rejects, backpopulate."""

import csv
import io
import os
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.command import Command
from support.feeds import csv_of, fed

from catalog_pipeline.partner.arrivals import accept
from catalog_pipeline.settings import Settings

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
    assert applied["feed"]["source"] == "2u"
    assert applied["feed"]["product_type"] == TYPE
    assert "same bytes" in command("partner", "ingest", str(feed), status=3).stdout

    (listed,) = command.json("partner", "feeds")
    assert (listed["name"], listed["outcome"], listed["counts"]["rejected"]) == ("one.csv", "applied", 2)
    assert command.json("partner", "show", "one.csv") == applied
    assert "course-v1:A+1+2T2026" in command("partner", "show", str(listed["id"])).stdout
    told = command("partner", "rejects", "one.csv").stdout
    assert told.split("\n")[0].split() == ["row", "course", "key", "message", "value", "column", "code"]
    assert "MISSING_ORGANIZATION" in told
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


def test_a_feed_that_would_archive_too_much_is_held_back_until_that_is_meant(command: Command, home: Path) -> None:
    command("psql", "-c", "INSERT INTO catalog.organization (key, name) VALUES ('A', 'A')")
    for name, numbers in (("whole.csv", "12"), ("half.csv", "1")):
        (home / name).write_bytes(csv_of(*(fed(number, number) for number in numbers)))
    scope = ("--source", "2u", "--product-type", TYPE)
    early = ("--as-of", "2026-04-01")
    command("partner", "ingest", "whole.csv", *scope, *early)
    assert command.json("partner", "feeds")[0]["as_of"] == "2026-04-01T00:00:00+00:00"
    held = command("partner", "ingest", "half.csv", *scope, status=4)
    assert "held" in held.stdout
    assert "--accept-removals" in held.stdout
    archived = command.json("partner", "ingest", "half.csv", *scope, "--accept-removals")
    assert [product["course_key"] for product in archived["archived"]] == ["A+2"]
    assert command.json("partner", "ingest", "half.csv", *scope)["skipped"]
    assert command.json("partner", "ingest", "half.csv", *scope, "--force")["counts"]["unchanged"] == 1
    assert [feed["outcome"] for feed in command.json("partner", "feeds", "--limit", "3")] == [
        *("applied", "applied", "held")
    ]


NO_FEEDS = [
    (bytes(range(256)), "2u", TYPE, "one.csv is no text"),
    (b"organization,number\n", "2u", TYPE, "one.csv has no rows"),
    (b"organization,Title,title\nA,a,b\n", "2u", TYPE, "one.csv has more than one column 'title'"),
    (csv_of(fed("1", "v")), "3u", TYPE, "'3u' is no known source"),
    (csv_of(fed("1", "v")), "2u", "mooc", "'mooc' is no known product type"),
]


def test_what_is_no_feed_is_refused_in_one_line_and_nothing_is_written(command: Command, home: Path) -> None:
    for content, source, product_type, said in NO_FEEDS:
        (home / "one.csv").write_bytes(content)
        scope = ("--source", source, "--product-type", product_type)
        (line,) = command("partner", "ingest", "one.csv", *scope, status=4).stderr.splitlines()
        assert said in line
    assert [feed["outcome"] for feed in command.json("partner", "feeds")] == ["refused"] * 3
    counts = "SELECT (SELECT count(*) FROM catalog.catalog_course) + (SELECT count(*) FROM ops.change_event) AS n"
    assert command("psql", "-Atc", counts).stdout.strip() == "0"


def test_a_file_whose_name_is_not_utf8_is_refused(command: Command, home: Path) -> None:
    file = os.fsdecode(os.fsencode(home) + b"/caf\xe9.csv")
    Path(file).write_bytes(csv_of(fed("1", "v")))
    for verb in ("check", "ingest"):
        (line,) = command("partner", verb, file, "--source", "2u", "--product-type", TYPE, status=4).stderr.splitlines()
        assert "caf\\xe9.csv has a name that is not UTF-8. Rename it." in line


def test_an_unknown_feed_is_told(command: Command) -> None:
    assert "partner feeds" in command("partner", "show", "7", status=2).stderr


def test_backpopulation_needs_to_be_told_whether_to_apply(command: Command) -> None:
    command("partner", "backpopulate", status=2)
    assert command.json("partner", "backpopulate", "--dry-run")["rows"] == []


def test_a_feed_that_was_set_aside_is_shown_and_retried_or_dropped(
    command: Command, feed: Path, engine: Engine, settings: Settings
) -> None:
    feed.with_name("two.csv").write_bytes(csv_of(fed("1", "v")))
    accept(engine, settings, accept(engine, settings, {}).seen)
    set_aside = "UPDATE ops.feed_arrival SET tries = 3, set_aside_at = now(), last_error = 'ValueError: no.'"
    command("psql", "-c", set_aside)
    assert [row["outcome"] for row in command.json("partner", "feeds")] == ["set_aside"] * 2
    shown = " ".join(command("partner", "feeds").stdout.split())
    assert f"ValueError: no. `catalog-pipeline partner retry 2u/{TYPE}/" in shown
    assert [finding["what"] for finding in command.json("doctor", status=5) if not finding["ok"]] == ["feeds"]
    assert "one.csv" in command("partner", "retry", "one.csv", status=3).stdout
    assert "is dropped" in command("partner", "drop", "two.csv").stdout
    assert "No feed 'two.csv' is set aside or waits" in command("partner", "retry", "two.csv", status=2).stderr
    assert [row["outcome"] for row in command.json("partner", "feeds")] == ["applied"]
