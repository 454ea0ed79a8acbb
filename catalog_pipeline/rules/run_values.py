"""What the rows of a partner's feed make of their runs. Pure: rows and runs are frames, `as_of` is the only clock."""

import pandas as pd

CLEARS = "None"
"""The text that clears `restriction_type`."""
FED = ("start", "end", "enrollment_end", "go_live", "upgrade_deadline", "price", "currency", "variant_id")
"""What a feed says of a run, whoever lists it."""
UPSTREAMS = ("title", "status", "pacing", "language")
"""What a feed says of a run only as long as no upstream lists it."""
RUN_VALUES = (*UPSTREAMS, "restriction_type", *FED)


def run_values(rows: pd.DataFrame, standing: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The values of the run of each row, by RUN_VALUES, with the index of `rows`.

    `rows`: title (never null), pacing, language, restriction_type, FED. `standing`, with the same index: RUN_VALUES
    and `listed` of the run that stands, all null for a row that makes a new one.
    A blank leaves what stands.
    """
    values = {name: rows[name].fillna(standing[name]) for name in ("pacing", "language", "restriction_type", *FED)}
    values["restriction_type"] = values["restriction_type"].mask(rows["restriction_type"] == CLEARS)
    values["title"] = rows["title"]
    values["status"] = _status(standing["status"], values["end"], values["go_live"], as_of)
    listed = standing["listed"].fillna(False).astype(bool)
    return pd.DataFrame(
        {name: values[name].mask(listed, standing[name]) if name in UPSTREAMS else values[name] for name in RUN_VALUES}
    )


def _status(standing: pd.Series, end: pd.Series, go_live: pd.Series, as_of: pd.Timestamp) -> pd.Series:
    """A run that is over is never published; another one is from its go-live date on, and scheduled before."""
    due = (go_live <= as_of).map({True: "published", False: "reviewed"}).astype(standing.dtype)
    return standing.fillna("unpublished").where((standing == "published") | (end <= as_of), due)


def differs(new: pd.DataFrame, old: pd.DataFrame) -> pd.Series:
    """Which rows differ in any column of `new`; null is as null."""
    found = pd.Series(False, new.index)
    for name in new:
        unequal = (new[name] != old[name]).fillna(True).astype(bool)
        found |= unequal & ~(new[name].isna() & old[name].isna())
    return found
