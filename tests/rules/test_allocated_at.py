"""When an assignment was allocated, against a plain loop over what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.models.assignment import ALLOCATED_AT_SOURCES
from catalog_pipeline.rules.allocated_at import EXACT, allocated_at
from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.rules.instants import INSTANT

INSTANTS = st.none() | st.integers(0, 10**15).map(
    lambda microseconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
SAID = st.fixed_dictionaries(
    {
        "allocated_at": INSTANTS,
        "recent_action": st.sampled_from([None, "assigned", "reminded"]),
        "recent_action_at": INSTANTS,
        "expiration_date": INSTANTS,
        "expiration_reason": st.sampled_from([None, "NINETY_DAYS_PASSED", "SUBSIDY_EXPIRED"]),
        "first_action_at": INSTANTS,
    }
)


def one(said: dict[str, Any]) -> tuple[datetime | None, str | None]:
    """The rule, for one assignment."""
    if said["allocated_at"]:
        return said["allocated_at"], "given"
    if said["recent_action"] == "assigned" and said["recent_action_at"]:
        return said["recent_action_at"], "recent_action"
    if said["expiration_reason"] == "NINETY_DAYS_PASSED" and said["expiration_date"]:
        return said["expiration_date"] - timedelta(days=90), "expiration"
    return said["first_action_at"], "first_action" if said["first_action_at"] else None


@given(st.lists(SAID, min_size=1, max_size=20))
def test_the_first_source_that_is_there_tells_the_instant(rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows)
    types = {name: INSTANT if name.endswith(("_at", "_date")) else TEXT for name in frame}
    decided = allocated_at(frame.astype(types))
    told = [
        (None if pd.isna(at) else at.to_pydatetime(), None if pd.isna(origin) else origin)
        for at, origin in decided.itertuples(index=False)
    ]
    assert told == [one(row) for row in rows]


def test_the_origins_are_those_that_the_table_allows() -> None:
    assert set(EXACT) < set(ALLOCATED_AT_SOURCES)


def test_an_expiration_less_than_ninety_days_after_the_beginning_of_time_tells_nothing() -> None:
    instants = pd.Series([None], dtype=INSTANT)
    said = dict.fromkeys(("allocated_at", "recent_action_at", "first_action_at"), instants)
    said |= {"recent_action": [None], "expiration_reason": ["NINETY_DAYS_PASSED"]}
    said["expiration_date"] = pd.Series([datetime(1, 2, 1, tzinfo=UTC)]).astype(INSTANT)
    decided = allocated_at(pd.DataFrame(said))
    assert decided.isna().all().all()
