"""The sample's enterprise records that no service serves: files that are the same for ever, to be imported."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from catalog_pipeline.cli import app
from catalog_pipeline.sample.catalog import build_catalog
from catalog_pipeline.sample.customers import Customers, build_customers
from catalog_pipeline.sample.enterprise_files import write_enterprise_files

SIZE = 400
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows]:
    """The rows of both files."""
    enterprise, assignments = write_enterprise_files(tmp_path_factory.mktemp("enterprise"), SIZE, 1)
    return rows(enterprise), rows(assignments)


@pytest.fixture(scope="module")
def served() -> Customers:
    return build_customers(SIZE, 1)


def rows(path: Path) -> Rows:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    first, again, other = (write_enterprise_files(tmp_path / str(n), 40, seed) for n, seed in enumerate((1, 1, 2)))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert all(one.read_bytes() != two.read_bytes() for one, two in zip(first, other, strict=True))
    assert [path.name for path in first] == ["enterprise.jsonl", "assignments.jsonl"]


def test_a_file_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "enterprise.jsonl").write_text("mine")
    assert [path.name for path in write_enterprise_files(tmp_path, 10, 1)] == ["assignments.jsonl"]
    assert (tmp_path / "enterprise.jsonl").read_text() == "mine"
    assert write_enterprise_files(tmp_path, 10, 1) == []


def test_every_kind_of_row_comes_in_any_order(files: tuple[Rows, Rows]) -> None:
    enterprise, _ = files
    kinds = [row["kind"] for row in enterprise]
    assert Counter(kinds).keys() == {"customer", "catalog", "subsidy", "policy", "configuration", "learner"}
    assert kinds != sorted(kinds)
    assert kinds.index("policy") < len(kinds) - 1 - kinds[::-1].index("customer")
    customers = [row for row in enterprise if row["kind"] == "customer"]
    assert len(customers) == 5
    assert all(row["slug"] and "@" in row["contact_email"] for row in customers)


def test_nothing_is_imported_that_a_service_lists(files: tuple[Rows, Rows], served: Customers) -> None:
    enterprise, _ = files
    listed = {one.uuid for one in served.catalogs if one.listed}
    listed |= {one.uuid for one in served.subsidies if one.served}
    listed |= {one.uuid for one in served.policies if one.customer.served}
    listed |= {one.uuid for one in served.configurations if one.customer.served}
    assert not listed & {row["uuid"] for row in enterprise if row["kind"] != "learner"}


def test_an_imported_policy_uses_a_catalog_that_is_served(files: tuple[Rows, Rows], served: Customers) -> None:
    enterprise, _ = files
    listed = {one.uuid for one in served.catalogs if one.listed}
    used = {row["catalog_uuid"] for row in enterprise if row["kind"] == "policy"}
    assert used & listed
    assert used - listed == {row["uuid"] for row in enterprise if row["kind"] == "catalog"}


def test_learners_are_unique_and_known_to_the_lms(files: tuple[Rows, Rows]) -> None:
    enterprise, _ = files
    learners = [row for row in enterprise if row["kind"] == "learner"]
    for name in ("email", "lms_user_id"):
        assert len({(row["enterprise_customer_uuid"], row[name]) for row in learners}) == len(learners)
    assert all(row["lms_user_id"] and row["email"].isascii() for row in learners)
    assert any(row["group_uuids"] for row in learners)


def test_imported_assignments_are_of_imported_configurations_and_in_every_state(files: tuple[Rows, Rows]) -> None:
    enterprise, assignments = files
    configurations = {row["uuid"] for row in enterprise if row["kind"] == "configuration"}
    assert {row["assignment_configuration"] for row in assignments} == configurations
    assert {row["state"] for row in assignments} == {
        "allocated",
        "accepted",
        "cancelled",
        "expired",
        "errored",
        "reversed",
    }
    keys = [(row["assignment_configuration"], row["learner_email"], row["content_key"]) for row in assignments]
    assert len(set(keys)) == len(keys)
    assert {row["credit_request_uuid"] is None for row in assignments} == {True, False}
    for row in assignments:
        if row["is_assigned_course_run"]:
            assert row["preferred_course_run_key"] == row["content_key"]
        if row["state"] in ("accepted", "reversed", "expired", "errored"):
            assert row[f"{row['state']}_at"]


def test_when_it_was_allocated_is_told_in_full_in_part_or_not_at_all(files: tuple[Rows, Rows]) -> None:
    _, assignments = files
    told = Counter(("allocated_at" in row, "recent_action" in row, "actions" in row) for row in assignments)
    assert told.keys() == {(True, True, True), (False, True, True), (False, False, False)}


def test_live_assignments_prefer_runs_that_move_or_vanish_on_the_next_day(files: tuple[Rows, Rows]) -> None:
    _, assignments = files
    changes = build_catalog(SIZE, 1).advance()
    live = {row["preferred_course_run_key"] for row in assignments if row["state"] in ("allocated", "accepted")}
    for kind in ("date_moved", "run_removed"):
        assert {change.key for change in changes if change.kind == kind} <= live


def test_an_empty_sample_writes_customers_and_no_assignment(tmp_path: Path) -> None:
    enterprise, assignments = write_enterprise_files(tmp_path, 0, 1)
    assert {row["kind"] for row in rows(enterprise)} == {"customer", "catalog", "subsidy", "policy", "configuration"}
    assert rows(assignments) == []


def test_a_person_writes_the_files_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["sample", "enterprise", str(tmp_path / "out"), "--courses", "20", "--seed", "3"])
    assert done.exit_code == 0, done.output
    paths = [tmp_path / "out" / name for name in ("enterprise.jsonl", "assignments.jsonl")]
    assert [Path(line) for line in done.output.split()] == paths
    assert all(rows(path) for path in paths)
