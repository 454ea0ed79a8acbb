"""What must hold in the catalog's tables and the database cannot enforce, and the last results of all checks.

The tests of SQL models are in their files; their results are kept here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import rows
from catalog_pipeline.models.vocabulary import UNPAID_MODES

Severity = Literal["error", "warn"]


KEEP = """
    INSERT INTO ops.check_result (table_name, check_name, failing_rows, severity)
    SELECT * FROM unnest(CAST(:tables AS text[]), CAST(:checks AS text[]), CAST(:failing AS bigint[]),
                         CAST(:severities AS text[])) AS result (table_name, check_name, failing_rows, severity)
    ORDER BY table_name, check_name -- so that two writers wait for each other, and never in a circle
    ON CONFLICT (table_name, check_name) DO UPDATE SET
        failing_rows = excluded.failing_rows, severity = excluded.severity, checked_at = clock_timestamp()"""


@dataclass(frozen=True)
class Check:
    """A query that counts what is at fault; 0 is right. `table` is in the schema catalog."""

    table: str
    name: str
    description: str
    query: str
    severity: Severity = "error"

    def run(self, connection: Connection) -> int:
        """How many rows are at fault. The result is kept."""
        at_fault = connection.execute(text(self.query)).scalar_one()
        keep_results(connection, [CheckResult(f"catalog.{self.table}", self.name, at_fault, self.severity)])
        return at_fault


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of a table or view (schema.table)."""

    table: str
    check: str
    failing_rows: int
    severity: Severity = "error"
    checked_at: datetime | None = None
    """When it was checked; None: now."""


DOCUMENTS_VALID = Check(
    "catalog_course",
    "documents_valid",
    "No document is rejected: `catalog-pipeline rejects` lists those that are, and why.",
    "SELECT count(DISTINCT document_id) FROM ops.rejected_record WHERE cleared_at IS NULL",
    "warn",
)
"""Checked at the end of each load of course-discovery."""

