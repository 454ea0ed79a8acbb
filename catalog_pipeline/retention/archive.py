"""Archives old change events: into a file first, then out of the history, in one transaction.

Without the events that made it, a row of today would have no beginning. So each row that lived at the end of the
archived days gets one `baseline` event with all its values, in the place of its last archived event: with the same id
and author, so that what follows stays in order, and the version that holds has begun when it had begun. Its transaction
is 0, as of events that came with a restore: nobody reads it as news, and a reader whose last event was archived begins
anew.

The file is complete and on disk before anything is deleted. Whoever is killed leaves either the whole history, and a
file that may be removed, or the archived history and the file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import zstandard
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.engine import connected, driver
from catalog_pipeline.errors import CatalogError, UsageError

LOCK = "history.archive"
LEVEL = 6
"""Of zstd: JSON of the same columns again and again becomes a twentieth of itself."""
BLOCK = 1 << 20
COLUMNS = "xid, id, at, entity, entity_id, key, action, changes, actor, login"
PATIENCE = """
    SELECT set_config('transaction_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
           set_config('work_mem', '256MB', true)"""
"""A file of gigabytes is written and read while the transaction is open."""

CUT = """
    SELECT coalesce(min(e.id + 0), (SELECT max(id) + 1 FROM ops.change_event)) FROM ops.change_event e
    WHERE e.at >= CAST(:day AS date)::timestamp AT TIME ZONE 'UTC' AND e.at <= now()"""
"""The first event of the day or later. What has a lower id counts before it, as in the daily snapshots."""
BASELINES = """
    CREATE TEMP TABLE baseline ON COMMIT DROP AS
    WITH archived AS MATERIALIZED (SELECT * FROM ops.change_event WHERE id < :cut),
    own AS (
        SELECT DISTINCT ON (entity, entity_id) entity, entity_id, key, action FROM archived
        ORDER BY entity, entity_id, id DESC),
    -- The end of an association begins a version of its run: it counts as an event of the run.
    ended AS (
        SELECT a.entity, a.entity_id, 'course_run' AS of, (a.changes -> 'course_run_id' ->> 0)::bigint AS of_id
        FROM archived a WHERE a.entity = 'run_association' AND a.action = 'deleted'),
    counting AS (
        SELECT entity, entity_id, id, at, actor, login FROM archived
        UNION ALL
        SELECT e.of, e.of_id, a.id, a.at, a.actor, a.login
        FROM ended e JOIN archived a USING (entity, entity_id)),
    last AS (
        SELECT DISTINCT ON (entity, entity_id) entity, entity_id, id, actor, login,
               -- A version holds since then: not before the events that the last one may have waited for.
               coalesce(max(at) FILTER (WHERE at <= now()) OVER (PARTITION BY entity, entity_id), at) AS at
        FROM counting ORDER BY entity, entity_id, id DESC),
    said AS (
        SELECT DISTINCT ON (a.entity, a.entity_id, c.key) a.entity, a.entity_id, c.key AS "column", c.value
        FROM archived a CROSS JOIN LATERAL jsonb_each(a.changes) c
        ORDER BY a.entity, a.entity_id, c.key, a.id DESC),
    folded AS (
        SELECT entity, entity_id,
               jsonb_object_agg("column", CASE WHEN value = '[]' THEN value
                                               ELSE jsonb_build_array(NULL, value -> 1) END) AS changes
        FROM said WHERE value = '[]' OR value ->> 1 IS NOT NULL GROUP BY 1, 2)
    SELECT '0'::xid8 AS xid, l.id, l.at, o.entity, o.entity_id, o.key, 'baseline' AS action,
           coalesce(f.changes, '{}') AS changes, l.actor, l.login
    FROM own o JOIN last l USING (entity, entity_id) LEFT JOIN folded f USING (entity, entity_id)
    WHERE o.action <> 'deleted'"""
"""Of each row that lived, in the place of its last archived event, all that had been set; personal data as []."""
PUT_BASELINES = f"INSERT INTO ops.change_event ({COLUMNS}) OVERRIDING SYSTEM VALUE SELECT {COLUMNS} FROM baseline"
UNBUILT = """
    SELECT count(*) FROM generate_series(
        (SELECT (min(at) AT TIME ZONE 'UTC')::date FROM ops.change_event WHERE action <> 'baseline'),
        CAST(:day AS date) - 1, interval '1 day') AS past
    WHERE past::date >= coalesce((SELECT max(before_day) FROM ops.history_archive), '-infinity')
      AND NOT EXISTS (SELECT FROM marts.catalog_daily built WHERE built.day = past::date)"""


class ArchiveError(CatalogError):
    """The archive could not be written, or not trusted; no event was removed."""


@dataclass(frozen=True)
class Archived:
    """What was archived, or would be."""

    before: date
    file: Path
    events: int
    """In the file."""
    baselines: int = 0
    """Rows that lived, each with one event now."""
    sha256: str | None = None
    unbuilt_days: int = 0
    """Days before that have no snapshot. They cannot get one from now on."""


def plan(engine: Engine, before: date, file: Path) -> Archived:
    """What would be archived. Raises UsageError, as `archive` does."""
    with connected(engine) as connection:
        cut = _cut(connection, before, file)
        events = connection.execute(text("SELECT count(*) FROM ops.change_event WHERE id < :cut"), {"cut": cut})
        return Archived(before, file, events.scalar_one(), unbuilt_days=_unbuilt(connection, before))


def archive(engine: Engine, before: date, file: Path, by: str) -> Archived:
    """Archive the events before a day (UTC).

    The file holds CSV with a header, compressed by zstd, with the columns of `ops.change_event`. The history stays as
    it is while the file is written; nobody waits but who archives at the same time.

    Raises UsageError where the file exists, or its folder does not; where the day is not over, or is archived already;
    and where nothing is to be archived. Raises ArchiveError where the file cannot be written, or read again.
    """
    with connected(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
        locks.take(connection, LOCK)
        connection.execute(text(PATIENCE))
        cut = _cut(connection, before, file)
        unbuilt = _unbuilt(connection, before)
        events, digest = _write(connection, cut, file)
        connection.execute(text(BASELINES), {"cut": cut})
        deleted = connection.execute(text("DELETE FROM ops.change_event WHERE id < :cut"), {"cut": cut}).rowcount
        if deleted != events:
            raise ArchiveError(f"{file} has {events} events, but {deleted} were to be removed: nothing was removed.")
        baselines = connection.execute(text(PUT_BASELINES)).rowcount
        done = Archived(before, file, events, baselines, digest, unbuilt)
        _remember(connection, done, by)
    return done


def _remember(connection: Connection, done: Archived, by: str) -> None:
    connection.execute(
        text("""INSERT INTO ops.history_archive (before_day, file, sha256, events, baselines, archived_by)
                VALUES (:before, :file, :sha256, :events, :baselines, :by)"""),
        {
            "before": done.before,
            "file": str(done.file.absolute()),
            "sha256": done.sha256,
            "events": done.events,
            "baselines": done.baselines,
            "by": by,
        },
    )


def _cut(connection: Connection, before: date, file: Path) -> int:
    """The first event that stays. Raises UsageError where nothing can be archived."""
    today = datetime.now(UTC).date()
    if before >= today:
        raise UsageError(
            f"The night still builds the snapshot of yesterday: choose {today - timedelta(days=1)}, or before."
        )
    if file.exists():
        raise UsageError(f"{file} exists, and is not overwritten: choose another file.")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file.absolute().parent} is no folder: make it first.")
    frozen = connection.execute(text("SELECT max(before_day) FROM ops.history_archive")).scalar_one()
    if frozen and before <= frozen:
        raise UsageError(f"The history before {frozen} is archived already: choose a later day.")
    cut = connection.execute(text(CUT), {"day": before}).scalar_one()
    some = text("SELECT EXISTS (SELECT FROM ops.change_event WHERE id < :cut AND action <> 'baseline')")
    if cut is None or not connection.execute(some, {"cut": cut}).scalar_one():
        raise UsageError(f"Nothing happened before {before}: there is nothing to archive.")
    return cut


def _unbuilt(connection: Connection, before: date) -> int:
    if connection.execute(text("SELECT to_regclass('marts.catalog_daily')")).scalar_one() is None:
        return 0
    return connection.execute(text(UNBUILT), {"day": before}).scalar_one()


def _write(connection: Connection, cut: int, file: Path) -> tuple[int, str]:
    """Write the events into the file; returns how many they are, and the file's SHA-256.

    It has its name only when it is complete, on disk, and was read again.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b") as out:
            events, content = _copy(connection, cut, out)
            out.flush()
            os.fsync(out.fileno())
            out.seek(0)
            digest = _check(out, content, part)
        os.link(part, file)  # unlike a rename, it never replaces a file
        part.unlink()
        _sync_folder(file.absolute().parent)
    except FileExistsError:
        part.unlink()
        raise UsageError(f"{file} exists, and is not overwritten: choose another file.") from None
    except (OSError, zstandard.ZstdError) as error:
        part.unlink(missing_ok=True)
        raise ArchiveError(f"{file} cannot be written ({error}). No event was removed.") from error
    return events, digest


def _copy(connection: Connection, cut: int, out: BinaryIO) -> tuple[int, str]:
    """Copy the events into the file, compressed; returns how many they are, and the SHA-256 of their text."""
    content = sha256()
    query = (
        f"COPY (SELECT {COLUMNS} FROM ops.change_event WHERE id < {cut:d} ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"
    )
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with driver(connection).cursor() as cursor, compressor.stream_writer(out, closefd=False) as compressed:
        with cursor.copy(query.encode()) as copying:
            for block in copying:
                content.update(block)
                compressed.write(block)
        return cursor.rowcount, content.hexdigest()


def _check(out: BinaryIO, content: str, part: Path) -> str:
    """Read the file again; returns its SHA-256. Raises ArchiveError where it does not hold what was written."""
    whole, found = sha256(), sha256()
    for block in _blocks(out):
        whole.update(block)
    out.seek(0)
    with zstandard.ZstdDecompressor().stream_reader(out, closefd=False) as reader:
        while block := reader.read(BLOCK):
            found.update(block)
    if found.hexdigest() != content:
        raise ArchiveError(f"{part} does not hold what was written into it: is the disk sound? No event was removed.")
    return whole.hexdigest()


def _blocks(out: BinaryIO) -> Iterator[bytes]:
    while block := out.read(BLOCK):
        yield block


def _sync_folder(folder: Path) -> None:
    """Make the file's name last: it is an entry of the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
