"""What the code looks like, where no linter asks."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("catalog_pipeline", "assets", "resources", "sensors", "dbt_like_sql", "tests", "benchmarks", "docs")
MODULES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
CODE = [file for file in MODULES if file.relative_to(ROOT).parts[0] not in ("tests", "benchmarks", "docs")]
MODULE_LINES = 400
FRAME_MODULES = {
    "catalog_pipeline/associations/planning.py",
    "catalog_pipeline/enrollments/details.py",
    "catalog_pipeline/enrollments/import_cells.py",
    "catalog_pipeline/enterprise/judging.py",
    "catalog_pipeline/partner/backpopulation.py",
    "catalog_pipeline/partner/cells.py",
    "catalog_pipeline/partner/corrections.py",
    "catalog_pipeline/partner/decisions.py",
    "catalog_pipeline/partner/plan.py",
    "catalog_pipeline/partner/reading.py",
    "catalog_pipeline/partner/report.py",
    "catalog_pipeline/partner/staging.py",
    "catalog_pipeline/partner/standing.py",
    "catalog_pipeline/partner/validation.py",
    "catalog_pipeline/partner/values.py",
    "catalog_pipeline/replication/content_staging.py",
    "catalog_pipeline/replication/enrollments_seats.py",
    "catalog_pipeline/replication/enrollments_staging.py",
    "catalog_pipeline/rules/contested_seats.py",
    "catalog_pipeline/rules/product_numbers.py",
    "catalog_pipeline/replication/staging.py",
    "catalog_pipeline/rules/association.py",
    "catalog_pipeline/rules/content_rules.py",
    "catalog_pipeline/rules/instants.py",
    "catalog_pipeline/rules/course_keys.py",
    "catalog_pipeline/rules/course_owners.py",
    "catalog_pipeline/rules/program_enrollment.py",
    "catalog_pipeline/rules/run_keys.py",
    "catalog_pipeline/rules/run_matching.py",
    "catalog_pipeline/rules/run_values.py",
    "catalog_pipeline/schemas/catalog.py",
    "catalog_pipeline/schemas/parsing.py",
}
"""Modules that handle frames, where pandas' own annotations are guesses: only these may turn rules of pyright off."""


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", MODULES, ids=named)
def test_every_module_begins_with_a_docstring(file: Path) -> None:
    source = file.read_text()
    assert ast.get_docstring(ast.parse(source)) or not source.strip(), "say in a sentence what the module is for"


def test_no_module_is_a_drawer_of_odds_and_ends() -> None:
    assert [named(file) for file in MODULES if file.stem in ("utils", "util", "helpers", "common", "misc")] == []


def test_only_modules_that_handle_frames_turn_rules_of_the_type_checker_off() -> None:
    assert {
        named(file) for file in CODE if re.search(r"^# pyright:", file.read_text(), flags=re.MULTILINE)
    } == FRAME_MODULES


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {named(file): len(file.read_text().splitlines()) for file in CODE}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}
