"""Which texts are mail addresses."""

import pandas as pd
import pytest

from catalog_pipeline.rules.course_keys import TEXT
from catalog_pipeline.rules.emails import RETIRED, are_emails


@pytest.mark.parametrize(
    "text",
    ["ann@example.org", "Ann.Lee+course@sub.example.co", "o'neil@example.org", f"x{RETIRED}"],
)
def test_a_plain_address_is_one(text: str) -> None:
    assert are_emails(pd.Series([text], dtype=TEXT)).tolist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            "ann",
            "jörg@example.org",
            "@example.org",
            "ann@",
            "ann@example",
            "a@b@c.org",
            "ann @example.org",
            " ann@example.org",
        ),
        *("ann@example.org\n", "Ann <ann@example.org>", "a@x.org,b@x.org", ".ann@example.org", "ann@example..org"),
        *("ann@example.org.", "a\u200bnn@example.org", "ann@example.org\0", "x" * 250 + "@y.org"),
    ],
)
def test_anything_else_is_none(text: str | None) -> None:
    assert are_emails(pd.Series([text], dtype=TEXT)).tolist() == [False]
