"""How long a partner feed takes, next to the least that any loader must do. Run it by hand: a few minutes.

The floor reads the same file with pyarrow, copies it into a staging table and merges that into one plain table.
"""

import argparse
import hashlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import memory
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Engine, text

from catalog_pipeline.database.engine import Server, connected, driver, ensure_database, make_engine
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.partner.columns import FeedName, Reference
from catalog_pipeline.partner.configuration import load_rules
from catalog_pipeline.partner.ingestion import Options, ingest
from catalog_pipeline.partner.reading import Limits, parse_feed
from catalog_pipeline.partner.report import FeedReport
from catalog_pipeline.partner.validation import validate_feed
from catalog_pipeline.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SOURCE, TYPE = "2u", "executive-education-2u"
VARIANTS = 5
"""Rows of a course."""
STANDING = 60_000
"""Runs that the catalog has before."""
OLD_LOADER = {"new course and run": (635, 9, 1.25), "nothing changed": (470, 9, 1.25)}
"""Of course-discovery's loader, for each row: SQL statements, HTTP calls, seconds."""


def feed_of(rows: int, prefix: str = "c", start: datetime = NOW) -> bytes:
    """A feed of `rows` rows, five to a course, of 1.3 KB each."""
    number = np.arange(rows)
    course = pd.Series(number // VARIANTS).astype("str")
    starts = pd.Series(start + pd.to_timedelta(number % VARIANTS * 40 + 30, unit="D"))
    ends = starts + pd.Timedelta(days=60)
    paragraph = "<p>" + "What leaders ought to know of change, and how they bring it about. " * 4 + "</p>"
    frame = pd.DataFrame(
        {
            "organization": "SampleX",
            "number": prefix + course,
            "title": "Leading change " + course,
            "course_enrollment_track": "Executive Education(2U)",
            "course_run_enrollment_track": "Unpaid Executive Education",
            "image": "https://cdn.example.org/" + course + ".jpg",
            "short_description": "<p>Lead " + course + ".</p>",
            "long_description": paragraph,
            "what_will_you_learn": paragraph,
            "course_level": "Introductory",
            "primary_subject": "Computer Science",
            "verified_price": (number % 90 * 25 + 100).astype("str"),
            "publish_date": "2026-05-01",
            "start_date": starts.dt.strftime("%Y-%m-%d"),
            "start_time": "00:00:00",
            "end_date": ends.dt.strftime("%Y-%m-%d"),
            "end_time": "23:59:59",
            "reg_close_date": starts.dt.strftime("%Y-%m-%d"),
            "reg_close_time": "00:00:00",
            "course_pacing": "Instructor-Paced",
            "minimum_effort": "6",
            "maximum_effort": "8",
            "length": "7",
            "content_language": "English - United States",
            "transcript_language": "English - United States",
            "variant_id": [str(UUID(int=hash_of(prefix, n))) for n in number],
            "restriction_type": np.where(number % 7 == 0, "custom-b2b-enterprise", ""),
            "external_identifier": prefix + course,
            "redirect_url": "https://partner.example.org/" + course,
            "syllabus": paragraph,
        }
    )
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    return buffer.getvalue()


def hash_of(prefix: str, number: int) -> int:
    """A number of 128 bits."""
    return int.from_bytes(hashlib.md5(f"{prefix}{number}".encode()).digest())


def floor(engine: Engine, data: bytes) -> None:
    """Read, copy, merge into a plain table: what no loader can do without."""
    table = pyarrow.csv.read_csv(io.BytesIO(data), parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
    columns = ", ".join(f'"{name}"' for name in table.column_names)
    theirs = ", ".join(f's."{name}"' for name in table.column_names)
    types = ", ".join(f'"{name}" text' for name in table.column_names)
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=False))
    with connected(engine) as connection:
        connection.execute(text(f"CREATE TABLE plain ({types}, PRIMARY KEY (variant_id))"))
        connection.execute(text(f"CREATE TEMP TABLE staged ({types}) ON COMMIT DROP"))
        with driver(connection).cursor().copy(f"COPY staged ({columns}) FROM STDIN (FORMAT csv)".encode()) as copy:
            copy.write(buffer.getbuffer())
        connection.execute(
            text(
                "MERGE INTO plain t USING staged s ON t.variant_id = s.variant_id WHEN NOT MATCHED THEN"
                f" INSERT ({columns}) VALUES ({theirs})"
            )
        )
    with connected(engine) as connection:
        connection.execute(text("DROP TABLE plain"))


