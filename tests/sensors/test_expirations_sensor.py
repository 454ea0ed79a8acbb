"""The sensor that has expirations rebuilt, for just what changed, whoever changed it; and the jobs of the night."""

import dagster as dg
import pytest
from dagster import DagsterInstance
from sqlalchemy import text
from support.assignments import NOW, Budget, day

from assets.assignments import EXPIRATION
from assets.catalog import CAUSE_TAG
from catalog_pipeline.database.engine import connected
from sensors.expirations import expirations


class Daemon:
    """Ticks the sensor, runs what it requests, and remembers its cursor; it may die before the latter."""

    def __init__(self, defs: dg.Definitions, instance: DagsterInstance) -> None:
        self.defs = defs
        self.instance = instance
        self.cursor: str | None = None

    def tick(self, *, dies: bool = False) -> list[str]:
        """The causes of what was requested."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.defs, resources=self.defs.resources
        ) as context:
            result = expirations.evaluate_tick(context)
        job = self.defs.resolve_job_def("rebuild_expirations")
        requests = result.run_requests or []
        for request in requests:
            done = job.execute_in_process(
                instance=self.instance,
                run_config=request.run_config,
                tags=request.tags,
                asset_selection=list(request.asset_selection) if request.asset_selection else None,
            )
            assert done.success
        if not dies:
            self.cursor = result.cursor
        return [request.tags[CAUSE_TAG] for request in requests]


@pytest.fixture
def daemon(defs: dg.Definitions, instance: DagsterInstance) -> Daemon:
    return Daemon(defs, instance)


def test_what_psql_changes_moves_just_the_expirations_that_follow_from_it(budget: Budget, daemon: Daemon) -> None:
    assert daemon.tick() == []
    course = budget.course()
    assignment = budget.assign()
    assert daemon.tick() == ["1 assignment of AcmeX+LEAD10, by sql:postgres"]
    assert budget.expiration(assignment)["deadline_from"] == "advertised_run"
    assert daemon.tick() == [], "what a rebuild writes is no reason for another"
    budget.update("content_metadata", course, enroll_by=day(3))
    budget.assign("bob@acme.example", "Other+1")
    assert daemon.tick() == ["2 assignments of AcmeX+LEAD10, by sql:postgres"]
    assert budget.expiration(assignment)["expires_at"] == day(3)
    told = daemon.instance.get_latest_materialization_event(EXPIRATION)
    assert told
    assert told.asset_materialization
    metadata = told.asset_materialization.metadata
    assert (metadata["moved"].value, metadata["unchanged"].value) == (1, 0)
    assert metadata["cause"].value == "2 assignments of AcmeX+LEAD10, by sql:postgres"
    budget.update("subsidy", budget.subsidy, current_balance=5)
    assert daemon.tick() == []


def test_a_tick_that_dies_is_made_good_without_a_second_run_of_its_range(budget: Budget, daemon: Daemon) -> None:
    daemon.tick()
    assignment = budget.assign()
    assert len(daemon.tick(dies=True)) == 1
    budget.update("subsidy", budget.subsidy, expiration=day(1))
    assert daemon.tick() == [f"1 assignment of {'00000000-0000-0000-0000-000000000003'}, by sql:postgres"]
    assert budget.expiration(assignment)["reason"] == "SUBSIDY_EXPIRED"


def test_a_sensor_that_begins_looks_at_all_once(budget: Budget, daemon: Daemon) -> None:
    budget.assign()
    assert daemon.tick() == ["the sensor began or the database was restored; assignments without an expiration: 1"]
    assert daemon.tick() == []


def test_the_night_rebuilds_all_checks_it_and_expires_what_is_due(
    budget: Budget, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    budget.course(enroll_by=NOW)
    budget.assign(allocated_at=day(-2000))
    assert defs.resolve_job_def("rebuild_expirations").execute_in_process(instance=instance).success
    assert checks(instance, defs) == {"expirations_follow_content": 0, "every_assignment_has_an_expiration": 0}
    assert defs.resolve_job_def("expire_assignments").execute_in_process(instance=instance).success
    assert budget.rows("SELECT state FROM catalog.content_assignment") == [{"state": "expired"}]
    told = instance.get_latest_materialization_event(dg.AssetKey(["assignments", "expired"]))
    assert told
    assert told.asset_materialization
    assert told.asset_materialization.metadata["expired"].value == 1
    assert "acme.example" not in str(told.asset_materialization.metadata)


def test_the_checks_find_what_was_left_behind(budget: Budget, defs: dg.Definitions, instance: DagsterInstance) -> None:
    budget.assign()
    budget.assign("bob@acme.example")
    budget.rebuild()
    with connected(budget.engine) as connection:
        connection.execute(text("DELETE FROM catalog.assignment_expiration WHERE content_assignment_id = 1"))
        connection.execute(text("UPDATE catalog.assignment_expiration SET expires_at = now()"))
    assert checks(instance, defs) == {"expirations_follow_content": 2, "every_assignment_has_an_expiration": 1}


def checks(instance: DagsterInstance, defs: dg.Definitions) -> dict[str, object]:
    """The rows at fault, by check."""
    keys = {key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key == EXPIRATION}
    job = defs.resolve_implicit_global_asset_job_def()
    done = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=instance)
    return {one.check_name: one.metadata["rows_at_fault"].value for one in done.get_asset_check_evaluations()}
