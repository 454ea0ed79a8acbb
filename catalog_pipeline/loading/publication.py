"""One load, from its lock to its report: it is one transaction, and counts every row that it decides."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pandas as pd
from sqlalchemy import Connection, Engine, Table, text

from catalog_pipeline.database import locks
from catalog_pipeline.database.bulk import copy_frame, merge
from catalog_pipeline.database.engine import STARTED_BY, connected
from catalog_pipeline.database.version import check_version
from catalog_pipeline.errors import ExitCode, LoadRefusedError
from catalog_pipeline.models.base import Base

PUBLISH_LOCK = "catalog.publish"
"""The lock of the courses and runs, and all that hangs on them: whoever writes holds it to the end."""
ENTERPRISE_LOCK = "enterprise.publish"
"""The lock of customers, subsidies, policies, configurations and assignments."""
ENROLLMENT_LOCK = "enrollments.publish"
"""The lock of all learners and enrollments: programs share learners."""

COURSES_OF_OTHER_STATUS = """
    SELECT count(*) FROM (
        SELECT FROM ops.change_event WHERE xid = pg_current_xact_id() AND entity = 'catalog_course'
        GROUP BY entity_id HAVING bool_and(action = 'updated' AND changes - 'status' = '{}')) AS course"""
"""How many courses this transaction gave another status, and changed in nothing else: triggers did."""


def catalog_lock(catalog_uuid: UUID | str) -> str:
    """The lock of the content of one enterprise catalog: no catalog waits for another."""
    return f"enterprise.publish:{catalog_uuid}"


@dataclass
class LoadReport:
    """What a load did: its outcome, and rows by table and outcome."""

    source: str
    load_id: int
    outcome: str = "applied"
    detail: str | None = None
    documents: int = 0
    rejected_documents: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0

    def total(self, *outcomes: str) -> int:
        """The number of rows, of all tables, with any of these outcomes."""
        return sum(counter[outcome] for counter in self.counts.values() for outcome in outcomes)

    @property
    def changed(self) -> int:
        """The number of rows written to the catalog."""
        return self.total("created", "updated", "deleted")

    @property
    def exit_code(self) -> ExitCode:
        """The exit status for this outcome."""
        if self.outcome == "held":
            return ExitCode.REFUSED
        return ExitCode.SOME_ROWS_LEFT if self.total("rejected", "deferred") else ExitCode.DONE


@dataclass
class Publication:
    """A load in progress: its transaction, its clock, its report, and the rejects found so far."""

    connection: Connection
    report: LoadReport
    as_of: datetime
    placeholders: int = 0
    """How many rows have had placeholders of keys in this load."""

    def count(self, table: str, counts: dict[str, int]) -> None:
        """Add numbers of rows, by outcome, of a table (schema.table)."""
        self.report.counts[table].update({outcome: n for outcome, n in counts.items() if n})

    def execute(self, statement: str, **parameters: Any) -> int:
        """Run a statement; returns how many rows it touched."""
        return self.connection.execute(text(statement), parameters).rowcount

    def scalar(self, statement: str, **parameters: Any) -> Any:
        """Run a query for one value."""
        return self.connection.execute(text(statement), parameters).scalar_one()

    def merge(
        self,
        model: type[Base],
        source: str,
        columns: Sequence[str],
        *,
        not_compared: Sequence[str] = (),
        on: str = "id",
    ) -> None:
        """Merge the rows of a staging table or query into a model's table, and count them; see `bulk.merge`."""
        table = cast(Table, model.__table__)
        counts = merge(self.connection, table, source, columns, not_compared=not_compared, on=on)
        self.count(table.fullname, counts)

    def reject(self, table: str, query: str, *, rows: bool = True, **parameters: Any) -> None:
        """Record the rejects that `query` finds: document_id, record_key, column_name, rule, value, message.

        With `rows`, each counts as a row of `table` that was rejected; otherwise only a value was.
        """
        found = self.execute(
            f"""
            INSERT INTO ops.rejected_record
                (load_id, table_name, document_id, record_key, column_name, rule, value, message)
            SELECT :load_id, :table_name, document_id, record_key, column_name, rule, left(value, 200), message
            FROM ({query}) AS found""",
            load_id=self.report.load_id,
            table_name=table,
            **parameters,
        )
        if rows:
            self.count(table, {"rejected": found})

    def reject_frame(self, frame: pd.DataFrame) -> None:
        """Record rejects from a frame with the columns of `ops.rejected_record`."""
        copy_frame(self.connection, "ops.rejected_record", frame.assign(load_id=self.report.load_id))


@contextmanager
def publishing(
    engine: Engine | Connection, source: str, as_of: datetime, actor: str | None = None, *, lock: str = PUBLISH_LOCK
) -> Iterator[Publication]:
    """Open a load: take the lock of what it writes, and at the end commit everything that was done in between.

    With a connection in place of the engine, the load is a part of the transaction that it has open.
    Change events name `actor` as who made the change, or this load if none is given.

    If LoadRefusedError is raised inside, all is rolled back but the load's row in `ops.load`, which says `refused` with
    the reason; the error is raised again. Any other error rolls back everything.
    """
    with connected(engine) as connection:
        check_version(connection)
        locks.take(connection, lock)
        load_id = _open_load(connection, source, as_of)
        actor = actor or f"load:{load_id}"
        connection.execute(text("SELECT set_config('catalog.actor', :actor, true)"), {"actor": actor})
        publication = Publication(connection, LoadReport(source, load_id), as_of)
        refusal = None
        savepoint = connection.begin_nested()
        try:
            yield publication
        except LoadRefusedError as error:
            savepoint.rollback()
            refusal = error
            publication.report.outcome = "refused"
            publication.report.detail = str(error)
            publication.report.counts.clear()
        else:
            savepoint.commit()
        _finish(publication)
    publication.report.seconds = (datetime.now(UTC) - publication.report.started_at).total_seconds()
    if refusal is not None:
        raise refusal


def _open_load(connection: Connection, source: str, as_of: datetime) -> int:
    """Make the load's row in `ops.load`; returns its id."""
    return connection.execute(
        text(
            "INSERT INTO ops.load (source, outcome, as_of, started_at, started_by, documents, rejected_documents)"
            f" VALUES (:source, 'applied', :as_of, clock_timestamp(), {STARTED_BY}, 0, 0) RETURNING id"
        ),
        {"source": source, "as_of": as_of},
    ).scalar_one()


def _finish(publication: Publication) -> None:
    report = publication.report
    if report.changed:
        publication.count("catalog.catalog_course", {"updated": publication.scalar(COURSES_OF_OTHER_STATUS)})
    publication.execute(
        "UPDATE ops.load SET outcome = :outcome, detail = :detail, finished_at = clock_timestamp(),"
        " documents = :documents, rejected_documents = :rejected WHERE id = :id",
        id=report.load_id,
        outcome=report.outcome,
        detail=report.detail,
        documents=report.documents,
        rejected=report.rejected_documents,
    )
    rows = [
        {"load_id": report.load_id, "table_name": table, "outcome": outcome, "n": n}
        for table, counter in report.counts.items()
        for outcome, n in counter.items()
        if n
    ]
    copy_frame(publication.connection, "ops.load_count", pd.DataFrame(rows))
