"""`partner template` and `partner check`, as a partner manager runs them: without a database."""

import csv
import io
import json
from pathlib import Path

import pytest
from support.command import Command

from catalog_pipeline.partner.columns import FEED_COLUMNS

ROW = {
    "Organization": "edX",
    "Number": "CS1",
    "Title": "Leading Change",
    "Course Enrollment Track": "Executive Education(2U)",
    "Course Run Enrollment Track": "Unpaid Executive Education",
    "Image": "https://cdn.example.org/card.jpg",
    "Short Description": "Short",
    "Long Description": "Long",
    "What Will You Learn": "Much",
    "Course Level": "Introductory",
    "Primary Subject": "Computer Science",
    "Verified Price": "2400",
    "Publish Date": "2026-01-15",
    "Start Date": "2026-03-02",
    "Start Time": "00:00",
    "End Date": "2026-04-20",
    "End Time": "23:59:59",
    "Course Pacing": "Instructor-Paced",
    "Minimum Effort": "6",
    "Maximum Effort": "8",
    "Length": "7",
    "Content Language": "en-us",
    "Transcript Language": "en-us",
    "External Identifier": "1",
    "Redirect URL": "https://a.example",
}


@pytest.fixture
def command(home: Path) -> Command:
    return Command(home, None)


def write(file: Path, *rows: dict[str, str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


@pytest.mark.parametrize("verb", ["check", "template"])
def test_every_verb_has_help_with_an_example(command: Command, verb: str) -> None:
    assert "Example: " in " ".join(command("partner", verb, "--help").stdout.split())


def test_the_template_names_every_column_and_is_a_header_that_check_knows(command: Command, home: Path) -> None:
    printed = command("partner", "template").stdout
    (header,) = csv.reader(io.StringIO(printed))
    assert header == [column.name for column in FEED_COLUMNS if column.kind != "ignored"]
    (home / "feed.csv").write_text(printed)
    assert "feed.csv has no rows" in command("partner", "check", "feed.csv", status=4).stderr


def test_a_good_feed_is_told_so_for_people_and_programs(command: Command, home: Path) -> None:
    write(home / "feed.csv", ROW | {"Notes": "x"})
    said = command("partner", "check", "feed.csv").stdout
    assert "feed.csv, checked as executive-education-2u of edx: 1 rows, 1 valid, 0 rejected, 0 warnings" in said
    assert "ignored: notes" in said
    told = command.json("partner", "check", "feed.csv", "--source", "2u")
    assert told["counts"] == {"rows": 1, "valid": 1, "rejected": 0, "warnings": 0}
    assert (told["feed"]["source"], told["feed"]["product_type"]) == ("2u", "executive-education-2u")
    assert told["unknown_columns"] == ["notes"]


def test_rows_in_error_are_told_with_row_column_value_and_what_is_accepted(command: Command, home: Path) -> None:
    write(home / "feed.csv", ROW, ROW | {"Start Date": "soon"})
    told = command.json("partner", "check", "feed.csv", status=3)
    (error,) = told["errors"]
    assert error.pop("message").startswith("That is no date; accepted are 2026-03-22, ")
    assert error == {
        "row": 3,
        "code": "INVALID_DATE",
        "column": "start_date",
        "value": "soon",
        "course_key": "edX+CS1",
        "variant_id": None,
    }
    assert "INVALID_DATE" in command("partner", "check", "feed.csv", status=3).stdout


def test_what_the_file_says_twice_is_told_as_ingestion_tells_it(command: Command, home: Path) -> None:
    named = ROW | {"Variant Id": "7e57d004-2b97-4e7a-b45f-5387367791cd"}
    plain = ROW | {"Variant Id": "", "Content Language": "en-us, de"}
    elsewhere = named | {"Number": "CS2", "External Identifier": "2"}
    bad = named | {"Length": "x"}
    write(home / "feed.csv", bad, named, plain, named, plain | {"Organization": "EDX"}, elsewhere)
    told = command.json("partner", "check", "feed.csv", status=3)
    assert told["counts"] == {"rows": 6, "valid": 2, "rejected": 4, "warnings": 1}
    assert [(error["row"], error["code"]) for error in told["errors"]] == [
        (2, "COURSE_RUN_UPDATE_ERROR"),
        (5, "DUPLICATE_ROW"),
        (6, "DUPLICATE_ROW"),
        (7, "VARIANT_CONFLICT"),
    ]
    assert told["errors"][1]["message"] == "Row 5 names the same variant as row 3."
    assert told["errors"][3]["course_key"] == "edX+CS2"


def test_source_and_course_type_are_those_of_the_folders(command: Command, home: Path) -> None:
    file = write(home / "ext_source" / "executive-education-2u" / "spring.csv", ROW)
    refused = command("partner", "check", str(file), status=4).stderr
    assert "A feed of executive-education-2u of ext_source needs it" in refused
    assert command.json("partner", "check", str(file), "--source", "2u")["feed"]["source"] == "2u"
    elsewhere = write(home / "2u" / "bootcamp-2u" / "old" / "spring.csv", ROW)
    told = command.json("partner", "check", str(elsewhere))
    assert (told["feed"]["source"], told["feed"]["product_type"]) == ("edx", "executive-education-2u")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["none.csv"], 4, "none.csv does not exist"),
        ([".", "--source", "2u"], 4, "is a folder"),
        (["feed.csv", "--source", "3u"], 4, "'3u' is no known source"),
        (["feed.csv", "--product-type", "mooc"], 4, "'mooc' is no known product type"),
        (["feed.csv", "--product-type", "bootcamp-2u"], 3, ""),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(
    command: Command, home: Path, arguments: list[str], status: int, said: str
) -> None:
    write(home / "feed.csv", ROW)
    done = command("partner", "check", *arguments, status=status)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)


def test_rules_and_limits_are_settings(command: Command, home: Path) -> None:
    write(home / "feed.csv", ROW | {"Title": "x" * 1500})
    command.env["CATALOG_FEED_CELL_LIMIT"] = "1000"
    (error,) = json.loads(command("partner", "check", "feed.csv", "--json", status=3).stdout)["errors"]
    assert (error["code"], error["message"]) == ("INVALID_TEXT", "The cell is longer than 1,000 characters.")
    command.env["CATALOG_PARTNER_RULES"] = "none.yaml"
    assert "CATALOG_PARTNER_RULES: none.yaml cannot be read" in command("partner", "check", "feed.csv", status=2).stderr
