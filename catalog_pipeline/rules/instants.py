"""Reads the instants that enterprise services write: one form, strictly, so that every reader agrees on a date."""

# pyright: reportArgumentType=false, reportReturnType=false

import pandas as pd

from catalog_pipeline.rules.course_keys import TEXT

INSTANT = pd.DatetimeTZDtype("us", "UTC")
_2 = "[0-9]{2}"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"  # there is no year 0
FORM = rf"(?i){_YEAR}-{_2}-{_2}[T ]{_2}:{_2}:{_2}(?:\.[0-9]+)?{_ZONE}"
"""`YYYY-MM-DD`, a T or one space, `HH:MM:SS`, any fraction, and Z or an offset; letters in either case."""


def parse_instants(texts: pd.Series) -> pd.Series:
    """The instants of some texts, in UTC, with their index; null where a text is none. Fractions are cut to µs."""
    texts = texts.astype(TEXT)
    matched = texts.str.fullmatch(FORM, na=False).to_numpy(dtype=bool)
    whole = texts.where(matched).str.upper().str.replace(" ", "T").str.replace(r"(\.[0-9]{6})[0-9]+", r"\1", regex=True)
    instants = pd.to_datetime(whole, format="ISO8601", utc=True, errors="coerce").astype(INSTANT)
    # pandas goes on before the year 1 and after 9999; Python, and the database's drivers, do not.
    return instants.where(instants.dt.year.between(1, 9999))
