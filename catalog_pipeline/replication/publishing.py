"""Publishes a source's pending documents into the schema `catalog`: one transaction, all or nothing."""

from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Engine, Table

from catalog_pipeline.associations.planning import associate_unassociated
from catalog_pipeline.database.bulk import merge
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.course_status import course_status, settle_course_statuses
from catalog_pipeline.loading.ownership import (
    hand_over_made_runs,
    keep_carried_courses,
    keep_carried_runs,
    release_carried,
    stage_carried,
)
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.loading.publication import LoadHeldError, LoadReport, Publication, publishing
from catalog_pipeline.models.base import FOLD_COLLATION, Base
from catalog_pipeline.models.course import CatalogCourse
from catalog_pipeline.models.fields import COURSE_FIELDS, COURSE_KEYS, LISTED, RUN_FIELDS, RUN_KEYS, written_by
from catalog_pipeline.models.organization import Organization
from catalog_pipeline.models.program import Program, ProgramCourse
from catalog_pipeline.models.run import CourseRun
from catalog_pipeline.replication import identity
from catalog_pipeline.replication.identity import resolve
from catalog_pipeline.replication.staging import Source, stage
from catalog_pipeline.rules import VERSION
from catalog_pipeline.settings import Settings

COURSE_COLUMNS = (*COURSE_KEYS, *written_by(COURSE_FIELDS, "discovery"), *LISTED)
RUN_COLUMNS = (*RUN_KEYS, *written_by(RUN_FIELDS, "discovery"), *LISTED)
PROGRAM_COLUMNS = ("uuid", "title", "type", "status", "marketing_slug", *LISTED)

OWNED_BY_DISCOVERY = """
    t.missing_since IS NULL AND EXISTS (
        SELECT FROM landing.document d WHERE d.id = t.listed_by_id AND d.source = 'discovery')"""


def publish(
    engine: Engine,
    source: Source,
    settings: Settings,
    *,
    as_of: datetime | None = None,
    accept_removals: bool = False,
) -> LoadReport:
    """Decide and publish what is pending of a source.

    Raises LoadRefusedError when too many documents are bad, LoadHeldError when too much would be archived (unless
    `accept_removals`); the documents then stay pending, and the catalog as it was.
    """
    with publishing(engine, source.SOURCE, as_of or datetime.now(UTC)) as publication:
        publication.execute("SET LOCAL work_mem = '64MB'")
        # Staging tables are analyzed for how large they are; fine histograms of their texts would cost more than joins.
        publication.execute("SET LOCAL default_statistics_target = 10")
        _reopen_rejected(publication)
        stage(publication, source, settings.reject_share)
        if publication.report.documents:
            stage_carried(publication)
            _publish_organizations(publication)
            _publish_runs(publication, source.SOURCE)
            _publish_courses(publication)
            _associate(publication, source.SOURCE)
            _publish_variants(publication)
            _publish_programs(publication)
            _archive_missing(publication, source.SOURCE, 1.0 if accept_removals else settings.removal_share)
            settle_course_statuses(publication)
            _settle(publication)
    return publication.report


def _table(model: type[Base]) -> Table:
    return cast(Table, model.__table__)


ROW_RULES = (
    *("case_collision", "duplicate_key", "duplicate_uuid", "duplicate_code"),
    *("duplicate_external_identifier", "variant_conflict"),
)
"""Rules by which a row or value lost its place to another, which may be given up any time."""


def _reopen_rejected(publication: Publication) -> None:
    """Make pending again what may be decided otherwise now.

    A document is, once the course it missed is there; and one that lost a place, when anything else is decided: the
    place may be free. An unchanged upstream reopens nothing.
    """
    publication.execute(f"""
        UPDATE landing.document AS d SET settled_rules = NULL
        FROM ops.rejected_record r JOIN catalog.catalog_course c ON {folded("c.key")} = {folded("r.value")}
        WHERE d.id = r.document_id AND r.cleared_at IS NULL AND r.rule = 'unknown_course'""")
    publication.execute(
        f"""
        UPDATE landing.document AS d SET settled_rules = NULL
        FROM ops.rejected_record r
        WHERE d.id = r.document_id AND d.source = :source AND r.cleared_at IS NULL AND r.rule IN {ROW_RULES}
          AND EXISTS (SELECT FROM landing.document d WHERE d.source = :source AND {PENDING})""",
        source=publication.report.source,
    )


