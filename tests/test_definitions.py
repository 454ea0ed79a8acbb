"""Conventions of the code location, held by tests rather than by prose."""

import ast
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from dagster import DefaultScheduleStatus, DefaultSensorStatus

from catalog_pipeline.definitions import SENSORS, build_defs, defs
from catalog_pipeline.models.tables import metadata
from catalog_pipeline.settings import Settings
from sensors import nightly
from sensors.starting import running

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
def test_an_assets_key_is_its_tables_name(key: dg.AssetKey) -> None:
    assert GRAPH.get(key).metadata["dagster/table_name"] == ".".join(key.path)


@pytest.mark.parametrize("key", [key for key in OURS if key.path[0] != "marts"], ids=str)
def test_an_asset_shows_the_columns_of_its_table_before_it_is_materialized(key: dg.AssetKey) -> None:
    columns = GRAPH.get(key).metadata["dagster/column_schema"].columns
    assert columns
    assert all(column.description and column.type != "string" for column in columns)


def test_what_feeds_write_is_read_downstream() -> None:
    downstream = {key.to_user_string() for key in GRAPH.get(dg.AssetKey(["feeds", "partner"])).child_keys}
    assert downstream == {
        "go_live/due_runs",
        "catalog/run_association",
        "marts/feed_acceptance",
        "marts/variant_without_run",
    }


def test_every_catalog_table_has_an_asset() -> None:
    tables = {name for name in metadata.tables if name.startswith("catalog.")}
    assert tables == {".".join(key.path) for key in OURS if key.path[0] == "catalog"}


def test_every_asset_is_in_a_job_and_every_job_in_the_night() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    by_sensor_or_hand = {"ingest_feed", "replicate_enterprise_records", "replicate_content"}
    assert set(jobs) - by_sensor_or_hand == {stage.job for stage in nightly.NIGHT}
    assert {key for job in jobs.values() for key in job.asset_layer.executable_asset_keys} == set(OURS)


def test_what_talks_to_the_outside_is_retried_and_waits_in_a_pool() -> None:
    for key in (dg.AssetKey(["landing", "discovery"]), dg.AssetKey(["landing", "lms"])):
        node = GRAPH.get(key)
        assert node.pools
        assert node.assets_def.op.retry_policy
        assert node.freshness_policy


@pytest.mark.parametrize("automation", [True, False])
def test_schedules_and_sensors_run_from_the_start_only_where_that_is_asked(automation: bool) -> None:
    built = build_defs(Settings(_env_file=None, automation=automation))  # pyright: ignore[reportCallIssue]
    started = {
        automated.name
        for automated in (*(built.sensors or ()), *(built.schedules or ()))
        if automated.default_status in (DefaultScheduleStatus.RUNNING, DefaultSensorStatus.RUNNING)
    }
    every = {"nightly", *(sensor.name for sensor in SENSORS)}
    assert every >= {"night", "new_runs", "outside_writes", "feed_files", "enterprise_catalogs", "outbox"}
    assert started == (every if automation else set())


def test_a_running_sensor_differs_from_the_stopped_one_by_its_status_alone() -> None:
    for stopped in SENSORS:
        started = running(stopped)
        for attribute in ("name", "description", "minimum_interval_seconds", "required_resource_keys", "has_jobs"):
            assert getattr(started, attribute) == getattr(stopped, attribute)
        assert not stopped.has_jobs or started.jobs == stopped.jobs


def test_no_two_boxes_of_the_graph_have_one_name() -> None:
    names = Counter(key.path[-1] for key in GRAPH.get_all_asset_keys())
    assert {name for name, n in names.items() if n > 1} == set()


@pytest.mark.parametrize(
    "path", [p for d in HOUSE for p in (ROOT / d).rglob("*.py") if "versions" not in p.parts], ids=str
)
def test_every_module_opens_by_saying_what_it_is_for(path: Path) -> None:
    module = ast.parse(path.read_text())
    assert not module.body or ast.get_docstring(module)
