"""How the rows of a feed are decided by what stands: pure, without a database."""

from typing import Any

import pandas as pd

from catalog_pipeline.partner.columns import (
    ERROR_COLUMNS,
    VALID_ROW,
    WARNING_COLUMNS,
    FeedName,
    ValidatedFeed,
    messages,
)
from catalog_pipeline.partner.decisions import Decisions, decide_feed
from catalog_pipeline.partner.standing import RUN_TYPES, Standing
from catalog_pipeline.rules.course_keys import TEXT

NOW = pd.Timestamp("2026-06-01", tz="UTC")
FEED = FeedName("1.csv", "2u", "bootcamp-2u", "00", NOW.to_pydatetime())
START, LATER = pd.Timestamp("2026-07-01", tz="UTC"), pd.Timestamp("2026-10-01", tz="UTC")

INSTANTS = ["start", "end", "enrollment_end", "go_live", "upgrade_deadline"]


def fed(*rows: dict[str, Any]) -> ValidatedFeed:
    """Valid rows of courses of organization A, numbered from 2 on."""
    plain = {"organization": "A", "title": "Title", "is_future_variant": False, "on_sale": False, "attributes": "{}"}
    records = [
        {"row": line, "course_key": f"A+{row['number']}", "start": START, **plain, **row}
        for line, row in enumerate(rows, 2)
    ]
    frame = pd.DataFrame(records).reindex(columns=list(VALID_ROW.columns))
    frame[INSTANTS] = frame[INSTANTS].apply(pd.to_datetime, utc=True)
    typed = {name: frame[name].astype(spec.dtype.type) for name, spec in VALID_ROW.columns.items()}
    return ValidatedFeed(pd.DataFrame(typed), messages([], ERROR_COLUMNS), messages([], WARNING_COLUMNS))


def course(number: str, course_id: int | None, **more: Any) -> dict[str, Any]:
    """What stands of course A+<number>; without an id, that there is none."""
    key = f"A+{number}" if course_id else None
    found = {"organization_id": 1, "course_id": course_id, "standing_key": key, "base_key": key, "owner": None}
    return {"folded": f"a+{number}", **found, "owner_type": None, "standing_identifier": None, **more}


def run(run_id: int, course_id: int, **more: Any) -> dict[str, Any]:
    """A run that stands."""
    return {"run": run_id, "course": course_id, "key": f"course-v1:A+1+r{run_id}", "status": "published", **more}


def standing(*courses: dict[str, Any], runs: list[dict[str, Any]] | None = None) -> Standing:
    """What stands, without any name taken."""
    found = pd.DataFrame(courses).astype({"organization_id": "Int64", "course_id": "Int64"})
    texts = ["standing_key", "base_key", "owner", "owner_type", "standing_identifier"]
    types = {name: pd.ArrowDtype(kind) for name, kind in RUN_TYPES.items() if name == "price"}
    instants = [*INSTANTS, "missing_since"]
    names = ["key", "listed_by", "variant_id", "title", "status", "pacing", "language", "restriction_type", "currency"]
    types |= dict.fromkeys(instants, "datetime64[us, UTC]") | dict.fromkeys(names, TEXT)
    stands = pd.DataFrame(runs or [], columns=list(RUN_TYPES))
    return Standing(
        courses=found.astype(dict.fromkeys(texts, TEXT)).set_index("folded"),
        runs=stands.astype({**types, "run": "int64", "course": "int64", "listed_by_id": "Int64"}).assign(listed=False),
        holders=pd.DataFrame(columns=["course", "key", "identifier", "is_archived"]),
        taken_names=pd.DataFrame({"key_course": pd.Series(dtype=TEXT), "key_run": pd.Series(dtype=TEXT)}),
        current_variants=pd.Series(dtype=TEXT),
        products=0,
        current=None,
    )


def codes(decisions: Decisions) -> list[tuple[int, str, str]]:
    """row, verdict and code of what is not accepted."""
    return [(left.row, left.verdict, left.code) for left in decisions.left.itertuples()]  # pyright: ignore[reportReturnType, reportAttributeAccessIssue]


def test_a_course_that_does_not_stand_is_made_with_one_run_for_each_row() -> None:
    rows = fed({"number": "1"}, {"number": "1", "start": LATER})
    decided = decide_feed(FEED, rows, standing(course("1", None)), NOW)
    assert codes(decided) == []
    assert decided.accepted["course"].tolist() == [-1, -1]
    assert decided.courses["row"].tolist() == [2]
    assert decided.runs["run_key"].tolist() == ["course-v1:A+1+2T2026", "course-v1:A+1+3T2026"]


def test_a_row_without_an_organization_in_the_catalog_is_rejected() -> None:
    decided = decide_feed(FEED, fed({"number": "1"}), standing(course("1", None, organization_id=None)), NOW)
    assert codes(decided) == [(2, "rejected", "MISSING_ORGANIZATION")]


def test_a_course_of_another_source_is_deferred_and_one_of_the_feeds_own_is_not() -> None:
    stands = standing(
        course("1", 7, owner="edx", owner_type="bootcamp-2u"), course("2", 8, owner="2u", owner_type="bootcamp-2u")
    )
    decided = decide_feed(FEED, fed({"number": "1"}, {"number": "2"}), stands, NOW)
    assert codes(decided) == [(2, "deferred", "OWNERSHIP_CONFLICT")]
    assert decided.left["reason"].tolist() == ["A+1 belongs to edx/bootcamp-2u, which must let go of it first."]
    assert decided.accepted["course"].tolist() == [8]


def test_a_run_in_review_defers_its_row_without_an_error() -> None:
    stands = standing(course("1", 7), runs=[run(3, 7, start=START, status="review_by_legal")])
    decided = decide_feed(FEED, fed({"number": "1"}), stands, NOW)
    assert decided.left["verdict"].tolist() == ["deferred"]
    assert decided.left["code"].isna().all()


def test_an_end_before_the_start_that_stands_is_rejected() -> None:
    end = pd.Timestamp("2026-06-15", tz="UTC")
    stands = standing(course("1", 7), runs=[run(3, 7, start=START, variant_id="v")])
    decided = decide_feed(FEED, fed({"number": "1", "variant_id": "v", "start": pd.NaT, "end": end}), stands, NOW)
    assert codes(decided) == [(2, "rejected", "COURSE_RUN_UPDATE_ERROR")]


def test_a_new_run_needs_a_start() -> None:
    decided = decide_feed(FEED, fed({"number": "1", "start": pd.NaT}), standing(course("1", 7)), NOW)
    assert codes(decided) == [(2, "rejected", "MISSING_REQUIRED_DATA")]
