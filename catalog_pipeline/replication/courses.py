"""Publishes courses. Two may not share a code in one organization, nor a product number of one partner and type."""

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import keep_carried_courses
from catalog_pipeline.loading.placeholders import PLACEHOLDER
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.course import CatalogCourse
from catalog_pipeline.models.fields import COURSE_FIELDS, COURSE_KEYS, LISTED, written_by
from catalog_pipeline.replication.identity import CATALOG_COURSE, park_keys, reject_taken_keys, resolve
from catalog_pipeline.replication.removals import leaves

COURSE_COLUMNS = (*COURSE_KEYS, *written_by(COURSE_FIELDS, "discovery"), *LISTED)

NOT_IN_LOAD = "NOT EXISTS (SELECT FROM resolved_catalog_course w WHERE w.id = t.id)"
GONE = f"(t.missing_since IS NOT NULL OR {leaves('t', 'catalog_course')})"
"""SQL over t: a course that upstream does not list, and that is archived or will be by the end of this load."""
SAME_PARTNER = "(t.product_source, t.course_type) IS NOT DISTINCT FROM (r.product_source, r.course_type)"
ORDER = 'NOT holds, found_id IS NULL, key COLLATE "C"'
"""Which of several staged courses goes first: the one that its own document lists already, then one that stands."""


def publish_courses(publication: Publication) -> None:
    """Merge `staged_catalog_course`. What feeds own keeps its value. Makes `shared_code`, of the rejected courses."""
    resolve(publication, CATALOG_COURSE)
    keep_carried_courses(publication)
    _take_over_gone_courses(publication)
    _reject_shared_codes(publication)
    park_keys(publication, CATALOG_COURSE)
    _give_up_exchanged_codes(publication)
    _remove_shared_identifiers(publication)
    _give_up_exchanged_identifiers(publication)
    publication.merge(CatalogCourse, "resolved_catalog_course", COURSE_COLUMNS)


def _take_over_gone_courses(publication: Publication) -> None:
    """A new course with the code of a course that is gone upstream takes over its row."""
    publication.execute(f"""
        UPDATE resolved_catalog_course r SET id = t.id, found_id = t.id FROM catalog.catalog_course t
        WHERE r.found_id IS NULL AND t.organization_id = r.organization_id
          AND {folded("t.course_code")} = r.folded_code AND {NOT_IN_LOAD} AND {GONE}
          AND NOT EXISTS (SELECT FROM resolved_catalog_course o WHERE o.id <> r.id AND o.folded_code = r.folded_code
                          AND o.organization_id = r.organization_id)""")


def _reject_shared_codes(publication: Publication) -> None:
    """Reject a course whose organization has another of its code.

    `shared_code` has the rejected courses, with the key (`other`) and id (`other_id`) of the course that has the code.
    A course that is rejected keeps the key and code that it has, which others may want: so this is repeated.
    """
    publication.execute("""
        CREATE TEMP TABLE shared_code (id bigint, document_id bigint, key text, other text, other_id bigint)
        ON COMMIT DROP""")
    while _take_out_shared_codes(publication):
        reject_taken_keys(publication, CATALOG_COURSE)
    publication.reject(
        "catalog.catalog_course",
        """SELECT document_id, key AS record_key, 'course_code' AS column_name, 'duplicate_code' AS rule, key AS value,
                  format('The organization has a course of this code already: %s.', other) AS message
           FROM shared_code""",
    )


def _take_out_shared_codes(publication: Publication) -> int:
    """Move the courses whose code another one has from `resolved_catalog_course` to `shared_code`; returns how many."""
    publication.execute(f"""
        INSERT INTO shared_code
        SELECT r.id, r.document_id, r.key, coalesce(t.key, r.holder) AS other, coalesce(t.id, r.holder_id) AS other_id
        FROM (SELECT *, row_number() OVER same_code AS code_rank, first_value(key) OVER same_code AS holder,
                     first_value(id) OVER same_code AS holder_id
              FROM resolved_catalog_course
              WINDOW same_code AS (PARTITION BY organization_id, folded_code ORDER BY {ORDER})) r
        LEFT JOIN catalog.catalog_course t ON t.organization_id = r.organization_id AND t.id <> r.id
             AND {folded("t.course_code")} = r.folded_code AND {NOT_IN_LOAD}
        WHERE r.code_rank > 1 OR t.id IS NOT NULL""")
    return publication.execute("DELETE FROM resolved_catalog_course r USING shared_code s WHERE r.id = s.id")


def _give_up_exchanged_codes(publication: Publication) -> None:
    """Courses that take one another's codes give up their own first, so that no two ever have the same."""
    publication.placeholders += publication.execute(f"""
        UPDATE catalog.catalog_course t SET course_code = {PLACEHOLDER} FROM resolved_catalog_course r
        WHERE t.id = r.id AND (t.organization_id, {folded("t.course_code")}) <> (r.organization_id, r.folded_code)
          AND EXISTS (SELECT FROM resolved_catalog_course w WHERE w.id <> t.id
                      AND w.organization_id = t.organization_id AND w.folded_code = {folded("t.course_code")})""")


def _remove_shared_identifiers(publication: Publication) -> None:
    """Of two courses with one product number the later is published without it, and the value is a reject.

    An archived one comes last, so that its successor gets the number.
    """
    publication.execute(f"""
        CREATE TEMP TABLE shared_identifier ON COMMIT DROP AS
        SELECT r.id, r.document_id, r.key, r.external_identifier, coalesce(t.key, r.holder) AS other
        FROM (SELECT *, row_number() OVER same_number AS number_rank, first_value(key) OVER same_number AS holder
              FROM resolved_catalog_course WHERE external_identifier IS NOT NULL
              WINDOW same_number AS (PARTITION BY product_source, course_type, external_identifier
                                     ORDER BY {_archived("resolved_catalog_course")}, {ORDER})) r
        LEFT JOIN catalog.catalog_course t ON t.external_identifier = r.external_identifier AND t.id <> r.id
             AND {SAME_PARTNER} AND {NOT_IN_LOAD} AND NOT {GONE}
             AND t.dropped_since IS NULL AND NOT {_archived("t")}
        WHERE r.number_rank > 1 OR t.id IS NOT NULL""")
    publication.reject(
        "catalog.catalog_course",
        """SELECT document_id, key AS record_key, 'external_identifier' AS column_name,
                  'duplicate_external_identifier' AS rule, external_identifier AS value,
                  format('%s has this product number already; this course is kept without one.', other) AS message
           FROM shared_identifier""",
        rows=False,
    )
    publication.execute("""
        UPDATE resolved_catalog_course r SET external_identifier = NULL FROM shared_identifier s WHERE r.id = s.id""")


def _archived(course: str) -> str:
    """SQL of whether upstream calls a course archived."""
    return f"({course}.product_status IS NOT DISTINCT FROM 'archived')"


def _give_up_exchanged_identifiers(publication: Publication) -> None:
    """A course whose product number another one takes gives it up first."""
    publication.execute(f"""
        UPDATE catalog.catalog_course t SET external_identifier = NULL FROM resolved_catalog_course r
        WHERE t.external_identifier = r.external_identifier AND t.id <> r.id AND {SAME_PARTNER}""")
