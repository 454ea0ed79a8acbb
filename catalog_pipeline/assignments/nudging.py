"""Nudges: learners who accepted executive education are told that it begins in N days."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from catalog_pipeline.assignments import mails
from catalog_pipeline.assignments.asked import ask, configuration, writing
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import ExitCode, LoadRefusedError
from catalog_pipeline.rules.content_rules import EXECUTIVE_EDUCATION
from catalog_pipeline.settings import Settings

DECIDED = f"""
    SELECT a.uuid, a.id, CASE
        WHEN a.id IS NULL OR g.id <> CAST(:configuration AS bigint) THEN 'unknown'
        WHEN g.owner = 'enterprise_access' THEN 'owned_elsewhere'
        WHEN a.state <> 'accepted' THEN 'not_accepted'
        WHEN coalesce(a.preferred_course_run_key, '') = '' THEN 'no_run'
        WHEN m.id IS NULL OR m.content_type IS NULL THEN 'no_content'
        WHEN m.course_type IS DISTINCT FROM '{EXECUTIVE_EDUCATION}' THEN 'not_executive_education'
        WHEN r.start IS NULL THEN 'no_start_date'
        WHEN (r.start AT TIME ZONE 'UTC')::date NOT BETWEEN :first AND :last THEN 'not_due'
        WHEN EXISTS (SELECT FROM catalog.assignment_action d
                     WHERE d.content_assignment_id = a.id AND d.action_type = 'nudged' AND d.error_reason IS NULL
                       AND d.run_key = r.run_key AND d.run_start = r.start) THEN 'already_nudged'
        ELSE 'nudged' END AS outcome
    FROM {{which}}
    LEFT JOIN catalog.assignment_configuration g ON g.id = a.assignment_configuration_id
    LEFT JOIN catalog.content_metadata m ON m.id = a.content_metadata_id AND EXISTS (
        SELECT FROM catalog.access_policy p WHERE p.assignment_configuration_id = g.id
                                              AND p.enterprise_catalog_id = m.enterprise_catalog_id)
    LEFT JOIN catalog.content_run r ON r.id = a.content_run_id AND r.missing_since IS NULL"""
OF_JOB = (
    DECIDED.format(which="catalog.content_assignment a")
    + " WHERE a.state = 'accepted' AND g.active AND g.owner = 'here' ORDER BY a.id"
)
NAMED = (
    DECIDED.replace("SELECT a.uuid, a.id", "SELECT w.uuid, a.id", 1).format(
        which="asked w LEFT JOIN catalog.content_assignment a ON a.id = w.id"
    )
    + " ORDER BY w.position"
)
LAST_DAY = """
    SELECT (max(as_of) AT TIME ZONE 'UTC')::date AS day FROM ops.load
    WHERE source = :source AND outcome = 'applied' AND id <> :load_id"""


@dataclass
class Nudges:
    """The assignments whose learners were nudged, and why others were not: uuid, reason."""

    nudged: list[UUID] = field(default_factory=list)
    not_nudged: list[Row] = field(default_factory=list)
    named: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: SOME_ROWS_LEFT where one that was named was not nudged."""
        return ExitCode.SOME_ROWS_LEFT if self.named and self.not_nudged else ExitCode.DONE


@dataclass(frozen=True)
class Ask:
    """How learners are nudged: so many days before their run begins, by UTC's calendar, counted from `as_of`."""

    days: int
    as_of: datetime
    settings: Settings
    actor: str
    dry_run: bool = False

    @property
    def due(self) -> date:
        """The day on which the runs begin."""
        return self.as_of.astimezone(UTC).date() + timedelta(days=self.days)


def nudge_all(engine: Engine, asked: Ask) -> Nudges:
    """Nudge the learners of all accepted assignments whose run begins on the day.

    Days on which this did not run since it last did are caught up, so many as CATALOG_NUDGE_CATCH_UP says.
    """
    with writing(engine, f"nudge:{asked.days}", asked.as_of, asked.actor, dry_run=asked.dry_run) as publication:
        report = publication.report
        last = publication.scalar(LAST_DAY, source=report.source, load_id=report.load_id)
        missed = (asked.due - timedelta(days=asked.days) - last).days - 1 if last else 0
        first = asked.due - timedelta(days=min(max(missed, 0), asked.settings.nudge_catch_up))
        found = rows(publication.connection, OF_JOB, configuration=None, first=first, last=asked.due)
        return _nudge(publication.connection, found, asked)


def nudge(engine: Engine, uuids: Sequence[UUID], of: UUID, asked: Ask) -> Nudges:
    """Nudge the learners of some assignments of the configuration `of`, if their run begins on the day.

    Raises UsageError where there is no such configuration, LoadRefusedError where it is not active.
    """
    with writing(engine, "nudge", asked.as_of, asked.actor, dry_run=asked.dry_run) as publication:
        connection = publication.connection
        found = configuration(connection, of)
        if not found["active"]:
            raise LoadRefusedError(f"The configuration {of} is not active: its learners are not nudged.")
        ask(connection, uuids)
        decided = rows(connection, NAMED, configuration=found["id"], first=asked.due, last=asked.due)
        done = _nudge(connection, decided, asked)
    done.named = True
    return done


def _nudge(connection: Connection, found: Sequence[Row], asked: Ask) -> Nudges:
    due = [row for row in found if row["outcome"] == "nudged"]
    mails.queue(connection, "nudge", [row["id"] for row in due], as_of=asked.as_of, settings=asked.settings)
    left = [{"uuid": row["uuid"], "reason": row["outcome"]} for row in found if row["outcome"] != "nudged"]
    return Nudges([row["uuid"] for row in due], left)
