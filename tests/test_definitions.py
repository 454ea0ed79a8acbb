"""Conventions of the code location, held by tests rather than by prose."""

import ast
from pathlib import Path

import dagster as dg
import pytest
from dagster import DefaultScheduleStatus, DefaultSensorStatus

from catalog_pipeline.definitions import defs
from catalog_pipeline.models import metadata
from catalog_pipeline.settings import Settings
from sensors import nightly

ROOT = Path(__file__).parents[1]
GRAPH = defs.resolve_asset_graph()
OURS = sorted(GRAPH.materializable_asset_keys)
HOUSE = ["catalog_pipeline", "assets", "resources", "sensors", "dbt_like_sql"]


def test_the_code_location_loads() -> None:
    dg.Definitions.validate_loadable(defs)
    assert OURS


@pytest.mark.parametrize("key", sorted(GRAPH.get_all_asset_keys()), ids=str)
def test_every_asset_is_described_owned_grouped_and_of_a_kind(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.description
    assert len(node.description) > 20
    assert node.owners
    assert node.group_name != "default"
    assert node.kinds


@pytest.mark.parametrize("key", OURS, ids=str)
def test_every_asset_of_ours_has_a_code_version_and_a_table(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.code_version
    assert node.metadata["dagster/table_name"]


@pytest.mark.parametrize("key", [key for key in OURS if key.path[0] in ("catalog", "marts")], ids=str)
def test_an_assets_key_is_its_tables_name_and_its_columns_are_shown(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.metadata["dagster/table_name"] == ".".join(key.path)
    assert all(column.description for column in node.metadata["dagster/column_schema"].columns)


def test_every_catalog_table_has_an_asset() -> None:
    tables = {name for name in metadata.tables if name.startswith("catalog.")}
    assert tables == {".".join(key.path) for key in OURS if key.path[0] == "catalog"}


def test_every_asset_is_in_a_job_and_every_job_in_the_night() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    by_sensor = {"ingest_feed"}
    assert set(jobs) - by_sensor == {stage.job for stage in nightly.NIGHT}
    assert {key for job in jobs.values() for key in job.asset_layer.executable_asset_keys} == set(OURS)


def test_what_talks_to_the_outside_is_retried_and_waits_in_a_pool() -> None:
    for key in (dg.AssetKey(["landing", "discovery"]), dg.AssetKey(["landing", "lms"])):
        node = GRAPH.get(key)
        assert node.pools
        assert node.assets_def.op.retry_policy
        assert node.freshness_policy


@pytest.mark.parametrize("automation", [True, False])
def test_schedules_and_sensors_start_by_themselves_only_where_that_is_asked(automation: bool) -> None:
    settings = Settings(_env_file=None, automation=automation)  # pyright: ignore[reportCallIssue]
    assert (nightly.schedule(settings).default_status == DefaultScheduleStatus.RUNNING) is automation
    assert (nightly.sensor(settings).default_status == DefaultSensorStatus.RUNNING) is automation


@pytest.mark.parametrize(
    "path", [p for d in HOUSE for p in (ROOT / d).rglob("*.py") if "versions" not in p.parts], ids=str
)
def test_every_module_opens_by_saying_what_it_is_for(path: Path) -> None:
    module = ast.parse(path.read_text())
    assert not module.body or ast.get_docstring(module)
