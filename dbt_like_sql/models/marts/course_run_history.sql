/*
description: Every version of a run's schedule and status, with the time it was valid. What was known on a day is the
  version with valid_from <= day and (valid_to > day or valid_to is null).
owner: catalog-analytics
materialized: view
key: [course_run_id, valid_from]
columns:
  course_run_id: {description: The run's surrogate key., tests: [not_null]}
  run_key: {description: The run's key at that time., tests: [not_null]}
  valid_from: {description: Since when the version was valid., tests: [not_null]}
  valid_to: {description: Until when; null while it is.}
  status: {description: The run's status., tests: [not_null]}
  start: {description: When the run begins.}
  end: {description: When the run ends.}
  enrollment_start: {description: When enrollment opens.}
  enrollment_end: {description: When enrollment closes.}
  changed_by: {description: Who made the version.}
*/
WITH happened AS (
    -- What each event set, a column each: JSON's null where it set none, null where it left the value alone.
    SELECT
        change.entity_id AS course_run_id, change.key AS run_key, change.action, change.actor, change.id, change.at,
        any_value(change.new) FILTER (WHERE change."column" = 'status') AS status,
        any_value(change.new) FILTER (WHERE change."column" = 'start') AS start,
        any_value(change.new) FILTER (WHERE change."column" = 'end') AS "end",
        any_value(change.new) FILTER (WHERE change."column" = 'enrollment_start') AS enrollment_start,
        any_value(change.new) FILTER (WHERE change."column" = 'enrollment_end') AS enrollment_end
    FROM ops.column_change AS change
    WHERE change.entity = 'course_run'
      AND change."column" IN ('status', 'start', 'end', 'enrollment_start', 'enrollment_end')
    GROUP BY change.entity_id, change.key, change.action, change.actor, change.id, change.at
),
event AS (
    -- Each event numbers the values that it sets: a value holds until the next event that sets it anew.
    SELECT
        course_run_id, run_key, action, actor, id, status, start, "end", enrollment_start, enrollment_end,
        -- An event counts from when its transaction began, but not before the events that it waited for. One that a
        -- wrong clock stamped ahead counts from the event before it.
        coalesce(max(at) FILTER (WHERE at <= now()) OVER so_far, now()) AS at,
        count(status) OVER so_far AS status_number,
        count(start) OVER so_far AS start_number,
        count("end") OVER so_far AS end_number,
        count(enrollment_start) OVER so_far AS enrollment_start_number,
        count(enrollment_end) OVER so_far AS enrollment_end_number
    FROM happened
    WINDOW so_far AS (PARTITION BY course_run_id ORDER BY id)
),
version AS (
    SELECT
        course_run_id, run_key, action, actor,
        at AS valid_from,
        lead(at) OVER (PARTITION BY course_run_id ORDER BY id) AS valid_to,
        first_value(status #>> '{}') OVER (PARTITION BY course_run_id, status_number ORDER BY id) AS status,
        first_value(start #>> '{}') OVER (PARTITION BY course_run_id, start_number ORDER BY id) AS start,
        first_value("end" #>> '{}') OVER (PARTITION BY course_run_id, end_number ORDER BY id) AS "end",
        first_value(enrollment_start #>> '{}')
            OVER (PARTITION BY course_run_id, enrollment_start_number ORDER BY id) AS enrollment_start,
        first_value(enrollment_end #>> '{}')
            OVER (PARTITION BY course_run_id, enrollment_end_number ORDER BY id) AS enrollment_end
    FROM event
)
SELECT
    course_run_id, run_key, valid_from, valid_to, status,
    start::timestamptz AS start,
    "end"::timestamptz AS "end",
    enrollment_start::timestamptz AS enrollment_start,
    enrollment_end::timestamptz AS enrollment_end,
    actor AS changed_by
FROM version
-- A deleted run has no version; one that was overtaken in its own transaction was never seen.
WHERE action <> 'deleted' AND (valid_to IS NULL OR valid_to > valid_from)