def check(data: bytes, settings: Settings) -> None:
    """What `partner check` does, but for printing."""
    raw = parse_feed(data, "feed.csv", Limits.of(settings), NOW)
    rules = load_rules()
    validate_feed(raw, product_type=TYPE, source=SOURCE, rules=rules, reference=Reference())


def load(engine: Engine, data: bytes, settings: Settings, hours: int, source: str = SOURCE) -> FeedReport:
    """Ingest a feed that arrived this many hours after the first."""
    feed = FeedName("feed.csv", source, TYPE, hashlib.sha256(data).hexdigest(), NOW + timedelta(hours=hours))
    return ingest(engine, data, feed, settings, Options(as_of=NOW, shown=50))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work returns."""
    start = perf_counter()
    result = work()
    return perf_counter() - start, result


def measure(engine: Engine, settings: Settings, rows: int) -> None:
    """Print a line for each way to ingest a feed of so many rows."""
    data = feed_of(rows)
    file = settings.home / "feed.csv"
    file.write_bytes(data)
    with connected(engine) as connection:
        connection.execute(text("INSERT INTO catalog.organization (key, name) VALUES ('SampleX', 'Sample')"))
    load(engine, feed_of(STANDING, "standing"), settings, 0, "edx")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    least = min(timed(lambda: floor(engine, data))[0] for _ in range(2))
    checked = min(timed(lambda: check(data, settings))[0] for _ in range(2))
    url = engine.url.render_as_string(hide_password=False)
    first, counts, memory = in_a_process_of_its_own(load_from_file, url, file, settings.home, 1)
    assert counts["new_product"] + counts["new_variant"] == rows, counts
    events = events_of(engine)
    file.write_bytes(data + b"\n")
    again, counts, _ = in_a_process_of_its_own(load_from_file, url, file, settings.home, 2)
    assert counts["unchanged"] == rows, counts
    assert events_of(engine) == events
    same, _, _ = in_a_process_of_its_own(load_from_file, url, file, settings.home, 3)
    print(f"{rows:>9,} rows, {len(data) / 1e6:,.0f} MB; the first load has {memory:,.0f} MB of memory at most")
    for name, seconds, reference, base in (
        ("floor: read, copy, merge", least, "floor", least),
        ("partner check", checked, "floor", least),
        ("first load", first, "floor", least),
        ("the same rows in a new file", again, "check", checked),
        ("the same bytes again", same, "check", checked),
    ):
        print(f"  {name:30} {seconds:8.2f} s {seconds / rows * 1e6:9.1f} µs/row {seconds / base:7.2f} × {reference}")
    for name, (statements, calls, seconds) in OLD_LOADER.items():
        print(f"  {f'old loader, {name}':30} {seconds * rows:8,.0f} s, {statements} statements, {calls} calls a row")


def in_a_process_of_its_own(work: Callable[..., Any], *arguments: Any) -> Any:
    """What the work returns, whose memory is then its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def load_from_file(url: str, file: Path, home: Path, hours: int) -> tuple[float, dict[str, int], float]:
    """Seconds, counts, and megabytes of memory at most."""
    settings = Settings(_env_file=None, home=home, feed_size_limit=2000)  # pyright: ignore[reportCallIssue]
    engine = make_engine(Server(url.replace("+psycopg", "")))
    check(feed_of(100), settings)  # imports and first calls are not the feed's
    seconds, found = timed(lambda: load(engine, file.read_bytes(), settings, hours))
    return seconds, found.counts, memory.peak()


def events_of(engine: Engine) -> int:
    """How many change events there are: each write to the catalog is one."""
    with connected(engine) as connection:
        return connection.execute(text("SELECT count(*) FROM ops.change_event")).scalar_one()


def main() -> None:
    """Measure feeds of the sizes given, each into a catalog of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="*", default=[100_000])
    sizes = parser.parse_args().rows
    folder = Path(tempfile.mkdtemp(prefix="cat", dir="/tmp"))
    folder.chmod(0o755)
    settings = Settings(_env_file=None, home=folder, feed_size_limit=2000)  # pyright: ignore[reportCallIssue]
    try:
        with EmbeddedPostgres(folder) as postgres:
            for rows in sizes:
                server = Server(postgres.url(f"bench_{rows}"))
                ensure_database(server)
                engine = make_engine(server)
                migrate(engine)
                measure(engine, settings, rows)
                engine.dispose()
                sys.stdout.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
