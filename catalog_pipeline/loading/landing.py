"""Crawls an upstream's list into `landing.document`. All of a crawl is kept, or nothing; deciding comes later."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.bulk import copy_rows
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.publication import PUBLISH_LOCK
from catalog_pipeline.loading.upstream import check_address, record_address
from catalog_pipeline.sources.documents import TooDeepError, compress, content_hash, encode, seldom_collected, stand_in
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.listing import Listing, Page, modified_at, whole
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
    """From when on changes are asked for; None: all documents are."""
    started_at: datetime
    """When the crawl began, by the database's clock."""
    watermark: datetime | None
    """The largest data_modified_timestamp that complete crawls have read, of those before they began."""
    seen: set[str] = field(default_factory=set)
    pages: int = 0
    last_count: int = 0
    shrank: bool = False
    """Whether the upstream's count fell during the last reading: rows moved up, and one may have been skipped."""
    repeated: frozenset[str] | None = None
    """Where two whole readings agreed, and are short of the count: the keys that are listed more than once."""
    counts: dict[str, int] = field(default_factory=lambda: {"created": 0, "changed": 0, "missing": 0})
    """created, changed and missing documents."""

    @property
    def staging(self) -> str:
        """The name of the session's table in which what is read is staged."""
        return f"crawled_{self.listing.kind}"

    @property
    def mode(self) -> str:
        """full or incremental."""
        return "incremental" if self.since else "full"

    @property
    def is_complete(self) -> bool:
        """Every page was read, none moved up, and as many distinct documents were seen as upstream last counted."""
        return len(self.seen) >= self.last_count and not self.shrank

    @property
    def is_kept(self) -> bool:
        """Whether what was read is landed: it is complete, or the upstream repeats documents for good."""
        return self.is_complete or self.repeated is not None


@dataclass(frozen=True)
class Batch:
    """A page, as it is staged."""

    count: int
    rows: list[tuple[str, bytes, bytes | None]]
    """key, payload_hash, payload: of each document; the payload of new and changed ones only."""
    newest: datetime | None


@dataclass(frozen=True)
class Reading:
    """One pass over a list, from some page to its end."""

    first: int
    counts: list[int] = field(default_factory=list)
    """How many documents the upstream says there are, page by page."""
    keys: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)

    def agrees_with(self, other: "Reading") -> bool:
        """Whether both read the whole list, under one count, and saw the same keys."""
        return self.first == other.first == 1 and len({*self.counts, *other.counts}) == 1 and self.keys == other.keys

    def moved_at(self) -> int:
        """The page from which to read again: where the count began to move, else the first of this reading."""
        moved = next((number for number, count in enumerate(self.counts) if count != self.counts[0]), 1)
        return max(1, self.first + moved - 1)


def crawl(
    engine: Engine, client: ApiClient, listing: Listing, *, full: bool, scope: str = "", lock: str = PUBLISH_LOCK
) -> Crawl:
    """Crawl one list and land it in one transaction at the end, under the lock of those who load it.

    Raises UpstreamError, UpstreamChangedError, or LoadRefusedError when the list kept changing under the crawl.
    """
    with engine.connect() as connection:
        with connection.begin():
            check_address(connection, client.settings, listing.service)
        with read_list(connection, client, listing, scope, full=full) as run:
            with connection.begin():
                land(connection, client, run, scope, lock=lock)
            _refuse_if_not_kept(client, run)
    address = client.base_url + listing.path
    if run.repeated is not None:
        logger.warning(
            "%s counts %d documents and lists %d, in two readings alike. Listed more than once: %s. What it lists was"
            " landed; nothing was marked missing, for a repeated document may hide another. Tell the upstream.",
            *(address, run.last_count, len(run.seen), _some(run.repeated)),
        )
    logger.info("%s %s: %d documents, %s", listing.source, listing.kind, len(run.seen), run.counts)
    return run


@contextmanager
def read_list(
    connection: Connection, client: ApiClient, listing: Listing, scope: str = "", *, full: bool
) -> Iterator[Crawl]:
    """Read a list into a staging table of the session, to be landed inside the `with`.

    Pages stream through a table that commits as it goes, so that no transaction stays open while the upstream is
    slow. Lists of different kinds may be staged side by side. Raises UpstreamError.
    """
    with seldom_collected():
        run = _begin(connection, listing, scope, full=full)
        connection.execute(text(STAGING.format(kind=listing.kind)))
        connection.commit()
        try:
            _read(connection, client, run, scope)
            yield run
        finally:
            connection.rollback()
            connection.execute(text(f"DROP TABLE {run.staging}"))
            connection.commit()


