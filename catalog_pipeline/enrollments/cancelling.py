"""Cancels a learner's enrollment in a program. Its seats stay active, unless they are to go with it."""

from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.database.rows import rows
from catalog_pipeline.enrollments.asked import Asked, writing
from catalog_pipeline.enrollments.changing import Changed, course_rows, set_enrollments, set_rows
from catalog_pipeline.enrollments.programs import Refusal, find_program, owned_elsewhere
from catalog_pipeline.learners.finding import find_learner
from catalog_pipeline.loading.publication import Publication

ENROLLMENTS = """
    SELECT id, status FROM catalog.program_enrollment
    WHERE learner_id = :learner AND program_id = :program
      AND (CAST(:curriculum AS uuid) IS NULL OR curriculum_uuid = :curriculum) ORDER BY curriculum_uuid FOR UPDATE"""


def cancel(
    engine: Engine, learner: str, program: UUID, asked: Asked, *, curriculum: UUID | None = None, cascade: bool = False
) -> Changed:
    """Cancel the enrollments of a learner in a program, or the one by a curriculum; with `cascade`, leave its seats.

    Raises UsageError where the learner or the program is unknown.
    """

    def work(publication: Publication) -> Changed:
        connection = publication.connection
        found = find_program(connection, program)
        who = find_learner(connection, learner, asked.secret, found.organization_id)
        if elsewhere := owned_elsewhere(found):
            return Changed(asked.dry_run, refused=elsewhere, staying=[])
        there = rows(connection, ENROLLMENTS, learner=who, program=found.id, curriculum=curriculum)
        if not there:
            where = found.named if curriculum is None else f"{found.named} by the curriculum {curriculum}"
            refusal = Refusal("not_enrolled", f"The learner is not enrolled in {where}.")
            return Changed(asked.dry_run, refused=refusal, staying=[])
        ids = {row["id"] for row in there}
        active = [
            row
            for row in course_rows(connection, who, found)
            if row.status == "active" and row.program_enrollment_id in ids
        ]
        statuses = {row["id"]: row["status"] for row in there if row["status"] != "canceled"}
        changes = set_enrollments(publication, found, statuses, "canceled")
        if cascade:
            changes += set_rows(publication, found, active, "inactive")
        staying = [] if cascade else [{"run": row.run_key, "since": row.status_since} for row in active]
        return Changed(asked.dry_run, changes, staying=staying)

    return writing(engine, "cancel", asked, work)
