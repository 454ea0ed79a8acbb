"""Which texts are mail addresses. A learner's address is compared without regard to case, as keys are."""

import pandas as pd

from catalog_pipeline.addresses import EMAIL, LONGEST_EMAIL

RETIRED = "@retired.invalid"
"""The end of the addresses that stand in the place of those that were cleared."""


def are_emails(texts: pd.Series) -> pd.Series:
    """Whether each text is one plain address in ASCII, such as ann@example.org; false where there is none."""
    return texts.str.fullmatch(EMAIL, na=False) & (texts.str.len().fillna(0) <= LONGEST_EMAIL)
