"""Replicates the content of enterprise catalogs: a load for each catalog, which waits for no other catalog's.

A load reads the catalog, lands its documents, and publishes what is pending of them. `fetch_by_key` does the same for
some keys alone.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import rows
from catalog_pipeline.errors import CatalogError, DatabaseError, ExitCode, LoadRefusedError, UsageError
from catalog_pipeline.loading.landing import Crawl, merge_documents, record_crawl
from catalog_pipeline.loading.publication import LoadReport, catalog_lock, publishing
from catalog_pipeline.loading.upstream import UpstreamChangedError, check_address, record_address
from catalog_pipeline.replication.content_publishing import publish_content
from catalog_pipeline.replication.content_reading import (
    Content,
    ContentCatalog,
    read_catalog,
    read_keys,
    staged_crawl,
)
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.enterprise import CATALOG_SERVICE, SOURCE
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.upstreams import Upstreams

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EnterpriseLoad:
    """How a load ended: of one catalog's content, or (without a catalog) of all else."""

    catalog: str | None
    report: LoadReport
    crawls: Sequence[Crawl] = ()
    errors: Sequence[CatalogError] = ()
    """Why lists could not be read, or why the load was refused."""

    @property
    def outcome(self) -> str:
        """applied or held; refused or failed where a list was, though all else was published."""
        if not self.errors:
            return self.report.outcome
        return "refused" if all(isinstance(error, LoadRefusedError) for error in self.errors) else "failed"

    @property
    def detail(self) -> str | None:
        """Why it did not end as applied."""
        told = dict.fromkeys([*(str(error) for error in self.errors), *filter(None, [self.report.detail])])
        return " ".join(told) or None

    @property
    def exit_code(self) -> ExitCode:
        """The exit status for this outcome: the largest of all errors'."""
        return max(self.report.exit_code, *(error.exit_code for error in self.errors), ExitCode.DONE)


def find_catalogs(engine: Engine | Connection, uuids: Sequence[UUID | str] = ()) -> list[ContentCatalog]:
    """The catalogs with these uuids; without any, all but those that upstream no longer lists.

    Raises UsageError where one is not known.
    """
    wanted = {str(UUID(str(uuid))) for uuid in uuids}
    with connected(engine) as connection:
        found = rows(
            connection,
            """SELECT id, uuid::text AS uuid FROM catalog.enterprise_catalog
               WHERE CASE WHEN cardinality(CAST(:uuids AS uuid[])) > 0 THEN uuid = ANY(:uuids)
                          ELSE missing_since IS NULL END
               ORDER BY uuid""",
            uuids=list(wanted),
        )
    catalogs = [ContentCatalog(**row) for row in found]
    unknown = wanted - {catalog.uuid for catalog in catalogs}
    if unknown:
        raise UsageError(
            f"No enterprise catalog {', '.join(sorted(unknown))} is known here;"
            " `catalog-pipeline enterprise catalogs` lists those that are."
        )
    return catalogs


def load_catalog(
    engine: Engine, upstreams: Upstreams, catalog: ContentCatalog, *, full: bool = False, accept_removals: bool = False
) -> EnterpriseLoad:
    """Replicate one catalog. How that ended is kept in its row: applied, held, refused or failed.

    Raises DatabaseError, and UsageError where enterprise-catalog is not configured.
    """
    client = upstreams.client(CATALOG_SERVICE)
    try:
        return _load_catalog(engine, client, catalog, full=full or accept_removals, accept=accept_removals)
    except DatabaseError:
        raise
    except CatalogError as error:
        load = EnterpriseLoad(catalog.uuid, LoadReport(_source(catalog), 0), errors=[error])
        # At another address nothing is touched: this may be a copy of the database.
        if not isinstance(error, UpstreamChangedError):
            _record_outcome(engine, catalog, load)
        return load


def fetch_by_key(engine: Engine, upstreams: Upstreams, catalog_uuid: UUID | str, keys: Sequence[str]) -> LoadReport:
    """Fetch some keys of a catalog, and keep what is returned; what is not is marked as not in the catalog.

    Afterwards the rows of these keys are fresh: their fetched_at is now, changed or not. Raises UsageError where the
    catalog is not known, UpstreamError where it cannot be read, and LoadRefusedError.
    """
    with _read_by_key(engine, upstreams, catalog_uuid, keys) as (connection, keep):
        return keep(connection)


@contextmanager
def fetched_for_now(
    engine: Engine, upstreams: Upstreams, catalog_uuid: UUID | str, keys: Sequence[str]
) -> Iterator[Connection]:
    """Do as `fetch_by_key` does, and yield a connection in the transaction that sees it; then take all of it back."""
    read = _read_by_key(engine, upstreams, catalog_uuid, keys)
    with read as (connection, keep), connection.begin() as transaction:
        keep(connection)
        yield connection
        transaction.rollback()


@contextmanager
def _read_by_key(
    engine: Engine, upstreams: Upstreams, catalog_uuid: UUID | str, keys: Sequence[str]
) -> Iterator[tuple[Connection, Callable[[Connection], LoadReport]]]:
    """Read some keys of a catalog into the staging table of a session; yields the session, and what keeps them."""
    client = upstreams.client(CATALOG_SERVICE)
    (catalog,) = find_catalogs(engine, [catalog_uuid])
    content = Content(catalog, whole=False)
    with engine.connect() as connection:
        with connection.begin():
            check_address(connection, client.settings, CATALOG_SERVICE)
        with staged_crawl(connection, catalog) as crawl:
            read_keys(connection, client, crawl, catalog, keys)

            def keep(connection: Connection) -> LoadReport:
                _land(connection, client, crawl, content, is_complete=True)
                return _publish(connection, client.settings, content, accept=False)

            yield connection, keep


