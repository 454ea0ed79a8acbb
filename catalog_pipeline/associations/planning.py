"""Makes associations explicit, and keeps them so: plans the course of each run, and writes what differs."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.events import Range
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.course_status import settle_course_statuses
from catalog_pipeline.loading.publication import LoadReport, Publication, publishing
from catalog_pipeline.models.base import FOLD_COLLATION
from catalog_pipeline.rules.association import LINKING, OUTCOMES, UNLINKED, decide
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.schemas.parsing import TEXT

RUNS = """
    SELECT r.id, r.run_key, r.title, l.key AS listed_key, c.key AS previous_key, a.source AS previous_source,
           a.reason AS previous_reason
    FROM catalog.course_run r
    LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
    LEFT JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
    -- Discovery's course document lists the course and its runs.
    LEFT JOIN LATERAL (
        SELECT n.key FROM catalog.catalog_course n
        WHERE n.listed_by_id = r.listed_by_id AND n.missing_since IS NULL AND r.missing_since IS NULL
        ORDER BY n.id DESC LIMIT 1) l ON true
    WHERE {scope}
    ORDER BY r.start NULLS LAST, r.run_key"""
COURSES = """
    SELECT c.key, o.key AS organization_key, c.course_code,
           CASE WHEN c.missing_since IS NULL THEN c.key_for_reruns END AS key_for_reruns
    FROM catalog.catalog_course c JOIN catalog.organization o ON o.id = c.organization_id"""
EVERY_RUN = "true"
UNASSOCIATED = "a.id IS NULL"
NEW_RUNS = """
    SELECT e.entity_id AS id, e.actor FROM ops.change_event e
    WHERE {new} AND e.entity = 'course_run'
      AND (e.action = 'created' OR e.action = 'updated' AND jsonb_exists(e.changes, 'run_key'))
    UNION ALL
    SELECT n.id, e.actor FROM ops.change_event e JOIN catalog.course_run n ON n.run_key = e.key
    WHERE {new} AND e.entity = 'run_association' AND e.action = 'deleted'"""
"""The runs of which new change events made it unknown which course they belong to, and who did."""
UNTOLD = """
    NOT EXISTS (SELECT FROM catalog.run_association n WHERE n.course_run_id = r.id)
    AND NOT EXISTS (SELECT FROM ops.rejected_record j WHERE j.table_name = 'catalog.run_association'
                    AND j.cleared_at IS NULL AND j.record_key = r.run_key AND j.rejected_at >= r.created_at)"""
"""That the run r has no course, and nobody has been told why; what was told of an earlier run of its key is no word."""
NEW_IN_RANGE = f"a.id IS NULL AND r.id IN (SELECT id FROM ({NEW_RUNS.format(new=Range.CONDITION)}) AS new)"
STOPPED = ("case_collision", "invalid_key", "not_a_course")
"""Rules by which a listed run did not reach the catalog because of its key."""


class PlanChangedError(LoadRefusedError):
    """What is to be applied is no longer what was planned."""


@dataclass(frozen=True)
class Plan:
    """What is to become of runs, a row each.

    `runs`: id (null: it never reached the catalog), run_key, title, outcome, reason, course_key (null: none), source,
    previous_course_key, previous_source, previous_reason, org, course.
    """

    runs: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """Runs by outcome."""
        found = Counter(self.runs["outcome"])
        return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}

    @property
    def changes(self) -> pd.DataFrame:
        """The runs whose association is to be written."""
        return self.runs[self.runs["outcome"].isin(LINKING)]

    @property
    def digest(self) -> str:
        """Differs when anything that is to be written does."""
        written = self.changes.sort_values("run_key")[["run_key", "outcome", "course_key", "previous_course_key"]]
        return hashlib.sha256(written.to_csv(index=False).encode()).hexdigest()[:12]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each run, as people and programs read it."""
        columns = ["run_key", "outcome", "reason", "course_key", "previous_course_key"]
        shown = self.runs[columns].astype(object)
        return shown.where(shown.notna(), None).to_dict("records")


def plan(connection: Connection, scope: str = EVERY_RUN, **parameters: Any) -> Plan:
    """Decide the course of each run in scope (SQL on r, the run, and a, its association). Changes nothing.

    The plan of every run also tells of those that a source lists and whose key kept them out of the catalog.
    """
    runs = _frame(connection, RUNS.format(scope=scope), **parameters)
    # Most loads leave no run without a course.
    courses = _frame(connection, COURSES if len(runs) else f"{COURSES} WHERE false")
    planned = runs.join(decide(runs, courses)).rename(columns={"previous_key": "previous_course_key"})
    if scope == EVERY_RUN:
        planned = pd.concat([planned, _stopped(connection)], ignore_index=True)
    return Plan(planned)


def associate(
    engine: Engine,
    scope: str = EVERY_RUN,
    *,
    as_of: datetime | None = None,
    expected: str | None = None,
    **parameters: Any,
) -> tuple[LoadReport, Plan]:
    """Plan the runs in scope and apply the plan, in one transaction.

    Raises PlanChangedError, and changes nothing, when `expected` is given and is not the plan's digest.
    """
    with publishing(engine, "associations", as_of or datetime.now(UTC)) as publication:
        planned = plan(publication.connection, scope, **parameters)
        if expected not in (None, planned.digest):
            raise PlanChangedError(
                f"The plan is {planned.digest} by now, not {expected}: the catalog has changed since."
                " See `catalog-pipeline associations plan`."
            )
        apply(publication, planned)
        settle_course_statuses(publication)
    return publication.report, planned


def associate_unassociated(publication: Publication) -> None:
    """Associate the runs that have no course, within another load."""
    apply(publication, plan(publication.connection, UNASSOCIATED))


