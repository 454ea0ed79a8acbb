"""Keys and user names as people and upstreams write them: cut of white space, and judged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from catalog_pipeline.schemas.parsing import Column, parse_text

LONGEST_KEY = 255
LONGEST_NAME = 150
WHITE_SPACE = r"[\s\pZ\x0b\x1c-\x1f\x{85}]"
BAD_KEY = f"external_key is not text of 1 to {LONGEST_KEY} characters, without NUL and halves of signs."
BAD_USER_NAME = f"user_name is not text of 1 to {LONGEST_NAME} characters, without white space in it."


def keys(cells: Sequence[Any]) -> Column:
    """Keys of learners; null where nothing is given. The rule of the bad ones is bad_key."""
    read = parse_text(cells)
    values = _trimmed(read.values)
    return _without(values, read.bad | _holds(values.str.len() > LONGEST_KEY), "bad_key")


def user_names(cells: Sequence[Any]) -> Column:
    """Names of users; null where nothing is given. The rule of the bad ones is bad_user_name."""
    read = parse_text(cells)
    values = _trimmed(read.values)
    bad = _holds(values.str.len() > LONGEST_NAME) | _holds(values.str.contains(WHITE_SPACE, na=False))
    return _without(values, read.bad | bad, "bad_user_name")


def _trimmed(texts: pd.Series) -> pd.Series:
    trimmed = texts.str.strip()
    return trimmed.mask(trimmed == "")


def _holds(condition: pd.Series) -> np.ndarray:
    return condition.fillna(False).to_numpy(dtype=bool)


def _without(values: pd.Series, bad: np.ndarray, rule: str) -> Column:
    return Column(values.mask(bad), bad, rule)
