"""Why a run or a course is as it is: who decided what, who owns which field, what others would have put there."""

from collections.abc import Sequence

import pandas as pd
from sqlalchemy import Connection

from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError
from catalog_pipeline.loading.ownership import COURSE_COLUMNS, CURRENT_FEEDS, RUN_COLUMNS
from catalog_pipeline.models.base import FOLD_COLLATION
from catalog_pipeline.rules.course_keys import fold
from catalog_pipeline.schemas.catalog import FRAMES, RECORD_KEYS
from catalog_pipeline.schemas.parsing import TEXT, parse
from catalog_pipeline.sources.documents import decode, decompress
from catalog_pipeline.sources.upstreams import SOURCES

RUN_FIELDS = [
    *("title", "status", "pacing", "language", "start", "end", "enrollment_start", "enrollment_end", "go_live"),
    *("upgrade_deadline", "restriction_type", "price", "currency", "has_seats"),
]
COURSE_FIELDS = [
    *("title", "short_description", "full_description", "topic", "language", "course_type", "product_source"),
    *("product_status", "key_for_reruns", "external_identifier"),
]
NOBODY = "nobody: made here"
SCHEDULE = ["status", "start", "end", "enrollment_start", "enrollment_end", "go_live"]
FOLDED_KEY = f"lower(CAST(:key AS text) COLLATE {FOLD_COLLATION})"
DOCUMENT = "d.source, d.kind, d.key, d.changed_at, d.missing_since"


def explain(connection: Connection, key: str) -> Row:
    """What is known of why a run or course is as it is, part by part. Raises UsageError when there is none."""
    run = rows(
        connection,
        f"SELECT * FROM catalog.course_run WHERE lower(run_key COLLATE {FOLD_COLLATION}) = {FOLDED_KEY}",
        key=key,
    )
    if run:
        return _run(connection, run[0])
    course = rows(
        connection,
        f"SELECT * FROM catalog.catalog_course WHERE lower(key COLLATE {FOLD_COLLATION}) = {FOLDED_KEY}",
        key=key,
    )
    if course:
        return _course(connection, course[0])
    raise UsageError(
        f"The catalog has no run or course {key!r}; `catalog-pipeline rejects` says what did not reach it."
    )


def _run(connection: Connection, run: Row) -> Row:
    association = rows(
        connection,
        """SELECT c.key AS course_key, a.source, a.reason, a.decided_at,
                  (SELECT e.actor FROM ops.change_event e WHERE e.entity = 'run_association' AND e.entity_id = a.id
                   ORDER BY e.id DESC LIMIT 1) AS decided_by
           FROM catalog.run_association a JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
           WHERE a.course_run_id = :id""",
        id=run["id"],
    )
    feeds = _feeds(connection, "course_run_id", run["id"])
    owners = _owners(connection, run, RUN_FIELDS, RUN_COLUMNS, feeds)
    return {
        "association": association[0] if association else {"course_key": None, "reason": "It has no course."},
        "owners": _grouped({**owners, "course": association[0]["source"] if association else NOBODY}),
        "other_values": _other_values(connection, "course_run", run, run["run_key"], owners),
        "schedule_history": _history(connection, "course_run", run["id"], SCHEDULE),
        "documents": _documents(connection, run),
        "feeds": feeds,
        "rejects": _rejects(connection, run["run_key"]),
    }


def _course(connection: Connection, course: Row) -> Row:
    feeds = _feeds(connection, "catalog_course_id", course["id"])
    owners = _owners(connection, course, COURSE_FIELDS, COURSE_COLUMNS, feeds)
    return {
        "course": {"key": course["key"], "status": course["status"], "because": _status_reason(course)},
        "owners": _grouped(owners),
        "other_values": _other_values(connection, "catalog_course", course, course["key"], owners),
        "runs": rows(
            connection,
            """SELECT r.run_key, r.status, a.source, a.reason, a.decided_at
               FROM catalog.run_association a JOIN catalog.course_run r ON r.id = a.course_run_id
               WHERE a.catalog_course_id = :id ORDER BY r.start, r.run_key""",
            id=course["id"],
        ),
        "history": _history(connection, "catalog_course", course["id"], ["key", "title", "status", "organization_id"]),
        "documents": _documents(connection, course),
        "feeds": feeds,
        "rejects": _rejects(connection, course["key"]),
    }


