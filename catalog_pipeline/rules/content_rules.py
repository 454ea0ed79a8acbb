"""The dates and the price of a course's runs, and of the course, as an enterprise catalog says them.

Pure: what a document says is picked before, and comes as frames. `enroll_by` is until when a learner can enroll at the
price. docs/enterprise.md has the rules as a table.
"""

# pyright: reportArgumentType=false, reportReturnType=false

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.rules.instants import parse_instants

EXECUTIVE_EDUCATION = "executive-education-2u"
"""The course type whose enrollment deadline is the run's enrollment_end alone."""
PAID_EXECUTIVE_EDUCATION = "paid-executive-education"
"""The mode of the entitlement that has the price of executive education."""
SEATS = ("verified", "professional", "no-id-professional", "unpaid-executive-education", "audit")
"""The seat types, best first: the upgrade deadline of the best seat counts. A seat of another type counts last."""
PRICES = {"fixed": "fixed_price", "entitlement": "entitlement_price", "seat": "seat_price"}
"""Where a price comes from, best first: price_from → the column that has it."""
MONEY = pd.ArrowDtype(pa.decimal128(12, 2))
RUN_DATES = ("start", "end", "enrollment_start", "enroll_by")
VALUES = (*RUN_DATES, "price", "price_from")


def seat_deadline(seats: Sequence[Mapping[str, Any]]) -> Any:
    """The upgrade deadline of a run's best seat, as it is written; its override goes before. None without a seat."""
    if not seats:
        return None
    ranks = {mode: rank for rank, mode in enumerate(SEATS)}
    best = min(seats, key=lambda seat: ranks.get(str(seat.get("type")), len(ranks)))
    return best.get("upgrade_deadline_override") or best.get("upgrade_deadline")


def run_values(runs: pd.DataFrame) -> pd.DataFrame:
    """VALUES and `problems` of each run, with the index of `runs`.

    `runs`: start_raw, end_raw, enrollment_start_raw, enrollment_end_raw, upgrade_deadline_raw (texts), course_type of
    its course, and the amounts fixed_price, entitlement_price (of its course), seat_price. `problems` is a list of
    {"field", "raw"}, of the dates that would decide `enroll_by` and cannot be read.
    """
    executive = (runs["course_type"] == EXECUTIVE_EDUCATION).fillna(False).astype(bool)
    end = parse_instants(runs["enrollment_end_raw"])
    upgrade = parse_instants(runs["upgrade_deadline_raw"])
    earlier = end.where(upgrade.isna() | (end <= upgrade), upgrade)
    unread = {
        "enrollment_end": runs["enrollment_end_raw"].where(end.isna()),
        "upgrade_deadline": runs["upgrade_deadline_raw"].where(upgrade.isna() & ~executive),
    }
    values = {
        "start": parse_instants(runs["start_raw"]),
        "end": parse_instants(runs["end_raw"]),
        "enrollment_start": parse_instants(runs["enrollment_start_raw"]),
        "enroll_by": end.where(executive, earlier),
        **_price(runs),
        "problems": _problems(unread),
    }
    return pd.DataFrame(values, runs.index)


def normalized_values(entries: pd.DataFrame) -> pd.DataFrame:
    """VALUES and `problems` of runs or courses whose document has no list of runs, with the index of `entries`.

    `entries`: start_raw, end_raw, enrollment_start_raw, enrollment_end_raw (there the normalized enroll-by date) and
    the amount normalized_price, as the document's normalized metadata have them.
    """
    end = parse_instants(entries["enrollment_end_raw"])
    values = {
        "start": parse_instants(entries["start_raw"]),
        "end": parse_instants(entries["end_raw"]),
        "enrollment_start": parse_instants(entries["enrollment_start_raw"]),
        "enroll_by": end,
        **_first_price(entries, {"normalized": "normalized_price"}),
        "problems": _problems({"enrollment_end": entries["enrollment_end_raw"].where(end.isna())}),
    }
    return pd.DataFrame(values, entries.index)


def course_values(courses: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """VALUES and `advertised_run_key` of each course, with the index of `courses`: those of its advertised run.

    `courses`: document, advertised_run_uuid (text), entitlement_price. `runs`: document, run_uuid (text), run_key and
    VALUES. Where the document lists no such run, the dates are null, and the price is the entitlement's.
    """
    wanted = pd.DataFrame(
        {"document": courses["document"], "uuid": courses["advertised_run_uuid"].astype(TEXT).str.lower()}
    )
    listed = runs.assign(uuid=runs["run_uuid"].astype(TEXT).str.lower()).dropna(subset="uuid")
    listed = listed.drop_duplicates(["document", "uuid"])[["document", "uuid", "run_key", *VALUES]]
    found = wanted.merge(listed, how="left", on=["document", "uuid"]).set_axis(courses.index)
    unlisted = _first_price(courses, {"entitlement": "entitlement_price"})
    has_run = found["run_key"].notna()
    return pd.DataFrame(
        {
            **{name: found[name] for name in RUN_DATES},
            **{name: found[name].where(has_run, unlisted[name]) for name in ("price", "price_from")},
            "advertised_run_key": found["run_key"],
        }
    )


def _price(runs: pd.DataFrame) -> dict[str, pd.Series]:
    return _first_price(runs, PRICES)


def _first_price(rows: pd.DataFrame, prices: Mapping[str, str]) -> dict[str, pd.Series]:
    """The first amount that is there, 0 where none is; and where it comes from. An amount of 0 is an amount."""
    amount = pd.Series(pd.NA, rows.index, dtype=MONEY)
    source = pd.Series(None, rows.index, dtype=TEXT)
    for name, column in prices.items():
        source = source.mask(amount.isna() & rows[column].notna(), name)
        amount = amount.fillna(rows[column].astype(MONEY))
    return {"price": amount.fillna(0), "price_from": source.fillna("none")}


def _problems(unread: Mapping[str, pd.Series]) -> list[list[dict[str, str]]]:
    """For each row, the fields whose text is there and could not be read."""
    columns = [[None if raw != raw else raw for raw in texts.astype(TEXT)] for texts in unread.values()]
    return [
        [{"field": field, "raw": raw} for field, raw in zip(unread, row, strict=True) if raw]
        for row in zip(*columns, strict=True)
    ]
