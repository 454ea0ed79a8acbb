"""Expires the assignments whose date has come: each once, with one mail, whatever happens to the others."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.expirations import Found, compute, write
from catalog_pipeline.database.engine import connected
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode, UsageError
from catalog_pipeline.loading.publication import ENTERPRISE_LOCK, Publication, publishing
from catalog_pipeline.settings import Settings

SOURCE = "assignments:expire"
LOAD = 5_000
"""Assignments that one transaction expires: their mails take minutes to compose on a slow machine."""
TOGETHER = 500
"""Assignments that are expired by one statement; where one of them fails, each is tried by itself."""
CONFIGURATION = "SELECT id FROM catalog.assignment_configuration WHERE uuid = :uuid"
IN_SCOPE = """
    SELECT a.id FROM catalog.content_assignment a
    JOIN catalog.assignment_configuration c ON c.id = a.assignment_configuration_id
    WHERE c.active AND a.state = ANY(:states) AND (CAST(:configuration AS uuid) IS NULL OR c.uuid = :configuration)"""
DUE = """
    SELECT a.id, a.uuid, d.expires_at AS date, d.reason, c.owner,
           EXISTS (SELECT FROM catalog.access_policy p WHERE p.assignment_configuration_id = c.id) AS has_policy
    FROM computed d JOIN catalog.content_assignment a ON a.id = d.content_assignment_id
    JOIN catalog.assignment_configuration c ON c.id = a.assignment_configuration_id
    WHERE a.state = 'allocated' AND c.active AND d.expires_at <= :as_of
    ORDER BY a.allocated_at, a.uuid"""
REVIVABLE = """
    SELECT a.uuid FROM computed d JOIN catalog.content_assignment a ON a.id = d.content_assignment_id
    WHERE a.state = 'expired' AND d.expires_at > :as_of ORDER BY a.allocated_at, a.uuid"""
EXPIRE = """
    UPDATE catalog.content_assignment a SET state = 'expired', expired_at = :as_of, expired_reason = d.reason
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS d (id, reason) WHERE a.id = d.id"""


@dataclass(frozen=True)
class Outcome:
    """What became of one assignment that was due: expired, failed, skipped (no policy) or owned_elsewhere."""

    uuid: UUID
    outcome: str
    date: datetime
    reason: str
    error: str | None = None


@dataclass(frozen=True)
class Expiry:
    """What `expire` did, or would do; `revivable` are expired assignments whose date has moved to the future since."""

    as_of: datetime
    dry_run: bool
    assignments: list[Outcome] = field(default_factory=list)
    revivable: list[UUID] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many assignments had each of the outcomes that a report counts."""
        found = Counter(one.outcome for one in self.assignments)
        return {outcome: found[outcome] for outcome in ("expired", "failed", "skipped")}

    @property
    def exit_code(self) -> ExitCode:
        """Some rows are left where one failed."""
        return ExitCode.SOME_ROWS_LEFT if self.counts["failed"] else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """The report of `assignments expire --json`."""
        return {
            "as_of": self.as_of,
            "dry_run": self.dry_run,
            "due": len(self.assignments),
            **self.counts,
            "assignments": [vars(one) for one in self.assignments],
            "revivable": self.revivable,
        }


def expire(
    engine: Engine,
    settings: Settings,
    *,
    as_of: datetime,
    configuration: UUID | None = None,
    dry_run: bool = False,
    actor: str | None = None,
) -> Expiry:
    """Expire the allocated assignments of active configurations, or of one, whose date is not after `as_of`.

    Their dates are decided at `as_of`, whatever was decided before. Each LOAD of them is a load of its own, so that
    what was done stands whatever happens to the rest; a dry run does all in one transaction, and takes it back.
    Raises UsageError for an unknown configuration.
    """
    with connected(engine) if dry_run else nullcontext(engine) as bound:
        job = _Job(bound, settings, as_of, actor)
        due, revivable = _decide(job, configuration)
        outcomes = {row["id"]: outcome for row in due if (outcome := _left_alone(row))}
        ids = [row["id"] for row in due if row["id"] not in outcomes]
        for start in range(0, len(ids), LOAD):
            outcomes |= _expire_load(job, ids[start : start + LOAD])
        if isinstance(bound, Connection):
            bound.rollback()
    return Expiry(as_of, dry_run, [outcomes[row["id"]] for row in due if row["id"] in outcomes], revivable)


