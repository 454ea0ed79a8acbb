"""Makes implicit associations explicit: every run that has no course yet gets the one its key tells."""

from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import Engine, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.loading.course_status import settle_course_statuses
from catalog_pipeline.loading.publication import LoadReport, Publication, publishing
from catalog_pipeline.models.base import FOLD_COLLATION
from catalog_pipeline.rules.association import associate_by_key
from catalog_pipeline.rules.course_keys import fold, parse_keys
from catalog_pipeline.schemas.parsing import TEXT

UNASSOCIATED = """
    SELECT r.id, r.run_key, r.title FROM catalog.course_run r
    WHERE NOT EXISTS (SELECT FROM catalog.run_association a WHERE a.course_run_id = r.id)
    ORDER BY r.start NULLS LAST, r.run_key"""


def associate_unassociated(publication: Publication) -> None:
    """Associate by key the runs that have no course; make the courses and organizations that are missing."""
    # An ambiguity that somebody resolved is no longer open.
    publication.execute("""
        UPDATE ops.rejected_record j SET cleared_at = now()
        FROM catalog.course_run r JOIN catalog.run_association a ON a.course_run_id = r.id
        WHERE j.rule = 'ambiguous' AND j.cleared_at IS NULL AND j.record_key = r.run_key""")
    runs = _frame(publication, UNASSOCIATED, ["id", "run_key", "title"])
    if runs.empty:
        return
    runs = runs.join(parse_keys(runs["run_key"])[["org", "course", "course_key"]])
    courses = _frame(publication, "SELECT key, key_for_reruns FROM catalog.catalog_course", ["key", "key_for_reruns"])
    decided = runs.join(associate_by_key(runs, courses))
    create_staging(
        publication.connection,
        "decided",
        {
            "id": "bigint",
            "rank": "bigint",
            "run_key": "text",
            "title": "text",
            "org": "text",
            "course": "text",
            "outcome": "text",
            "course_key": "text",
            "folded": "text",
            "reason": "text",
        },
    )
    decided = decided.drop(columns="course_key").assign(course_key=decided["decided_key"])
    decided = decided.assign(rank=range(len(decided)))
    columns = ["id", "rank", "run_key", "title", "org", "course", "outcome", "course_key", "reason"]
    copy_frame(publication.connection, "decided", decided[columns].assign(folded=fold(decided["course_key"])))
    analyze(publication.connection, "decided")
    _create_courses(publication)
    created = publication.execute(f"""
        INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
        SELECT d.id, c.id, 'key', d.reason
        FROM decided d JOIN catalog.catalog_course c ON lower(c.key COLLATE {FOLD_COLLATION}) = d.folded
        WHERE d.outcome <> 'ambiguous'""")
    publication.count("catalog.run_association", {"created": created})
    publication.reject(
        "catalog.run_association",
        """SELECT r.listed_by_id AS document_id, d.run_key AS record_key, 'run_key' AS column_name, d.outcome AS rule,
                  d.run_key AS value, d.reason AS message
           FROM decided d JOIN catalog.course_run r USING (id) WHERE d.outcome = 'ambiguous'
             AND NOT EXISTS (SELECT FROM ops.rejected_record j WHERE j.rule = 'ambiguous' AND j.cleared_at IS NULL
                             AND j.record_key = d.run_key)""",
    )


def _create_courses(publication: Publication) -> None:
    """Make courses from keys: titled like their first run, in the organization that their key names."""
    organizations = publication.execute(f"""
        INSERT INTO catalog.organization (key, name)
        SELECT DISTINCT ON (lower(org COLLATE {FOLD_COLLATION})) org, org FROM decided
        WHERE outcome = 'course_created' ORDER BY lower(org COLLATE {FOLD_COLLATION}), org
        ON CONFLICT DO NOTHING""")
    # The organization may have a course of this code under another key.
    publication.execute(f"""
        UPDATE decided d SET outcome = 'linked_by_key', folded = lower(c.key COLLATE {FOLD_COLLATION}),
               reason = format('The organization''s course of this code is %s.', c.key)
        FROM catalog.organization o JOIN catalog.catalog_course c ON c.organization_id = o.id
        WHERE d.outcome = 'course_created'
          AND lower(o.key COLLATE {FOLD_COLLATION}) = lower(d.org COLLATE {FOLD_COLLATION})
          AND lower(c.course_code COLLATE {FOLD_COLLATION}) = lower(d.course COLLATE {FOLD_COLLATION})""")
    courses = publication.execute(f"""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
        SELECT DISTINCT ON (d.folded) o.id, d.course, d.course_key, d.title
        FROM decided d JOIN catalog.organization o
          ON lower(o.key COLLATE {FOLD_COLLATION}) = lower(d.org COLLATE {FOLD_COLLATION})
        WHERE d.outcome = 'course_created' ORDER BY d.folded, d.rank""")
    publication.count("catalog.organization", {"created": organizations})
    publication.count("catalog.catalog_course", {"created": courses})


def _frame(publication: Publication, query: str, columns: list[str]) -> pd.DataFrame:
    rows = publication.connection.execute(text(query)).all()
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({column: TEXT for column in columns if column != "id"})


def associate(engine: Engine, as_of: datetime | None = None) -> LoadReport:
    """Associate every run that has no course; what loads do for their own runs, for those that came otherwise."""
    with publishing(engine, "associations", as_of or datetime.now(UTC)) as publication:
        associate_unassociated(publication)
        settle_course_statuses(publication)
    return publication.report