def _publish_organizations(publication: Publication) -> None:
    resolve(publication, identity.ORGANIZATION)
    # What is only mentioned is made where it is missing, and otherwise left as it is.
    publication.execute("DELETE FROM resolved_organization WHERE NOT listed AND found_id IS NOT NULL")
    publication.execute("""
        UPDATE resolved_organization SET name = coalesce(name, key),
               listed_by_id = CASE WHEN listed THEN document_id END""")
    columns = ["key", "name", "uuid", "listed_by_id", "missing_since"]
    counts = merge(publication.connection, _table(Organization), "resolved_organization", columns)
    publication.count("catalog.organization", counts)
    # A course of whose key and owner nothing is known gets an organization made from its key.
    made = publication.execute(f"""
        INSERT INTO catalog.organization (key, name)
        SELECT DISTINCT ON ({folded("c.key_org")}) c.key_org, c.key_org FROM staged_catalog_course c
        WHERE NOT EXISTS (
            SELECT FROM catalog.organization o WHERE o.uuid = c.first_owner_uuid
               OR {folded("o.key")} IN ({folded("c.key_org")}, {folded("c.first_owner")}))
        ORDER BY {folded("c.key_org")}, c.key_org""")
    publication.count("catalog.organization", {"created": made})


def _publish_runs(publication: Publication, source: str) -> None:
    resolve(publication, identity.COURSE_RUN)
    if source != "discovery":
        # What discovery lists is discovery's: for another source's documents it stays as it is.
        kept = publication.execute(f"""
            DELETE FROM resolved_course_run r USING catalog.course_run t WHERE t.id = r.id AND {OWNED_BY_DISCOVERY}""")
        publication.count("catalog.course_run", {"unchanged": kept})
    keep_carried_runs(publication)
    counts = merge(publication.connection, _table(CourseRun), "resolved_course_run", RUN_COLUMNS)
    publication.count("catalog.course_run", counts)
    hand_over_made_runs(publication)


def _publish_courses(publication: Publication) -> None:
    resolve(publication, identity.CATALOG_COURSE)
    keep_carried_courses(publication)
    _settle_shared_places(publication)
    _settle_shared_identifiers(publication)
    publication.execute(
        "ALTER TABLE resolved_catalog_course ADD COLUMN dropped_since timestamptz, ADD COLUMN status text"
    )
    # A new course is inserted with the status that its own runs give; settle_course_statuses keeps it from then on.
    publication.execute(f"""
        UPDATE resolved_catalog_course c SET status = {course_status("c", "r.published")}
        FROM (SELECT d.id AS document_id, coalesce(bool_or(r.status = 'published'), false) AS published
              FROM pending d LEFT JOIN resolved_course_run r ON r.document_id = d.id GROUP BY d.id) r
        WHERE r.document_id = c.document_id""")
    counts = merge(
        publication.connection,
        _table(CatalogCourse),
        "resolved_catalog_course",
        COURSE_COLUMNS,
        insert_only=["status"],
    )
    publication.count("catalog.catalog_course", counts)


NOT_HERE = "NOT EXISTS (SELECT FROM resolved_catalog_course w WHERE w.id = t.id)"
GIVEN_UP = """(t.missing_since IS NOT NULL
    OR EXISTS (SELECT FROM pending p WHERE p.id = t.listed_by_id AND NOT p.rejected))"""
"""A course outside this load's rows that is gone upstream, or will be by the end of the load."""


def _settle_shared_places(publication: Publication) -> None:
    """Two courses may not share a code in one organization: one that is gone gives its row up, else it is a reject."""
    publication.execute(f"""
        UPDATE resolved_catalog_course r SET id = t.id, found_id = t.id FROM catalog.catalog_course t
        WHERE r.found_id IS NULL AND t.organization_id = r.organization_id
          AND {folded("t.course_code")} = r.folded_code AND {NOT_HERE} AND {GIVEN_UP}
          AND NOT EXISTS (SELECT FROM resolved_catalog_course o WHERE o.id <> r.id AND o.folded_code = r.folded_code
                          AND o.organization_id = r.organization_id)""")
    publication.execute(f"""
        CREATE TEMP TABLE shared_code ON COMMIT DROP AS
        SELECT r.id, r.document_id, r.key, coalesce(t.key, r.holder) AS other, coalesce(t.id, r.holder_id) AS other_id
        FROM (SELECT *, row_number() OVER place AS place_rank, first_value(key) OVER place AS holder,
                     first_value(id) OVER place AS holder_id
              FROM resolved_catalog_course
              WINDOW place AS (PARTITION BY organization_id, folded_code
                               ORDER BY NOT holds, found_id IS NULL, key COLLATE "C")) r
        LEFT JOIN catalog.catalog_course t ON t.organization_id = r.organization_id AND t.id <> r.id
             AND {folded("t.course_code")} = r.folded_code AND {NOT_HERE}
        WHERE r.place_rank > 1 OR t.id IS NOT NULL""")
    publication.reject(
        "catalog.catalog_course",
        """SELECT document_id, key AS record_key, 'course_code' AS column_name, 'duplicate_code' AS rule, key AS value,
                  format('The organization has a course of this code already: %s.', other) AS message
           FROM shared_code""",
    )
    publication.execute("DELETE FROM resolved_catalog_course r USING shared_code s WHERE r.id = s.id")
    # Courses that change places with one another let go of them first.
    publication.execute(f"""
        UPDATE catalog.catalog_course t SET course_code = '~~~' || t.id FROM resolved_catalog_course r
        WHERE t.id = r.id AND (t.organization_id, {folded("t.course_code")}) <> (r.organization_id, r.folded_code)
          AND EXISTS (SELECT FROM resolved_catalog_course w WHERE w.id <> t.id
                      AND w.organization_id = t.organization_id AND w.folded_code = {folded("t.course_code")})""")


