"""A refresh of several sources."""

from support.catalog import Catalog, Upstream, course, lms_run, run

from catalog_pipeline.errors import ExitCode
from catalog_pipeline.replication.refresh import refresh_each
from catalog_pipeline.sources.upstreams import upstreams


def test_a_source_that_fails_does_not_keep_the_next_from_being_read(catalog: Catalog, upstream: Upstream) -> None:
    upstream.courses = [course("A+1", run("course-v1:A+1+R1"))]
    upstream.lists["lms"] = [lms_run("course-v1:A+2+R1")]

    def discovery_is_down(name: str, page: int) -> None:
        if name == "courses":
            raise ConnectionError

    upstream.before_page = discovery_is_down
    with upstreams(catalog.settings) as found:
        done, failed = refresh_each(catalog.engine, found, ["discovery", "lms"], full=True)
    assert [one.report.source for one in done] == ["lms"]
    assert [(one.source, one.error.exit_code) for one in failed] == [("discovery", ExitCode.UNREACHABLE)]
    assert catalog.rows("SELECT run_key FROM catalog.course_run") == [("course-v1:A+2+R1",)]
