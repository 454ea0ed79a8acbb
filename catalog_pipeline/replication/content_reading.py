"""Reads the content of an enterprise catalog into the session's table `crawled_content`: the list, then keys it lacked.

Upstream's pages have no stable order, and leave out courses that nobody can enroll in at the moment. So a list is
checked against its count, and what the pages lack but is needed here is asked for by its key.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd
from sqlalchemy import Connection, text

from catalog_pipeline.database.bulk import analyze, copy_rows
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.landing import Crawl, document_key, hashed, known_hashes
from catalog_pipeline.rules.instants import parse_instants
from catalog_pipeline.schemas.parsing import parse_text
from catalog_pipeline.sources.documents import compress, encode, seldom_collected
from catalog_pipeline.sources.enterprise import MOST_KEYS, content_of, modified_of
from catalog_pipeline.sources.http import ApiClient
from catalog_pipeline.sources.listing import Listing, Page
from catalog_pipeline.sources.paging import read_pages

WHOLE = {"traverse_pagination": "1"}
"""The parameter that asks for a list as one page. Whatever its value, enterprise-catalog takes it for yes."""
LIVE = ("allocated", "accepted", "errored")
"""The states in which an assignment still needs its content."""
COLUMNS = {"key": "text", "listed": "boolean", "modified": "timestamptz", "payload_hash": "bytea", "payload": "bytea"}
STAGING = f"""
    CREATE TEMP TABLE crawled_content (
        seq bigint GENERATED ALWAYS AS IDENTITY, {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())},
        folded text GENERATED ALWAYS AS ({folded("key")}) STORED) ON COMMIT PRESERVE ROWS;
    CREATE TEMP TABLE asked (key text, folded text GENERATED ALWAYS AS ({folded("key")}) STORED)
        ON COMMIT PRESERVE ROWS"""


@dataclass(frozen=True)
class ContentCatalog:
    """An enterprise catalog whose content is read: its id here, and upstream's uuid."""

    id: int
    uuid: str


@dataclass(frozen=True)
class Content:
    """What is read and published of a catalog: all of its content, or what is asked for by key."""

    catalog: ContentCatalog
    whole: bool = True


@dataclass
class Batch:
    """A page, as it is staged."""

    count: int
    rows: list[tuple[Any, ...]]
    """COLUMNS of each document, but `listed`; the payload of new and changed ones only."""


@contextmanager
def staged_crawl(connection: Connection, catalog: ContentCatalog) -> Iterator[Crawl]:
    """Make the tables that a reading fills, and drop them at the end; the crawl has yet to be read."""
    now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    connection.execute(text(STAGING))
    connection.commit()
    try:
        with seldom_collected():
            yield Crawl(content_of(catalog.uuid), None, now, None)
    finally:
        connection.rollback()
        connection.execute(text("DROP TABLE crawled_content, asked"))
        connection.commit()


def read_catalog(connection: Connection, client: ApiClient, crawl: Crawl, catalog: ContentCatalog, full: bool) -> bool:
    """Read the catalog's list, and by key what it lacks; whether that is whole. Raises UpstreamError.

    Short of as many distinct keys as it counts, the list is read once more as one page, which is whole where it holds
    as many documents as it counts.
    """
    known = known_hashes(connection, crawl.listing, catalog.uuid)
    _read_list(connection, client, crawl, known, {})
    if _distinct(connection) < crawl.last_count:
        connection.execute(text("TRUNCATE crawled_content"))
        connection.commit()
        if _read_list(connection, client, crawl, known, WHOLE) < crawl.last_count:
            return False
    analyze(connection, "crawled_content")
    lacking = connection.execute(
        text(LACKING), {"uuid": catalog.uuid, "catalog_id": catalog.id, "full": full, "live": list(LIVE)}
    )
    read_keys(connection, client, crawl, catalog, list(lacking.scalars()))
    return True


