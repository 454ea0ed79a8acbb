"""The feeds that have arrived and are to be ingested. One that fails is tried a few times, then set aside.

No feed stops another one: not even a feed that kills the process, because each try is counted before it begins.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import FeedFailedError, FeedRefusedError, UsageError
from catalog_pipeline.partner.columns import FeedName
from catalog_pipeline.partner.ingestion import Options, Summarize, describe, error_of_all_feeds, ingest
from catalog_pipeline.partner.report import NOTHING_COUNTED, FeedReport
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.documents import decompress


def waiting(connection: Connection) -> list[Any]:
    """The arrivals that are to be ingested, oldest first: partition_key, source, product_type, tries."""
    return list(
        connection.execute(
            text(
                "SELECT partition_key, source, product_type, tries FROM ops.feed_arrival"
                " WHERE decided_at IS NULL AND set_aside_at IS NULL ORDER BY received_at, path"
            )
        )
    )


def set_aside(connection: Connection) -> list[Row]:
    """The arrivals that were set aside, newest first, with the columns of `report.feeds`; `detail` says why."""
    found = rows(
        connection,
        """
        SELECT partition_key, path AS name, source, product_type, sha256, received_at, set_aside_at, last_error
        FROM ops.feed_arrival WHERE decided_at IS NULL AND set_aside_at IS NOT NULL ORDER BY received_at DESC, path""",
    )
    return [
        {
            "id": None,
            **{name: row[name] for name in ("name", "source", "product_type", "sha256", "received_at")},
            "name": Path(row["name"]).name,
            "as_of": None,
            "ingested_at": row["set_aside_at"],
            "outcome": "set_aside",
            "detail": f"{row['last_error'] or CUT_OFF} {_ways(row['partition_key'])}",
            "counts": NOTHING_COUNTED,
        }
        for row in found
    ]


CUT_OFF = "Its tries were cut off: the process was killed, or the machine stopped."


def ingest_arrival(
    engine: Engine, partition_key: str, settings: Settings, options: Options, summarize: Summarize | None = None
) -> FeedReport:
    """Ingest the feed of a partition from its kept bytes.

    Bytes that were decided before do not apply again over newer ones, unless `options.force`: a file that was renamed
    or restored arrives again, and says nothing new.

    Raises FeedRefusedError; FeedFailedError where an error that nobody expected ended the try; and the errors that
    are not the feed's own, which count no try: DatabaseError, UsageError, SchemaVersionError.
    """
    arrival = _begin_try(engine, partition_key, settings.feed_tries)
    feed = FeedName(Path(arrival.path).name, arrival.source, arrival.product_type, arrival.sha256, arrival.received_at)
    try:
        report = ingest(engine, decompress(arrival.payload), feed, settings, replace(options, once=True), summarize)
    except FeedRefusedError:
        _decided(engine, partition_key)
        raise
    except Exception as error:  # a mistake of ours, which must not stop the other partners' feeds
        if general := error_of_all_feeds(engine, error):
            _take_back(engine, partition_key)
            raise general from error
        raise _failed(engine, arrival, describe(error), settings.feed_tries) from error
    _decided(engine, partition_key)
    return report


def find_arrival(connection: Connection, wanted: str) -> str:
    """The partition key of an arrival that is not decided, by its key, path, file name, or beginning of its SHA-256.

    Raises UsageError where there is none, or several.
    """
    found = (
        connection.execute(
            text(r"""
                SELECT partition_key FROM ops.feed_arrival
                WHERE decided_at IS NULL AND (
                    :wanted IN (partition_key, path, regexp_replace(path, '^.*/', ''))
                    OR length(:wanted) >= 6 AND starts_with(sha256, :wanted))
                ORDER BY partition_key = :wanted DESC, received_at"""),
            {"wanted": wanted},
        )
        .scalars()
        .all()
    )
    if len(found) == 1 or wanted in found:
        return found[0]
    if not found:
        raise UsageError(f"No feed {wanted!r} is set aside or waits; `catalog-pipeline partner feeds` lists them.")
    raise UsageError(f"{wanted!r} may be any of {', '.join(found)}. Name one of these.")


def put_back(engine: Engine, partition_key: str) -> None:
    """Let an arrival wait again, with all its tries before it."""
    _update(engine, partition_key, "tries = 0, set_aside_at = NULL")


def drop(engine: Engine, partition_key: str) -> None:
    """Never ingest an arrival. Its bytes stay, and its last error."""
    _update(engine, partition_key, "decided_at = now(), set_aside_at = now()")


class Arrival(NamedTuple):
    """A file that arrived, with its bytes, compressed; `tries` counts the one that has begun."""

    partition_key: str
    path: str
    source: str
    product_type: str
    sha256: str
    received_at: datetime
    decided_at: datetime | None
    tries: int
    payload: bytes


def _begin_try(engine: Engine, partition_key: str, most: int) -> Arrival:
    """Count a try, and commit it; on the last one set the feed aside, should it never come to an end."""
    columns = ", ".join(f"d.{name}" if name == "payload" else f"a.{name}" for name in Arrival._fields)
    with connected(engine) as connection:
        row = connection.execute(
            text(f"""
                UPDATE ops.feed_arrival a
                SET tries = tries + 1, set_aside_at = CASE WHEN decided_at IS NULL AND tries + 1 >= :most THEN now() END
                FROM landing.document d WHERE d.id = a.document_id AND a.partition_key = :key
                RETURNING {columns}"""),
            {"key": partition_key, "most": most},
        ).one_or_none()
        if row is None:
            raise UsageError(f"No feed {partition_key} has arrived in this database.")
        if not row.payload:
            raise UsageError(
                f"The bytes of {row.path} were removed, because another feed had long taken its place: put the file"
                " into the folder of feeds again."
            )
    return Arrival(*row)


def _take_back(engine: Engine, partition_key: str) -> None:
    _update(engine, partition_key, "tries = greatest(tries - 1, 0), set_aside_at = NULL")


def _failed(engine: Engine, arrival: Arrival, error: str, most: int) -> FeedFailedError:
    """Keep why a try failed; returns what to raise."""
    _update(engine, arrival.partition_key, "last_error = :error", error=error)
    if arrival.decided_at:
        then = ""
    elif arrival.tries < most:
        then = f"It is tried again by the night, {most - arrival.tries} more times at most."
    else:
        then = f"It failed {arrival.tries} times and is set aside. {_ways(arrival.partition_key)}"
    return FeedFailedError(f"{arrival.path} failed: {error} {then}".strip())


def _ways(partition_key: str) -> str:
    return (
        f"`catalog-pipeline partner retry {partition_key}` tries it again;"
        f" `catalog-pipeline partner drop {partition_key}` gives it up."
    )


def _decided(engine: Engine, partition_key: str) -> None:
    _update(engine, partition_key, "decided_at = now(), tries = 0, set_aside_at = NULL")


def _update(engine: Engine, partition_key: str, assignments: str, **parameters: str) -> None:
    statement = text(f"UPDATE ops.feed_arrival SET {assignments} WHERE partition_key = :key")
    with connected(engine) as connection:
        connection.execute(statement, {"key": partition_key, **parameters})
