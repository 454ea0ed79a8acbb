"""The marts about the history: what a single pass over all events says, without reading all of them."""

from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, text
from support.histories import DAYS, FIRST, live

from dbt_like_sql.project import load_models

SINGLE_PASS = Path(__file__).parent / "single_pass"
MODELS = {model.name: model for model in load_models()}
RANGES = [(first, last) for first in range(-1, DAYS * 2 + 1, 3) for last in (first, first + 4)]


def rows(connection: Connection, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in connection.execute(text(query), parameters)), key=repr)


def single_pass(name: str) -> str:
    """The query of before, which read the whole history: what must come out."""
    return (SINGLE_PASS / f"{name}.sql").read_text().replace(":", "\\:")


@pytest.mark.parametrize("seed", range(8))
def test_the_marts_say_of_a_random_history_what_a_single_pass_says(connection: Connection, seed: int) -> None:
    random, counted = Random(seed), 0
    for _ in range(3):
        live(connection, random)
        for name in ("run_history", "schedule_slippage"):
            assert rows(connection, single_pass(name)) == rows(connection, MODELS[name].sql.replace(":", "\\:"))
        for first, last in RANGES:
            days = [(FIRST + timedelta(days=day)).date().isoformat() for day in (first, last)]
            for setting, day in zip(("catalog.first_day", "catalog.last_day"), days, strict=True):
                connection.execute(text("SELECT set_config(:name, :day, true)"), {"name": setting, "day": day})
            found = rows(connection, MODELS["catalog_daily"].sql.replace(":", "\\:"))
            counted += len(found)
            assert found == rows(connection, single_pass("catalog_daily")), days
    assert counted
