"""Publishes a source's pending documents into the schema `catalog`, in one transaction: the order of the steps.

Each step reads staging tables and writes one part of the catalog: `staged_<table>` has the rows of the documents as
read (`staging`), `resolved_<table>` those that may be merged, each with the id of the row that it is (`identity`).
"""

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.ownership import settle_configured, stage_carried
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.loading.placeholders import forget_placeholders
from catalog_pipeline.loading.publication import LoadReport, Publication, publishing
from catalog_pipeline.loading.upstream import check_address
from catalog_pipeline.replication.courses import publish_courses
from catalog_pipeline.replication.curricula import publish_curricula
from catalog_pipeline.replication.organizations import (
    COURSES_TO_DECIDE_AGAIN,
    make_organizations_of_courses,
    publish_organizations,
)
from catalog_pipeline.replication.programs import publish_programs
from catalog_pipeline.replication.removals import archive_removals, find_removals
from catalog_pipeline.replication.runs import associate_runs, publish_runs
from catalog_pipeline.replication.staging import stage, stage_again
from catalog_pipeline.replication.variants import publish_variants
from catalog_pipeline.rules import VERSION
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources import discovery
from catalog_pipeline.sources.listing import Source
from catalog_pipeline.sources.upstreams import configured_addresses

LOST_TO_ANOTHER_ROW = (
    *("case_collision", "duplicate_key", "duplicate_uuid", "duplicate_code"),
    *("duplicate_external_identifier", "variant_conflict"),
)
"""The rules by which a row or value is rejected because another row has the key, code, number or variant that it wants.

When the other row gives it up, the rejected row may have it.
"""


def publish(
    engine: Engine | Connection,
    source: Source,
    settings: Settings,
    *,
    as_of: datetime | None = None,
    accept_removals: bool = False,
) -> LoadReport:
    """Decide and publish what is pending of a source.

    Raises UpstreamChangedError when the source is configured at another address than the one it was read from, and
    LoadRefusedError when too many documents are bad: they then stay pending, and the catalog stays as it was.
    Removals that are too many are held back, the rest is published, and the report's outcome is `held`. With
    `accept_removals`, what the last load held back and upstream still does not list is archived.
    """
    with publishing(engine, source.SOURCE, as_of or datetime.now(UTC)) as publication:
        check_address(publication.connection, settings, source.SOURCE)
        settle_configured(publication, configured_addresses(settings))
        publication.execute("SET LOCAL work_mem = '64MB'")
        # The staging tables are analyzed so that the planner knows their size. Detailed histograms of their texts
        # would take longer to make than the joins take.
        publication.execute("SET LOCAL default_statistics_target = 10")
        _reopen_rejected(publication, accept_removals=accept_removals)
        stage(publication, source, settings.reject_share)
        stage_carried(publication)
        find_removals(publication, source, settings, accept=accept_removals)
        if publication.report.documents:
            _publish_staged(publication, source)
    return publication.report


def _publish_staged(publication: Publication, source: Source) -> None:
    """Write what was staged, table by table, archive what is gone, and settle the documents."""
    publish_organizations(publication)
    stage_again(publication, source, COURSES_TO_DECIDE_AGAIN)
    make_organizations_of_courses(publication)
    publish_runs(publication)
    publish_courses(publication)
    associate_runs(publication)
    if source.SOURCE == discovery.SOURCE:  # no other source names variants
        publish_variants(publication)
    publish_programs(publication)
    publish_curricula(publication)
    archive_removals(publication)
    _settle_documents(publication)
    if publication.placeholders:
        forget_placeholders(publication)


def _reopen_rejected(publication: Publication, *, accept_removals: bool) -> None:
    """Make rejected documents pending again that may be decided differently now.

    One that named an unknown course or program is reopened once that exists. One that lost to another row is reopened
    whenever anything else of the source has changed since the last load, or what that held back is accepted: the other
    row may change. If nothing changed upstream, nothing is reopened.
    """
    publication.execute(f"""
        UPDATE landing.document AS d SET settled_rules = NULL
        FROM ops.rejected_record r JOIN catalog.catalog_course c ON {folded("c.key")} = {folded("r.value")}
        WHERE d.id = r.document_id AND r.cleared_at IS NULL AND r.rule = 'unknown_course'""")
    publication.execute("""
        UPDATE landing.document AS d SET settled_rules = NULL
        FROM ops.rejected_record r JOIN catalog.program p ON p.uuid::text = r.value
        WHERE d.id = r.document_id AND r.cleared_at IS NULL AND r.rule = 'unknown_program'
          AND d.source = 'discovery'""")
    publication.execute(
        f"""
        UPDATE landing.document AS d SET settled_rules = NULL
        FROM ops.rejected_record r
        WHERE d.id = r.document_id AND d.source = :source AND r.cleared_at IS NULL AND r.rule IN {LOST_TO_ANOTHER_ROW}
          AND EXISTS (
              SELECT FROM landing.document d WHERE d.source = :source AND {PENDING}
              -- A document that the last load left pending, and that is the same still, changes nothing.
              AND (:accept_removals OR d.changed_at > coalesce(
                  (SELECT max(l.started_at) FROM ops.load l
                   WHERE l.source = :source AND l.outcome <> 'refused' AND l.id <> :load_id), '-infinity')))""",
        source=publication.report.source,
        load_id=publication.report.load_id,
        accept_removals=accept_removals,
    )


def _settle_documents(publication: Publication) -> None:
    """Record that the pending documents are decided: published or rejected. Those in `left_pending` are not."""
    publication.execute(
        """UPDATE landing.document d SET settled_hash = p.payload_hash, settled_rules = :version
           FROM pending p WHERE p.id = d.id AND p.id NOT IN (SELECT id FROM left_pending)""",
        version=VERSION,
    )
