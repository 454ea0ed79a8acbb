"""The night's job that removes enrollments which wait in vain."""

from dagster import DagsterInstance
from support.enrollments import Programs

from catalog_pipeline.definitions import build_defs
from catalog_pipeline.settings import Settings


def test_enrollments_expire_in_the_night_only_where_a_setting_says_after_how_long(
    deployed: Settings, instance: DagsterInstance, programs: Programs
) -> None:
    programs.write(1, {"A1": "enrolled"})
    for days, left in ((None, 1), (1, 1), (0, 0)):
        defs = build_defs(deployed.model_copy(update={"waiting_enrollment_days": days}))
        assert defs.resolve_job_def("expire_enrollments").execute_in_process(instance=instance).success
        assert programs.rows("SELECT count(*) AS n FROM catalog.program_enrollment") == [{"n": left}]
