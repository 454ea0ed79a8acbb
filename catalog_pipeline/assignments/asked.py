"""Assignments that a person names: which rows they are, and what became of each."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, Publication, publishing

ASKED = """
    CREATE TEMP TABLE asked ON COMMIT DROP AS
    SELECT w.uuid, min(w.position) AS position, a.id, a.state, g.owner
    FROM unnest(CAST(:uuids AS uuid[])) WITH ORDINALITY AS w (uuid, position)
    LEFT JOIN catalog.content_assignment a ON a.uuid = w.uuid
    LEFT JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id
    GROUP BY w.uuid, a.id, g.id"""
DONE = ("reminded", "already_reminded", "cancelled", "already_cancelled")


@dataclass(frozen=True)
class Answers:
    """What became of each assignment that was named: uuid, outcome; its id and its state before, null where unknown."""

    assignments: list[Row]

    @property
    def counts(self) -> dict[str, int]:
        """Number of assignments by outcome."""
        return dict(Counter(row["outcome"] for row in self.assignments))

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: SOME_ROWS_LEFT where something could not be done."""
        return ExitCode.DONE if set(self.counts) <= set(DONE) else ExitCode.SOME_ROWS_LEFT

    def ids(self, outcome: str) -> list[int]:
        """The ids of the assignments with this outcome."""
        return [row["id"] for row in self.assignments if row["outcome"] == outcome]

    def as_json(self) -> Row:
        """The report of `assignments remind --json` and `cancel --json`."""
        told = [{name: row[name] for name in ("uuid", "outcome")} for row in self.assignments]
        return {"counts": self.counts, "assignments": told}


@contextmanager
def writing(
    bound: Engine | Connection, verb: str, as_of: datetime, actor: str, *, dry_run: bool
) -> Iterator[Publication]:
    """A load of assignments by a person's verb, as one transaction; with `dry_run` it is rolled back at the end.

    With a connection it is a part of its open transaction, which its owner ends.
    """
    load = partial(publishing, source=f"assignments:{verb}", as_of=as_of, actor=actor, lock=ENTERPRISE_LOCK)
    if isinstance(bound, Connection):
        with load(bound) as publication:
            yield publication
        return
    with bound.connect() as connection, connection.begin() as transaction:
        with load(connection) as publication:
            yield publication
        if dry_run:
            transaction.rollback()


def ask(connection: Connection, uuids: Sequence[UUID]) -> None:
    """Make the table `asked`: uuid, position, and id, state and owner of the assignment; null where there is none."""
    connection.execute(text(ASKED), {"uuids": list(uuids)})


def answers(connection: Connection, uuids: Sequence[UUID], outcome: str, **parameters: object) -> Answers:
    """The outcome for each of these assignments, as `outcome` gives it: SQL over a row of `asked` (w)."""
    ask(connection, uuids)
    decided = f"""
        SELECT w.uuid, w.id, w.state, CASE WHEN w.id IS NULL THEN 'unknown'
                                           WHEN w.owner = 'enterprise_access' THEN 'owned_elsewhere'
                                           ELSE {outcome} END AS outcome
        FROM asked w ORDER BY w.position"""
    return Answers(rows(connection, decided, **parameters))


def configuration(connection: Connection, uuid: UUID) -> Row:
    """The configuration of a uuid: id, owner, active. Raises UsageError where there is none."""
    found = rows(
        connection, "SELECT id, owner, active FROM catalog.assignment_configuration WHERE uuid = :uuid", uuid=uuid
    )
    if not found:
        raise UsageError(f"There is no assignment configuration {uuid}.")
    return found[0]
