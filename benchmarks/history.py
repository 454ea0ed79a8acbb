"""How long questions and the night take with a long history, next to none. Run it by hand: ten minutes for ten million.

The history is made: rows of `ops.change_event` written past the triggers, evenly over 400 days. It ends three days ago,
so that the night finds nothing changed.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database import events
from catalog_pipeline.database.engine import Server, connected, ensure_database, make_engine
from catalog_pipeline.database.events import Cursor
from catalog_pipeline.database.schema import migrate
from catalog_pipeline.embedded.postgres import EmbeddedPostgres
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.queries.history import history
from catalog_pipeline.queries.status import association_outcomes, status
from dbt_like_sql.project import load_models
from dbt_like_sql.relations import first_rows
from dbt_like_sql.runner import build, run_tests
from sensors import new_runs, outside_writes

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
from support.histories import grow  # noqa: E402  # pyright: ignore[reportMissingImports]

RUNS = 60_000
KEY = "course-v1:O+77+r"
TODAY = datetime.now(UTC).date()
MODELS = load_models()
DAILY = next(model for model in MODELS if model.name == "catalog_daily")
Question = Callable[[Connection], object]


def asked(query: str) -> Question:
    """A question in SQL."""
    return lambda connection: connection.execute(text(query)).all()


def daily(back: int) -> Question:
    """The snapshot of the day so many days ago."""
    day = TODAY - timedelta(days=back)
    return lambda connection: build(connection, DAILY, (day, day))


def sensors(connection: Connection) -> None:
    """A tick of the two sensors that read events, a few transactions behind."""
    last = connection.execute(text("SELECT xid::text FROM ops.change_event ORDER BY id DESC OFFSET 100 LIMIT 1"))
    cursor = Cursor(events.now(connection).history, int(last.scalar_one()))
    for query in (outside_writes.WRITTEN, new_runs.FOUND):
        events.read(connection, cursor, query)


def marts(connection: Connection) -> None:
    """What the night builds, tests and shows of the marts, snapshots included."""
    for model in MODELS:
        counts = build(connection, model, (TODAY - timedelta(days=1), TODAY) if model.partition else None)
        run_tests(connection, model)
        if counts.rows is not None:
            first_rows(connection, model, 20)


def single_pass(name: str, condition: str = "") -> Question:
    """A mart of before, which read the whole history."""
    query = (TESTS / "dbt_like_sql" / "single_pass" / f"{name}.sql").read_text().replace(":", "\\:")
    return asked(f"SELECT * FROM ({query}) AS mart {condition}")


QUESTIONS: dict[str, Question] = {
    "the night's marts, nothing changed": marts,
    "snapshot of today": daily(0),
    "snapshot of yesterday": daily(1),
    "snapshot of 30 days ago": daily(30),
    "`status`": status,
    "what waits below a transaction": events.waiting,
    "`history KEY`": lambda connection: history(connection, KEY),
    "`explain KEY`": lambda connection: explain(connection, KEY),
    "a tick of the sensors": sensors,
    "the outcomes of loads": lambda connection: association_outcomes(connection, 0),
    "`run_history` by run key": asked(f"SELECT * FROM marts.run_history WHERE run_key = '{KEY}'"),
    "`run_history` by run id": asked("SELECT * FROM marts.run_history WHERE course_run_id = 77"),
    "`schedule_slippage` by run key": asked(f"SELECT * FROM marts.schedule_slippage WHERE run_key = '{KEY}'"),
    "`catalog_change` by folded key": asked(f"SELECT * FROM marts.catalog_change WHERE folded_key = lower('{KEY}')"),
}
SINGLE_PASS: dict[str, Question] = {
    "before: snapshot of today": single_pass("catalog_daily"),
    "before: `run_history` by run key": single_pass("run_history", f"WHERE run_key = '{KEY}'"),
}


def made(postgres: EmbeddedPostgres, size: int) -> Engine:
    """A database with a history of so many events."""
    server = Server(postgres.url(f"bench_{size}"))
    ensure_database(server)
    engine = make_engine(server, "bench")
    migrate(engine)
    with connected(engine) as connection:
        connection.execute(text("SET LOCAL transaction_timeout = 0"))
        grow(connection, runs=RUNS, events=size, quiet=3)
    with connected(engine) as connection:
        connection.execute(text("ANALYZE"))
        marts(connection)
    return engine


def timed(engine: Engine, question: Question, rounds: int) -> float:
    """The median seconds of a question."""
    found = []
    for _ in range(rounds):
        with connected(engine) as connection:
            begin = perf_counter()
            question(connection)
            found.append(perf_counter() - begin)
    print(f"{median(found):.3f}", file=sys.stderr, flush=True)
    return median(found)


def measure(engine: Engine, rounds: int, before: bool) -> dict[str, float]:
    """The seconds of each question."""
    found = {name: timed(engine, question, rounds) for name, question in QUESTIONS.items()}
    return found | ({name: timed(engine, question, 1) for name, question in SINGLE_PASS.items()} if before else {})


def main() -> None:
    """Measure histories of the sizes given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=int, nargs="*", default=[1_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", action="store_true", help="also the queries that read the whole history")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cat", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder) as postgres:
            found = {}
            for size in given.events:
                engine = made(postgres, size)
                found[size] = measure(engine, given.rounds, given.before)
                engine.dispose()
            print(f"| seconds, by events | {' | '.join(f'{size:,}' for size in found)} |")
            print("|---|" + "--:|" * len(found))
            for name in found[given.events[0]]:
                print(f"| {name} | {' | '.join(f'{column[name]:.3f}' for column in found.values())} |")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
