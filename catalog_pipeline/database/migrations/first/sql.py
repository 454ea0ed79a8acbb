"""What tables cannot state: the views, and the functions that the marts read."""

SCHEMAS = {
    "landing": "Documents as received, and the crawls that brought them.",
    "catalog": "The normalized truth; every invariant is enforced here.",
    "ops": "Loads, their counts, rejects, and change events.",
    "marts": "What analysts query; built by the SQL models.",
}

# Payloads come compressed: Postgres should not try again.
STORE_PAYLOADS_AS_THEY_COME = "ALTER TABLE landing.document ALTER COLUMN payload SET STORAGE EXTERNAL"

RUN = """
CREATE VIEW catalog.run AS
SELECT r.id, r.run_key, c.key AS course_key, o.key AS organization_key, r.title, r.status, r.pacing, r.start, r."end",
       r.enrollment_start, r.enrollment_end, r.restriction_type, r.price, r.currency, v.variant_id,
       a.source AS association_source, a.reason AS association_reason, a.decided_at, r.missing_since
FROM catalog.course_run r
LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
LEFT JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
LEFT JOIN catalog.organization o ON o.id = c.organization_id
LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id"""

COLUMN_CHANGE = """
CREATE VIEW ops.column_change AS
SELECT e.xid, e.id, e.at, e.entity, e.entity_id, e.key, e.action, c.key AS "column",
       c.value -> 0 AS old, c.value -> 1 AS new, e.actor
FROM ops.change_event e CROSS JOIN LATERAL jsonb_each(e.changes) c"""

VIEW_COMMENTS = {
    "catalog.run": {
        "": "One row per run, with its course and what decided the course.",
        "id": "Surrogate key of the run.",
        "run_key": "The key of the run.",
        "course_key": "The key of the run's course; null while it has none.",
        "organization_key": "The key of the organization that owns the course.",
        "title": "Title of the run.",
        "status": "Publication status of the run; archived when upstream no longer lists it.",
        "pacing": "instructor_paced or self_paced.",
        "start": "When the run begins.",
        "end": "When the run ends.",
        "enrollment_start": "When enrollment opens.",
        "enrollment_end": "When enrollment closes.",
        "restriction_type": "Who may see the run, where that is restricted; null where it is not.",
        "price": "The highest seat price.",
        "currency": "ISO 4217 code of the price.",
        "variant_id": "The partner's variant that the run stands for.",
        "association_source": "What decided the run's course: manual, discovery or key.",
        "association_reason": "Why the run belongs to the course, in words.",
        "decided_at": "When the run's course was last decided.",
        "missing_since": "Since when upstream no longer lists the run; null while it does.",
    },
    "ops.column_change": {
        "": "The history of the catalog, one row per changed column of each change event.",
        "xid": "The transaction that made the change.",
        "id": "The change event; orders the changes of one row.",
        "at": "When the transaction began.",
        "entity": "The changed table, without its schema.",
        "entity_id": "The id of the changed row.",
        "key": "The key of the changed row; for a run's association or variant, the run's key.",
        "action": "What happened to the row: created, updated or deleted.",
        "column": "The changed column.",
        "old": "Its value before, as JSON; the md5 of long text; null for personal data.",
        "new": "Its value after, as JSON; the md5 of long text; null for personal data.",
        "actor": "Who made the change: load:17, cli:ann, api:ann; sql: and the database role for anything else.",
    },
}

AS_OF = """
CREATE FUNCTION marts.as_of() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('catalog.as_of', true), '')::timestamptz, now())"""

# The range of days is a partition's; without one, it is today.
DAYS = """
CREATE FUNCTION marts.days() RETURNS SETOF date LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT generate_series(
        coalesce(nullif(current_setting('catalog.first_day', true), '')::date, today.day),
        coalesce(nullif(current_setting('catalog.last_day', true), '')::date, today.day), interval '1 day')::date
    FROM (SELECT (marts.as_of() AT TIME ZONE 'UTC')::date AS day) AS today;
END"""

FUNCTION_COMMENTS = {
    "marts.as_of()": "The instant that views about the present take as now: the setting catalog.as_of, else now().",
    "marts.days()": "The days from the setting catalog.first_day to catalog.last_day; today where they are not set.",
}


def comments() -> list[str]:
    """The statements that comment schemas, views and functions."""
    commented = {f"SCHEMA {name}": comment for name, comment in SCHEMAS.items()}
    for view, columns in VIEW_COMMENTS.items():
        for column, comment in columns.items():
            commented[f'COLUMN {view}."{column}"' if column else f"VIEW {view}"] = comment
    commented |= {f"FUNCTION {name}": comment for name, comment in FUNCTION_COMMENTS.items()}
    return [f"COMMENT ON {what} IS '{comment.replace(chr(39), chr(39) * 2)}'" for what, comment in commented.items()]
