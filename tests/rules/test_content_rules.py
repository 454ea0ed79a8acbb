"""The dates and the price of enterprise content, against a row-by-row oracle, and the cases that the rule names."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.rules.content_rules import (
    EXECUTIVE_EDUCATION,
    MONEY,
    RUN_DATES,
    SEATS,
    VALUES,
    course_values,
    normalized_values,
    run_values,
    seat_deadline,
)
from catalog_pipeline.rules.course_keys import TEXT

Record = dict[str, Any]
READABLE = {
    "2026-02-25T23:59:59Z": datetime(2026, 2, 25, 23, 59, 59, tzinfo=UTC),
    "2026-02-25T23:59:59.5Z": datetime(2026, 2, 25, 23, 59, 59, 500_000, tzinfo=UTC),
    "2026-02-25 23:59:59+01:00": datetime(2026, 2, 25, 22, 59, 59, tzinfo=UTC),
    "2026-03-01T00:00:00Z": datetime(2026, 3, 1, tzinfo=UTC),
}
TEXTS = st.sampled_from([None, *READABLE, "2026-02-25", "soon"])
AMOUNTS = st.sampled_from([None, Decimal("0.00"), Decimal("1999.00"), Decimal("2600.00")])
DATES = ("start_raw", "end_raw", "enrollment_start_raw", "enrollment_end_raw", "upgrade_deadline_raw")
PRICES = ("fixed_price", "entitlement_price", "seat_price", "normalized_price")
RUNS = st.fixed_dictionaries(
    {
        **dict.fromkeys(DATES, TEXTS),
        **dict.fromkeys(PRICES, AMOUNTS),
        "course_type": st.sampled_from([None, "verified-audit", EXECUTIVE_EDUCATION]),
    }
)
SEAT = st.fixed_dictionaries(
    {
        "type": st.sampled_from([None, *SEATS, "honor", "credit"]),
        "upgrade_deadline": TEXTS,
        "upgrade_deadline_override": TEXTS,
    }
)


def frame(records: list[Record]) -> pd.DataFrame:
    columns = [*DATES, *PRICES, "course_type"]
    found = pd.DataFrame(records, columns=columns)
    return found.astype({name: MONEY if name in PRICES else TEXT for name in columns})


def records_of(found: pd.DataFrame) -> list[Record]:
    dates = {name: [None if pd.isna(v) else v.to_pydatetime() for v in found[name]] for name in RUN_DATES}
    rest = {name: [None if v != v else v for v in found[name]] for name in found if name not in dates}
    return [dict(zip((*dates, *rest), row, strict=True)) for row in zip(*dates.values(), *rest.values(), strict=True)]


def price_of(record: Record, *sources: tuple[str, str]) -> Record:
    for source, column in sources:
        if record[column] is not None:
            return {"price": record[column], "price_from": source}
    return {"price": Decimal(0), "price_from": "none"}


def run_oracle(record: Record) -> Record:
    """One run, decided by hand."""
    enrollment_end, upgrade = (READABLE.get(record[name]) for name in ("enrollment_end_raw", "upgrade_deadline_raw"))
    executive = record["course_type"] == EXECUTIVE_EDUCATION
    deadlines = [enrollment_end] if executive else [enrollment_end, upgrade]
    fields = ["enrollment_end"] if executive else ["enrollment_end", "upgrade_deadline"]
    raws = {field: record[f"{field}_raw"] for field in fields}
    return {
        **{name: READABLE.get(record[f"{name}_raw"]) for name in ("start", "end", "enrollment_start")},
        "enroll_by": min((date for date in deadlines if date), default=None),
        **price_of(record, ("fixed", "fixed_price"), ("entitlement", "entitlement_price"), ("seat", "seat_price")),
        "problems": [{"field": field, "raw": raw} for field, raw in raws.items() if raw and raw not in READABLE],
    }


@given(st.lists(RUNS, max_size=6))
def test_runs_are_decided_as_one_by_one(runs: list[Record]) -> None:
    assert records_of(run_values(frame(runs))) == [run_oracle(run) for run in runs]


@given(st.lists(RUNS, max_size=6))
def test_without_a_list_of_runs_the_normalized_values_count(entries: list[Record]) -> None:
    wanted = []
    for entry in entries:
        raw = entry["enrollment_end_raw"]
        wanted.append(
            {
                **{name: READABLE.get(entry[f"{name}_raw"]) for name in ("start", "end", "enrollment_start")},
                "enroll_by": READABLE.get(raw),
                **price_of(entry, ("normalized", "normalized_price")),
                "problems": [{"field": "enrollment_end", "raw": raw}] if raw and raw not in READABLE else [],
            }
        )
    assert records_of(normalized_values(frame(entries))) == wanted


UUIDS = ["9b6f7d8e-aaaa-4bbb-8ccc-000000000010", "9B6F7D8E-AAAA-4BBB-8CCC-000000000010", "0a" * 16, None]


@given(
    st.lists(st.tuples(st.sampled_from(UUIDS), AMOUNTS), max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(UUIDS), RUNS), max_size=6),
)
def test_a_course_has_the_values_of_the_run_that_it_advertises(
    courses: list[tuple[str | None, Decimal | None]], runs: list[tuple[int, str | None, Record]]
) -> None:
    listed = run_values(frame([record for *_, record in runs])).assign(
        document=pd.Series([document for document, *_ in runs], dtype="int64"),
        run_uuid=pd.Series([uuid for _, uuid, _ in runs], dtype=TEXT),
        run_key=pd.Series([f"run {number}" for number in range(len(runs))], dtype=TEXT),
    )
    advertised = pd.DataFrame(
        {
            "document": pd.Series(range(len(courses)), dtype="int64"),
            "advertised_run_uuid": pd.Series([uuid for uuid, _ in courses], dtype=TEXT),
            "entitlement_price": pd.Series([amount for _, amount in courses], dtype=MONEY),
        }
    )
    wanted = []
    for number, (uuid, amount) in enumerate(courses):
        found = next(
            (n for n, (of, run, _) in enumerate(runs) if of == number and uuid and (run or "").lower() == uuid.lower()),
            None,
        )
        values = records_of(listed[list(VALUES)])[found] if found is not None else dict.fromkeys(RUN_DATES)
        if found is None:
            values |= price_of({"amount": amount}, ("entitlement", "amount"))
        wanted.append({**values, "advertised_run_key": None if found is None else f"run {found}"})
    assert records_of(course_values(advertised, listed)) == wanted


@given(st.lists(SEAT, max_size=5))
def test_the_best_seat_has_the_upgrade_deadline(seats: list[Record]) -> None:
    for mode in SEATS:
        if of_mode := [seat for seat in seats if seat["type"] == mode]:
            assert seat_deadline(seats) == (of_mode[0]["upgrade_deadline_override"] or of_mode[0]["upgrade_deadline"])
            return
    any_seat = seats[0] if seats else {}
    assert seat_deadline(seats) == (any_seat.get("upgrade_deadline_override") or any_seat.get("upgrade_deadline"))


def test_deadlines_are_compared_as_instants_and_not_as_texts() -> None:
    run = {**dict.fromkeys((*DATES, *PRICES)), "course_type": "verified-audit"}
    run |= {"enrollment_end_raw": "2026-02-25T23:59:59.5Z", "upgrade_deadline_raw": "2026-02-25T23:59:59Z"}
    assert records_of(run_values(frame([run])))[0]["enroll_by"] == READABLE["2026-02-25T23:59:59Z"]


def test_an_amount_of_zero_is_a_price() -> None:
    run = {**dict.fromkeys((*DATES, *PRICES)), "course_type": None, "fixed_price": Decimal(0), "seat_price": Decimal(9)}
    found = records_of(run_values(frame([run])))[0]
    assert (found["price"], found["price_from"]) == (Decimal(0), "fixed")