def land(connection: Connection, client: ApiClient, run: Crawl, scope: str = "", *, lock: str = PUBLISH_LOCK) -> None:
    """Land what was read, if it is kept, and record the crawl; the transaction is the caller's."""
    if run.is_kept:
        locks.take(connection, lock)
        _land(connection, run, scope)
        record_address(connection, client.settings, run.listing.service, run.started_at)
    record_crawl(connection, client, run, scope, is_complete=run.is_kept)


def _refuse_if_not_kept(client: ApiClient, run: Crawl) -> None:
    if not run.is_kept:
        raise LoadRefusedError(
            f"{client.base_url}{run.listing.path} kept changing while it was read: {len(run.seen)} distinct documents"
            f" of {run.last_count} in {run.pages} pages. Nothing of this crawl was kept; run again later."
        )


STAGING = """
    CREATE TEMP TABLE crawled_{kind} (
        seq bigint GENERATED ALWAYS AS IDENTITY, key text, payload_hash bytea, payload bytea
    ) ON COMMIT PRESERVE ROWS"""


def _begin(connection: Connection, listing: Listing, scope: str, *, full: bool) -> Crawl:
    """A crawl that begins now, with the watermark of the last complete one.

    While removals are held back the list is read whole: only so is seen what upstream lists again, unchanged.
    A watermark that is ahead of its own crawl, or of the clock, says nothing of what was read: the list is read whole.
    """
    row = connection.execute(
        text("""
            SELECT clock_timestamp() AS now, (
                SELECT CASE WHEN watermark <= least(started_at, clock_timestamp()) THEN watermark END
                FROM landing.crawl
                WHERE source = :source AND kind = :kind AND scope = :scope AND outcome = 'complete'
                  -- What was read at another address says nothing about this one.
                  AND started_at >= (SELECT since FROM landing.upstream WHERE service = :service)
                ORDER BY id DESC LIMIT 1
            ) AS watermark, EXISTS (
                SELECT FROM ops.held_removal h JOIN ops.load l ON l.id = h.load_id WHERE l.source = :source
            ) AS held"""),
        {"source": listing.source, "service": listing.service, "kind": listing.kind, "scope": scope},
    ).one()
    connection.rollback()
    whole = full or row.held or not listing.modified_param or not row.watermark
    since = None if whole else row.watermark - OVERLAP
    return Crawl(listing, since, row.now, row.watermark)


def _read(connection: Connection, client: ApiClient, run: Crawl, scope: str) -> None:
    """Read all pages; while that is incomplete, again from where the count began to move (else from the first)."""
    known = known_hashes(connection, run.listing, scope)
    first, before = 1, None
    newest: list[datetime] = []
    for _ in range(1 + REREADS):
        reading = Reading(first)
        for batch in _batches(client, run, known, first):
            _stage(connection, run, reading, batch)
            newest.extend(filter(None, [batch.newest]))
        if not reading.counts:  # the list ends before the page from which it should be read again
            run.shrank, first, before = True, 1, None
            continue
        run.last_count, run.shrank = reading.counts[-1], min(reading.counts) < reading.counts[0]
        if run.is_complete:
            # Only now: what an incomplete crawl did not see is asked for again.
            run.watermark = max(filter(None, (run.watermark, *newest)), default=None)
            return
        if before is not None and reading.agrees_with(before):
            run.repeated = frozenset(reading.repeated)
            return
        first, before = reading.moved_at(), reading


def _batches(client: ApiClient, run: Crawl, known: dict[str, bytes], first: int) -> Iterator[Batch]:
    extra = {run.listing.modified_param or "": run.since.isoformat()} if run.since else {}
    return read_pages(client, run.listing, extra, first, partial(_prepare, run, known))


def known_hashes(connection: Connection, listing: Listing, scope: str) -> dict[str, bytes]:
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


def _prepare(run: Crawl, known: dict[str, bytes], page: Page) -> Batch:
    """What is staged of a page. Pages are prepared at the same time, in the threads that fetched them."""
    rows: list[tuple[str, bytes, bytes | None]] = []
    moments = []
    for listed in page.documents:
        document, digest = hashed(listed, run.listing.content)
        key = document_key(run.listing, document, digest)
        rows.append((key, digest, None if known.get(key) == digest else compress(encode(document))))
        moments.append(modified_at(document) if isinstance(document, dict) else None)
    # What changes behind the crawl, while it reads on, is stamped after its start, as is what bears a wrong date.
    read = (moment for moment in moments if moment is not None and moment <= run.started_at)
    return Batch(page.count, rows, max(read, default=None))


