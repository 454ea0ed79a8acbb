"""How long it takes to decide when assignments expire, next to what it cannot do without. Run it by hand:

    python benchmarks/expirations.py --assignments 1000000

All on an embedded Postgres with its usual settings, each round in a database of its own:

- update: a bare UPDATE of as many rows of the same table, which moves each date, without history;
- first: all assignments are linked with their content and get their first date;
- full: a full rebuild in which every date moves; nothing: one in which none does;
- one content, 1 %: the rebuild of the range of events in which the deadlines of one content, of 1 % of them, moved;
- due: one in ten has become due, and expires with its action and mail; the dates of all others move as well.

Ratios are to the bare UPDATE of the same round.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import memory
from sqlalchemy import Engine, text

from catalog_pipeline.assignments.expirations import EVERYTHING, Rebuilt, rebuild
from catalog_pipeline.assignments.expiring import expire
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import Server, connected, ensure_database, make_engine
from catalog_pipeline.database.events import Range
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CATALOGS = 50
CUSTOMERS = """
    INSERT INTO catalog.enterprise_customer (uuid, name, slug, contact_email)
        SELECT gen_random_uuid(), 'Customer ' || n, 'customer-' || n, 'admin' || n || '@customer.example'
        FROM generate_series(1, :catalogs) n;
    INSERT INTO catalog.enterprise_catalog (uuid, enterprise_customer_id)
        SELECT gen_random_uuid(), id FROM catalog.enterprise_customer;
    INSERT INTO catalog.subsidy (uuid, enterprise_customer_id, expiration)
        SELECT gen_random_uuid(), id, TIMESTAMPTZ '2030-01-01Z' FROM catalog.enterprise_customer;
    INSERT INTO catalog.assignment_configuration (uuid, enterprise_customer_id, owner)
        SELECT gen_random_uuid(), id, 'here' FROM catalog.enterprise_customer;
    INSERT INTO catalog.access_policy (uuid, enterprise_customer_id, access_method, enterprise_catalog_id, subsidy_id,
                                       assignment_configuration_id)
        SELECT gen_random_uuid(), c.id, 'assigned', e.id, s.id, a.id
        FROM catalog.enterprise_customer c JOIN catalog.enterprise_catalog e ON e.enterprise_customer_id = c.id
        JOIN catalog.subsidy s ON s.enterprise_customer_id = c.id
        JOIN catalog.assignment_configuration a ON a.enterprise_customer_id = c.id"""
CONTENT = """
    INSERT INTO catalog.content_metadata (enterprise_catalog_id, content_key, content_type, title, course_type,
                                          advertised_run_key, enroll_by, content_hash)
        SELECT e.id, 'AcmeX+C' || n, 'course', 'Course ' || n, 'executive-education-2u',
               'course-v1:AcmeX+C' || n || '+1', TIMESTAMPTZ '2026-07-01Z' + n % 60 * interval '1 day', md5(n::text)
        FROM generate_series(1, :contents) n
        JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM catalog.enterprise_catalog) e
            ON e.place = 1 + n % :catalogs;
    INSERT INTO catalog.content_run (enterprise_catalog_id, content_metadata_id, run_key, parent_content_key, enroll_by)
        SELECT m.enterprise_catalog_id, m.id, 'course-v1:' || m.content_key || '+' || r, m.content_key,
               m.enroll_by + (r - 1) * interval '90 days'
        FROM catalog.content_metadata m CROSS JOIN generate_series(1, 3) r"""
ASSIGNMENTS = """
    INSERT INTO catalog.content_assignment (assignment_configuration_id, learner_email, lms_user_id, content_key,
        parent_content_key, is_assigned_course_run, preferred_course_run_key, content_quantity, credit_request_uuid,
        allocated_at)
    SELECT p.assignment_configuration_id, 'learner' || n || '@customer.example', n,
           CASE WHEN n % 4 = 0 THEN r.run_key ELSE m.content_key END, CASE WHEN n % 4 = 0 THEN m.content_key END,
           n % 4 = 0, CASE WHEN n % 10 <> 1 THEN r.run_key END, -100000,
           CASE WHEN n % 50 = 3 THEN gen_random_uuid() END, TIMESTAMPTZ '2026-05-01Z' + n % 86400 * interval '1 s'
    FROM generate_series(1, :assignments) n
    JOIN (SELECT id, content_key, enterprise_catalog_id, row_number() OVER (ORDER BY id) AS place
          FROM catalog.content_metadata) m ON m.place = 1 + n % :contents
    JOIN catalog.content_run r ON r.content_metadata_id = m.id AND right(r.run_key, 1) = (1 + n % 3)::text
    JOIN catalog.access_policy p ON p.enterprise_catalog_id = m.enterprise_catalog_id"""
ALL_MOVE = "UPDATE catalog.subsidy SET expiration = TIMESTAMPTZ '2026-06-15Z'"
BARE = "UPDATE catalog.assignment_expiration SET expires_at = expires_at + interval '1 day', computed_at = now()"
SOME_DUE = """
    UPDATE catalog.subsidy SET expiration = CASE WHEN id % 10 = 0 THEN TIMESTAMPTZ '2026-06-01Z'
                                                 ELSE TIMESTAMPTZ '2030-01-01Z' END"""
ONE, SOME = (
    f"""WITH moved AS (UPDATE catalog.content_metadata SET content_hash = md5(content_hash),
                              enroll_by = TIMESTAMPTZ '2026-06-10Z' WHERE {condition} RETURNING id)
        UPDATE catalog.content_run r SET enroll_by = TIMESTAMPTZ '2026-06-10Z'
        FROM moved WHERE moved.id = r.content_metadata_id"""
    for condition in ("content_key = 'AcmeX+C7'", "id % 100 = 50")
)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assignments", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes to measure")
    parser.add_argument("--contents", type=int, default=10_000, help="courses, each in one of 50 catalogs")
    parser.add_argument("--rounds", type=int, default=1, help="how often to measure each size")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder) as postgres:
            for size in options.assignments:
                rounds = [measure(postgres, size, options.contents, number) for number in range(options.rounds)]
                show(size, options.contents, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


Step = tuple[float, int, float]
"""Seconds, rows written, and the peak of the process's memory in MB."""