def _feeds(connection: Connection, column: str, row_id: int) -> list[Row]:
    """The last feeds with a row about it, newest first; `current` ones own what they carry."""
    return rows(
        connection,
        f"""SELECT f.source || '/' || f.product_type || '/' || f.name AS feed, f.ingested_at, r.row, r.outcome,
                   r.reason,
                   f.id IN (SELECT id FROM {CURRENT_FEEDS} AS current) AS current
            FROM ops.feed_row r JOIN ops.feed f ON f.id = r.feed_id
            WHERE r.{column} = :id ORDER BY f.id DESC, r.row LIMIT 10""",
        id=row_id,
    )


def _owners(
    connection: Connection, listed: Row, fields: Sequence[str], carried: Sequence[str], feeds: list[Row]
) -> dict[str, str]:
    """The owner of each field: the source that lists the row, or the current feed for what feeds carry."""
    found = rows(connection, "SELECT source FROM landing.document WHERE id = :id", id=listed["listed_by_id"])
    owner = found[0]["source"] if found else NOBODY
    feed = next((feed["feed"] for feed in feeds if feed["current"]), owner)
    return {field: feed if field in carried else owner for field in fields}


def _grouped(owners: dict[str, str]) -> list[Row]:
    return [
        {"owner": owner, "fields": ", ".join(field for field, its in owners.items() if its == owner)}
        for owner in dict.fromkeys(owners.values())
    ]


def _status_reason(course: Row) -> str:
    if course["missing_since"]:
        return f"upstream no longer lists it since {course['missing_since']:%Y-%m-%d %H:%M}"
    if course["product_status"] == "archived":
        return "upstream says that the product is archived"
    return "some run of it is published" if course["status"] == "published" else "no run of it is published"


def _documents(connection: Connection, listed: Row) -> list[Row]:
    """The documents that list it, newest first."""
    return rows(
        connection,
        f"""SELECT {DOCUMENT}, d.payload_hash IS NOT DISTINCT FROM d.settled_hash AS decided,
                   d.id = CAST(:id AS bigint) AS owns
            FROM landing.document d
            WHERE d.id = :id OR kind = 'course_run' AND lower(d.key COLLATE {FOLD_COLLATION}) = {FOLDED_KEY}
            ORDER BY d.changed_at DESC""",
        id=listed["listed_by_id"],
        key=listed.get("run_key", ""),
    )


def _other_values(connection: Connection, table: str, row: Row, key: str, owners: dict[str, str]) -> list[Row]:
    """What documents say otherwise of fields that they do not own; that is shown here, and written nowhere."""
    others = rows(
        connection,
        f"""SELECT source, kind, payload FROM landing.document d
            WHERE d.missing_since IS NULL
              AND (d.id = :id OR kind = 'course_run' AND lower(d.key COLLATE {FOLD_COLLATION}) = {FOLDED_KEY})""",
        key=key,
        id=row["listed_by_id"],
    )
    return [
        {"field": field, "value": row[field], "source": other["source"], "says": value}
        for other in others
        for field, value in _said(other, table, key).items()
        if field in owners and owners[field] != other["source"] and value is not None and value != row[field]
    ]


def _said(document: Row, table: str, key: str) -> Row:
    """What a document says of a run or course, by field."""
    picked = SOURCES[document["source"]].pick_columns(document["kind"], [(0, decode(decompress(document["payload"])))])
    if table not in picked.tables:
        return {}
    frame, _ = parse(picked.tables[table], FRAMES[table])
    here = frame[fold(frame[RECORD_KEYS[table]]) == fold(pd.Series([key], dtype=TEXT)).iloc[0]].astype(object)
    return {} if here.empty else here.where(here.notna(), None).iloc[0].to_dict()


def _history(connection: Connection, entity: str, row_id: int, fields: list[str]) -> list[Row]:
    return rows(
        connection,
        """SELECT e.at, c.key AS field, c.value ->> 0 AS "from", c.value ->> 1 AS "to", e.actor AS by
           FROM ops.change_event e, jsonb_each(e.changes) AS c
           WHERE e.entity = :entity AND e.entity_id = :id AND c.key = ANY(:fields)
           ORDER BY e.id, array_position(:fields, c.key)""",
        entity=entity,
        id=row_id,
        fields=fields,
    )


def _rejects(connection: Connection, key: str) -> list[Row]:
    return rows(
        connection,
        f"""SELECT table_name, column_name, rule, value, message, rejected_at FROM ops.rejected_record
            WHERE cleared_at IS NULL AND lower(record_key COLLATE {FOLD_COLLATION}) = {FOLDED_KEY} ORDER BY id""",
        key=key,
    )
