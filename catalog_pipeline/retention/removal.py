"""What the night removes once it is old: nobody asks for it any more, and nothing that lives needs it.

Each kind has a setting, in days; 0 keeps everything. A kind is one transaction, so that a run that is killed leaves
each kind done or as it was, and the next one goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.models.tables import metadata
from catalog_pipeline.settings import Settings, setting_name


@dataclass(frozen=True)
class Removed:
    """What was removed of one kind, or would be."""

    kind: str
    setting: str
    """The setting that says how long it is kept."""
    days: int
    """So many days; 0 for ever."""
    rows: int = 0
    bytes: int = 0
    """Of payloads, compressed as they were kept; rows are not measured."""


@dataclass(frozen=True)
class Kind:
    """One kind of what is removed. `remove` takes all of it that is older than :before, and counts rows and bytes."""

    name: str
    field: str
    """The field of the settings that says how many days it is kept."""
    remove: Callable[[Connection, datetime], tuple[int, int]]


def _sent_mail(connection: Connection, before: datetime) -> tuple[int, int]:
    """Mail that a server has accepted for every recipient. What waits or was given up stays."""
    found = connection.execute(text("DELETE FROM ops.outbox WHERE sent_at < :before"), {"before": before})
    return found.rowcount, 0


def _cleared_rejects(connection: Connection, before: datetime) -> tuple[int, int]:
    """Rejects of documents that have been decided again since."""
    statement = text("DELETE FROM ops.rejected_record WHERE cleared_at < :before")
    return connection.execute(statement, {"before": before}).rowcount, 0


PAST_FEEDS = f"""
    CREATE TEMP TABLE past_feed ON COMMIT DROP AS
    SELECT f.id, f.document_id FROM ops.feed f
    WHERE f.rows_removed_at IS NULL AND f.id NOT IN (SELECT id FROM {CURRENT_FEEDS} AS current)
      AND EXISTS (
          SELECT FROM ops.feed n
          WHERE (n.source, n.product_type) = (f.source, f.product_type) AND n.id > f.id
            AND n.outcome = 'applied' AND NOT n.corrects AND n.ingested_at < :before)"""
"""The feeds that a whole feed took the place of before then, whatever had become of them."""
BYTES_OF_PAST_FEEDS = """
    CREATE TEMP TABLE past_document ON COMMIT DROP AS
    SELECT d.id FROM landing.document d JOIN past_feed p ON p.document_id = d.id WHERE d.payload <> ''
    FOR UPDATE OF d"""
"""Locked, so that the same bytes either arrive before, and are seen below, or afterwards, and are kept again."""
EMPTY_PAST_DOCUMENTS = """
    WITH emptied AS (
        SELECT d.id, octet_length(d.payload) AS bytes FROM landing.document d
        WHERE d.id IN (SELECT id FROM past_document)
          AND NOT EXISTS (SELECT FROM ops.feed k WHERE k.document_id = d.id AND k.rows_removed_at IS NULL)
          AND NOT EXISTS (SELECT FROM ops.feed_arrival a WHERE a.document_id = d.id AND a.decided_at IS NULL)),
    written AS (UPDATE landing.document d SET payload = '' FROM emptied e WHERE e.id = d.id)
    SELECT coalesce(sum(bytes), 0) FROM emptied"""


def _superseded_feeds(connection: Connection, before: datetime) -> tuple[int, int]:
    """The rows and the bytes of feeds that another took the place of; the feed itself stays, with hash and counts.

    Bytes stay where a feed that stays has the same, and where they have arrived again and wait to be decided.
    """
    connection.execute(text(PAST_FEEDS), {"before": before})
    connection.execute(text(BYTES_OF_PAST_FEEDS))
    removed = connection.execute(text("DELETE FROM ops.feed_row r USING past_feed p WHERE r.feed_id = p.id")).rowcount
    connection.execute(text("UPDATE ops.feed f SET rows_removed_at = now() FROM past_feed p WHERE f.id = p.id"))
    return removed, connection.execute(text(EMPTY_PAST_DOCUMENTS)).scalar_one()


LISTED = " UNION ALL ".join(
    f"SELECT {column.name} FROM {name} WHERE {column.name} IS NOT NULL"
    f"{' AND missing_since IS NULL' if 'missing_since' in table.columns else ''}"
    for name, table in metadata.tables.items()
    if table.schema == "catalog"
    for column in table.columns
    if any(key.target_fullname == "landing.document.id" for key in column.foreign_keys)
)
"""The documents behind a row of the catalog that is not missing."""


def _missing_documents(connection: Connection, before: datetime) -> tuple[int, int]:
    """The payloads of documents that upstream has not listed for long; their rows stay.

    Those that are pending, held back, or the source of a row that lives keep their payload.
    """
    found = connection.execute(
        text(f"""
            WITH emptied AS (
                SELECT d.id, octet_length(d.payload) AS bytes FROM landing.document d
                WHERE d.kind <> 'feed' AND d.missing_since < :before AND d.payload <> '' AND NOT {PENDING}
                  AND d.id NOT IN (SELECT document_id FROM ops.held_removal)
                  AND d.id NOT IN ({LISTED})),
            written AS (
                UPDATE landing.document d SET payload = '' FROM emptied e
                WHERE e.id = d.id AND d.missing_since < :before)
            SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes FROM emptied"""),
        {"before": before},
    ).one()
    return found.rows, found.bytes


KINDS = (
    Kind("sent mail", "keep_sent_mail", _sent_mail),
    Kind("rows and bytes of superseded feeds", "keep_superseded_feeds", _superseded_feeds),
    Kind("cleared rejects", "keep_cleared_rejects", _cleared_rejects),
    Kind("payloads of missing documents", "keep_missing_documents", _missing_documents),
)


def remove(engine: Engine, settings: Settings, *, dry_run: bool = False, now: datetime | None = None) -> list[Removed]:
    """Remove what is older than the settings say, kind by kind; a dry run rolls each back, and tells the same."""
    return [_removed(engine, kind, getattr(settings, kind.field), dry_run, now or datetime.now(UTC)) for kind in KINDS]


def _removed(engine: Engine, kind: Kind, days: int, dry_run: bool, now: datetime) -> Removed:
    setting = setting_name(kind.field)
    if not days:
        return Removed(kind.name, setting, 0)
    with connected(engine) as connection:
        rows, size = kind.remove(connection, now - timedelta(days=days))
        if dry_run:
            connection.rollback()
    return Removed(kind.name, setting, days, rows, int(size))
