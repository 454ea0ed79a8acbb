"""Publishes programs, and the courses that each is made of."""

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.fields import LISTED
from catalog_pipeline.models.program import Program, ProgramCourse

PROGRAM_COLUMNS = ("uuid", "title", "type", "status", "marketing_slug", *LISTED)
PROGRAM_COURSE_COLUMNS = ("program_id", "catalog_course_id", "position")


def publish_programs(publication: Publication) -> None:
    """Merge `staged_program`, and for each of its programs the courses in `staged_program_course`."""
    publication.execute("""
        CREATE TEMP TABLE resolved_program ON COMMIT DROP AS
        SELECT DISTINCT ON (s.uuid) s.*, s.document_id AS listed_by_id, NULL::timestamptz AS missing_since,
               coalesce(p.id, nextval(pg_get_serial_sequence('catalog.program', 'id'))) AS id
        FROM staged_program s LEFT JOIN catalog.program p ON p.uuid = s.uuid
        ORDER BY s.uuid, s.document_id""")
    publication.merge(Program, "resolved_program", PROGRAM_COLUMNS)
    _resolve_program_courses(publication)
    _reject_unknown_courses(publication)
    _publish_program_courses(publication)


def _resolve_program_courses(publication: Publication) -> None:
    """Make `resolved_program_course`: each course of a program once, at its first position, with its id if known."""
    publication.execute(f"""
        CREATE TEMP TABLE resolved_program_course ON COMMIT DROP AS
        WITH found AS (
            SELECT s.document_id, s.course_key, p.id AS program_id, coalesce(u.id, k.id) AS catalog_course_id,
                   s.position, CASE WHEN coalesce(u.id, k.id) IS NULL THEN s.folded END AS unknown_key
            FROM staged_program_course s JOIN resolved_program p ON p.uuid = s.program_uuid
            LEFT JOIN catalog.catalog_course u ON u.uuid = s.course_uuid
            LEFT JOIN catalog.catalog_course k ON {folded("k.key")} = s.folded)
        SELECT DISTINCT ON (program_id, catalog_course_id, unknown_key) * FROM found
        ORDER BY program_id, catalog_course_id, unknown_key, position""")
    staged = publication.scalar("SELECT count(*) FROM staged_program_course")
    resolved = publication.scalar("SELECT count(*) FROM resolved_program_course")
    publication.count("catalog.program_course", {"duplicate": staged - resolved})


def _reject_unknown_courses(publication: Publication) -> None:
    publication.reject(
        "catalog.program_course",
        """SELECT document_id, course_key AS record_key, 'course_key' AS column_name, 'unknown_course' AS rule,
                  course_key AS value,
                  'The catalog has no such course; the program is decided anew when it appears.' AS message
           FROM resolved_program_course WHERE catalog_course_id IS NULL""",
    )
    publication.execute("DELETE FROM resolved_program_course WHERE catalog_course_id IS NULL")


def _publish_program_courses(publication: Publication) -> None:
    """Give each resolved row its id, merge them, and delete the courses that a program no longer has."""
    publication.execute("ALTER TABLE resolved_program_course ADD COLUMN id bigint")
    publication.execute("""
        UPDATE resolved_program_course r
        SET id = coalesce((SELECT t.id FROM catalog.program_course t
                           WHERE t.program_id = r.program_id AND t.catalog_course_id = r.catalog_course_id),
                          nextval(pg_get_serial_sequence('catalog.program_course', 'id')))""")
    publication.merge(ProgramCourse, "resolved_program_course", PROGRAM_COURSE_COLUMNS)
    deleted = publication.execute("""
        DELETE FROM catalog.program_course t USING resolved_program p
        WHERE t.program_id = p.id AND NOT EXISTS (SELECT FROM resolved_program_course r WHERE r.id = t.id)""")
    publication.count("catalog.program_course", {"deleted": deleted})
