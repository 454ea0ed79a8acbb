"""Crawls an upstream's list into `landing.document`. All of a crawl is kept, or nothing; deciding comes later."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, DateTime, Engine, bindparam, text

from catalog_pipeline.database.bulk import copy_rows
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.publication import PUBLISH_LOCK
from catalog_pipeline.sources.documents import compress, content_hash, encode, seldom_collected
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.listing import Listing, Page, modified_at
from catalog_pipeline.sources.paging import read_pages

logger = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
"""How far an incremental crawl looks back behind the last one's watermark: their clock is not ours."""
REREADS = 2
"""How often a crawl that came up short is read again, from where it began to move."""


@dataclass
class Crawl:
    """What a crawl of one list saw."""

    listing: Listing
    since: datetime | None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: set[str] = field(default_factory=set)
    pages: int = 0
    last_count: int = 0
    shrank: bool = False
    """Whether the upstream's count fell during the last pass: rows moved up, and one may have been skipped."""
    watermark: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """created, changed and missing documents."""

    @property
    def mode(self) -> str:
        """full or incremental."""
        return "incremental" if self.since else "full"

    @property
    def is_complete(self) -> bool:
        """Every page was read, none moved up, and as many distinct documents were seen as upstream last counted."""
        return len(self.seen) >= self.last_count and not self.shrank


@dataclass(frozen=True)
class Batch:
    """A page, as it is staged."""

    count: int
    rows: list[tuple[str, bytes, bytes | None]]
    """key, payload_hash, payload: of new and changed documents only."""
    newest: datetime | None


def crawl(engine: Engine, client: ApiClient, listing: Listing, *, full: bool, scope: str = "") -> Crawl:
    """Crawl one list and land it in one transaction at the end.

    Pages stream through a staging table that commits as it goes, so that no transaction stays open while the
    upstream is slow. Raises UpstreamError, or LoadRefusedError when the list kept changing under the crawl.
    """
    with seldom_collected(), engine.connect() as connection:
        run = Crawl(listing, None if full or not listing.modified_param else _since(connection, listing, scope))
        connection.execute(text(STAGING))
        connection.commit()
        try:
            _read(connection, client, run, scope)
            with connection.begin():
                if run.is_complete:
                    _land(connection, run, scope)
                _record(connection, client, run, scope)
        finally:
            connection.rollback()
            connection.execute(text("DROP TABLE crawled"))
            connection.commit()
    if not run.is_complete:
        raise LoadRefusedError(
            f"{client.base_url}{listing.path} kept changing while it was read: {len(run.seen)} distinct documents of"
            f" {run.last_count} in {run.pages} pages. Nothing of this crawl was kept; run again later."
        )
    logger.info("%s %s: %d documents, %s", listing.source, listing.kind, len(run.seen), run.counts)
    return run


STAGING = """
    CREATE TEMP TABLE crawled (
        seq bigint GENERATED ALWAYS AS IDENTITY, key text, payload_hash bytea, payload bytea
    ) ON COMMIT PRESERVE ROWS"""


def _since(connection: Connection, listing: Listing, scope: str) -> datetime | None:
    watermark = connection.execute(
        text(
            "SELECT watermark FROM landing.crawl WHERE source = :source AND kind = :kind AND scope = :scope"
            " AND outcome = 'complete' ORDER BY id DESC LIMIT 1"
        ),
        {"source": listing.source, "kind": listing.kind, "scope": scope},
    ).scalar()
    connection.rollback()
    return watermark - OVERLAP if watermark else None


def _read(connection: Connection, client: ApiClient, run: Crawl, scope: str) -> None:
    """Read all pages; while that is incomplete, again from where the count began to move (else from the first)."""
    first = 1
    extra = {run.listing.modified_param or "": run.since.isoformat()} if run.since else {}
    prepare = partial(_prepare, run.listing, _known(connection, run.listing, scope))
    for _ in range(1 + REREADS):
        counts = []
        for batch in read_pages(client, run.listing, extra, first, prepare):
            counts.append(batch.count)
            run.pages += 1
            _stage(connection, run, batch)
        if not counts:  # the list ends before the page from which it should be read again
            run.shrank, first = True, 1
            continue
        run.last_count, run.shrank = counts[-1], min(counts) < counts[0]
        if run.is_complete:
            return
        moved = next((number for number, count in enumerate(counts) if count != counts[0]), 1)
        first = max(1, first + moved - 1)


