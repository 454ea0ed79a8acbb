"""The sensor that finds runs without a course: whoever wrote them, whenever they commit, whatever dies."""

import json
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
from dagster import DagsterInstance
from sqlalchemy import text
from support.catalog import Catalog, Upstream, course, run

from assets.catalog import CAUSE_TAG
from catalog_pipeline.database.engine import connected
from sensors.new_runs import FOLLOWER, new_runs
from sensors.outside_writes import outside_writes


class Daemon:
    """Ticks a sensor, starts what it requests, and remembers its cursor; it may die before the latter."""

    def __init__(self, defs: dg.Definitions, instance: DagsterInstance, sensor: dg.SensorDefinition) -> None:
        self.defs = defs
        self.instance = instance
        self.sensor = sensor
        self.cursor: str | None = None

    def tick(self, *, dies: bool = False, start: bool = True) -> list[dg.DagsterRun]:
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.defs, resources=self.defs.resources
        ) as context:
            self.result = self.sensor.evaluate_tick(context)
        runs = [
            self.instance.create_run_for_job(
                self.defs.resolve_job_def(request.job_name or "associate_runs"),
                tags=request.tags,
                run_config=request.run_config,
            )
            for request in self.result.run_requests or []
        ]
        if not dies:
            self.cursor = self.result.cursor
        for one in runs if start else []:
            self.work(one)
        return runs

    def work(self, one: dg.DagsterRun) -> None:
        job = self.defs.resolve_job_def(one.job_name)
        done = job.execute_in_process(
            instance=self.instance, run_config=one.run_config, run_id=None, tags=dict(one.tags)
        )
        assert done.success