def apply(publication: Publication, planned: Plan) -> None:
    """Write what the plan decided; the courses and organizations that are missing are made."""
    changes = planned.changes
    if len(changes):
        _stage(publication.connection, changes)
        _create_courses(publication)
        _write(publication)
    _tell_unlinked(publication, planned)


def _stage(connection: Connection, changes: pd.DataFrame) -> None:
    types = dict.fromkeys(("title", "outcome", "course_key", "source", "reason", "org", "course", "folded"), "text")
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.decided"))
    create_staging(connection, "decided", {"id": "bigint", "rank": "bigint", **types})
    staged = changes.assign(rank=range(len(changes)), folded=fold(changes["course_key"]))
    copy_frame(connection, "decided", staged[["id", "rank", *types]].astype({"id": "int64"}))
    analyze(connection, "decided")


def _create_courses(publication: Publication) -> None:
    """Make courses from keys: titled like their first run, in the organization that their key names.

    What another writer made meanwhile is taken as it is.
    """
    organizations = publication.execute(f"""
        INSERT INTO catalog.organization (key, name)
        SELECT DISTINCT ON (lower(org COLLATE {FOLD_COLLATION})) org, org FROM decided
        WHERE outcome = 'course_created' ORDER BY lower(org COLLATE {FOLD_COLLATION}), org
        ON CONFLICT DO NOTHING""")
    courses = publication.execute(f"""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
        SELECT DISTINCT ON (d.folded) o.id, d.course, d.course_key, d.title
        FROM decided d JOIN catalog.organization o
          ON lower(o.key COLLATE {FOLD_COLLATION}) = lower(d.org COLLATE {FOLD_COLLATION})
        WHERE d.outcome = 'course_created' ORDER BY d.folded, d.rank
        ON CONFLICT DO NOTHING""")
    publication.count("catalog.organization", {"created": organizations})
    publication.count("catalog.catalog_course", {"created": courses})


def _write(publication: Publication) -> None:
    counts = publication.connection.execute(
        text(f"""
        WITH merged AS (
            MERGE INTO catalog.run_association t
            USING (SELECT d.id, d.source, d.reason, c.id AS catalog_course_id FROM decided d
                   JOIN catalog.catalog_course c ON lower(c.key COLLATE {FOLD_COLLATION}) = d.folded) s
            ON t.course_run_id = s.id
            -- What a person has set with psql since the plan stands.
            WHEN MATCHED AND t.source <> 'manual'
                THEN UPDATE SET catalog_course_id = s.catalog_course_id, source = s.source,
                                reason = s.reason, decided_at = now()
            WHEN NOT MATCHED THEN INSERT (course_run_id, catalog_course_id, source, reason)
                VALUES (s.id, s.catalog_course_id, s.source, s.reason)
            RETURNING merge_action() AS action)
        SELECT count(*) FILTER (WHERE action = 'INSERT') AS created,
               count(*) FILTER (WHERE action = 'UPDATE') AS updated FROM merged""")
    )
    publication.count("catalog.run_association", dict(counts.one()._mapping))


def _tell_unlinked(publication: Publication, planned: Plan) -> None:
    """Keep open rejects for just those runs that have no course."""
    # Somebody resolved it, or the run is gone.
    publication.execute("""
        UPDATE ops.rejected_record j SET cleared_at = now()
        WHERE j.table_name = 'catalog.run_association' AND j.cleared_at IS NULL
          AND NOT EXISTS (SELECT FROM catalog.course_run r WHERE r.run_key = j.record_key
                          AND NOT EXISTS (SELECT FROM catalog.run_association a WHERE a.course_run_id = r.id))""")
    unlinked = planned.runs[planned.runs["outcome"].isin(UNLINKED) & planned.runs["course_key"].isna()]
    unlinked = unlinked.dropna(subset="id")
    if unlinked.empty:
        return
    publication.connection.execute(text("DROP TABLE IF EXISTS pg_temp.unlinked"))
    create_staging(publication.connection, "unlinked", {"id": "bigint", "outcome": "text", "reason": "text"})
    copy_frame(publication.connection, "unlinked", unlinked[["id", "outcome", "reason"]].astype({"id": "int64"}))
    publication.reject(
        "catalog.run_association",
        """SELECT r.listed_by_id AS document_id, r.run_key AS record_key, 'run_key' AS column_name, u.outcome AS rule,
                  r.run_key AS value, u.reason AS message
           FROM unlinked u JOIN catalog.course_run r USING (id)
           WHERE NOT EXISTS (SELECT FROM ops.rejected_record j WHERE j.table_name = 'catalog.run_association'
                             AND j.cleared_at IS NULL AND j.record_key = r.run_key)""",
    )


def _stopped(connection: Connection) -> pd.DataFrame:
    """Listed runs whose key kept them out of the catalog."""
    return _frame(
        connection,
        f"""SELECT DISTINCT ON (record_key) record_key AS run_key, rule AS outcome, message AS reason
            FROM ops.rejected_record
            WHERE cleared_at IS NULL AND table_name = 'catalog.course_run' AND rule IN {STOPPED}
              AND record_key IS NOT NULL
              AND NOT EXISTS (SELECT FROM catalog.course_run r WHERE r.run_key = record_key)
            ORDER BY record_key, id DESC""",
    )


def _frame(connection: Connection, query: str, **parameters: Any) -> pd.DataFrame:
    found = connection.execute(text(query), parameters)
    frame = pd.DataFrame(found.all(), columns=list(found.keys()))
    return frame.astype({column: TEXT for column in frame.columns if column != "id"})
