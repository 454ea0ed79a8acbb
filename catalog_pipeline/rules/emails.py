"""Which texts are mail addresses. A learner's address is compared without regard to case, as keys are."""

import pandas as pd

_PART = r'[^@.\s\pC\pZ",:;<>()\[\]\\]+'
_PATTERN = rf"{_PART}(?:\.{_PART})*@(?:{_PART}\.)+{_PART}"  # RE2's syntax, as for keys
LONGEST = 254
RETIRED = "@retired.invalid"
"""The end of the addresses that stand in the place of those that were cleared."""


def are_emails(texts: pd.Series) -> pd.Series:
    """Whether each text is one plain address, such as ann@example.org; false where there is none."""
    return texts.str.fullmatch(_PATTERN, na=False) & (texts.str.len().fillna(0) <= LONGEST)