def test_a_run_that_psql_inserts_is_associated_once_and_the_cause_is_told(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    assert daemon.tick() == []
    catalog.add_run("course-v1:A+1+r")
    (requested,) = daemon.tick()
    assert requested.tags[CAUSE_TAG] == "course-v1:A+1+r, by sql:postgres"
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": "A+1"}
    told = instance.get_latest_materialization_event(dg.AssetKey(["catalog", "run_association"]))
    assert told
    assert told.asset_materialization
    metadata = told.asset_materialization.metadata
    assert metadata["cause"].value == requested.tags[CAUSE_TAG]
    assert metadata["outcomes"].value == {"course_created": 1}
    assert daemon.tick() == []
    assert daemon.tick() == []


def test_just_the_runs_of_the_range_are_associated(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    daemon.tick()
    catalog.add_run("course-v1:A+1+first")
    (requested,) = daemon.tick(start=False)
    catalog.add_run("course-v1:A+1+second")
    daemon.work(requested)
    assert catalog.courses_of_runs() == {"course-v1:A+1+first": "A+1", "course-v1:A+1+second": None}
    assert len(daemon.tick()) == 1
    assert catalog.courses_of_runs() == {"course-v1:A+1+first": "A+1", "course-v1:A+1+second": "A+1"}


def test_many_that_appear_while_the_sensor_is_down_are_one_run(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    daemon.tick()
    catalog.execute("""
        INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
        SELECT 'course-v1:A+' || n % 50 || '+r' || n, '', '', '', 'Run', 'published' FROM generate_series(1, 5000) n""")
    catalog.add_run("course-v1:Z+1+r")
    (requested,) = daemon.tick()
    assert "and 4998 more, by sql:postgres" in requested.tags[CAUSE_TAG]
    assert None not in catalog.courses_of_runs().values()
    assert daemon.tick() == []


def test_a_run_whose_transaction_commits_late_is_associated_all_the_same(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    daemon.tick()
    with catalog.engine.connect() as late, late.begin():
        late.execute(
            text("""INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status)
                    VALUES ('course-v1:A+1+late', '', '', '', 'Run', 'published')""")
        )
        catalog.add_run("course-v1:A+1+early")
        assert daemon.tick() == []
    assert len(daemon.tick()) == 1
    assert None not in catalog.courses_of_runs().values()


def test_a_sensor_that_dies_between_request_and_cursor_requests_nothing_twice_and_misses_nothing(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    daemon.tick()
    catalog.add_run("course-v1:A+1+r")
    assert len(daemon.tick(dies=True, start=False)) == 1
    assert daemon.tick(dies=True, start=False) == []
    catalog.add_run("course-v1:B+1+r")
    (second,) = daemon.tick(start=False)
    assert "course-v1:B+1+r, by" in second.tags[CAUSE_TAG]
    assert len(instance.get_runs()) == 2
    for one in instance.get_runs():
        daemon.work(one)
    assert None not in catalog.courses_of_runs().values()
    assert len({one.tags[FOLLOWER.after_tag] for one in instance.get_runs()}) == 2


def test_after_a_restore_what_is_left_without_a_course_is_reconciled(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    catalog.add_run("course-v1:A+1+r")
    daemon = Daemon(defs, instance, new_runs)
    (first,) = daemon.tick()
    assert "the sensor began or the database was restored; runs without a course: 1" in first.tags[CAUSE_TAG]
    catalog.execute("DELETE FROM catalog.run_association")
    remembered = json.loads(daemon.cursor or "")
    daemon.cursor = json.dumps({**remembered, "history": "another server"})
    assert len(daemon.tick()) == 1
    assert None not in catalog.courses_of_runs().values()


def test_what_a_load_associated_itself_or_nobody_can_place_starts_nothing(
    catalog: Catalog, upstream: Upstream, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    daemon.tick()
    upstream.courses = [
        course("A+1", run("course-v1:A+1+r"), key_for_reruns="C+1"),
        course("B+1", key_for_reruns="C+1"),
    ]
    catalog.refresh()
    assert daemon.tick() == []
    catalog.add_run("course-v1:C+1+r")
    assert len(daemon.tick()) == 1
    assert daemon.tick() == []


def test_a_run_that_comes_again_is_placed_though_nobody_could_place_the_first(
    catalog: Catalog, upstream: Upstream, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    upstream.courses = [course("A+1", key_for_reruns="C+1"), course("B+1", key_for_reruns="C+1")]
    catalog.refresh()
    catalog.add_run("course-v1:C+1+r")
    assert len(daemon.tick()) == 1
    assert catalog.courses_of_runs() == {"course-v1:C+1+r": None}
    catalog.execute("DELETE FROM catalog.course_run")
    catalog.execute("UPDATE catalog.catalog_course SET key_for_reruns = NULL WHERE key = 'B+1'")
    catalog.add_run("course-v1:C+1+r")
    assert len(daemon.tick()) == 1
    assert catalog.courses_of_runs() == {"course-v1:C+1+r": "A+1"}


def test_who_writes_the_same_association_at_the_same_time_costs_the_others_nothing(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    catalog.add_run("course-v1:A+1+r")
    daemon.tick()
    catalog.add_run("course-v1:A+1+s")
    catalog.add_run("course-v1:A+1+t")
    (requested,) = daemon.tick(start=False)
    with connected(catalog.engine) as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            text("""INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
                    SELECT r.id, c.id, 'manual', 'Test.' FROM catalog.course_run r, catalog.catalog_course c
                    WHERE r.run_key LIKE '%s'""")
        )
        working = pool.submit(daemon.work, requested)
        while not catalog.value("SELECT count(*) FROM pg_locks WHERE NOT granted") and not working.done():
            catalog.execute("SELECT pg_sleep(0.05)")
        other.commit()
        working.result(timeout=60)
    assert None not in catalog.courses_of_runs().values()
    assert catalog.value("SELECT count(*) FROM catalog.run WHERE association_source = 'manual'") == 1


def test_an_association_that_psql_deletes_is_made_anew(
    catalog: Catalog, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, new_runs)
    catalog.add_run("course-v1:A+1+r")
    daemon.tick()
    catalog.execute("DELETE FROM catalog.run_association")
    assert len(daemon.tick()) == 1
    assert catalog.courses_of_runs() == {"course-v1:A+1+r": "A+1"}


def test_tables_that_something_else_than_dagster_wrote_are_materialized_and_others_not(
    catalog: Catalog, upstream: Upstream, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    daemon = Daemon(defs, instance, outside_writes)
    daemon.tick()
    upstream.courses = [course("A+1", run("course-v1:A+1+r"))]
    catalog.refresh()
    catalog.execute("UPDATE catalog.organization SET name = 'By hand'")
    daemon.tick()
    told = {event.asset_key.path[1]: event for event in daemon.result.asset_events}
    assert set(told) == {"organization", "catalog_course", "course_run", "run_association"}
    assert told["organization"].description == "Written outside Dagster, by load:1, sql:postgres."
    assert told["organization"].metadata["changes"].value == 2
    assert told["course_run"].metadata["dagster/row_count"].value == 1
    daemon.tick()
    assert not daemon.result.asset_events
    catalog.add_run("course-v1:A+1+s")
    associating = defs.resolve_job_def("associate_runs")
    daemon.tick()
    assert associating.execute_in_process(instance=instance).success
    daemon.tick()
    assert not daemon.result.asset_events
