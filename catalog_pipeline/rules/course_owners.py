"""Which partner feeds may change a course: those of its product source and course type. Pure: frames in, frames out."""

# pyright: reportAttributeAccessIssue=false, reportReturnType=false

import pandas as pd


def foreign_owners(courses: pd.DataFrame, source: str, product_type: str) -> pd.Series:
    """The owner of each course that a feed of this source and course type may not change; null where it may.

    `courses`: owner (its product source) and owner_type (its course type), null where it has none. A course without a
    source belongs to nobody: the first feed that lists it adopts it.

    Returns the owner as `source/type`, or `source`.
    """
    owner = courses["owner"] + ("/" + courses["owner_type"]).fillna("")
    return owner.where((courses["owner"] != source) | (courses["owner_type"] != product_type))
