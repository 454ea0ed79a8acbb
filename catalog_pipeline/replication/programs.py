"""Publishes programs, and the courses that each is made of."""

from dataclasses import dataclass

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.models.base import Base
from catalog_pipeline.models.fields import LISTED
from catalog_pipeline.models.program import Program, ProgramCourse

PROGRAM_COLUMNS = ("uuid", "title", "type", "status", "marketing_slug", *LISTED)


@dataclass(frozen=True)
class Listed:
    """A table of what programs or curricula list: each row is a member of an owner's list."""

    model: type[Base]
    owner: str
    """The column of the owner's id."""
    member: str
    """The column of what is listed; unique with the owner."""
    others: tuple[str, ...] = ("position",)

    @property
    def table(self) -> str:
        """The table's name, without its schema."""
        return self.model.__tablename__


PROGRAM_COURSES = Listed(ProgramCourse, "program_id", "catalog_course_id")


def publish_programs(publication: Publication) -> None:
    """Merge `staged_program`, and for each of its programs the courses in `staged_program_course`."""
    publication.execute("""
        CREATE TEMP TABLE resolved_program ON COMMIT DROP AS
        SELECT DISTINCT ON (s.uuid) s.*, s.document_id AS listed_by_id, NULL::timestamptz AS missing_since,
               coalesce(p.id, nextval(pg_get_serial_sequence('catalog.program', 'id'))) AS id
        FROM staged_program s LEFT JOIN catalog.program p ON p.uuid = s.uuid
        ORDER BY s.uuid, s.document_id""")
    publication.merge(Program, "resolved_program", PROGRAM_COLUMNS)
    resolve_courses(publication, "program_course", "resolved_program p ON p.uuid = s.program_uuid", "program_id")
    write_list(publication, PROGRAM_COURSES, "SELECT id FROM resolved_program")


def resolve_courses(publication: Publication, table: str, owner: str, owner_id: str) -> None:
    """Make `resolved_<table>` of `staged_<table>`: each course of an owner once, at its first position.

    `owner` is SQL that joins the owner p to the staged row s. A course that is not known is rejected.
    """
    publication.execute(f"""
        CREATE TEMP TABLE resolved_{table} ON COMMIT DROP AS
        WITH found AS (
            SELECT s.document_id, s.course_key, p.id AS {owner_id}, coalesce(u.id, k.id) AS catalog_course_id,
                   s.position, CASE WHEN coalesce(u.id, k.id) IS NULL THEN s.folded END AS unknown_key
            FROM staged_{table} s JOIN {owner}
            LEFT JOIN catalog.catalog_course u ON u.uuid = s.course_uuid
            LEFT JOIN catalog.catalog_course k ON {folded("k.key")} = s.folded)
        SELECT DISTINCT ON ({owner_id}, catalog_course_id, unknown_key) * FROM found
        ORDER BY {owner_id}, catalog_course_id, unknown_key, position""")
    count_duplicates(publication, table)
    publication.reject(
        f"catalog.{table}",
        f"""SELECT document_id, course_key AS record_key, 'course_key' AS column_name, 'unknown_course' AS rule,
                   course_key AS value,
                   'The catalog has no such course; the program is decided anew when it appears.' AS message
            FROM resolved_{table} WHERE catalog_course_id IS NULL""",
    )
    publication.execute(f"DELETE FROM resolved_{table} WHERE catalog_course_id IS NULL")


def count_duplicates(publication: Publication, table: str) -> None:
    """Count the staged rows of a table that say again what another one says."""
    staged = publication.scalar(f"SELECT count(*) FROM staged_{table}")
    resolved = publication.scalar(f"SELECT count(*) FROM resolved_{table}")
    publication.count(f"catalog.{table}", {"duplicate": staged - resolved})


def write_list(publication: Publication, listed: Listed, whole: str) -> None:
    """Give each row of `resolved_<table>` its id, merge them, and delete what an owner in `whole` no longer lists.

    `whole` is SQL of the ids of the owners whose lists were read; what others list stays.
    """
    table, owner, member = listed.table, listed.owner, listed.member
    publication.execute(f"ALTER TABLE resolved_{table} ADD COLUMN id bigint")
    publication.execute(f"""
        UPDATE resolved_{table} r
        SET id = coalesce((SELECT t.id FROM catalog.{table} t
                           WHERE t.{owner} = r.{owner} AND t.{member} = r.{member}),
                          nextval(pg_get_serial_sequence('catalog.{table}', 'id')))""")
    publication.merge(listed.model, f"resolved_{table}", (owner, member, *listed.others))
    deleted = publication.execute(f"""
        DELETE FROM catalog.{table} t
        WHERE t.{owner} IN ({whole}) AND NOT EXISTS (SELECT FROM resolved_{table} r WHERE r.id = t.id)""")
    publication.count(f"catalog.{table}", {"deleted": deleted})
