"""Why a run or a course has its values, and an assignment its date: who decided what, and what other sources say."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.database import events
from catalog_pipeline.database.keys import WANTED, folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.ownership import CURRENT_FEEDS
from catalog_pipeline.loading.pending import PENDING
from catalog_pipeline.models.fields import COURSE_FIELDS, RUN_FIELDS, Field, carried_by_feeds, schedule, written_by
from catalog_pipeline.queries.learners import explain_learner, learner_of
from catalog_pipeline.queries.said import said

NOBODY = "nobody: made here"
NOT_SAID = "nobody: the LMS does not say it"
COURSE_HISTORY = ("key", "title", "status", "organization_id", "external_identifier")


def explain(connection: Connection, key: str) -> Row:
    """Why a run or course has its values, an assignment its date, or a learner the enrollments. `_run`, `_course`,
    `explain_assignment` and `explain_learner` name the parts. Raises UsageError for an unknown key.
    """
    learner = learner_of(key)
    if learner is not None:
        return explain_learner(connection, learner)
    run = rows(connection, f"SELECT * FROM catalog.course_run WHERE {folded('run_key')} = {WANTED}", key=key)
    if run:
        return _run(connection, run[0])
    course = rows(connection, f"SELECT * FROM catalog.catalog_course WHERE {folded('key')} = {WANTED}", key=key)
    if course:
        return _course(connection, course[0])
    if uuid := _uuid(key):
        from catalog_pipeline.assignments.explaining import explain_assignment  # it takes a second to load pandas

        return explain_assignment(connection, uuid)
    raise UsageError(
        f"The catalog has no run or course {key!r}; `catalog-pipeline rejects` says what did not reach it."
    )


def _uuid(key: str) -> UUID | None:
    try:
        return UUID(key.strip())
    except ValueError:
        return None


def _run(connection: Connection, run: Row) -> Row:
    association = rows(
        connection,
        """SELECT c.key AS course_key, a.source, a.reason, a.decided_at,
                  (SELECT e.actor FROM ops.column_change e WHERE e.entity = 'run_association' AND e.entity_id = a.id
                   ORDER BY e.id DESC LIMIT 1) AS decided_by
           FROM catalog.run_association a JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
           WHERE a.course_run_id = :id""",
        id=run["id"],
    )
    feeds = _feeds(connection, "course_run_id", run["id"])
    owners = _owners(connection, run, RUN_FIELDS, feeds)
    return {
        "association": association[0] if association else {"course_key": None, "reason": "It has no course."},
        "owners": _grouped({**owners, "course": association[0]["source"] if association else NOBODY}),
        "other_values": [
            *_other_values(connection, "course_run", run, owners),
            *_said_by_feeds(connection, run, owners),
        ],
        "schedule_history": events.of_columns(connection, "course_run", run["id"], schedule(RUN_FIELDS)),
        "documents": _documents(connection, run),
        "held_removals": _held_removals(connection, "course_run", run["id"]),
        "feeds": feeds,
        "deferred_rows": _deferred_rows(connection, association[0]["course_key"]) if association else [],
        "rejects": _rejects(connection, run["run_key"]),
    }


def _course(connection: Connection, course: Row) -> Row:
    feeds = _feeds(connection, "catalog_course_id", course["id"])
    owners = _owners(connection, course, COURSE_FIELDS, feeds)
    return {
        "course": {
            "key": course["key"],
            "status": course["status"],
            "because": _status_reason(course),
            "product_number": course["external_identifier"] or _given_up_number(connection, course),
        },
        "owners": _grouped(owners),
        "other_values": _other_values(connection, "catalog_course", course, owners),
        "runs": rows(
            connection,
            """SELECT r.run_key, r.status, a.reason, a.source, a.decided_at
               FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
               WHERE a.catalog_course_id = :id ORDER BY r.start, r.run_key""",
            id=course["id"],
        ),
        "history": events.of_columns(connection, "catalog_course", course["id"], COURSE_HISTORY),
        "documents": _documents(connection, course),
        "held_removals": _held_removals(connection, "catalog_course", course["id"]),
        "feeds": feeds,
        "deferred_rows": _deferred_rows(connection, course["key"]),
        "rejects": _rejects(connection, course["key"]),
    }


def _feeds(connection: Connection, column: str, row_id: int) -> list[Row]:
    """The last ten feed rows about a run or course, newest first; `current` feeds own the fields they carry."""
    return rows(
        connection,
        f"""SELECT f.source || '/' || f.product_type || '/' || f.name AS feed, r.outcome, r.reason, r.row,
                   f.ingested_at, f.id IN (SELECT id FROM {CURRENT_FEEDS} AS current) AS current
            FROM ops.feed_row r JOIN ops.feed f ON f.id = r.feed_id
            WHERE r.{column} = :id ORDER BY f.id DESC, r.row LIMIT 10""",
        id=row_id,
    )


def _owners(connection: Connection, listed: Row, fields: Sequence[Field], feeds: list[Row]) -> dict[str, str]:
    """The owner of each field: the current feed for the fields that feeds carry, else the source that lists the row.

    What the LMS does not say, and what a source listed that is not configured any more, is nobody's.
    """
    found = rows(
        connection,
        """SELECT d.source, u.off_since FROM landing.document d LEFT JOIN landing.upstream u ON u.service = d.source
           WHERE d.id = :id""",
        id=listed["listed_by_id"],
    )
    source, off_since = found[0].values() if found else (None, None)
    nobody = NOBODY
    if off_since:
        nobody = f"nobody: {source}, which listed it, has not been configured since {off_since:%Y-%m-%d %H:%M}"
    elif source == "lms":
        nobody = NOT_SAID
    says = written_by(fields, "lms") if source == "lms" else written_by(fields, "discovery")
    feed = next((feed["feed"] for feed in feeds if feed["current"]), None)
    carried = carried_by_feeds(fields) if feed else ()
    owners = dict.fromkeys(written_by(fields, "discovery"), nobody)
    if source and not off_since:
        owners |= dict.fromkeys(says, source)
    return owners | dict.fromkeys(carried, feed or nobody)


def _grouped(owners: dict[str, str]) -> list[Row]:
    return [
        {"owner": owner, "fields": ", ".join(field for field, its in owners.items() if its == owner)}
        for owner in dict.fromkeys(owners.values())
    ]


def _status_reason(course: Row) -> str:
    if course["missing_since"]:
        return f"upstream has not listed it since {course['missing_since']:%Y-%m-%d %H:%M}"
    if course["dropped_since"]:
        return f"its partner's feed has not listed it since {course['dropped_since']:%Y-%m-%d %H:%M}"
    if course["product_status"] == "archived":
        return "upstream says that the product is archived"
    return "some run of it is published" if course["status"] == "published" else "no run of it is published"


def _given_up_number(connection: Connection, course: Row) -> str | None:
    """Which product number the course had last, and which course has it now; None where no other course does."""
    found = rows(
        connection,
        """SELECT format('none: it gave %s up for %s', n.external_identifier, n.key) AS said
           FROM (SELECT e.old #>> '{}' AS number FROM ops.column_change e
                 WHERE e.entity = 'catalog_course' AND e.entity_id = :id AND e."column" = 'external_identifier'
                 ORDER BY e.id DESC LIMIT 1) AS last
           JOIN catalog.catalog_course n ON n.external_identifier = last.number
                AND n.product_source IS NOT DISTINCT FROM CAST(:source AS text)
                AND n.course_type IS NOT DISTINCT FROM CAST(:course_type AS text)""",
        id=course["id"],
        source=course["product_source"],
        course_type=course["course_type"],
    )
    return found[0]["said"] if found else None


def _documents(connection: Connection, listed: Row) -> list[Row]:
    """The documents that list a run or course, newest first."""
    return rows(
        connection,
        f"""SELECT d.source, d.kind, d.key, d.changed_at, d.missing_since, NOT {PENDING} AS decided,
                   d.id = CAST(:id AS bigint) AS owns
            FROM landing.document d
            WHERE d.id = :id OR d.kind = 'course_run' AND {folded("d.key")} = {WANTED}
            ORDER BY d.changed_at DESC""",
        id=listed["listed_by_id"],
        key=listed.get("run_key", ""),
    )


def _held_removals(connection: Connection, table: str, row_id: int) -> list[Row]:
    """The loads that found a run or course gone upstream, and held its removal back: it stands until a person acts."""
    return rows(
        connection,
        """SELECT l.source, l.finished_at AS held_at,
                  format('Upstream no longer lists it. If that is meant: catalog-pipeline refresh %s --accept-removals',
                         l.source) AS meaning
           FROM ops.held_removal h JOIN ops.load l ON l.id = h.load_id
           WHERE h.table_name = :table AND h.row_id = :id ORDER BY l.id""",
        table=table,
        id=row_id,
    )


def _other_values(connection: Connection, table: str, row: Row, owners: dict[str, str]) -> list[Row]:
    """The values that documents give for fields they do not own, where they differ; they are not written anywhere."""
    fields, key = (RUN_FIELDS, row["run_key"]) if table == "course_run" else (COURSE_FIELDS, row["key"])
    documents = rows(
        connection,
        f"""SELECT source, kind, payload FROM landing.document d
            WHERE d.missing_since IS NULL
              AND (d.id = :id OR d.kind = 'course_run' AND {folded("d.key")} = {WANTED})""",
        key=key,
        id=row["listed_by_id"],
    )
    others = [document for document in documents if set(owners.values()) - {document["source"]}]
    return [
        {"field": field, "value": row[field], "source": other["source"], "says": value}
        for other in others
        for field, value in said(connection, other, table, key, fields).items()
        if field in owners and owners[field] != other["source"] and value is not None and value != row[field]
    ]


def _said_by_feeds(connection: Connection, run: Row, owners: dict[str, str]) -> list[Row]:
    """The values that current feeds give for fields of a run that an upstream owns, where they differ."""
    says = rows(
        connection,
        f"""SELECT f.source || '/' || f.product_type || '/' || f.name AS feed, r.said
            FROM ops.feed_row r JOIN ops.feed f ON f.id = r.feed_id JOIN {CURRENT_FEEDS} c ON c.id = f.id
            WHERE r.course_run_id = :id AND r.outcome <> 'deferred' AND r.said IS NOT NULL
            ORDER BY f.id DESC, r.row""",
        id=run["id"],
    )
    return [
        {"field": field, "value": run[field], "source": row["feed"], "says": row["said"][field]}
        for row in says
        for field, owner in owners.items()
        if owner != NOBODY and field in row["said"] and row["said"][field] != run[field]
    ]


def _deferred_rows(connection: Connection, course_key: str) -> list[Row]:
    """The rows of other feeds about a course that wait for its owner to let go of it, and what they say of their runs.

    They are written nowhere.
    """
    return rows(
        connection,
        f"""SELECT f.source || '/' || f.product_type || '/' || f.name AS feed, r.row, r.reason, r.variant_id,
                   (SELECT string_agg(key || ' ' || value, ', ' ORDER BY key) FROM jsonb_each_text(r.said)) AS says
            FROM ops.feed_row r JOIN ops.feed f ON f.id = r.feed_id JOIN {CURRENT_FEEDS} c ON c.id = f.id
            WHERE r.outcome = 'deferred' AND r.said IS NOT NULL AND {folded("r.course_key")} = {WANTED}
            ORDER BY f.id DESC, r.row LIMIT 10""",
        key=course_key,
    )


def _rejects(connection: Connection, key: str) -> list[Row]:
    return rows(
        connection,
        f"""SELECT table_name, column_name, rule, value, message, rejected_at FROM ops.rejected_record
            WHERE cleared_at IS NULL AND {folded("record_key")} = {WANTED} ORDER BY id""",
        key=key,
    )
