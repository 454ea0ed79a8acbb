"""Partner feeds that arrive as files in a folder: finished files are kept. `queue` ingests them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path, PurePath
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Engine, text

from catalog_pipeline.database.bulk import copy_rows, create_staging
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import FeedRefusedError
from catalog_pipeline.partner.apply import SOURCE, keep_documents
from catalog_pipeline.partner.configuration import PartnerRules, load_rules
from catalog_pipeline.partner.folder import DEPTH, FoundFile, list_folder, read_file_in
from catalog_pipeline.partner.reading import Limits
from catalog_pipeline.settings import Settings

ENDINGS = (".csv", ".json", ".gz", ".zip")
BATCH_FILES, BATCH_BYTES = 1_000, 64_000_000
"""How many files, and bytes of files, are kept in one transaction at most."""
Seen = Mapping[str, Sequence[int]]
"""By path of a file that is not kept yet: size in bytes, and when it was last changed, in nanoseconds."""


@dataclass
class FolderScan:
    """What one look at the folder of feeds found."""

    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The files that are not kept yet, as `Seen`."""
    accepted: list[str] = field(default_factory=list)
    """Partition keys of files that are new and finished, and kept now."""
    warnings: list[str] = field(default_factory=list)
    """What is ignored, and does no harm."""
    problems: list[str] = field(default_factory=list)
    """Files that cannot be feeds as they are, each with what to do."""
    left: int = 0
    """How many finished files the next look keeps, because the time of this one was up."""


def accept(engine: Engine, settings: Settings, before: Seen, seconds: float = inf) -> FolderScan:
    """Keep the bytes of the files that have arrived and are finished: size and time are as they were `before`.

    The oldest come first. After so many `seconds` no further file is read; the next look goes on there.
    """
    deadline = monotonic() + seconds
    rules, root, limit = load_rules(settings.partner_rules), settings.feeds_folder, Limits.of(settings).size
    listing = list_folder(root)
    found = FolderScan(warnings=listing.warnings, problems=listing.problems)
    with connected(engine) as connection:
        arrived = text("SELECT path, received_at FROM ops.feed_arrival WHERE path = ANY(:paths)")
        paths = [file.path for file in listing.files]
        known = {tuple(row) for row in connection.execute(arrived, {"paths": paths})}
    batch, size = list[tuple[FeedArrived, bytes]](), 0
    for file in listing.files:
        if (file.path, _instant(file.changed_ns)) in known or not _may_be_meant(file):
            continue
        found.seen[file.path] = file.version
        if file.version != tuple(before.get(file.path, ())):
            continue
        if monotonic() > deadline:
            found.left += 1
            continue
        try:
            batch.append(_read(root, file, rules, limit))
        except FeedRefusedError as error:
            found.problems.append(str(error))
            continue
        size += len(batch[-1][1])
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            found.accepted += _keep(engine, batch)
            batch, size = [], 0
    found.accepted += _keep(engine, batch)
    return found


def strays(settings: Settings) -> list[str]:
    """What lies in the folder of feeds and cannot be a feed there, each with what to do. Reads no file."""
    rules, root = load_rules(settings.partner_rules), settings.feeds_folder
    listing = list_folder(root)
    found = list(listing.problems)
    for file in filter(_may_be_meant, listing.files):
        try:
            _scope(root, file, rules)
        except FeedRefusedError as error:
            found.append(str(error))
    return found


def _may_be_meant(file: FoundFile) -> bool:
    """Whether a file is perhaps meant as a feed: it lies where feeds do, or is called like one."""
    path = PurePath(file.path)
    return len(path.parts) == DEPTH or path.suffix.lower() in ENDINGS


def _scope(root: Path, file: FoundFile, rules: PartnerRules) -> tuple[str, str]:
    """Whose feed a file is: source and course type, by its folders. Raises FeedRefusedError."""
    path = PurePath(file.path)
    if len(path.parts) < DEPTH:
        raise FeedRefusedError(f"{root / path} is nobody's feed. Put it into <source>/<course type>/ of {root}.")
    if path.suffix.lower() not in ENDINGS:
        raise FeedRefusedError(f"{root / path} is none of {', '.join(ENDINGS)}. Rename it, or take it away.")
    source, product_type, _ = path.parts
    rules.check_scope(source, product_type)
    return source, product_type


def _read(root: Path, file: FoundFile, rules: PartnerRules, size_limit: int) -> "tuple[FeedArrived, bytes]":
    """A file, and its bytes. Raises FeedRefusedError."""
    source, product_type = _scope(root, file, rules)
    data = read_file_in(root, file.path, size_limit)
    sha256 = hashlib.sha256(data).hexdigest()
    return FeedArrived(file.path, source, product_type, sha256, _instant(file.changed_ns)), data


class FeedArrived(NamedTuple):
    """A finished file that is new."""

    path: str
    source: str
    product_type: str
    sha256: str
    received_at: datetime

    @property
    def partition_key(self) -> str:
        """The name of its partition."""
        when = f"{self.received_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        return f"{self.source}/{self.product_type}/{when}_{self.sha256[:12]}"


def _keep(engine: Engine, batch: list[tuple[FeedArrived, bytes]]) -> list[str]:
    """Keep files and their bytes, all in one transaction; returns their partition keys."""
    if not batch:
        return []
    with connected(engine) as connection:
        keep_documents(connection, ((f"{feed.source}/{feed.product_type}", feed.sha256, data) for feed, data in batch))
        create_staging(connection, "arrived", ARRIVED)
        copy_rows(connection, "arrived", ARRIVED, ((feed.partition_key, *feed) for feed, _ in batch))
        connection.execute(
            text(f"""
            INSERT INTO ops.feed_arrival ({", ".join(ARRIVED)}, document_id)
            SELECT a.*, d.id FROM arrived a
            JOIN landing.document d ON (d.source, d.scope, d.kind, d.key)
               = ('{SOURCE}', a.source || '/' || a.product_type, 'feed', a.sha256)
            ON CONFLICT DO NOTHING""")
        )
    return [feed.partition_key for feed, _ in batch]


ARRIVED = {
    **dict.fromkeys(("partition_key", "path", "source", "product_type", "sha256"), "text"),
    "received_at": "timestamptz",
}


def _instant(nanoseconds: int) -> datetime:
    """When a file was last written or put where it is: a copy that keeps its time of writing counts as new."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