def measure(postgres: EmbeddedPostgres, size: int, contents: int, number: int) -> dict[str, Step]:
    """One round of all steps, in a database of its own."""
    server = Server(postgres.url(f"expirations_{size}_{number}"))
    ensure_database(server)
    engine = make_engine(server, "benchmark")
    migrate(engine)
    for statements in (CUSTOMERS, CONTENT, ASSIGNMENTS):
        with connected(engine) as connection:
            for statement in statements.split(";\n"):
                connection.execute(text(statement), {"catalogs": CATALOGS, "contents": contents, "assignments": size})
    _settle(engine)
    steps = {"first": _timed(engine, lambda: _rebuilt(engine))}
    steps["update"] = _timed(engine, lambda: _execute(engine, BARE))
    _rebuilt(engine)
    _settle(engine)
    _execute(engine, ALL_MOVE)
    steps["full"] = _timed(engine, lambda: _rebuilt(engine))
    steps["nothing"] = _timed(engine, lambda: _rebuilt(engine))
    steps["one content"] = _timed(engine, lambda: _moved(engine, ONE))
    steps["1 %"] = _timed(engine, lambda: _moved(engine, SOME))
    _execute(engine, SOME_DUE)
    steps["due"] = _timed(engine, lambda: _expired(engine))
    engine.dispose()
    return steps


def _timed(engine: Engine, step: Callable[[], Step | int]) -> Step:
    """Run a step on a database that is at rest."""
    _settle(engine)
    begin = perf_counter()
    done = step()
    measured = done if isinstance(done, tuple) else (perf_counter() - begin, done, memory.peak())
    print(f"{measured[0]:.2f} s, {measured[1]:,} rows", file=sys.stderr, flush=True)
    return measured


def _rebuilt(engine: Engine) -> int:
    return rebuild(engine, EVERYTHING, as_of=NOW).rebuilt


def _moved(engine: Engine, statement: str) -> Step:
    """Rebuild what a statement moved; only the rebuild is timed."""
    with connected(engine) as connection:
        after = events.now(connection).xid
    _execute(engine, statement)
    with connected(engine) as connection:
        upto = events.now(connection).xid
    begin = perf_counter()
    done: Rebuilt = rebuild(engine, Range(after, upto), as_of=NOW)
    return perf_counter() - begin, done.rebuilt, memory.peak()


def _expired(engine: Engine) -> int:
    settings = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    return expire(engine, settings, as_of=NOW).counts["expired"]


def _execute(engine: Engine, statement: str) -> int:
    with connected(engine) as connection:
        return connection.execute(text(statement)).rowcount


def _settle(engine: Engine) -> None:
    """What autovacuum does in time: dead rows and old statistics are no part of a step."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))


def show(size: int, contents: int, rounds: list[dict[str, Step]]) -> None:
    """Print the table of one size."""
    print(f"\n**{size:,} assignments, {contents:,} contents, {CATALOGS} catalogs, {len(rounds)} rounds**\n")
    print("| step | least s | median s | × update | rows written | peak MB |\n|---|--:|--:|--:|--:|--:|")
    for name in rounds[0]:
        seconds = [one[name][0] for one in rounds]
        ratio = statistics.median(one[name][0] / one["update"][0] for one in rounds)
        _, written, peak = rounds[-1][name]
        least, median = min(seconds), statistics.median(seconds)
        print(f"| {name} | {least:.2f} | {median:.2f} | {ratio:.2f} | {written:,} | {peak:.0f} |")


if __name__ == "__main__":
    main()
