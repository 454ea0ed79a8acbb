"""The checks of the catalog's tables: what the UI shows of them, and what is kept of their results."""

import dagster as dg
from dagster import DagsterInstance
from support.catalog import Catalog, Upstream, course, run

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.checks import CHECKS, last_results
from dbt_like_sql import runner
from dbt_like_sql.project import load_models


def test_the_night_keeps_the_result_of_every_check(
    catalog: Catalog, upstream: Upstream, defs: dg.Definitions, instance: DagsterInstance
) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+r"))]
    catalog.refresh()
    catalog.execute("UPDATE catalog.course_run SET missing_since = now()")
    for job in ("associate_runs", "build_marts"):
        assert defs.resolve_job_def(job).execute_in_process(instance=instance).success
    with connected(catalog.engine) as connection:
        kept = {(one.table, one.check): one for one in last_results(connection)}
    assert set(kept) == {(f"catalog.{check.table}", check.name) for check in CHECKS} | {
        (model.full_name, str(test))
        for model in load_models()
        if not model.partition
        for test in runner.tests_of(model)
    }
    assert [one.check for one in kept.values() if one.failing_rows] == ["missing_runs_are_archived"]
