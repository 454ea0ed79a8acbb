"""Replicates what the enterprise services list beside content, in one load: what cannot be read keeps nothing back."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.enterprise import assignments, records, staging
from catalog_pipeline.enterprise.judging import Records
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.ownership import settle_configured
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, LoadReport, Publication, publishing
from catalog_pipeline.replication.content import EnterpriseLoad
from catalog_pipeline.replication.enterprise_reading import read_lists
from catalog_pipeline.replication.enterprise_removals import TABLES, find_removals, mark_missing
from catalog_pipeline.rules import VERSION
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import NOT_KEPT, decode, decompress, seldom_collected
from catalog_pipeline.sources.enterprise import ACCESS_SERVICE, CATALOG_SERVICE, SOURCE, SUBSIDY_SERVICE
from catalog_pipeline.sources.upstreams import Upstreams, configured_addresses

logger = logging.getLogger(__name__)

CHUNK = 5_000
SERVICES = {
    "catalog": CATALOG_SERVICE,
    "subsidy": SUBSIDY_SERVICE,
    "configuration": ACCESS_SERVICE,
    "policy": ACCESS_SERVICE,
    "assignment": ACCESS_SERVICE,
}
"""The service that lists each kind, in the order in which the kinds are written."""
STAGED = (*SERVICES, "action")
PERSONAL = ("learner_email", "email", "contact_email")


def load_records(
    engine: Engine, upstreams: Upstreams, *, full: bool = False, accept_removals: bool = False
) -> EnterpriseLoad:
    """Read the lists of catalogs, subsidies, configurations, policies and assignments, and publish what is pending.

    What could be read is published; the load's errors say of each list that could not why. Raises DatabaseError.
    """
    reading = read_lists(engine, upstreams, full=full or accept_removals)
    kinds = [kind for kind, service in SERVICES.items() if service in upstreams.urls and service not in reading.moved]
    try:
        report = publish_records(engine, upstreams.settings, kinds, accept_removals=accept_removals)
    except LoadRefusedError as error:
        reading.errors.append(error)
        report = LoadReport(SOURCE, 0)
    return EnterpriseLoad(None, report, reading.crawls, reading.errors)


def publish_records(
    engine: Engine,
    settings: Settings,
    kinds: Sequence[str],
    *,
    as_of: datetime | None = None,
    accept_removals: bool = False,
) -> LoadReport:
    """Decide and publish the pending documents of some kinds.

    Raises LoadRefusedError when too many are bad: they stay pending, and all tables stay as they were.
    """
    with (
        seldom_collected(),
        publishing(engine, SOURCE, as_of or datetime.now(UTC), lock=ENTERPRISE_LOCK) as publication,
    ):
        settle_configured(publication, configured_addresses(settings))
        publication.execute("SET LOCAL default_statistics_target = 10")  # as other loads do: only sizes are needed
        _forget_adopted(publication)
        _reopen_rejected(publication)
        _stage_pending(publication, kinds)
        find_removals(publication, settings, accept=accept_removals)
        if publication.report.documents:
            _write(publication)
            _keep_rejects(publication)
            _refuse_if_too_bad(publication, settings.reject_share)
            _settle(publication)
    return publication.report


def _forget_adopted(publication: Publication) -> None:
    """Drop the documents of assignments that were adopted while they were read: they hold addresses."""
    publication.execute("""
        DELETE FROM landing.document d USING catalog.assignment_configuration c
        WHERE d.source = 'enterprise' AND d.kind = 'assignment' AND d.scope = c.uuid::text
          AND c.adopted_at IS NOT NULL""")


def _reopen_rejected(publication: Publication) -> None:
    """Make rejected documents pending again that may be decided differently now.

    Those of an unknown configuration, once it is known; those that lost to another one, once anything else is pending
    or was changed by the last load.
    """
    publication.execute("""
        UPDATE landing.document d SET settled_rules = NULL
        FROM ops.rejected_record r JOIN catalog.assignment_configuration c ON c.uuid::text = r.value
        WHERE d.id = r.document_id AND r.cleared_at IS NULL AND r.rule = 'unknown_configuration'
          AND d.source = 'enterprise'""")
    publication.execute(
        f"""
        UPDATE landing.document d SET settled_rules = NULL FROM ops.rejected_record r
        WHERE d.id = r.document_id AND r.cleared_at IS NULL AND r.rule = 'duplicate' AND d.source = 'enterprise'
          AND d.kind = ANY(:kinds) AND (
              EXISTS (SELECT FROM landing.document d
                      WHERE d.source = 'enterprise' AND d.kind = ANY(:kinds) AND {PENDING})
              OR EXISTS (SELECT FROM ops.load_count c
                         WHERE c.outcome IN ('created', 'updated') AND c.load_id = (
                             SELECT max(l.id) FROM ops.load l WHERE l.source = :source AND l.id < :load_id)))""",
        kinds=list(SERVICES),
        source=SOURCE,
        load_id=publication.report.load_id,
    )


NEXT_PENDING = f"""
    SELECT d.id, d.key, d.scope, d.payload_hash, d.payload FROM landing.document d
    WHERE d.source = 'enterprise' AND d.kind = :kind AND d.id > :after AND {PENDING} ORDER BY d.id LIMIT :limit"""


def _stage_pending(publication: Publication, kinds: Sequence[str]) -> None:
    """Fill `pending` with the documents that this load decides, and `staged_<kind>` from them."""
    connection = publication.connection
    create_staging(
        connection, "pending", {"id": "bigint PRIMARY KEY", "kind": "text", "key": "text", "payload_hash": "bytea"}
    )
    staging.create_tables(connection, STAGED)
    for kind in kinds:
        after = 0
        while found := connection.execute(text(NEXT_PENDING), {"kind": kind, "after": after, "limit": CHUNK}).all():
            after = found[-1].id
            publication.report.documents += len(found)
            _stage_chunk(publication, kind, found)
    staging.finish(connection, STAGED)
    analyze(connection, "pending")


def _stage_chunk(publication: Publication, kind: str, found: Sequence[Any]) -> None:
    hashes = [None if row.payload_hash is None else f"\\x{row.payload_hash.hex()}" for row in found]
    pending = {"id": [row.id for row in found], "kind": kind, "key": [row.key for row in found], "payload_hash": hashes}
    copy_frame(publication.connection, "pending", pd.DataFrame(pending))
    # A document that upstream no longer lists has no hash, and gives no row.
    documents = {row.id: _document(kind, row) for row in found if row.payload_hash is not None}
    misfits = {number: why for number, why in documents.items() if isinstance(why, str)}
    staging.keep_misfits(publication.connection, misfits)
    kept = {number: document for number, document in documents.items() if not isinstance(document, str)}
    staging.stage(publication.connection, Records(kind, list(kept), list(kept.values())))


def _document(kind: str, row: Any) -> dict[str, Any] | str:
    """The document of a row of the landing, or why it is none."""
    document = decode(decompress(row.payload))
    if not isinstance(document, dict):
        return "The document is JSON, but not an object."
    if NOT_KEPT in document:
        return str(document[NOT_KEPT])
    # An assignment is one of the configuration under which it is listed.
    return {**document, "assignment_configuration": row.scope} if kind == "assignment" else document


def _write(publication: Publication) -> None:
    for kind in SERVICES:
        if kind != "assignment":
            records.decide_and_write(publication, kind, listed=True)
    records.link_policies(publication)
    assignments.match_and_decide(publication, listed=True)
    assignments.write(publication)
    mark_missing(publication)


def _keep_rejects(publication: Publication) -> None:
    """Record what is wrong with the documents, without addresses; earlier rejects of the same documents are closed."""
    publication.execute(
        "UPDATE ops.rejected_record SET cleared_at = now() WHERE cleared_at IS NULL AND load_id <> :load_id"
        " AND document_id IN (SELECT id FROM pending)",
        load_id=publication.report.load_id,
    )
    for kind, table in TABLES.items():
        publication.reject(
            f"catalog.{table}",
            f"""SELECT p.id AS document_id, p.key AS record_key, e.column_name, e.rule,
                       CASE WHEN e.column_name NOT IN {PERSONAL} OR e.column_name IS NULL THEN e.value END AS value,
                       e.message
                FROM record_error e JOIN pending p ON p.id = e.row WHERE p.kind = '{kind}'
                ORDER BY p.id, e.column_name, e.rule""",
            rows=False,
        )
        rejected = publication.scalar(
            "SELECT count(DISTINCT e.row) FROM record_error e JOIN pending p ON p.id = e.row WHERE p.kind = :kind",
            kind=kind,
        )
        publication.count(f"catalog.{table}", {"rejected": rejected})
        publication.report.rejected_documents += rejected


def _refuse_if_too_bad(publication: Publication, reject_share: float) -> None:
    bad = publication.report.rejected_documents
    listed = publication.scalar(
        "SELECT count(*) FROM landing.document WHERE source = 'enterprise' AND kind = ANY(:kinds)"
        " AND missing_since IS NULL",
        kinds=list(SERVICES),
    )
    if listed and bad / listed > reject_share:
        worst = publication.scalar("""
            SELECT string_agg(what, ', ') FROM (
                SELECT coalesce(column_name || ' ', '') || rule || ' (' || count(*) || ')' AS what
                FROM record_error GROUP BY column_name, rule ORDER BY count(*) DESC, 1 LIMIT 3) w""")
        raise LoadRefusedError(
            f"{bad} of the {listed} documents that the enterprise services list beside content are bad, over the"
            f" {reject_share:.0%} of CATALOG_REJECT_SHARE: the load was refused whole. Most of all: {worst}."
        )


def _settle(publication: Publication) -> None:
    """Record that the pending documents are decided: published or rejected. Those in `left_pending` are not."""
    publication.execute(
        """UPDATE landing.document d SET settled_hash = p.payload_hash, settled_rules = :version
           FROM pending p WHERE p.id = d.id AND p.id NOT IN (SELECT id FROM left_pending)""",
        version=VERSION,
    )
