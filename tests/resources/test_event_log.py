"""Dagster's event log, from which old events are removed."""

import os
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterInstance
from sqlalchemy import text

from catalog_pipeline.database.engine import Server
from catalog_pipeline.settings import Settings
from resources.event_log import remove_old_events
from resources.instance import instance as opened

TYPES = "SELECT coalesce(dagster_event_type, ''), count(*) FROM event_logs GROUP BY 1"


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="thing")])
def thing() -> dg.MaterializeResult:
    """An asset with a check."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@pytest.fixture
def kept(deployed: Settings, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """Dagster's instance on Postgres, after three runs of a hundred days ago."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with opened(deployed, server) as found:
        for _ in range(3):
            dg.materialize([thing], instance=found)
        execute(found, "UPDATE event_logs SET timestamp = timestamp - interval '100 days'")
        execute(found, "UPDATE asset_check_executions SET create_timestamp = create_timestamp - interval '100 days'")
        yield found


def execute(instance: DagsterInstance, statement: str) -> None:
    with instance.event_log_storage.index_connection() as connection:  # pyright: ignore[reportAttributeAccessIssue]
        connection.execute(text(statement))
        connection.commit()


def types(instance: DagsterInstance) -> dict[str, int]:
    with instance.event_log_storage.index_connection() as connection:  # pyright: ignore[reportAttributeAccessIssue]
        return {row[0]: row[1] for row in connection.execute(text(TYPES))}


def test_old_events_go_and_materializations_and_the_last_result_of_each_check_stay(
    kept: DagsterInstance, deployed: Settings
) -> None:
    before = types(kept)
    assert before["STEP_START"] == before["ASSET_MATERIALIZATION"] == before["ASSET_CHECK_EVALUATION"] == 3
    told = remove_old_events(kept, deployed, dry_run=True)
    assert types(kept) == before
    assert told.rows > 30
    assert remove_old_events(kept, deployed) == told
    assert types(kept) == {"ASSET_MATERIALIZATION_PLANNED": 3, "ASSET_MATERIALIZATION": 3, "ASSET_CHECK_EVALUATION": 1}
    assert kept.event_log_storage.get_latest_asset_check_execution_by_key([thing.check_key])
    assert kept.get_latest_materialization_event(dg.AssetKey("thing"))
    assert remove_old_events(kept, deployed).rows == 0


def test_young_events_and_those_of_a_run_that_goes_on_stay(kept: DagsterInstance, deployed: Settings) -> None:
    before = types(kept)
    assert remove_old_events(kept, deployed.model_copy(update={"keep_dagster_log": 0})).rows == 0
    assert remove_old_events(kept, deployed.model_copy(update={"keep_dagster_log": 101})).rows == 0
    execute(kept, "UPDATE runs SET status = 'STARTED'")
    remove_old_events(kept, deployed)
    assert {name: n for name, n in types(kept).items() if "CHECK" not in name} == {
        name: n for name, n in before.items() if "CHECK" not in name
    }
