"""With a long history, no question and no stage of the night reads all of it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text
from support.databases import Databases
from support.histories import grow

from catalog_pipeline.assignments.expirations import LATER, TOUCHED
from catalog_pipeline.database import events
from catalog_pipeline.database.engine import connected, make_engine
from catalog_pipeline.database.events import Cursor, Range
from catalog_pipeline.queries.explain import explain
from catalog_pipeline.queries.history import history
from catalog_pipeline.queries.status import association_outcomes, status
from dbt_like_sql.project import load_models
from dbt_like_sql.relations import first_rows
from dbt_like_sql.runner import build, run_tests
from sensors import new_runs, outside_writes

EVENTS = 240_000
FEW = 8_000
"""So many events may be read: those of one run, of one course's runs, of two days, or of one load."""
RUN, COURSE = "course-v1:O+77+r", "O18+77"
TODAY = datetime.now(UTC).date()
MODELS = load_models()


@pytest.fixture(scope="module")
def long_engine(databases: Databases) -> Iterator[Engine]:
    """A database with a long history."""
    with databases.copied() as server:
        made = make_engine(server, "test")
        with connected(made) as connection:
            grow(connection, runs=3_000, events=EVENTS)
        with connected(made) as connection:
            connection.execute(text("ANALYZE"))
            for model in MODELS:
                build(connection, model)
        yield made
        made.dispose()


@pytest.fixture
def connection(long_engine: Engine) -> Iterator[Connection]:
    with long_engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def asked(query: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(query)).all()


def cursor(connection: Connection) -> Cursor:
    """The cursor of a sensor that last looked two thousand events ago."""
    history = events.now(connection).history
    xid = connection.execute(text("SELECT xid::text FROM ops.change_event ORDER BY id DESC OFFSET 2000 LIMIT 1"))
    return Cursor(history, int(xid.scalar_one()))


def build_all(connection: Connection) -> None:
    for model in MODELS:
        counts = build(connection, model, (TODAY - timedelta(days=1), TODAY) if model.partition else None)
        assert run_tests(connection, model) is not None
        if counts.rows is not None:
            first_rows(connection, model, 20)


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "status": status,
    "waiting": events.waiting,
    "a sensor begins": events.now,
    "outside_writes": lambda c: events.read(c, cursor(c), outside_writes.WRITTEN),
    "new_runs": lambda c: events.read(c, cursor(c), new_runs.FOUND),
    "expirations": lambda c: c.execute(
        text(TOUCHED.format(new=Range.CONDITION)), Range(cursor(c).xid, LATER).parameters
    ).all(),
    "history of a run": lambda c: history(c, RUN),
    "history of a course": lambda c: history(c, COURSE),
    "explain a run": lambda c: explain(c, RUN),
    "explain a course": lambda c: explain(c, COURSE),
    "outcomes of a load": lambda c: association_outcomes(c, 0),
    "run_history by key": asked(f"SELECT * FROM marts.run_history WHERE run_key = '{RUN}'"),
    "run_history by id": asked("SELECT * FROM marts.run_history WHERE course_run_id = 77"),
    "schedule_slippage": asked(f"SELECT * FROM marts.schedule_slippage WHERE run_key = '{RUN}'"),
    "catalog_change by key": asked(f"SELECT * FROM marts.catalog_change WHERE folded_key = lower('{RUN}')"),
    "catalog_change by row": asked("SELECT * FROM marts.catalog_change WHERE entity_id = 77 AND entity = 'course_run'"),
    "catalog_change by day": asked("SELECT * FROM marts.catalog_change WHERE changed_at > now() - interval '1 day'"),
    "the night's marts": build_all,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_the_whole_history(connection: Connection, question: str) -> None:
    before = read_so_far(connection)
    QUESTIONS[question](connection)
    scanned, fetched = (now - then for now, then in zip(read_so_far(connection), before, strict=True))
    assert scanned == 0, "it scans ops.change_event"
    assert fetched < FEW


def read_so_far(connection: Connection) -> tuple[int, int]:
    """How many events this transaction has read by scans of the table, and by an index."""
    found = connection.execute(
        text("""SELECT coalesce(seq_tup_read, 0) AS scanned, coalesce(idx_tup_fetch, 0) AS fetched
                FROM pg_stat_xact_user_tables WHERE relid = 'ops.change_event'::regclass""")
    ).one()
    return found.scanned, found.fetched
