"""Cleans text from outside, so that it can stand in a header, in one line of a mail, or in a log."""

import re
from typing import Any

# Control characters and line ends; characters that reverse the direction of text; halves of surrogate pairs.
UNFIT = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def one_line(value: Any, width: int = 500) -> str:
    """A value as one line of at most `width` characters, without invisible characters."""
    line = UNFIT.sub(" ", str(value)).strip()
    return line if len(line) <= width else f"{line[: width - 1]}…"