def _settle_shared_identifiers(publication: Publication) -> None:
    """Two courses may not share a partner's product number: one that is gone lets go, else the later has none."""
    same = "(t.product_source, t.course_type) IS NOT DISTINCT FROM (r.product_source, r.course_type)"
    publication.execute(f"""
        CREATE TEMP TABLE shared_identifier ON COMMIT DROP AS
        SELECT r.id, r.document_id, r.key, r.external_identifier, coalesce(t.key, r.holder) AS other
        FROM (SELECT *, row_number() OVER place AS place_rank, first_value(key) OVER place AS holder
              FROM resolved_catalog_course WHERE external_identifier IS NOT NULL
              WINDOW place AS (PARTITION BY product_source, course_type, external_identifier
                               ORDER BY NOT holds, found_id IS NULL, key COLLATE "C")) r
        LEFT JOIN catalog.catalog_course t ON t.external_identifier = r.external_identifier AND t.id <> r.id
             AND {same} AND {NOT_HERE} AND NOT {GIVEN_UP}
        WHERE r.place_rank > 1 OR t.id IS NOT NULL""")
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
    publication.execute(f"""
        UPDATE catalog.catalog_course t SET external_identifier = NULL FROM resolved_catalog_course r
        WHERE t.external_identifier = r.external_identifier AND t.id <> r.id AND {same}""")


def _associate(publication: Publication, source: str) -> None:
    """Runs go to the course whose document lists them; what nobody associates goes by its key. Manual ones stay."""
    if source == "discovery":
        publication.execute(f"""
            CREATE TEMP TABLE listed_association ON COMMIT DROP AS
            SELECT r.id AS course_run_id, coalesce(c.id, k.id, o.other_id) AS catalog_course_id, a.id AS found_id,
                   format('discovery lists the run under %s.', coalesce(c.key, k.key, o.other)) AS reason
            FROM resolved_course_run r
            LEFT JOIN resolved_catalog_course c ON c.document_id = r.document_id
            -- A course whose key collided is not there; its runs belong to the one that stands.
            LEFT JOIN staged_catalog_course s ON s.document_id = r.document_id
            LEFT JOIN catalog.catalog_course k ON lower(k.key COLLATE {FOLD_COLLATION}) = s.folded
            LEFT JOIN shared_code o ON o.document_id = r.document_id
            LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
            WHERE coalesce(c.id, k.id, o.other_id) IS NOT NULL""")
        counts = publication.connection.exec_driver_sql("""
            WITH merged AS (
                MERGE INTO catalog.run_association t USING listed_association s ON t.id = s.found_id
                WHEN MATCHED AND t.source <> 'manual'
                     AND (t.catalog_course_id, t.source) IS DISTINCT FROM (s.catalog_course_id, 'discovery')
                    THEN UPDATE SET catalog_course_id = s.catalog_course_id, source = 'discovery',
                                    reason = s.reason, decided_at = now()
                WHEN NOT MATCHED THEN INSERT (course_run_id, catalog_course_id, source, reason)
                    VALUES (s.course_run_id, s.catalog_course_id, 'discovery', s.reason)
                RETURNING merge_action() AS action)
            SELECT count(*) FILTER (WHERE action = 'INSERT') AS created,
                   count(*) FILTER (WHERE action = 'UPDATE') AS updated,
                   (SELECT count(*) FROM listed_association) - count(*) AS unchanged FROM merged""")
        publication.count("catalog.run_association", dict(counts.one()._mapping))
    associate_unassociated(publication)


