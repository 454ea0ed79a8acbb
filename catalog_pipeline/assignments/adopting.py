"""Takes over the assignments of a configuration from enterprise-access, for good."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Engine

from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, publishing

SOURCE = "assignments:adopt"
RELEASE = """
    UPDATE catalog.content_assignment SET listed_by_id = NULL, missing_since = NULL
    WHERE assignment_configuration_id = :id AND (listed_by_id IS NOT NULL OR missing_since IS NOT NULL)"""
FORGET = """
    DELETE FROM landing.document WHERE source = 'enterprise' AND kind = 'assignment' AND scope = :uuid"""
"""The assignments stand for themselves from now on, and documents hold addresses that nobody would clear."""


@dataclass(frozen=True)
class Adopted:
    """A configuration that is ours, and how many assignments it has."""

    configuration: str
    assignments: int


def adopt(engine: Engine, configuration: UUID, *, actor: str) -> Adopted:
    """Make a configuration and its assignments ours: they are no longer replicated, and verbs may change them.

    One that is ours already stays so, whatever enterprise-access lists later. Raises UsageError where it is not known.
    """
    uuid = str(configuration)
    with publishing(engine, SOURCE, datetime.now(UTC), actor, lock=ENTERPRISE_LOCK) as publication:
        found = rows(
            publication.connection,
            """SELECT c.id, (SELECT count(*) FROM catalog.content_assignment a
                             WHERE a.assignment_configuration_id = c.id) AS assignments
               FROM catalog.assignment_configuration c WHERE c.uuid = :uuid""",
            uuid=uuid,
        )
        if not found:
            raise UsageError(
                f"No assignment configuration {uuid} is known here. `catalog-pipeline refresh enterprise` reads those"
                " of enterprise-access."
            )
        (row,) = found
        adopted = publication.execute(
            """UPDATE catalog.assignment_configuration SET owner = 'here', adopted_at = now()
               WHERE id = :id AND adopted_at IS NULL""",
            id=row["id"],
        )
        publication.count("catalog.assignment_configuration", {"updated": adopted})
        released = publication.execute(RELEASE, id=row["id"])
        publication.count("catalog.content_assignment", {"updated": released})
        publication.execute(FORGET, uuid=uuid)
        return Adopted(uuid, row["assignments"])
