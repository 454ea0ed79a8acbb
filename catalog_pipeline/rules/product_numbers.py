"""Which course has which of a partner's product numbers, where several want one. Pure: frames in, frames out."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportReturnType=false

import pandas as pd


def lost_claims(claims: pd.DataFrame, holders: pd.DataFrame) -> pd.DataFrame:
    """The claims that fail, so that no two courses of a source and course type have the same product number.

    `claims`: what the courses of a feed are to have: course (its id), key, identifier (the number, never null),
    has_it (whether the course has this number already); in the order of the file. `holders`: the courses that have
    these numbers: course, key, identifier, is_archived.

    A number stays with the course that has it, unless that is archived and claims nothing. Of those that do not have
    it, the first in the file gets it. A course whose claim fails keeps the number that it has, which may in turn be
    another's claim.

    Returns course, identifier and holder (the key of the course that has the number).
    """
    standing = holders[~holders["is_archived"].astype(bool)]
    left = claims.sort_values("has_it", ascending=False, kind="stable")
    lost = []
    while True:
        kept = standing[~standing["course"].isin(left["course"])]
        winners = pd.concat([kept, left]).drop_duplicates("identifier").set_index("identifier")
        fails = left["identifier"].map(winners["course"]) != left["course"]
        if not fails.any():
            return pd.concat(lost) if lost else left.head(0).assign(holder="")[LOST]
        lost.append(left[fails].assign(holder=left["identifier"].map(winners["key"]))[LOST])
        left = left[~fails]


LOST = ["course", "identifier", "holder"]


def given_up(claims: pd.DataFrame, holders: pd.DataFrame) -> pd.DataFrame:
    """The numbers that archived courses give up for the claims of others: course (which gets it), identifier, holder.

    `claims` and `holders` as in `lost_claims`, but without the claims that fail.
    """
    archived = holders[holders["is_archived"].astype(bool) & ~holders["course"].isin(claims["course"])]
    taken = archived.rename(columns={"key": "holder"})[["identifier", "holder"]]
    return claims.merge(taken, on="identifier")[LOST]
