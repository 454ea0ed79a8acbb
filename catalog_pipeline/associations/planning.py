# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""Plans which course each run belongs to, and writes the associations that differ from the plan."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, text

from catalog_pipeline.database.bulk import analyze, copy_frame, create_staging
from catalog_pipeline.database.events import Range
from catalog_pipeline.database.keys import folded
from catalog_pipeline.errors import LoadRefusedError
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.loading.publication import LoadReport, Publication, publishing
from catalog_pipeline.rules.association import LINKING, OUTCOMES, UNLINKED, decide
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.schemas.parsing import TEXT

RUNS = f"""
    SELECT r.id, r.run_key, r.title, l.key AS listed_key, fed.key AS fed_key, c.key AS previous_key,
           a.source AS previous_source, a.reason AS previous_reason
    FROM catalog.course_run r
    LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
    LEFT JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
    -- Discovery's course document lists the course and its runs.
    LEFT JOIN LATERAL (
        SELECT n.key FROM catalog.catalog_course n
        WHERE n.listed_by_id = r.listed_by_id AND n.missing_since IS NULL AND r.missing_since IS NULL
        ORDER BY n.id DESC LIMIT 1) l ON true
    -- A row of a current feed says for which course the run was made, or is carried.
    LEFT JOIN (
        SELECT DISTINCT ON (f.course_run_id) f.course_run_id, n.key
        FROM ops.feed_row f JOIN {CURRENT_FEEDS} current ON current.id = f.feed_id
        JOIN catalog.catalog_course n ON n.id = f.catalog_course_id
        ORDER BY f.course_run_id, f.feed_id DESC, f.row) fed ON fed.course_run_id = r.id
    WHERE {{scope}}
    ORDER BY r.start NULLS LAST, r.run_key"""
COURSES = """
    SELECT c.key, o.key AS organization_key, c.course_code,
           CASE WHEN c.missing_since IS NULL THEN c.key_for_reruns END AS key_for_reruns
    FROM catalog.catalog_course c JOIN catalog.organization o ON o.id = c.organization_id"""
EVERY_RUN = "true"
UNASSOCIATED = "a.id IS NULL"
NEW_RUNS = """
    SELECT e.entity_id AS id, e.actor FROM ops.column_change e
    WHERE {new} AND e.entity = 'course_run' AND e."column" = 'run_key' AND e.action <> 'deleted'
    UNION ALL
    SELECT n.id, e.actor FROM ops.column_change e JOIN catalog.course_run n ON n.run_key = e.key
    WHERE {new} AND e.entity = 'run_association' AND e."column" = 'course_run_id' AND e.action = 'deleted'"""
"""The runs that new change events left to be associated (id), and who made the change (actor).

They are new, have a new key, or lost their association. For {new} see `events.read`.
"""
NOT_YET_REPORTED = """
    NOT EXISTS (SELECT FROM catalog.run_association n WHERE n.course_run_id = r.id)
    AND NOT EXISTS (SELECT FROM ops.rejected_record j WHERE j.table_name = 'catalog.run_association'
                    AND j.cleared_at IS NULL AND j.record_key = r.run_key AND j.rejected_at >= r.created_at)"""
"""SQL: the run r has no course, and no open reject says why. A reject of an earlier run with its key does not count."""
NEW_IN_RANGE = f"a.id IS NULL AND r.id IN (SELECT id FROM ({NEW_RUNS.format(new=Range.CONDITION)}) AS new)"
KEPT_OUT = ("case_collision", "invalid_key", "not_a_course")
"""The rules that keep a listed run out of the catalog because of its key."""


class PlanChangedError(LoadRefusedError):
    """The plan that is to be applied differs from the one that was shown."""


@dataclass(frozen=True)
class AssociationPlan:
    """The outcome of each run.

    `runs`, a row for each run: id (null for a listed run that is not in the catalog), run_key, title, outcome, reason,
    course_key (null for none), source, previous_course_key, previous_source, previous_reason, and org, course: the
    parts of the key of a course that is to be created.
    """

    runs: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by outcome."""
        found = Counter(self.runs["outcome"])
        return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}

    @property
    def changes(self) -> pd.DataFrame:
        """The runs whose association is to be written."""
        return self.runs[self.runs["outcome"].isin(LINKING)]

    @property
    def digest(self) -> str:
        """A hash of the associations that are to be written: the same hash, the same changes."""
        written = self.changes.sort_values("run_key")[["run_key", "outcome", "course_key", "previous_course_key"]]
        return hashlib.sha256(written.to_csv(index=False).encode()).hexdigest()[:12]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the report: run_key, outcome, reason, course_key, previous_course_key."""
        columns = ["run_key", "outcome", "reason", "course_key", "previous_course_key"]
        shown = self.runs[columns].astype(object)
        return shown.where(shown.notna(), None).to_dict("records")