def _publish_variants(publication: Publication) -> None:
    """One run for each variant: of several that name it, the one that starts last, then by key."""
    publication.execute("""
        CREATE TEMP TABLE claimed_variant ON COMMIT DROP AS
        WITH claims AS (
            SELECT r.variant_id, r.id AS course_run_id, r.document_id, r.run_key, r.start, c.product_source
            FROM resolved_course_run r LEFT JOIN staged_catalog_course c ON c.document_id = r.document_id
            WHERE r.variant_id IS NOT NULL
            UNION ALL
            SELECT v.variant_id, v.course_run_id, NULL, r.run_key, r.start, v.product_source
            FROM catalog.course_variant v JOIN catalog.course_run r ON r.id = v.course_run_id
            WHERE NOT EXISTS (SELECT FROM resolved_course_run n WHERE n.id = v.course_run_id)
              AND r.missing_since IS NULL
              AND NOT EXISTS (SELECT FROM pending p WHERE p.id = r.listed_by_id AND NOT p.rejected)
              AND EXISTS (SELECT FROM staged_course_run s WHERE s.variant_id = v.variant_id))
        SELECT *, row_number() OVER best AS rank, first_value(run_key) OVER best AS winner
        FROM (SELECT *, course_run_id IN (SELECT id FROM carried_run) AS carried FROM claims) c
        WINDOW best AS (PARTITION BY variant_id ORDER BY NOT carried, start DESC NULLS LAST, run_key)""")
    publication.reject(
        "catalog.course_variant",
        """SELECT document_id, run_key AS record_key, 'variant_id' AS column_name, 'variant_conflict' AS rule,
                  variant_id::text AS value,
                  format('%s names this variant too and starts last: it keeps the variant, this run has none.', winner)
                      AS message
           FROM claimed_variant WHERE rank > 1 AND document_id IS NOT NULL""",
    )
    deleted = publication.execute("""
        DELETE FROM catalog.course_variant v
        WHERE (EXISTS (SELECT FROM resolved_course_run r WHERE r.id = v.course_run_id)
               OR EXISTS (SELECT FROM catalog.course_run r JOIN pending p ON p.id = r.listed_by_id AND NOT p.rejected
                          WHERE r.id = v.course_run_id)
               OR EXISTS (SELECT FROM claimed_variant c WHERE c.variant_id = v.variant_id))
          AND NOT EXISTS (SELECT FROM claimed_variant c WHERE c.rank = 1 AND c.variant_id = v.variant_id
                          AND c.course_run_id = v.course_run_id)""")
    counts = publication.connection.exec_driver_sql("""
        WITH winners AS (SELECT c.*, v.id FROM claimed_variant c LEFT JOIN catalog.course_variant v USING (variant_id)
                         WHERE rank = 1),
        merged AS (
            MERGE INTO catalog.course_variant t USING winners s ON t.id = s.id
            WHEN MATCHED AND NOT s.carried AND t.product_source IS DISTINCT FROM s.product_source
                THEN UPDATE SET product_source = s.product_source
            WHEN NOT MATCHED THEN INSERT (variant_id, course_run_id, product_source)
                VALUES (s.variant_id, s.course_run_id, s.product_source)
            RETURNING merge_action() AS action)
        SELECT count(*) FILTER (WHERE action = 'INSERT') AS created,
               count(*) FILTER (WHERE action = 'UPDATE') AS updated,
               (SELECT count(*) FROM winners) - count(*) AS unchanged FROM merged""")
    publication.count("catalog.course_variant", {**counts.one()._mapping, "deleted": deleted})


