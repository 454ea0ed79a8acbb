"""Text from outside, made fit for a header, a line of a mail or a log."""

import re
from typing import Any

# Control characters and line ends; what turns the direction of text, and so disguises it; halves of surrogate pairs.
UNFIT = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def one_line(value: Any, width: int = 500) -> str:
    """A value as one line of at most `width` characters, without anything that is not to be seen."""
    line = UNFIT.sub(" ", str(value)).strip()
    return line if len(line) <= width else f"{line[: width - 1]}…"