def plan(connection: Connection, scope: str = EVERY_RUN, **parameters: Any) -> AssociationPlan:
    """Decide the course of each run in scope (SQL over r, the run, and a, its association). Changes nothing.

    The plan of every run also has the runs that a source lists but whose key keeps them out of the catalog.
    """
    runs = _frame(connection, RUNS.format(scope=scope), **parameters)
    # Most loads leave no run without a course.
    courses = _frame(connection, COURSES if len(runs) else f"{COURSES} WHERE false")
    planned = runs.join(decide(runs, courses)).rename(columns={"previous_key": "previous_course_key"})
    if scope == EVERY_RUN:
        planned = pd.concat([planned, _kept_out(connection)], ignore_index=True)
    return AssociationPlan(planned)


def associate(
    engine: Engine,
    scope: str = EVERY_RUN,
    *,
    as_of: datetime | None = None,
    expected: str | None = None,
    **parameters: Any,
) -> tuple[LoadReport, AssociationPlan]:
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
    return publication.report, planned


def associate_unassociated(publication: Publication) -> None:
    """Associate the runs that have no course, within another load."""
    apply(publication, plan(publication.connection, UNASSOCIATED))


def apply(publication: Publication, planned: AssociationPlan) -> None:
    """Write the plan's associations, and create the courses and organizations that they need."""
    changes = planned.changes
    if len(changes):
        _stage(publication.connection, changes)
        _create_courses(publication)
        _write(publication)
    _report_unlinked(publication, planned)


def _stage(connection: Connection, changes: pd.DataFrame) -> None:
    types = dict.fromkeys(("title", "outcome", "course_key", "source", "reason", "org", "course", "folded"), "text")
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.decided"))
    create_staging(connection, "decided", {"id": "bigint", "rank": "bigint", **types})
    staged = changes.assign(rank=range(len(changes)), folded=fold(changes["course_key"]))
    copy_frame(connection, "decided", staged[["id", "rank", *types]].astype({"id": "int64"}))
    analyze(connection, "decided")


def _create_courses(publication: Publication) -> None:
    """Create courses from keys: with the title of their first run, in the organization that the key names.

    A course or organization that another writer created meanwhile is used as it is.
    """
    organizations = publication.execute(f"""
        INSERT INTO catalog.organization (key, name)
        SELECT DISTINCT ON ({folded("org")}) org, org FROM decided
        WHERE outcome = 'course_created' ORDER BY {folded("org")}, org
        ON CONFLICT DO NOTHING""")
    courses = publication.execute(f"""
        INSERT INTO catalog.catalog_course (organization_id, course_code, key, title)
        SELECT DISTINCT ON (d.folded) o.id, d.course, d.course_key, d.title
        FROM decided d JOIN catalog.organization o ON {folded("o.key")} = {folded("d.org")}
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
                   JOIN catalog.catalog_course c ON {folded("c.key")} = d.folded) s
            ON t.course_run_id = s.id
            -- A person may have set it with psql since the plan was made: that stays.
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


def _report_unlinked(publication: Publication, planned: AssociationPlan) -> None:
    """Keep an open reject for each run without a course, and clear those of all others."""
    # The run has a course by now, or is gone.
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


def _kept_out(connection: Connection) -> pd.DataFrame:
    """The listed runs whose key keeps them out of the catalog: run_key, outcome, reason."""
    return _frame(
        connection,
        f"""SELECT DISTINCT ON (record_key) record_key AS run_key, rule AS outcome, message AS reason
            FROM ops.rejected_record
            WHERE cleared_at IS NULL AND table_name = 'catalog.course_run' AND rule IN {KEPT_OUT}
              AND record_key IS NOT NULL
              AND NOT EXISTS (SELECT FROM catalog.course_run r WHERE r.run_key = record_key)
            ORDER BY record_key, id DESC""",
    )


def _frame(connection: Connection, query: str, **parameters: Any) -> pd.DataFrame:
    found = connection.execute(text(query), parameters)
    frame = pd.DataFrame(found.all(), columns=list(found.keys()))
    return frame.astype({column: TEXT for column in frame.columns if column != "id"})
