"""What the page of an asset shows in the Dagster UI."""

import dagster as dg
from dagster import DagsterInstance
from support.catalog import Catalog, Upstream, course, run

from assets.tables import rejects_preview


def test_a_mart_shows_its_sql_its_first_rows_and_the_types_that_postgres_gives_its_columns(
    catalog: Catalog, upstream: Upstream, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r"))]
    catalog.refresh()
    key = dg.AssetKey(["marts", "run_calendar"])
    assert "SELECT" in defs.resolve_asset_graph().get(key).metadata["sql"].value
    assert defs.resolve_job_def("build_marts").execute_in_process(instance=instance).success
    event = instance.get_latest_materialization_event(key)
    assert event
    assert event.asset_materialization
    shown = event.asset_materialization.metadata
    columns = shown["dagster/column_schema"].value.columns  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    assert {column.name: column.type for column in columns} == dict(
        catalog.rows("""
            SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
            WHERE attrelid = 'marts.run_calendar'::regclass AND attnum > 0 AND NOT attisdropped""")
    )
    (row,) = shown["rows"].value.records  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess, reportGeneralTypeIssues]
    assert row.data["run_key"] == "course-v1:A+1+r"


def test_the_preview_of_rejects_stands_until_the_document_is_decided_anew(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r", start="no date"))]
    catalog.refresh()
    first = rejects_preview(catalog.engine)
    assert first["rejects"] >= 1
    catalog.refresh()
    assert rejects_preview(catalog.engine) == first
    upstream.courses = [course("A+1", run("course-v1:A+1+r"))]
    catalog.refresh()
    assert rejects_preview(catalog.engine) == {}
