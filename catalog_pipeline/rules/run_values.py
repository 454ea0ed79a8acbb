"""The new values of the runs of a partner feed's rows. Pure: rows and runs are frames, `as_of` is the only clock."""

# pyright: reportArgumentType=false, reportReturnType=false

import pandas as pd

CLEARS = "None"
"""The text that clears `restriction_type`."""
FED = ("start", "end", "enrollment_end", "go_live", "upgrade_deadline", "price", "currency", "variant_id")
"""The fields that a feed always decides, in addition to `restriction_type`. A blank leaves what stands."""
UPSTREAMS = ("title", "status", "pacing", "language")
"""The fields that a feed decides only while no upstream lists the run."""
SAID = ("status", "pacing", "language")
"""Those of them that a row says of its run."""
RUN_VALUES = (*UPSTREAMS, "restriction_type", *FED)


def run_values(rows: pd.DataFrame, standing: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The values of the run of each row, by RUN_VALUES, with the index of `rows`.

    `rows`: title (never null), pacing, language, restriction_type, on_sale (a flag), FED. `standing`, with the same
    index: RUN_VALUES and `listed` of the run that stands, all null for a row that makes a new one.
    A blank leaves what stands.
    """
    values = _fed_values(rows, standing, as_of)
    listed = standing["listed"].fillna(False).astype(bool)
    return pd.DataFrame(
        {name: values[name].mask(listed, standing[name]) if name in UPSTREAMS else values[name] for name in RUN_VALUES}
    )


def said_of_upstreams(rows: pd.DataFrame, standing: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """What each row says of the fields that an upstream owns where it lists the run, by SAID; null where nothing.

    `rows` and `standing` as in `run_values`. The title is not among them: a row's title is that of its course.
    """
    says_status = rows["on_sale"].fillna(False).astype(bool) | rows["go_live"].notna()
    status = _fed_values(rows, standing, as_of)["status"].where(says_status)
    return pd.DataFrame({"status": status, "pacing": rows["pacing"], "language": rows["language"]})[list(SAID)]


def _fed_values(rows: pd.DataFrame, standing: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, pd.Series]:
    """The values that the run of each row gets if no upstream lists it."""
    values = {name: rows[name].fillna(standing[name]) for name in ("pacing", "language", "restriction_type", *FED)}
    values["restriction_type"] = values["restriction_type"].mask(rows["restriction_type"] == CLEARS)
    values["title"] = rows["title"]
    is_due = rows["on_sale"].fillna(False).astype(bool) | (values["go_live"] <= as_of)
    values["status"] = _status(standing["status"], values["end"] <= as_of, is_due)
    return values


def _status(standing: pd.Series, is_over: pd.Series, is_due: pd.Series) -> pd.Series:
    """A run that is over is never published; another one is when it is due, and scheduled before."""
    due = is_due.map({True: "published", False: "reviewed"}).astype(standing.dtype)
    return standing.fillna("unpublished").where((standing == "published") | is_over, due)


def differs(new: pd.DataFrame, old: pd.DataFrame) -> pd.Series:
    """Which rows differ in any column of `new`; null is as null."""
    found = pd.Series(False, new.index)
    for name in new:
        unequal = (new[name] != old[name]).fillna(True).astype(bool)
        found |= unequal & ~(new[name].isna() & old[name].isna())
    return found
