"""Publishes course runs, and associates each with the course whose document lists it."""

from catalog_pipeline.associations.planning import associate_unassociated
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import OWNED_BY_DISCOVERY, hand_over_made_runs, keep_carried_runs
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.fields import LISTED, RUN_FIELDS, RUN_KEYS, written_by
from catalog_pipeline.models.run import CourseRun, RunAssociation
from catalog_pipeline.replication.identity import COURSE_RUN, park_keys, resolve

RUN_COLUMNS = (*RUN_KEYS, *written_by(RUN_FIELDS, "discovery"), *LISTED)
ASSOCIATION_COLUMNS = ("course_run_id", "catalog_course_id", "source", "reason", "decided_at")

LMS_COLUMNS = (*(name for name in RUN_KEYS if name != "uuid"), *written_by(RUN_FIELDS, "lms"), *LISTED)
"""What the LMS says of a run. What it does not say stays, as when discovery listed the run before."""


def publish_runs(publication: Publication) -> None:
    """Merge `staged_course_run`. What feeds own keeps its value."""
    resolve(publication, COURSE_RUN)
    park_keys(publication, COURSE_RUN)
    if publication.report.source != "discovery":
        # Discovery owns the runs that it lists: the documents of another source do not change them.
        kept = publication.execute(f"""
            DELETE FROM resolved_course_run n USING catalog.course_run r
            WHERE r.id = n.id AND r.missing_since IS NULL AND {OWNED_BY_DISCOVERY}""")
        publication.count("catalog.course_run", {"unchanged": kept})
    keep_carried_runs(publication)
    from_discovery = publication.report.source == "discovery"
    publication.merge(CourseRun, "resolved_course_run", RUN_COLUMNS if from_discovery else LMS_COLUMNS)
    hand_over_made_runs(publication)


def associate_runs(publication: Publication) -> None:
    """Associate runs with the course whose document lists them, but for manual associations, which stay.

    A run that still has no course gets one by its key.
    """
    if publication.report.source == "discovery":
        _stage_listed_associations(publication)
        unchanged = publication.execute("""
            DELETE FROM listed_association l USING catalog.run_association a
            WHERE a.course_run_id = l.course_run_id
              AND (a.source = 'manual' OR (a.catalog_course_id, a.source) = (l.catalog_course_id, l.source))""")
        publication.count("catalog.run_association", {"unchanged": unchanged})
        publication.merge(RunAssociation, "listed_association", ASSOCIATION_COLUMNS, on="course_run_id")
    associate_unassociated(publication)


def _stage_listed_associations(publication: Publication) -> None:
    """Make `listed_association`: the course of each run by the documents, by ASSOCIATION_COLUMNS."""
    publication.execute(f"""
        CREATE TEMP TABLE listed_association ON COMMIT DROP AS
        SELECT r.id AS course_run_id, coalesce(c.id, h.id, k.id, o.other_id) AS catalog_course_id,
               'discovery' AS source,
               format('discovery lists the run under %s.', coalesce(c.key, h.key, k.key, o.other)) AS reason,
               now() AS decided_at
        FROM resolved_course_run r
        LEFT JOIN resolved_catalog_course c ON c.document_id = r.document_id
        -- Where the course itself was rejected because another has its key or code, its runs belong to the course that
        -- it was before; if it was none, to the other.
        LEFT JOIN LATERAL (
            SELECT id, key FROM catalog.catalog_course h
            WHERE c.id IS NULL AND h.listed_by_id = r.document_id AND h.missing_since IS NULL
            ORDER BY h.id DESC LIMIT 1) h ON true
        LEFT JOIN staged_catalog_course s ON s.document_id = r.document_id
        LEFT JOIN catalog.catalog_course k ON {folded("k.key")} = s.folded
        LEFT JOIN shared_code o ON o.document_id = r.document_id
        WHERE coalesce(c.id, h.id, k.id, o.other_id) IS NOT NULL""")