CHECKS = (
    Check(
        "run_association",
        "every_run_has_a_course",
        "Each run belongs to a course; one that does not is ambiguous: `catalog-pipeline rejects` says why.",
        """SELECT count(*) FROM catalog.course_run r
           WHERE NOT EXISTS (SELECT FROM catalog.run_association a WHERE a.course_run_id = r.id)""",
        "warn",
    ),
    Check(
        "catalog_course",
        "status_follows_runs",
        "A course that is not archived is published if and only if some run of it is.",
        """SELECT count(*) FROM catalog.catalog_course c
           WHERE status <> 'archived' AND (status = 'published') <> EXISTS (
               SELECT FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
               WHERE a.catalog_course_id = c.id AND r.status = 'published')""",
    ),
    Check(
        "course_run",
        "missing_runs_are_archived",
        "A run that upstream no longer lists is archived.",
        "SELECT count(*) FROM catalog.course_run WHERE missing_since IS NOT NULL AND status <> 'archived'",
    ),
    Check(
        "program_course",
        "programs_have_courses",
        "An active program has at least one course.",
        """SELECT count(*) FROM catalog.program p WHERE status = 'active'
           AND NOT EXISTS (SELECT FROM catalog.program_course c WHERE c.program_id = p.id)""",
        "warn",
    ),
    Check(
        "program_course_enrollment",
        "one_active_a_run",
        "A learner is active in a run by one program at most.",
        """SELECT count(*) FROM (
               SELECT FROM catalog.program_course_enrollment c
               JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
               WHERE c.status = 'active' GROUP BY s.learner_id, s.course_run_id HAVING count(*) > 1) AS twice""",
    ),
    Check(
        "course_enrollment",
        "is_active_follows",
        "A seat is active if and only if a program's row on it is, or its mode is a paid one.",
        f"""SELECT count(*) FROM catalog.course_enrollment s
           WHERE s.is_active <> (s.mode NOT IN {UNPAID_MODES} OR EXISTS (
               SELECT FROM catalog.program_course_enrollment c
               WHERE c.course_enrollment_id = s.id AND c.status = 'active'))""",
    ),
    Check(
        "program_enrollment",
        "enrollments_have_learners",
        "The rows of an enrollment are of one learner, who has the key that it is known by.",
        """SELECT count(*) FROM catalog.program_enrollment e
           LEFT JOIN catalog.learner_key k ON k.id = e.learner_key_id
           WHERE k.learner_id IS DISTINCT FROM e.learner_id AND e.learner_key_id IS NOT NULL
              OR NOT EXISTS (SELECT FROM catalog.learner l WHERE l.id = e.learner_id)
              OR EXISTS (SELECT FROM catalog.program_course_enrollment c
                         JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
                         WHERE c.program_enrollment_id = e.id AND s.learner_id <> e.learner_id)""",
    ),
    Check(
        "program_course_enrollment",
        "conflicts_told",
        "The LMS has no learner active in a run by several programs: `catalog-pipeline enrollments conflicts` lists"
        " those whom it has.",
        """SELECT count(*) FROM (
               SELECT learner_id, course_run_id FROM ops.enrollment_conflict WHERE cleared_at IS NULL
               UNION
               SELECT s.learner_id, s.course_run_id FROM catalog.program_course_enrollment c
               JOIN catalog.program_enrollment e ON e.id = c.program_enrollment_id
               JOIN catalog.program p ON p.id = e.program_id AND p.enrollments_owner = 'lms'
               JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
               WHERE c.lms_status = 'active' GROUP BY 1, 2 HAVING count(*) > 1) AS conflict""",
        "warn",
    ),
    Check(
        "enterprise_catalog",
        "catalogs_are_fresh",
        "The content of each enterprise catalog that upstream lists was read and applied within a day.",
        """SELECT count(*) FROM catalog.enterprise_catalog
           WHERE missing_since IS NULL AND coalesce(fetched_at, '-infinity') < now() - interval '1 day'""",
        "warn",
    ),
    Check(
        "content_metadata",
        "live_assignments_have_content",
        "The catalog of each assignment that is allocated, accepted or errored has the course or run assigned.",
        f"""SELECT count(*) FROM catalog.content_assignment a
            JOIN catalog.access_policy p ON p.assignment_configuration_id = a.assignment_configuration_id
            WHERE a.state IN ('allocated', 'accepted', 'errored') AND p.catalog_uuid IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM catalog.content_metadata m
                  WHERE m.enterprise_catalog_id = p.enterprise_catalog_id AND m.status = 'found'
                    AND {folded("m.content_key")} = {folded("coalesce(a.parent_content_key, a.content_key)")})
              AND NOT EXISTS (
                  SELECT FROM catalog.content_run r
                  WHERE r.enterprise_catalog_id = p.enterprise_catalog_id AND r.missing_since IS NULL
                    AND {folded("r.run_key")} = {folded("a.content_key")})""",
        "warn",
    ),
)
"""Checked each night, when every run has its course."""


def keep_results(connection: Connection, results: Sequence[CheckResult], *, all_of: str | None = None) -> None:
    """Keep results, each in place of the last one of its check. A login that may not write keeps none.

    With `all_of`, these are the results of all checks of that table: what it was checked for before is forgotten.
    """
    may = "SELECT has_table_privilege('ops.check_result', 'INSERT')"
    if not connection.execute(text(may)).scalar_one():
        return
    values = {
        "tables": [one.table for one in results],
        "checks": [one.check for one in results],
        "failing": [one.failing_rows for one in results],
        "severities": [one.severity for one in results],
    }
    connection.execute(text(KEEP), values)
    forget = "DELETE FROM ops.check_result WHERE table_name = :table AND check_name <> ALL(:checks)"
    connection.execute(text(forget), {"table": all_of, "checks": values["checks"]})


def last_results(connection: Connection) -> list[CheckResult]:
    """The last result of each check that was run."""
    found = rows(
        connection,
        """SELECT table_name AS "table", check_name AS "check", failing_rows, severity, checked_at
           FROM ops.check_result ORDER BY table_name, check_name""",
    )
    return [CheckResult(**row) for row in found]
