"""How long it takes to write enrollments in batches, next to what it cannot do without. Run it by hand:

    python benchmarks/enrollments.py --learners 100000

All on an embedded Postgres with its usual settings. The floor of each step writes as many keys into a plain table with
the indexes of the table in question, in batches of the same size: COPY into a temporary table, MERGE out of it, without
history, foreign keys or decisions.

- program: learners are enrolled in a program, new ones all;
- runs: each of them gets a seat in four runs of it;
- again: the same batches as before, by PUT, which write nothing;
- move: one learner's seat moves from one program to another.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.bulk import copy_frame
from catalog_pipeline.database.engine import Server, connected, ensure_database, make_engine
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.enrollments.asked import Asked
from catalog_pipeline.enrollments.moving import Move, move
from catalog_pipeline.enrollments.requests import Item
from catalog_pipeline.enrollments.writing import Request, write
from catalog_pipeline.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RUNS = 4
ONE, TWO = UUID(int=1), UUID(int=2)
PROGRAMS = """
    INSERT INTO catalog.organization (key, name) VALUES ('GTx', 'GTx');
    INSERT INTO catalog.catalog_course (key) SELECT 'GTx+C' || n FROM generate_series(1, 4) n;
    INSERT INTO catalog.course_run (run_key, title)
        SELECT 'course-v1:GTx+C' || n || '+1', 'C' FROM generate_series(1, 4) n;
    INSERT INTO catalog.run_association (course_run_id, catalog_course_id)
        SELECT r.id, c.id FROM catalog.course_run r JOIN catalog.catalog_course c ON c.course_code = r.key_course;
    INSERT INTO catalog.program (uuid, title, status)
        SELECT lpad(n::text, 32, '0')::uuid, 'Masters', 'active' FROM generate_series(1, 2) n;
    INSERT INTO catalog.program_organization (program_id, organization_id, position)
        SELECT p.id, o.id, 1 FROM catalog.program p, catalog.organization o;
    INSERT INTO catalog.curriculum (program_id, uuid) SELECT id, uuid FROM catalog.program;
    INSERT INTO catalog.program_course (program_id, catalog_course_id, position)
        SELECT p.id, c.id, c.id FROM catalog.program p, catalog.catalog_course c"""
FLOOR = """
    CREATE TABLE IF NOT EXISTS {name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, learner_id bigint NOT NULL,
        one bigint NOT NULL, two bigint NOT NULL, status text NOT NULL, status_since timestamptz DEFAULT now(),
        created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), UNIQUE (one, two));
    CREATE INDEX IF NOT EXISTS {name}_two ON {name} (two);
    CREATE UNIQUE INDEX IF NOT EXISTS {name}_active ON {name} (one) WHERE status = 'active'"""
STAGED = "CREATE TEMP TABLE staged (learner_id bigint, one bigint, two bigint, status text) ON COMMIT DROP"
MERGED = """
    MERGE INTO {name} t USING staged s ON t.one = s.one AND t.two = s.two
    WHEN MATCHED AND t.status <> s.status THEN UPDATE SET status = s.status
    WHEN NOT MATCHED THEN INSERT (learner_id, one, two, status) VALUES (s.learner_id, s.one, s.two, s.status)"""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=100_000, help="learners, each with four seats")
    parser.add_argument("--batch", type=int, default=10_000, help="learners of a batch")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder) as postgres:
            server = Server(postgres.url("enrollments"))
            ensure_database(server)
            engine = make_engine(server)
            migrate(engine)
            with connected(engine) as connection:
                connection.exec_driver_sql(PROGRAMS)
            Bench(engine, Settings(home=folder), options.learners, options.batch).show()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Bench:
    """The steps, on one database."""

    def __init__(self, engine: Engine, settings: Settings, learners: int, batch: int) -> None:
        self.engine, self.learners = engine, learners
        self.asked = Asked("bench", NOW, settings.model_copy(update={"enrollment_batch": batch}))
        keys = [f"learner-{number:07}" for number in range(learners)]
        self.parts = [keys[start : start + batch] for start in range(0, learners, batch)]

    def show(self) -> None:
        """Do all steps, each beside its floor, and print what they took."""
        print(f"{self.learners:,} learners, {RUNS * self.learners:,} seats, batches of {len(self.parts[0]):,}\n")
        print(f"{'step':22}{'rows':>10}{'seconds':>10}{'process':>10}{'floor':>10}{'ratio':>8}")
        for name, method in (("first", "post"), ("again", "put")):
            self._step(f"program, {name}", lambda m=method: self._enroll(m), "floor_program", 1)
            self._step(f"runs, {name}", lambda m=method: self._seat(m), "floor_run", RUNS)
        seconds = []
        for key in self.parts[0][:20]:
            start = perf_counter()
            move(self.engine, Move(key, ONE, TWO, "course-v1:GTx+C1+1", enroll=True), self.asked)
            seconds.append(perf_counter() - start)
        print(f"{'a move':22}{1:>10}{sorted(seconds)[10]:>10.3f}")

    def _step(self, name: str, work: Callable[[], None], table: str, times: int) -> None:
        start, processed = perf_counter(), process_time()
        work()
        taken, processed = perf_counter() - start, process_time() - processed
        floor = self._floor(table, times)
        rows = self.learners * times
        print(f"{name:22}{rows:>10,}{taken:>10.2f}{processed:>10.2f}{floor:>10.2f}{taken / floor:>8.2f}", flush=True)

    def _write(self, method: str, status: str, run: str | None) -> None:
        for part in self.parts:
            items = [Item(key, status) for key in part]
            assert write(self.engine, Request(ONE, method, items, run), self.asked).overall == "ok"

    def _enroll(self, method: str) -> None:
        self._write(method, "enrolled", None)

    def _seat(self, method: str) -> None:
        for number in range(1, RUNS + 1):
            self._write(method, "active", f"course-v1:GTx+C{number}+1")

    def _floor(self, name: str, times: int) -> float:
        """Seconds that COPY and MERGE of as many rows into a plain table take, a transaction a batch."""
        with connected(self.engine) as connection:
            connection.exec_driver_sql(FLOOR.format(name=name))
        start = perf_counter()
        for two in range(times):
            for number, part in enumerate(self.parts):
                first = number * len(self.parts[0]) + two * self.learners
                with connected(self.engine) as connection:
                    _merge(connection, name, range(first, first + len(part)), two)
        return perf_counter() - start


def _merge(connection: Connection, name: str, numbers: Sequence[int], two: int) -> None:
    connection.execute(text(STAGED))
    copy_frame(
        connection, "staged", pd.DataFrame({"learner_id": numbers, "one": numbers, "two": two, "status": "active"})
    )
    connection.exec_driver_sql("ANALYZE staged")
    connection.execute(text(MERGED.format(name=name)))


if __name__ == "__main__":
    main()
