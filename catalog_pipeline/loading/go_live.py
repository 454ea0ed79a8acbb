"""Publishes reviewed runs when their go-live date has passed."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from catalog_pipeline.loading.publication import LoadReport, publishing


def publish_due_runs(engine: Engine, as_of: datetime | None = None) -> LoadReport:
    """Publish the reviewed runs whose `go_live` has passed and that are not over.

    Runs that discovery lists are left out, because discovery owns their status.
    """
    with publishing(engine, "go_live", as_of or datetime.now(UTC)) as publication:
        published = publication.execute(
            """
            UPDATE catalog.course_run r SET status = 'published'
            WHERE r.status = 'reviewed' AND r.go_live <= :as_of
              AND (r."end" IS NULL OR r."end" > :as_of) AND NOT EXISTS (
                SELECT FROM landing.document d WHERE d.id = r.listed_by_id AND d.source = 'discovery')""",
            as_of=publication.as_of,
        )
        publication.count("catalog.course_run", {"updated": published})
    return publication.report
