"""Empties a database that holds only the bundled sample's data, so that a real catalog can be read into it."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.publication import PUBLISH_LOCK
from catalog_pipeline.models.tables import metadata
from catalog_pipeline.sample.customers import build_customers
from catalog_pipeline.sample.feeds import FeedFile, feed_files
from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import SAMPLE_ADDRESS, sample_day

OTHERS = {
    "from another upstream: {}": """
        SELECT service || ' at ' || address FROM landing.upstream WHERE address <> :sample ORDER BY 1""",
    "feeds that are not the sample's: {}": """
        SELECT DISTINCT source || '/' || product_type || '/' || name FROM (
            SELECT source, product_type, name, sha256 FROM ops.feed
            WHERE (source, product_type) <> ('discovery', 'additional-metadata')
            UNION ALL SELECT source, product_type, path, sha256 FROM ops.feed_arrival) f
        WHERE sha256 <> ALL(:hashes) ORDER BY 1""",
    "a history of which a part was archived: {}": "SELECT file FROM ops.history_archive ORDER BY 1",
    "made by hand: {}": """
        SELECT DISTINCT entity || ' ' || key FROM ops.change_event
        WHERE action = 'created' AND actor NOT LIKE 'load:%' AND actor NOT LIKE 'migration:%'
          AND entity IN ('organization', 'catalog_course', 'course_run', 'program') ORDER BY 1""",
    "enterprise customers that are not the sample's: {}": """
        SELECT coalesce(name, uuid::text) FROM catalog.enterprise_customer WHERE uuid::text <> ALL(:customers)
        ORDER BY 1""",
}
"""What is not the sample's, in words, and SQL that names it."""
KEPT = ("catalog.assignment_transition",)
"""Tables whose rows came with the schema."""


class NotOnlySampleError(LoadRefusedError):
    """The database holds something that did not come from the bundled sample."""


@dataclass(frozen=True)
class Cleared:
    """What was removed."""

    rows: dict[str, int]
    """Number of rows, by table, without the empty ones."""
    files: list[Path]
    """The sample's partner feeds in the home folder."""


def clear_sample(engine: Engine, settings: Settings) -> Cleared:
    """Delete all rows, and the feeds that the sample delivered into the home folder.

    Raises NotOnlySampleError, and changes nothing, when the database holds anything else.
    """
    delivered = list(feed_files(settings.sample_courses, settings.sample_seed, sample_day(settings) + 1))
    with connected(engine) as connection:
        locks.take(connection, PUBLISH_LOCK)
        _refuse_others(connection, settings, delivered)
        counts = {table: _empty(connection, table) for table in _tables(connection)}
    return Cleared({table: n for table, n in counts.items() if n}, _remove(settings, delivered))


def _refuse_others(connection: Connection, settings: Settings, delivered: list[FeedFile]) -> None:
    customers = build_customers(settings.sample_courses, settings.sample_seed).customers
    known = {
        "sample": SAMPLE_ADDRESS,
        "hashes": [sha256(feed.data).hexdigest() for feed in delivered],
        "customers": [customer.uuid for customer in customers],
    }
    found = []
    for told, query in OTHERS.items():
        names = list(
            connection.execute(text(query), {name: known[name] for name in known if f":{name}" in query}).scalars()
        )
        if names:
            found.append(told.format(", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")))
    if found:
        raise NotOnlySampleError(
            f"The database holds more than the sample's data, so nothing was changed. It has {'; '.join(found)}."
            " Read your catalog into a database of its own (CATALOG_DATABASE_URL or CATALOG_HOME)."
        )


def _tables(connection: Connection) -> list[str]:
    """The tables to empty: those that refer to others first, the history of changes last."""
    own = [
        table.fullname
        for table in reversed(metadata.sorted_tables)
        if table.fullname not in ("ops.change_event", *KEPT)
    ]
    marts = connection.execute(
        text("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'marts'")
    )
    return [*marts.scalars(), *own, "ops.change_event"]


def _empty(connection: Connection, table: str) -> int:
    return connection.execute(text(f"DELETE FROM {table}")).rowcount


def _remove(settings: Settings, delivered: list[FeedFile]) -> list[Path]:
    """Remove the sample's feeds from the home folder. A file with other bytes stays."""
    paths = [(settings.folder / "feeds" / feed.path, feed.data) for feed in delivered]
    removed = [path for path, data in paths if path.is_file() and path.read_bytes() == data]
    for path in removed:
        path.unlink()
    return removed