def read_keys(
    connection: Connection, client: ApiClient, crawl: Crawl, catalog: ContentCatalog, keys: Sequence[str]
) -> None:
    """Read what the catalog has under some keys, MOST_KEYS a call. Raises UpstreamError."""
    known = known_hashes(connection, crawl.listing, catalog.uuid)
    with connection.begin():
        copy_rows(connection, "asked", {"key": "text"}, [(key,) for key in keys])
    for first in range(0, len(keys), MOST_KEYS):
        some = {"content_keys": keys[first : first + MOST_KEYS], **WHOLE}
        for batch in read_pages(client, crawl.listing, some, prepare=partial(_prepare, crawl.listing, known)):
            _stage(connection, crawl, batch, listed=False)
    _distinct(connection)


def _read_list(
    connection: Connection, client: ApiClient, crawl: Crawl, known: dict[str, bytes], extra: dict[str, str]
) -> int:
    """Stage the list; returns how many documents were read, repeated ones included."""
    documents = 0
    for batch in read_pages(client, crawl.listing, extra, prepare=partial(_prepare, crawl.listing, known)):
        _stage(connection, crawl, batch, listed=True)
        crawl.last_count = batch.count
        documents += len(batch.rows)
    return documents


def _distinct(connection: Connection) -> int:
    """How many distinct keys were read."""
    found = connection.execute(text("SELECT count(DISTINCT folded) FROM crawled_content")).scalar_one()
    connection.rollback()
    return found


def _prepare(listing: Listing, known: dict[str, bytes], page: Page) -> Batch:
    rows: list[tuple[Any, ...]] = []
    for document, moment in zip(page.documents, _modified(page.documents), strict=True):
        kept, digest = hashed(document)
        key = document_key(listing, kept, digest)
        rows.append((key, moment, digest, None if known.get(key) == digest else compress(encode(kept))))
    return Batch(page.count, rows)


def _modified(documents: list[Any]) -> list[datetime | None]:
    """When each document was last modified; None where it does not say so in a form that can be read."""
    moments = parse_instants(parse_text([modified_of(document) for document in documents]).values)
    return [None if pd.isna(moment) else moment.to_pydatetime() for moment in moments]


def _stage(connection: Connection, crawl: Crawl, batch: Batch, *, listed: bool) -> None:
    rows = [(key, listed, *rest) for key, *rest in batch.rows]
    with connection.begin():
        copy_rows(connection, "crawled_content", COLUMNS, rows)
    crawl.pages += 1
    crawl.seen.update(row[0] for row in rows)


LACKING = f"""
    WITH assigned AS (
        SELECT DISTINCT a.content_key, a.parent_content_key FROM catalog.content_assignment a
        JOIN catalog.access_policy p ON p.assignment_configuration_id = a.assignment_configuration_id
        WHERE p.catalog_uuid = :uuid AND a.state = ANY(:live)),
    wanted AS (
        SELECT v.key FROM assigned a CROSS JOIN LATERAL (VALUES (a.content_key), (a.parent_content_key)) v (key)
        -- A run is in its course's document: where the list has either, that is all there is.
        WHERE NOT EXISTS (SELECT FROM crawled_content c WHERE c.folded = {folded("a.content_key")})
          AND NOT EXISTS (SELECT FROM crawled_content c WHERE c.folded = {folded("a.parent_content_key")})
        UNION ALL
        SELECT m.content_key FROM catalog.content_metadata m
        WHERE m.enterprise_catalog_id = :catalog_id AND m.missing_since IS NULL AND (m.listed OR :full)
        UNION ALL
        -- A run that has a document of its own.
        SELECT r.run_key FROM catalog.content_run r JOIN landing.document d ON d.id = r.listed_by_id
        WHERE r.enterprise_catalog_id = :catalog_id AND r.missing_since IS NULL
          AND {folded("d.key")} = {folded("r.run_key")})
    SELECT DISTINCT ON ({folded("w.key")}) w.key FROM wanted w
    WHERE NOT EXISTS (SELECT FROM crawled_content c WHERE c.folded = {folded("w.key")}) AND w.key IS NOT NULL
    ORDER BY {folded("w.key")}, w.key"""
"""SQL of the keys that the list lacks: of live assignments, and of rows that stand."""
