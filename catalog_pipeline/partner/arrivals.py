"""Partner feeds that arrive as files in a folder: finished files are kept, then ingested in the order of arrival."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import FeedRefusedError, UsageError
from catalog_pipeline.partner.apply import keep_document
from catalog_pipeline.partner.columns import FeedName
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.files import read_file
from catalog_pipeline.partner.ingestion import Options, Summarize, ingest
from catalog_pipeline.partner.reading import Limits
from catalog_pipeline.partner.report import FeedReport
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decompress

ENDINGS = (".csv", ".json", ".gz", ".zip")
DEPTH = 3
"""How deep a feed's file lies in the folder of feeds: `<source>/<course type>/<name>`."""
Seen = Mapping[str, tuple[int, int]]
"""By path: size in bytes, and when the file was last changed, in nanoseconds."""


@dataclass
class FolderScan:
    """What one scan of the folder of feeds found."""

    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    """Partition keys of files that are new and finished, and kept now."""
    problems: list[str] = field(default_factory=list)
    """Files that cannot be feeds as they are, each with what to do."""


def accept(engine: Engine, settings: Settings, before: Seen) -> FolderScan:
    """Keep the bytes of the files that have arrived and are finished: size and time are as they were `before`.

    Hidden files and those that end in .part are ignored.
    """
    rules = load_rules(settings.partner_rules)
    root = settings.feeds_folder
    found = FolderScan()
    with connected(engine) as connection:
        known = {tuple(row) for row in connection.execute(text("SELECT path, received_at FROM ops.feed_arrival"))}
    for path in sorted((*root.glob("*"), *root.glob("*/*"), *root.glob("*/*/*")), key=_changed_at):
        name = str(path.relative_to(root))
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # gone since it was listed
        except OSError as error:
            found.problems.append(f"{path} cannot be read: {error.strerror}. Mend it, or take it away.")
            continue
        misplaced, is_named = len(path.relative_to(root).parts) < DEPTH, path.suffix.lower() in ENDINGS
        if path.name.startswith(".") or path.suffix == ".part" or (misplaced and not is_named):
            continue
        found.seen[name] = (status.st_size, status.st_ctime_ns)
        received_at = _instant(status.st_ctime_ns)
        if (name, received_at) in known or found.seen[name] != tuple(before.get(name, ())):
            continue
        try:
            if misplaced:
                raise FeedRefusedError(f"{path} is nobody's feed. Put it into <source>/<course type>/ of {root}.")
            if not is_named:
                raise FeedRefusedError(f"{path} is none of {', '.join(ENDINGS)}. Rename it, or take it away.")
            source, product_type = path.parts[-3:-1]
            rules.check_scope(source, product_type)
            data = read_file(path, Limits.of(settings).size)
        except FeedRefusedError as error:
            found.problems.append(str(error))
            continue
        feed = FeedName(path.name, source, product_type, hashlib.sha256(data).hexdigest(), received_at)
        found.accepted.append(_keep(engine, name, feed, data))
    return found


def waiting(connection: Connection) -> list[Any]:
    """The arrivals that have not been ingested, oldest first: partition_key, source, product_type."""
    return list(
        connection.execute(
            text(
                "SELECT partition_key, source, product_type FROM ops.feed_arrival WHERE decided_at IS NULL"
                " ORDER BY received_at, path"
            )
        )
    )


def ingest_arrival(
    engine: Engine, partition_key: str, settings: Settings, options: Options, summarize: Summarize | None = None
) -> FeedReport:
    """Ingest the feed of a partition from its kept bytes. Raises what `ingest` raises, and UsageError."""
    with connected(engine) as connection:
        row = connection.execute(
            text("""
                SELECT a.*, d.payload FROM ops.feed_arrival a JOIN landing.document d ON d.id = a.document_id
                WHERE a.partition_key = :key"""),
            {"key": partition_key},
        ).one_or_none()
    if row is None:
        raise UsageError(f"No feed {partition_key} has arrived in this database.")
    feed = FeedName(Path(row.path).name, row.source, row.product_type, row.sha256, row.received_at)
    try:
        report = ingest(engine, decompress(row.payload), feed, settings, options, summarize)
    except FeedRefusedError:
        _decided(engine, partition_key)
        raise
    _decided(engine, partition_key)
    return report


def _decided(engine: Engine, partition_key: str) -> None:
    with connected(engine) as connection:
        connection.execute(
            text("UPDATE ops.feed_arrival SET decided_at = now() WHERE partition_key = :key"), {"key": partition_key}
        )


def _keep(engine: Engine, path: str, feed: FeedName, data: bytes) -> str:
    scope = f"{feed.source}/{feed.product_type}"
    partition_key = f"{scope}/{feed.received_at:%Y-%m-%dT%H:%M:%S.%fZ}_{feed.sha256[:12]}"
    with connected(engine) as connection:
        connection.execute(
            text("""
                INSERT INTO ops.feed_arrival
                    (partition_key, path, source, product_type, sha256, received_at, document_id)
                VALUES (:partition_key, :path, :source, :product_type, :sha256, :received_at, :document_id)
                ON CONFLICT DO NOTHING"""),
            {
                "partition_key": partition_key,
                "path": path,
                "source": feed.source,
                "product_type": feed.product_type,
                "sha256": feed.sha256,
                "received_at": feed.received_at,
                "document_id": keep_document(connection, feed, data),
            },
        )
    return partition_key


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


def _instant(nanoseconds: int) -> datetime:
    """When a file was last written or put where it is: a copy that keeps its time of writing counts as new."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
