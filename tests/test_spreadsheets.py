"""CSV for spreadsheets: no text of a cell may run as a formula."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.spreadsheets import as_typed, protected, write_csv


def cell(value: object) -> str:
    file = io.StringIO()
    write_csv(file, ["a"], [[value]])
    return file.getvalue().removeprefix("a\n").removesuffix("\n")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe62", "\ufe63"])
@pytest.mark.parametrize(
    "before", ["", " ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\ufeff", "\ufeff\u00a0 ", "\u200b"]
)
def test_a_formula_is_quoted_whatever_comes_before_it_and_however_wide_it_is(sign: str, before: str) -> None:
    assert cell(f"{before}{sign}HYPERLINK(1)").lstrip('"').startswith("'")


@pytest.mark.parametrize("text", ["a=b", "Course - Part", "", " ", "1+1", "-5", "-5.25", "'=x"])
def test_other_text_and_negative_numbers_stay_as_they_are(text: str) -> None:
    assert cell(text).strip('"') == text


@given(st.text(st.sampled_from("'=+-@a1\u200b\uff1d "), max_size=6) | st.text())
def test_a_protected_text_comes_back_as_it_was_and_runs_in_no_spreadsheet(text: str) -> None:
    assert as_typed(protected(text)) == text
    shown = cell(protected(text)).strip('"')
    assert not shown.startswith(("=", "+", "@"))


@pytest.mark.parametrize("typed", ["'abc", "''", "'", "", "a'b"])
def test_a_quote_that_protects_nothing_stays_as_a_person_typed_it(typed: str) -> None:
    assert as_typed(typed) == (typed if typed != "''" else "'")