def _load_catalog(
    engine: Engine, client: ApiClient, catalog: ContentCatalog, *, full: bool, accept: bool
) -> EnterpriseLoad:
    with engine.connect() as connection:
        with connection.begin():
            check_address(connection, client.settings, CATALOG_SERVICE)
        with staged_crawl(connection, catalog) as crawl:
            is_complete = read_catalog(connection, client, crawl, catalog, full)
            _land(connection, client, crawl, Content(catalog), is_complete=is_complete)
            if not is_complete:
                raise LoadRefusedError(
                    f"{client.base_url}{crawl.listing.path} counts {crawl.last_count} documents, and lists fewer, page"
                    " by page and as a whole. Nothing of it was kept; run again later."
                )
            report = _publish(connection, client.settings, Content(catalog), accept=accept)
    logger.info("enterprise catalog %s: %d documents, %s", catalog.uuid, len(crawl.seen), crawl.counts)
    return EnterpriseLoad(catalog.uuid, report, (crawl,))


def _source(catalog: ContentCatalog) -> str:
    return f"{SOURCE}:{catalog.uuid}"


def _record_outcome(engine: Engine, catalog: ContentCatalog, load: EnterpriseLoad) -> None:
    with connected(engine) as connection:
        connection.execute(
            text("UPDATE catalog.enterprise_catalog SET last_outcome = :outcome, last_detail = :detail WHERE id = :id"),
            {"outcome": load.outcome, "detail": load.detail, "id": catalog.id},
        )


# Of documents that differ under one key the last modified stands, under the key by which it was landed before.
CHOOSE = (
    """DELETE FROM crawled_content c USING crawled_content o
       WHERE o.folded = c.folded AND o.seq <> c.seq
         AND (coalesce(o.modified, '-infinity'), o.seq) > (coalesce(c.modified, '-infinity'), c.seq)""",
    f"""UPDATE crawled_content c SET key = d.key, payload = CASE WHEN d.payload_hash = c.payload_hash THEN NULL
                                                                 ELSE c.payload END
        FROM landing.document d
        WHERE d.source = 'enterprise' AND d.kind = 'content' AND d.scope = :uuid AND {folded("d.key")} = c.folded
          AND d.key <> c.key""",
)
LISTED = """
    UPDATE crawled_content c SET listed = true
    WHERE NOT listed AND EXISTS (SELECT FROM crawled_content o WHERE o.folded = c.folded AND o.listed)"""
MARK_MISSING = f"""
    WITH here AS MATERIALIZED (
        SELECT d.id, {folded("d.key")} AS folded FROM landing.document d
        WHERE d.source = 'enterprise' AND d.kind = 'content' AND d.scope = :uuid AND d.missing_since IS NULL
          -- What another load landed since this reading began, it may not have seen.
          AND d.changed_at < :started_at),
    unneeded AS MATERIALIZED (
        SELECT m.id, m.listed_by_id FROM catalog.content_metadata m
        WHERE m.enterprise_catalog_id = :catalog_id AND NOT m.listed AND m.missing_since IS NULL
          AND NOT EXISTS (SELECT FROM asked a WHERE a.folded = {folded("m.content_key")})),
    -- What came by its key alone, and was not asked for this time; with the documents of runs that came along.
    left_alone AS (
        SELECT u.listed_by_id AS id FROM unneeded u
        UNION SELECT h.id FROM unneeded u JOIN catalog.content_run r ON r.content_metadata_id = u.id
              JOIN here h ON h.folded = {folded("r.run_key")}),
    gone AS (
        SELECT h.id FROM here h JOIN asked a USING (folded)
        UNION SELECT h.id FROM here h WHERE :whole AND NOT EXISTS (SELECT FROM left_alone l WHERE l.id = h.id)
        EXCEPT SELECT h.id FROM here h JOIN crawled_content c USING (folded))
    UPDATE landing.document d SET missing_since = now(), payload_hash = NULL, changed_at = clock_timestamp()
    FROM gone WHERE gone.id = d.id"""


def _land(connection: Connection, client: ApiClient, crawl: Crawl, content: Content, *, is_complete: bool) -> None:
    """Keep what was read, and mark what was asked for and not returned, in a transaction."""
    catalog = content.catalog
    names = {"uuid": catalog.uuid}
    with _transaction(connection):
        locks.take(connection, catalog_lock(catalog.uuid))
        if is_complete:
            connection.execute(text(LISTED))
            for statement in CHOOSE:
                connection.execute(text(statement), names)
            merge_documents(connection, crawl, catalog.uuid)
            asked = {**names, "catalog_id": catalog.id, "whole": content.whole, "started_at": crawl.started_at}
            crawl.counts["missing"] = connection.execute(text(MARK_MISSING), asked).rowcount
            record_address(connection, client.settings, CATALOG_SERVICE, crawl.started_at)
        record_crawl(connection, client, crawl, catalog.uuid, is_complete=is_complete)


def _publish(connection: Connection, settings: Settings, content: Content, *, accept: bool) -> LoadReport:
    """Publish what is pending, in a transaction. Raises LoadRefusedError, with the load's row kept."""
    source, lock = _source(content.catalog), catalog_lock(content.catalog.uuid)
    with _transaction(connection):
        try:
            with publishing(connection, source, datetime.now(UTC), lock=lock) as publication:
                check_address(connection, settings, CATALOG_SERVICE)
                publish_content(publication, settings, content, accept=accept)
        except LoadRefusedError as error:
            refusal = error
        else:
            return publication.report
    raise refusal


def _transaction(connection: Connection) -> AbstractContextManager[object]:
    """The caller's transaction, where one is open; else one of its own."""
    return nullcontext() if connection.in_transaction() else connection.begin()