def _known(connection: Connection, listing: Listing, scope: str) -> dict[str, bytes]:
    """The hash of every document that is here, by its key."""
    rows = connection.execute(
        text(
            "SELECT key, payload_hash FROM landing.document"
            " WHERE source = :source AND scope = :scope AND kind = :kind AND payload_hash IS NOT NULL"
        ),
        {"source": listing.source, "scope": scope, "kind": listing.kind},
    ).all()
    connection.rollback()
    return dict(tuple(row) for row in rows)


def _prepare(listing: Listing, known: dict[str, bytes], page: Page) -> Batch:
    """What is staged of a page. Pages are prepared at the same time, in the threads that fetched them."""
    rows: dict[str, tuple[str, bytes, bytes | None]] = {}
    moments = []
    for document in page.documents:
        digest = content_hash(document)
        key = _key(listing, document, digest)
        rows[key] = key, digest, None if known.get(key) == digest else compress(encode(document))
        moments.append(modified_at(document) if isinstance(document, dict) else None)
    return Batch(page.count, list(rows.values()), max(filter(None, moments), default=None))


def _stage(connection: Connection, run: Crawl, batch: Batch) -> None:
    copy_rows(connection, "crawled", {"key": "text", "payload_hash": "bytea", "payload": "bytea"}, batch.rows)
    connection.commit()
    run.seen.update(key for key, *_ in batch.rows)
    run.watermark = max(filter(None, (run.watermark, batch.newest)), default=None)


def _key(listing: Listing, document: Any, digest: bytes) -> str:
    """A document's key; one without any is kept under its hash, so that it can be rejected by name."""
    key = listing.key(document) if isinstance(document, dict) else None
    if isinstance(key, str) and 0 < len(key) <= 255 and key.isprintable():
        return key
    return f"without a key: {digest.hex()[:12]}"


def _land(connection: Connection, run: Crawl, scope: str) -> None:
    names = {"source": run.listing.source, "scope": scope, "kind": run.listing.kind}
    # Documents do not change under a load, nor in another order than it locks them.
    connection.execute(text(PUBLISH_LOCK))
    connection.execute(text("ANALYZE crawled"))
    row = connection.execute(text(LAND), names).one()
    run.counts = {"created": row.created, "changed": row.changed, "missing": 0}
    if run.mode == "full":
        run.counts["missing"] = connection.execute(text(MARK_MISSING), names).rowcount


LAND = """
    WITH latest AS (SELECT DISTINCT ON (key) * FROM crawled WHERE payload IS NOT NULL ORDER BY key, seq DESC),
    merged AS (
        MERGE INTO landing.document AS t USING latest AS s
            ON t.source = :source AND t.scope = :scope AND t.kind = :kind AND t.key = s.key
        WHEN MATCHED AND t.payload_hash IS DISTINCT FROM s.payload_hash THEN
            UPDATE SET payload = s.payload, payload_hash = s.payload_hash, changed_at = now(), missing_since = NULL
        WHEN NOT MATCHED THEN
            INSERT (source, scope, kind, key, payload, payload_hash)
            VALUES (:source, :scope, :kind, s.key, s.payload, s.payload_hash)
        RETURNING merge_action() AS action
    )
    SELECT count(*) FILTER (WHERE action = 'INSERT') AS created, count(*) FILTER (WHERE action = 'UPDATE') AS changed
    FROM merged"""

MARK_MISSING = """
    UPDATE landing.document AS d
    SET missing_since = now(), payload_hash = NULL, changed_at = now()
    WHERE source = :source AND scope = :scope AND kind = :kind AND missing_since IS NULL
      AND NOT EXISTS (SELECT FROM crawled WHERE crawled.key = d.key)"""


def _record(connection: Connection, client: ApiClient, run: Crawl, scope: str) -> None:
    connection.execute(
        text("""
            INSERT INTO landing.crawl (source, scope, kind, url, mode, outcome, started_at, pages, documents,
                                       created, changed, missing, watermark)
            VALUES (:source, :scope, :kind, :url, :mode, :outcome, :started_at, :pages, :documents,
                    :created, :changed, :missing,
                    greatest(:watermark, (SELECT max(watermark) FROM landing.crawl
                        WHERE source = :source AND scope = :scope AND kind = :kind AND outcome = 'complete')))
        """).bindparams(bindparam("watermark", type_=DateTime(timezone=True))),
        {
            "source": run.listing.source,
            "scope": scope,
            "kind": run.listing.kind,
            "url": client.base_url + run.listing.path,
            "mode": run.mode,
            "outcome": "complete" if run.is_complete else "incomplete",
            "started_at": run.started_at,
            "pages": run.pages,
            "documents": len(run.seen),
            "watermark": run.watermark if run.is_complete else None,
            "created": 0,
            "changed": 0,
            "missing": 0,
            **run.counts,
        },
    )
