"""When an assignment was allocated, by what a source says of it: the ninety days begin there."""

import pandas as pd

NINETY_DAYS = pd.Timedelta(days=90)
LATEST = pd.Timestamp("9999-12-31T23:59:59.999999Z") - NINETY_DAYS
"""The last instant of which there is one ninety days later; Python, and the database's drivers, know none after it."""
EXACT = ("given", "recent_action", "expiration")
"""The origins that name the instant itself. A first action only follows it, and only for a first allocation."""


def allocated_at(said: pd.DataFrame) -> pd.DataFrame:
    """The instant of each assignment's allocation and where it comes from; both null where nothing tells it.

    `said`: allocated_at, recent_action (assigned, reminded), recent_action_at, expiration_date, expiration_reason,
    first_action_at. Returns allocated_at and allocated_at_from with the same index. The first that is there counts:
    what is given, the recent action `assigned`, an expiration after ninety days less ninety days, the first action.
    """
    ninety_days_before = said["expiration_date"].where(said["expiration_reason"] == "NINETY_DAYS_PASSED") - NINETY_DAYS
    candidates = {
        "given": said["allocated_at"],
        "recent_action": said["recent_action_at"].where(said["recent_action"] == "assigned"),
        # Nor do they know one before the year 1.
        "expiration": ninety_days_before.where(ninety_days_before.dt.year >= 1),
        "first_action": said["first_action_at"],
    }
    instant = pd.Series(pd.NaT, index=said.index, dtype=said["allocated_at"].dtype)
    origin = pd.Series(None, index=said.index, dtype="str")
    for name, candidate in candidates.items():
        candidate = candidate.where(candidate <= LATEST)
        origin = origin.mask(instant.isna() & candidate.notna(), name)
        instant = instant.fillna(candidate)
    return pd.DataFrame({"allocated_at": instant, "allocated_at_from": origin})