def hashed(document: Any, content: Callable[[Any], Any] = whole) -> tuple[Any, bytes]:
    """A document and the hash of its `content`.

    In the place of one that cannot be kept stands what says so, to be rejected by name.
    """
    try:
        return document, content_hash(content(document))
    except TooDeepError as error:
        kept = stand_in(document, str(error))
        return kept, content_hash(kept)


def _stage(connection: Connection, run: Crawl, reading: Reading, batch: Batch) -> None:
    with connection.begin():
        copy_rows(connection, run.staging, {"key": "text", "payload_hash": "bytea", "payload": "bytea"}, batch.rows)
    run.pages += 1
    reading.counts.append(batch.count)
    for key, *_ in batch.rows:
        (reading.repeated if key in reading.keys else reading.keys).add(key)
    run.seen |= reading.keys


def document_key(listing: Listing, document: Any, digest: bytes) -> str:
    """A document's key; one without any is kept under its hash, so that it can be rejected by name."""
    key = listing.key(document) if isinstance(document, dict) else None
    if isinstance(key, str) and 0 < len(key) <= 255 and key.isprintable():
        return key
    return f"without a key: {digest.hex()[:12]}"


def _some(keys: Collection[str]) -> str:
    """A few keys, and how many more there are."""
    shown = ", ".join(sorted(keys)[:3]) or "none"
    return f"{shown} and {len(keys) - 3} more" if len(keys) > 3 else shown


def merge_documents(connection: Connection, run: Crawl, scope: str) -> None:
    """Keep the documents of `run.staging` (seq, key, payload_hash, payload where it differs), the last of each key.

    The lock of those who load them is held: documents do not change under a load, nor in another order than it locks
    them.
    """
    names = {"source": run.listing.source, "scope": scope, "kind": run.listing.kind}
    connection.execute(text(f"ANALYZE {run.staging}"))
    row = connection.execute(text(LAND.format(staging=run.staging)), names).one()
    run.counts |= {"created": row.created, "changed": row.changed}


def _land(connection: Connection, run: Crawl, scope: str) -> None:
    merge_documents(connection, run, scope)
    names = {"source": run.listing.source, "scope": scope, "kind": run.listing.kind}
    if run.mode == "full" and run.is_complete:
        run.counts["missing"] = connection.execute(text(MARK_MISSING.format(staging=run.staging)), names).rowcount


# The lock is held by now, so that the clock tells which loads saw a change.
LAND = """
    WITH latest AS (
        SELECT * FROM {staging} AS c WHERE payload IS NOT NULL
            AND NOT EXISTS (SELECT FROM {staging} AS later WHERE later.key = c.key AND later.seq > c.seq)
    ),
    merged AS (
        MERGE INTO landing.document AS t USING latest AS s
            ON t.source = :source AND t.scope = :scope AND t.kind = :kind AND t.key = s.key
        WHEN MATCHED AND t.payload_hash IS DISTINCT FROM s.payload_hash THEN
            UPDATE SET payload = s.payload, payload_hash = s.payload_hash, changed_at = clock_timestamp(),
                       missing_since = NULL
        WHEN NOT MATCHED THEN
            INSERT (source, scope, kind, key, payload, payload_hash, changed_at)
            VALUES (:source, :scope, :kind, s.key, s.payload, s.payload_hash, clock_timestamp())
        RETURNING merge_action() AS action
    )
    SELECT count(*) FILTER (WHERE action = 'INSERT') AS created, count(*) FILTER (WHERE action = 'UPDATE') AS changed
    FROM merged"""

MARK_MISSING = """
    UPDATE landing.document AS d
    SET missing_since = now(), payload_hash = NULL, changed_at = clock_timestamp()
    WHERE source = :source AND scope = :scope AND kind = :kind AND missing_since IS NULL
      AND NOT EXISTS (SELECT FROM {staging} AS s WHERE s.key = d.key)"""


def record_crawl(connection: Connection, client: ApiClient, run: Crawl, scope: str, *, is_complete: bool) -> None:
    """Add the crawl to `landing.crawl`."""
    connection.execute(
        text("""
            INSERT INTO landing.crawl (source, scope, kind, url, mode, outcome, started_at, pages, documents,
                                       created, changed, missing, watermark)
            VALUES (:source, :scope, :kind, :url, :mode, :outcome, :started_at, :pages, :documents,
                    :created, :changed, :missing, :watermark)
        """),
        {
            "source": run.listing.source,
            "scope": scope,
            "kind": run.listing.kind,
            "url": client.base_url + run.listing.path,
            "mode": run.mode,
            "outcome": "complete" if is_complete else "incomplete",
            "started_at": run.started_at,
            "pages": run.pages,
            "documents": len(run.seen),
            "watermark": run.watermark,
            **run.counts,
        },
    )
