"""Publishes who authors programs, and their curricula: the courses and programs that each is made of.

A document that does not say who authors its program, or which curricula it has, says nothing of them: what stood,
stands. An empty list says that there are none. The same holds for the courses and programs of a curriculum.
"""

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.enrollment import Curriculum, CurriculumCourse, CurriculumProgram, ProgramOrganization
from catalog_pipeline.replication.programs import Listed, count_duplicates, resolve_courses, write_list

ORGANIZATIONS = Listed(ProgramOrganization, "program_id", "organization_id")
CURRICULA = Listed(Curriculum, "program_id", "uuid", ("name", "is_active"))
COURSES = Listed(CurriculumCourse, "curriculum_id", "catalog_course_id")
PROGRAMS = Listed(CurriculumProgram, "curriculum_id", "program_id")

OF_PROGRAM = "resolved_program p ON p.uuid = s.program_uuid AND p.document_id = s.document_id"
"""Joins the program p of a staged row s."""
OF_CURRICULUM = """
    resolved_program o ON o.uuid = s.program_uuid AND o.document_id = s.document_id
    JOIN resolved_curriculum p ON p.program_id = o.id AND p.uuid = s.curriculum_uuid"""
"""Joins the curriculum p of a staged row s."""


def publish_curricula(publication: Publication) -> None:
    """Write, for the programs in `resolved_program`, what the staged rows say of their organizations and curricula."""
    _publish_organizations(publication)
    _publish_curricula(publication)
    resolve_courses(publication, "curriculum_course", OF_CURRICULUM, "curriculum_id")
    write_list(publication, COURSES, "SELECT id FROM resolved_curriculum WHERE lists_courses")
    _resolve_child_programs(publication)
    write_list(publication, PROGRAMS, "SELECT id FROM resolved_curriculum WHERE lists_programs")


def _publish_organizations(publication: Publication) -> None:
    # All that documents mention was made before, and is known by its uuid or its key.
    publication.execute(f"""
        CREATE TEMP TABLE resolved_program_organization ON COMMIT DROP AS
        SELECT DISTINCT ON (p.id, coalesce(u.id, k.id)) p.id AS program_id, coalesce(u.id, k.id) AS organization_id,
               s.position
        FROM staged_program_organization s JOIN {OF_PROGRAM}
        LEFT JOIN catalog.organization u ON u.uuid = s.organization_uuid
        LEFT JOIN catalog.organization k ON {folded("k.key")} = s.folded
        ORDER BY p.id, coalesce(u.id, k.id), s.position""")
    count_duplicates(publication, "program_organization")
    write_list(publication, ORGANIZATIONS, "SELECT id FROM resolved_program WHERE lists_organizations")


def _publish_curricula(publication: Publication) -> None:
    publication.execute(f"""
        CREATE TEMP TABLE resolved_curriculum ON COMMIT DROP AS
        SELECT DISTINCT ON (p.id, s.uuid) p.id AS program_id, s.uuid, s.name,
               coalesce(s.is_active, true) AS is_active, s.lists_courses, s.lists_programs
        FROM staged_curriculum s JOIN {OF_PROGRAM}
        ORDER BY p.id, s.uuid, s.name""")
    count_duplicates(publication, "curriculum")
    # What goes with a curriculum goes first: the history names its program by the curriculum.
    gone = """SELECT c.id FROM catalog.curriculum c JOIN resolved_program p ON p.id = c.program_id
              WHERE p.lists_curricula AND NOT EXISTS (
                  SELECT FROM resolved_curriculum r WHERE (r.program_id, r.uuid) = (c.program_id, c.uuid))"""
    for table in ("curriculum_course", "curriculum_program"):
        deleted = publication.execute(f"DELETE FROM catalog.{table} WHERE curriculum_id IN ({gone})")
        publication.count(f"catalog.{table}", {"deleted": deleted})
    write_list(publication, CURRICULA, "SELECT id FROM resolved_program WHERE lists_curricula")


def _resolve_child_programs(publication: Publication) -> None:
    publication.execute(f"""
        CREATE TEMP TABLE resolved_curriculum_program ON COMMIT DROP AS
        SELECT DISTINCT ON (p.id, s.child_uuid) s.document_id, s.child_uuid, p.id AS curriculum_id,
               child.id AS program_id, s.position
        FROM staged_curriculum_program s JOIN {OF_CURRICULUM}
        LEFT JOIN catalog.program child ON child.uuid = s.child_uuid
        ORDER BY p.id, s.child_uuid, s.position""")
    count_duplicates(publication, "curriculum_program")
    publication.reject(
        "catalog.curriculum_program",
        """SELECT document_id, child_uuid::text AS record_key, 'child_uuid' AS column_name, 'unknown_program' AS rule,
                  child_uuid::text AS value,
                  'Upstream lists no such program; the curriculum is decided anew when it appears.' AS message
           FROM resolved_curriculum_program WHERE program_id IS NULL""",
    )
    publication.execute("DELETE FROM resolved_curriculum_program WHERE program_id IS NULL")
