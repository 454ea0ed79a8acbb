"""How tables share the width of a terminal."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.cli import console
from catalog_pipeline.cli.layout import GAP, lay_out
from catalog_pipeline.cli.partner_output import print_feeds

KEY = "course-v1:GranitePeakX+BIO150+1T2026"
COUNTS = ("rows", "new_product", "new_variant", "updated", "unchanged", "rejected", "deferred", "archived")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console._console(), "_width", 80)


cells = st.text("ab -+:é日", max_size=70)


@given(
    st.lists(st.lists(cells, min_size=5, max_size=5), min_size=1, max_size=4), st.integers(20, 200), st.integers(1, 5)
)
def test_what_is_shown_fits_and_no_key_is_broken(rows: list[list[str]], width: int, essential: int) -> None:
    names = ["run_key", "outcome", "reason", "course_key", "n"]
    layout = lay_out(names, names, rows, width, essential)
    if layout is None:
        return
    shown = layout.columns
    assert len(shown) >= essential
    assert sum(column.least for column in shown) + GAP * (len(shown) - 1) <= width
    assert all(column.least == column.widest for column in shown if column.is_key)


@pytest.mark.usefixtures("narrow")
def test_the_feeds_keep_name_and_outcome_in_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = {"name": "2026-01-06.json", "source": "ext_source", "product_type": "executive-education-2u"}
    feed = {"id": 3, **name, "received_at": datetime.now(UTC), "counts": dict.fromkeys(COUNTS, 7)}
    refused = {"outcome": "refused", "detail": "The file is no CSV."}
    print_feeds([{**feed, "outcome": "applied", "detail": None}, {**feed, **refused}], as_json=False)
    told = capsys.readouterr().out
    assert "ext_source/executive-education-2u/2026-01-06.json  applied" in told
    assert "3, refused: The file is no CSV." in told
    assert "Not shown, for the terminal is too narrow: " in told
    assert "--wide shows all." in told


def lines(capsys: pytest.CaptureFixture[str], row: dict[str, Any], **more: int) -> list[str]:
    console.print_table([row], **more)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("narrow")
def test_prose_folds_then_columns_go_then_the_table_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"run_key": KEY, "outcome": "applied", "reason": "Its course was named by discovery, as others are.", "n": 7}
    assert any(line.startswith(f"{KEY}  applied  Its course") for line in lines(capsys, row))
    assert lines(capsys, {**row, "course_key": KEY})[-1].startswith("Not shown")
    listed = lines(capsys, {"run_key": KEY, "course_key": KEY, "next_key": KEY}, essential=3)
    assert listed == [f"run key     {KEY}", f"course key  {KEY}", f"next key    {KEY}"]


@pytest.mark.usefixtures("narrow")
def test_wide_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    console.widen()
    assert lines(capsys, {"run_key": KEY, "course_key": KEY, "next_key": KEY})[-1] == f"{KEY}  {KEY}  {KEY}"
