"""What rows make of their runs, against a row-by-row oracle, and the cases that the rule names."""

from decimal import Decimal
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.models.fields import RUN_FIELDS, left_to_upstreams, written_by
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.rules.run_values import CLEARS, FED, RUN_VALUES, UPSTREAMS, differs, run_values
from catalog_pipeline.schemas.parsing import FLAG, INSTANT, MONEY

Record = dict[str, Any]
NOW = pd.Timestamp("2026-06-01", tz="UTC")
DAYS = [None, *(pd.Timestamp(f"2026-{month}-01", tz="UTC") for month in ("05", "06", "07"))]
INSTANTS = ("start", "end", "enrollment_end", "go_live", "upgrade_deadline")
TYPES = {name: INSTANT if name in INSTANTS else MONEY if name == "price" else TEXT for name in RUN_VALUES}
STATUSES = ["unpublished", "reviewed", "published", "archived"]
NOTHING = {**dict.fromkeys(RUN_VALUES), "listed": None}


def some(texts: list[str | None]) -> st.SearchStrategy[Any]:
    return st.sampled_from(texts)


VALUES = {
    **{name: some([None, "one", "two"]) for name in ("pacing", "language", "currency", "variant_id")},
    **{name: st.sampled_from(DAYS) for name in INSTANTS},
    "price": st.sampled_from([None, Decimal("1.00"), Decimal("2.50")]),
}
FED_ROW = st.fixed_dictionaries(
    {
        **VALUES,
        "title": some(["One", "Two"]),
        "restriction_type": some([None, CLEARS, "custom-b2c"]),
        "on_sale": st.sampled_from([None, False, True]),
    }
)
STANDING = st.one_of(
    st.just(NOTHING),
    st.fixed_dictionaries(
        {
            **VALUES,
            "title": some(["One", "Two"]),
            "status": some([*STATUSES]),
            "restriction_type": some([None, "custom-b2c"]),
            "listed": st.booleans(),
        }
    ),
)


def frame(records: list[Record], columns: list[str]) -> pd.DataFrame:
    found = pd.DataFrame(records, columns=columns)
    return found.astype({name: TYPES.get(name, FLAG) for name in columns})


def made(rows: list[Record], standing: list[Record]) -> tuple[list[Record], list[bool]]:
    """The values of each row's run, and whether they differ from those that stand."""
    fed = frame(rows, [*(name for name in RUN_VALUES if name != "status"), "on_sale"])
    stands = frame(standing, [*RUN_VALUES, "listed"])
    values = run_values(fed, stands, NOW)
    assert list(values.columns) == list(RUN_VALUES)
    plain = values.astype(object).where(values.notna(), None)
    return plain.to_dict("records"), differs(values, stands).tolist()


def oracle(row: Record, run: Record) -> Record:
    """The rule for one row, as a person would apply it."""
    values = {name: run[name] if row[name] is None else row[name] for name in (*FED, "restriction_type")}
    if row["restriction_type"] == CLEARS:
        values["restriction_type"] = None
    if run["listed"]:
        return {**values, **{name: run[name] for name in ("title", "status", "pacing", "language")}}
    is_over = values["end"] is not None and values["end"] <= NOW
    is_due = row["on_sale"] or (values["go_live"] is not None and values["go_live"] <= NOW)
    if run["status"] == "published" or is_over:
        status = run["status"] or "unpublished"
    else:
        status = "published" if is_due else "reviewed"
    kept = {name: run[name] if row[name] is None else row[name] for name in ("pacing", "language")}
    return {**values, **kept, "title": row["title"], "status": status}


@given(st.lists(st.tuples(FED_ROW, STANDING), max_size=12))
def test_the_values_of_any_rows_are_those_of_each_row_by_itself(pairs: list[tuple[Record, Record]]) -> None:
    rows, standing = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    values, different = made(rows, standing)
    expected = [oracle(row, run) for row, run in pairs]
    assert values == [{name: one[name] for name in RUN_VALUES} for one in expected]
    assert different == [
        any(one[name] != run[name] for name in RUN_VALUES) for one, run in zip(expected, standing, strict=True)
    ]


FED_ALL = {
    **dict.fromkeys(("pacing", "language", "currency", "variant_id")),
    **dict.fromkeys(INSTANTS),
    "price": None,
    "title": "One",
    "restriction_type": None,
    "on_sale": False,
}


def status(row: Record, run: Record) -> str:
    return made([{**FED_ALL, **row}], [{**NOTHING, **run}])[0][0]["status"]


def test_a_run_that_is_over_is_never_published() -> None:
    _, may, june, july = DAYS
    over = {"go_live": may, "end": june}
    assert status(over, {}) == "unpublished"
    assert status({"go_live": may}, {"status": "reviewed", "end": may, "listed": False}) == "reviewed"
    assert status({"go_live": may, "end": july}, {}) == "published"


def test_a_run_is_scheduled_until_its_go_live_date() -> None:
    _, _, june, july = DAYS
    assert status({"go_live": july}, {}) == "reviewed"
    assert status({"go_live": june}, {"status": "reviewed", "listed": False}) == "published"
    assert status({}, {"status": "published", "go_live": july, "listed": False}) == "published"


def test_a_run_on_sale_is_published_at_once_unless_it_is_over() -> None:
    _, _, june, july = DAYS
    assert status({"on_sale": True}, {}) == "published"
    assert status({"on_sale": True}, {"status": "reviewed", "go_live": july, "listed": False}) == "published"
    assert status({"on_sale": True, "end": june}, {}) == "unpublished"


def test_what_an_upstream_lists_keeps_its_title_status_pacing_and_language() -> None:
    theirs = {"title": "Theirs", "status": "unpublished", "pacing": "self_paced", "language": "fr", "listed": True}
    fed = {**FED_ALL, "title": "Ours", "pacing": "instructor_paced", "language": "en", "go_live": DAYS[1]}
    values = made([fed], [{**NOTHING, **theirs}])[0][0]
    assert {name: values[name] for name in theirs if name != "listed"} == {
        name: value for name, value in theirs.items() if name != "listed"
    }
    assert values["go_live"] == DAYS[1]


def test_none_clears_a_restriction_and_a_blank_leaves_it() -> None:
    stands = {**NOTHING, "restriction_type": "custom-b2c", "listed": True}
    cleared, left = made([{**FED_ALL, "restriction_type": CLEARS}, FED_ALL], [stands, stands])[0]
    assert (cleared["restriction_type"], left["restriction_type"]) == (None, "custom-b2c")


def test_a_feed_says_exactly_the_fields_that_the_registry_gives_to_feeds() -> None:
    assert set(RUN_VALUES) == {*written_by(RUN_FIELDS, "feed"), "variant_id"}
    assert set(UPSTREAMS) == set(left_to_upstreams(RUN_FIELDS))