def _publish_programs(publication: Publication) -> None:
    publication.execute("""
        CREATE TEMP TABLE resolved_program ON COMMIT DROP AS
        SELECT DISTINCT ON (s.uuid) s.*, s.document_id AS listed_by_id, NULL::timestamptz AS missing_since,
               coalesce(p.id, nextval(pg_get_serial_sequence('catalog.program', 'id'))) AS id
        FROM staged_program s LEFT JOIN catalog.program p ON p.uuid = s.uuid
        ORDER BY s.uuid, s.document_id""")
    counts = merge(publication.connection, _table(Program), "resolved_program", PROGRAM_COLUMNS)
    publication.count("catalog.program", counts)
    publication.execute(f"""
        CREATE TEMP TABLE resolved_program_course ON COMMIT DROP AS
        SELECT DISTINCT ON (p.id, coalesce(u.id, k.id), CASE WHEN coalesce(u.id, k.id) IS NULL THEN s.folded END)
               s.document_id, s.course_key, p.id AS program_id, coalesce(u.id, k.id) AS catalog_course_id, s.position
        FROM staged_program_course s JOIN resolved_program p ON p.uuid = s.program_uuid
        LEFT JOIN catalog.catalog_course u ON u.uuid = s.course_uuid
        LEFT JOIN catalog.catalog_course k ON lower(k.key COLLATE {FOLD_COLLATION}) = s.folded
        ORDER BY p.id, coalesce(u.id, k.id), CASE WHEN coalesce(u.id, k.id) IS NULL THEN s.folded END, s.position""")
    staged = publication.scalar("SELECT count(*) FROM staged_program_course")
    resolved = publication.scalar("SELECT count(*) FROM resolved_program_course")
    publication.count("catalog.program_course", {"duplicate": staged - resolved})
    publication.reject(
        "catalog.program_course",
        """SELECT document_id, course_key AS record_key, 'course_key' AS column_name, 'unknown_course' AS rule,
                  course_key AS value,
                  'The catalog has no such course; the program is decided anew when it appears.' AS message
           FROM resolved_program_course WHERE catalog_course_id IS NULL""",
    )
    publication.execute("""
        DELETE FROM resolved_program_course WHERE catalog_course_id IS NULL""")
    publication.execute("""
        ALTER TABLE resolved_program_course ADD COLUMN id bigint""")
    publication.execute("""
        UPDATE resolved_program_course r
        SET id = coalesce((SELECT t.id FROM catalog.program_course t
                           WHERE t.program_id = r.program_id AND t.catalog_course_id = r.catalog_course_id),
                          nextval(pg_get_serial_sequence('catalog.program_course', 'id')))""")
    counts = merge(
        publication.connection,
        _table(ProgramCourse),
        "resolved_program_course",
        ["program_id", "catalog_course_id", "position"],
    )
    deleted = publication.execute("""
        DELETE FROM catalog.program_course t USING resolved_program p
        WHERE t.program_id = p.id AND NOT EXISTS (SELECT FROM resolved_program_course r WHERE r.id = t.id)""")
    publication.count("catalog.program_course", {**counts, "deleted": deleted})


GONE = """
    t.missing_since IS NULL
    -- What stands of a document that was rejected whole keeps standing.
    AND t.listed_by_id IN (SELECT p.id FROM pending p WHERE NOT p.rejected)
    AND NOT EXISTS (SELECT FROM resolved_{table} n WHERE n.id = t.id)"""

ARCHIVES = {
    "organization": "missing_since = now()",
    "catalog_course": "missing_since = now()",
    "course_run": "missing_since = now(), status = 'archived'",
    "program": "missing_since = now(), status = 'archived'",
}


def _archive_missing(publication: Publication, source: str, removal_share: float) -> None:
    """Archive what its document no longer lists, and what no document lists any more; hold back if it is too much."""
    release_carried(publication, GONE)
    gone = {}
    for table in ARCHIVES:
        publication.execute(
            f"CREATE TEMP TABLE gone_{table} ON COMMIT DROP AS"
            f" SELECT t.id FROM catalog.{table} t WHERE {GONE.format(table=table)}"
        )
        gone[table] = publication.scalar(f"SELECT count(*) FROM gone_{table}")
        standing = publication.scalar(
            f"""SELECT count(*) FROM catalog.{table} t JOIN landing.document d ON d.id = t.listed_by_id
                WHERE d.source = :source AND t.missing_since IS NULL""",
            source=source,
        )
        if gone[table] > removal_share * standing:
            raise LoadHeldError(
                f"{gone[table]} of the {standing} rows of catalog.{table} that {source} owns are gone upstream, over"
                f" the {removal_share:.0%} of CATALOG_REMOVAL_SHARE: the load is held back, nothing was changed."
                " If it is meant, run `catalog-pipeline refresh --accept-removals`."
            )
    for table, assignments in ARCHIVES.items():
        if gone[table]:
            updated = publication.execute(
                f"UPDATE catalog.{table} t SET {assignments} FROM gone_{table} g WHERE g.id = t.id"
            )
            publication.count(f"catalog.{table}", {"updated": updated})
    # A run that discovery dropped may still be listed by the LMS, which then owns it.
    publication.execute(
        """
        UPDATE landing.document d SET settled_rules = NULL
        FROM gone_course_run g JOIN catalog.course_run r ON r.id = g.id
        WHERE d.source = 'lms' AND lower(d.key) = lower(r.run_key) AND d.missing_since IS NULL
          AND d.source <> :source""",
        source=source,
    )


def _settle(publication: Publication) -> None:
    publication.execute(
        """UPDATE landing.document d SET settled_hash = p.payload_hash, settled_rules = :version
           FROM pending p WHERE p.id = d.id""",
        version=VERSION,
    )
