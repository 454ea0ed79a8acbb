"""Enterprise content in Dagster: a partition for each catalog, a run over several, the night's stage, the sensor."""

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus, build_sensor_context
from support.catalog import uuid_of
from support.content import CATALOG, EnterpriseCatalogs, Replica, content_course, content_run
from werkzeug import Response

from assets import jobs
from assets.enterprise import CATALOGS
from catalog_pipeline.database.engine import connected
from catalog_pipeline.definitions import build_defs
from catalog_pipeline.loading.checks import CHECKS
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase
from sensors.enterprise_catalogs import enterprise_catalogs
from sensors.outside_writes import outside_writes

OTHER = uuid_of("another catalog")
CONTENT, RUNS = dg.AssetKey(["catalog", "content_metadata"]), dg.AssetKey(["catalog", "content_run"])


@pytest.fixture
def enterprise_defs(deployed: Settings, replica: Replica, catalogs: EnterpriseCatalogs) -> dg.Definitions:
    """The code location of a pipeline with two catalogs, read from the test's enterprise-catalog."""
    replica.add_catalog(OTHER)
    catalogs.listed = {
        CATALOG: [content_course("A+1", content_run("course-v1:A+1+R1")), {"content_type": "course"}],
        OTHER: [content_course("A+1")],
    }
    return build_defs(deployed.model_copy(update={"enterprise_catalog_url": catalogs.url}))


@pytest.fixture
def partitioned(instance: DagsterInstance) -> DagsterInstance:
    """An instance that has both partitions."""
    instance.add_dynamic_partitions(str(CATALOGS.name), [CATALOG, OTHER])
    return instance


def test_a_partition_is_read_and_tells_what_it_holds(
    enterprise_defs: dg.Definitions, partitioned: DagsterInstance, replica: Replica
) -> None:
    job = enterprise_defs.resolve_job_def(jobs.replicate_content.name)
    assert job.execute_in_process(instance=partitioned, partition_key=CATALOG).success
    assert partitioned.get_materialized_partitions(CONTENT) == {CATALOG}
    event = partitioned.get_latest_materialization_event(CONTENT)
    assert event
    assert event.asset_materialization
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert (told["dagster/partition_row_count"], told["created"], told["documents_read"]) == (1, 1, 2)
    assert told["rejects"] == 1
    assert replica.rows("SELECT count(*) FROM catalog.content_run") == [(1,)]


def test_a_backfill_of_several_is_one_run_and_one_that_fails_stops_no_other(
    enterprise_defs: dg.Definitions, partitioned: DagsterInstance, catalogs: EnterpriseCatalogs
) -> None:
    job = enterprise_defs.resolve_job_def(jobs.replicate_content.name)
    first, last = partitioned.get_dynamic_partitions(str(CATALOGS.name))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    assert job.execute_in_process(instance=partitioned, tags=tags).success
    assert partitioned.get_materialized_partitions(RUNS) == {CATALOG, OTHER}
    catalogs.answer = lambda request: Response("{}", 404) if CATALOG in request.path else None
    before = len(catalogs.asked)
    failed = job.execute_in_process(instance=partitioned, tags=tags, raise_on_error=False)
    assert not failed.success
    assert len(catalogs.asked) > before + 1
    run = partitioned.get_run_by_id(failed.run_id)
    assert run
    assert run.status == DagsterRunStatus.FAILURE


def test_the_nights_stage_reads_every_catalog_and_adds_the_partitions(
    enterprise_defs: dg.Definitions, instance: DagsterInstance
) -> None:
    job = enterprise_defs.resolve_job_def("refresh_enterprise")
    assert job.execute_in_process(instance=instance).success
    assert set(instance.get_dynamic_partitions(str(CATALOGS.name))) == {CATALOG, OTHER}
    assert instance.get_materialized_partitions(CONTENT) == {CATALOG, OTHER}


def test_the_sensor_keeps_the_partitions_in_step(
    deployed: Settings, replica: Replica, instance: DagsterInstance
) -> None:
    instance.add_dynamic_partitions(str(CATALOGS.name), [OTHER])

    def tick() -> list[str]:
        with build_sensor_context(instance, resources={"database": CatalogDatabase(settings=deployed)}) as context:
            result = enterprise_catalogs(context)
            assert isinstance(result, dg.SensorResult)
        return [type(request).__name__ for request in result.dynamic_partitions_requests or []]

    assert tick() == ["AddDynamicPartitionsRequest", "DeleteDynamicPartitionsRequest"]
    instance.add_dynamic_partitions(str(CATALOGS.name), [CATALOG])
    instance.delete_dynamic_partition(str(CATALOGS.name), OTHER)
    assert tick() == []
    replica.execute("UPDATE catalog.enterprise_catalog SET missing_since = now()")
    assert tick() == ["DeleteDynamicPartitionsRequest"]


@pytest.mark.parametrize("state", ["allocated", "expired"])
def test_live_assignments_without_content_and_stale_catalogs_are_told(
    replica: Replica, catalogs: EnterpriseCatalogs, state: str
) -> None:
    checks = {check.name: check for check in CHECKS}
    replica.add_assignment("A+1", state)

    def at_fault() -> list[int]:
        with connected(replica.engine) as connection:
            return [checks[name].run(connection) for name in ("live_assignments_have_content", "catalogs_are_fresh")]

    assert at_fault() == [int(state == "allocated"), 1]
    replica.loaded()
    assert at_fault() == [int(state == "allocated"), 0]
    catalogs.listed[CATALOG] = [content_course("a+1")]
    replica.loaded()
    assert at_fault() == [0, 0]
    replica.execute("UPDATE catalog.enterprise_catalog SET fetched_at = now() - interval '25 hours'")
    assert at_fault() == [0, 1]


def test_content_that_the_command_line_wrote_is_told_of_its_partition(
    deployed: Settings, replica: Replica, catalogs: EnterpriseCatalogs, instance: DagsterInstance
) -> None:
    def tick(cursor: str | None) -> dg.SensorResult:
        resources = {"database": CatalogDatabase(settings=deployed)}
        with build_sensor_context(instance, cursor, resources=resources) as context:
            result = outside_writes(context)
            assert isinstance(result, dg.SensorResult)
        return result

    begun = tick(None)
    catalogs.listed[CATALOG] = [content_course("A+1")]
    replica.loaded()
    written = [event for event in tick(begun.cursor).asset_events if isinstance(event, dg.AssetMaterialization)]
    assert [(event.asset_key, event.partition) for event in written] == [(CONTENT, CATALOG)]
