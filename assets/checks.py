"""What must hold across the catalog's tables and the database cannot enforce: one step, many results."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from sqlalchemy import text

from assets.failures import failures_say_why
from catalog_pipeline.database.engine import connected
from resources.database import CatalogDatabase


@dataclass(frozen=True)
class Check:
    """A query that counts the rows at fault; none is right."""

    table: str
    name: str
    description: str
    query: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


CHECKS = (
    Check(
        "run_association",
        "every_run_has_a_course",
        "Each run belongs to a course; one that does not is ambiguous: `catalog-pipeline rejects` says why.",
        """SELECT count(*) FROM catalog.course_run r
           WHERE NOT EXISTS (SELECT FROM catalog.run_association a WHERE a.course_run_id = r.id)""",
        dg.AssetCheckSeverity.WARN,
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
        dg.AssetCheckSeverity.WARN,
    ),
)


@dg.multi_asset_check(
    name="catalog_checks",
    specs=[dg.AssetCheckSpec(c.name, asset=["catalog", c.table], description=c.description) for c in CHECKS],
    can_subset=True,
)
def catalog_checks(context: dg.AssetCheckExecutionContext, database: CatalogDatabase) -> Iterator[dg.AssetCheckResult]:
    """Rules across tables, as SQL."""
    with failures_say_why(), connected(database.engine) as connection:
        for check in CHECKS:
            key = dg.AssetCheckKey(dg.AssetKey(["catalog", check.table]), check.name)
            if key not in context.selected_asset_check_keys:
                continue
            at_fault = connection.execute(text(check.query)).scalar_one()
            yield dg.AssetCheckResult(
                passed=at_fault == 0,
                asset_key=["catalog", check.table],
                check_name=check.name,
                severity=check.severity,
                metadata={"rows_at_fault": at_fault, "query": dg.MetadataValue.md(f"```sql\n{check.query}\n```")},
            )