@dataclass(frozen=True)
class _Job:
    """What all loads of one call share: where they write, and their clock. A connection's transaction has them all."""

    bound: Engine | Connection
    settings: Settings
    as_of: datetime
    actor: str | None

    def load(self) -> AbstractContextManager[Publication]:
        """A load of its own."""
        return publishing(self.bound, SOURCE, self.as_of, self.actor, lock=ENTERPRISE_LOCK)


def _decide(job: _Job, configuration: UUID | None) -> tuple[list[Row], list[UUID]]:
    """Decide all dates in scope anew. Returns what is due (DUE), and what has expired but is to come now."""
    with job.load() as publication:
        connection = publication.connection
        if configuration and not rows(connection, CONFIGURATION, uuid=configuration):
            raise UsageError(f"There is no assignment configuration {configuration}.")
        scope = {"configuration": configuration, "states": ["allocated", "expired"]}
        compute(connection, Found(IN_SCOPE, scope), job.as_of)
        _, counts = write(connection, job.as_of)
        publication.count("catalog.assignment_expiration", counts)
        revivable = rows(connection, REVIVABLE, as_of=job.as_of)
        return rows(connection, DUE, as_of=job.as_of), [row["uuid"] for row in revivable]


def _expire_load(job: _Job, ids: Sequence[int]) -> dict[int, Outcome]:
    """Expire assignments in a load of their own; one that is not due any more has no outcome."""
    with job.load() as publication:
        connection = publication.connection
        compute(connection, ids, job.as_of)
        write(connection, job.as_of)
        due = [row for row in rows(connection, DUE, as_of=job.as_of) if _left_alone(row) is None]
        errors = _expire_all(connection, due, job.as_of, job.settings)
        publication.count("catalog.content_assignment", {"updated": len(due) - len(errors), "rejected": len(errors)})
    return {
        row["id"]: _outcome(row, "failed" if row["id"] in errors else "expired", errors.get(row["id"])) for row in due
    }


def _left_alone(due: Row) -> Outcome | None:
    """The outcome of an assignment that is due and does not expire; None for one that does."""
    if due["owner"] != "here":
        return _outcome(due, "owned_elsewhere")
    return None if due["has_policy"] else _outcome(due, "skipped")


def _outcome(due: Row, outcome: str, error: str | None = None) -> Outcome:
    return Outcome(due["uuid"], outcome, due["date"], due["reason"], error)


def _expire_all(connection: Connection, due: Sequence[Row], as_of: datetime, settings: Settings) -> dict[int, str]:
    """Expire assignments; returns why some failed, by id."""
    errors: dict[int, str] = {}
    for start in range(0, len(due), TOGETHER):
        together = due[start : start + TOGETHER]
        if _expire(connection, together, as_of, settings) is not None:
            tried = {row["id"]: _expire(connection, [row], as_of, settings) for row in together}
            errors |= {failed: error for failed, error in tried.items() if error is not None}
    return errors


def _expire(connection: Connection, due: Sequence[Row], as_of: datetime, settings: Settings) -> str | None:
    """Expire assignments with their actions and mails, or, where one fails, none of them: then it returns why."""
    ids = [row["id"] for row in due]
    try:
        with connection.begin_nested():
            connection.execute(text(EXPIRE), {"ids": ids, "reasons": [row["reason"] for row in due], "as_of": as_of})
            mails.queue(connection, "expire", ids, as_of=as_of, settings=settings)
    except Exception as error:  # whatever is wrong with one must not keep the others
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        return str(getattr(error, "orig", None) or error).partition("\n")[0]
    return None
