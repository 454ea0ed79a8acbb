"""Which program's row counts where several claim one seat. Pure: frames in, frames out."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false

import pandas as pd

CURRENT = {"enrolled": 0, "pending": 1}
OTHER = 2
ORDER = ["stands_back", "is_undecided", "is_new", "rank", "program", "curriculum"]


def decide(claims: pd.DataFrame) -> pd.DataFrame:
    """The row that counts of each seat, and why.

    `claims`, a row each: seat; is_ours (its program's enrollments are kept here: the LMS's give way to it);
    kept_reason (why it counts, where that was decided before this refresh and is open still, else null);
    held_earlier (it had the seat before this refresh); status (of the enrollment in the program); program, curriculum
    (uuids as text). The order in which programs were read is none of it.

    Returns, with the index of `claims`: counts, and reason (one of CONFLICT_REASONS; the same for a whole seat).
    """
    ordered = claims.assign(
        stands_back=~claims["is_ours"].astype(bool),
        is_undecided=claims["kept_reason"].isna(),
        is_new=~claims["held_earlier"].astype(bool),
        rank=claims["status"].map(CURRENT).fillna(OTHER),
    ).sort_values(["seat", *ORDER])
    seats = ordered.groupby("seat", sort=False)
    counts = seats.cumcount() == 0
    # The second has the best rank of the others: those that go before by the seat are never two.
    by_rank = ordered["rank"] < seats["rank"].shift(-1)
    reason = pd.Series("first_by_uuid", ordered.index, dtype="str")
    reason = reason.mask(by_rank, "enrolled_there")
    reason = reason.mask(~(ordered["is_new"] & ordered["stands_back"]), "active_earlier")
    reason = ordered["kept_reason"].astype("str").where(~ordered["is_undecided"], reason)
    told = reason.where(counts).groupby(ordered["seat"]).transform("first")
    return pd.DataFrame({"counts": counts, "reason": told}).reindex(claims.index)
