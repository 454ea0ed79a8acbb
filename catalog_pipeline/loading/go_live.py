"""Publishes reviewed runs when their go-live date has passed."""

from datetime import UTC, datetime

from sqlalchemy import Engine, text

from catalog_pipeline.loading.ownership import OWNED_BY_DISCOVERY
from catalog_pipeline.loading.publication import LoadReport, publishing

NOT_DISCOVERYS = f"NOT {OWNED_BY_DISCOVERY}"
"""SQL: discovery does not own the status of the run r."""
OPEN = "coalesce({run}.\"end\", 'infinity') > :as_of AND coalesce({run}.enrollment_end, 'infinity') > :as_of"
"""SQL: neither the end of {run} nor that of its enrollment has passed."""

PUBLISH = f"""
    UPDATE catalog.course_run r SET status = 'published'
    WHERE r.status = 'reviewed' AND r.go_live <= :as_of AND (r."end" IS NULL OR r."end" > :as_of) AND {NOT_DISCOVERYS}
    RETURNING r.id"""
UNPUBLISH = f"""
    UPDATE catalog.course_run r SET status = 'unpublished' FROM catalog.run_association a
    WHERE a.course_run_id = r.id AND r.status = 'published' AND r.id <> ALL (:published)
      AND NOT ({OPEN.format(run="r")}) AND {NOT_DISCOVERYS}
      AND a.catalog_course_id IN (
          SELECT catalog_course_id FROM catalog.run_association WHERE course_run_id = ANY (:published))
      -- Learners must still find a run of the course in which they can enroll.
      AND a.catalog_course_id IN (
          SELECT b.catalog_course_id FROM catalog.run_association b
          JOIN catalog.course_run o ON o.id = b.course_run_id
          WHERE o.status = 'published' AND o.has_seats IS NOT FALSE AND {OPEN.format(run="o")})"""


def publish_due_runs(engine: Engine, as_of: datetime | None = None) -> LoadReport:
    """Publish the reviewed runs whose `go_live` has passed and that are not over.

    Of their courses' other published runs, those whose enrollment has passed are unpublished, as course-discovery does,
    if a run of the course remains that is open. Runs that discovery lists are left out, because discovery owns their
    status. The report's `detail` tells how many there were of each.
    """
    with publishing(engine, "go_live", as_of or datetime.now(UTC)) as publication:
        published = publication.connection.execute(text(PUBLISH), {"as_of": publication.as_of}).scalars().all()
        if published:
            unpublished = publication.execute(UNPUBLISH, as_of=publication.as_of, published=published)
            publication.count("catalog.course_run", {"updated": len(published) + unpublished})
            publication.report.detail = (
                f"Runs published: {len(published)}. Runs of the same courses unpublished, because their enrollment has"
                f" passed: {unpublished}."
            )
    return publication.report
