"""Jobs that write to learners or forget them: nudges, personal data, waiting enrollments. They make no asset."""

from collections import Counter
from datetime import UTC, datetime

import dagster as dg
from dagster import OpExecutionContext

from assets.failures import failures_say_why
from catalog_pipeline.assignments.nudging import Ask, nudge_all
from catalog_pipeline.assignments.privacy import clear_personal_data
from catalog_pipeline.enrollments.asked import Asked
from catalog_pipeline.enrollments.expiring import expire
from catalog_pipeline.settings import Settings
from resources.database import CatalogDatabase

ACTOR = "nightly"
NUDGED_BEFORE = 30
"""Days before a run begins on which its learners are nudged."""


@dg.op(out=dg.Out(dg.Nothing), tags={"dagster/kind": "postgres"})
@failures_say_why()
def nudge_learners(
    context: OpExecutionContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]
) -> None:
    """Queue a mail to each learner who accepted executive education that begins in thirty days."""
    done = nudge_all(database.engine, Ask(NUDGED_BEFORE, datetime.now(UTC), settings, ACTOR))
    reasons = Counter(row["reason"] for row in done.not_nudged)
    context.add_output_metadata({"nudged": len(done.nudged), **reasons})


@dg.job(description="Tell learners who accepted executive education that it begins in thirty days.")
def nudge_assignments() -> None:
    nudge_learners()


@dg.op(out=dg.Out(dg.Nothing), tags={"dagster/kind": "postgres"})
@failures_say_why()
def clear_addresses(context: OpExecutionContext, database: CatalogDatabase) -> None:
    """Clear the addresses of learners who let ninety days pass, once they were told so."""
    done = clear_personal_data(database.engine, as_of=datetime.now(UTC), actor=ACTOR)
    context.add_output_metadata({"cleared": len(done.assignments)})


@dg.job(description="Clear the addresses of learners who let ninety days pass.")
def clear_pii() -> None:
    clear_addresses()


@dg.op(out=dg.Out(dg.Nothing), tags={"dagster/kind": "postgres"})
@failures_say_why()
def remove_waiting_enrollments(
    context: OpExecutionContext, database: CatalogDatabase, settings: dg.ResourceParam[Settings]
) -> None:
    """Remove enrollments that waited for a user in vain, where CATALOG_WAITING_ENROLLMENT_DAYS says how long."""
    if settings.waiting_enrollment_days is None:
        context.log.info("CATALOG_WAITING_ENROLLMENT_DAYS is not set: enrollments wait for their users for ever.")
        return
    done = expire(database.engine, Asked(ACTOR, datetime.now(UTC), settings))
    context.add_output_metadata({"expired": done.expired, "course_enrollments": done.course_enrollments})


@dg.job(description="Remove enrollments that have waited for a user in vain, where a setting says how long they may.")
def expire_enrollments() -> None:
    remove_waiting_enrollments()
