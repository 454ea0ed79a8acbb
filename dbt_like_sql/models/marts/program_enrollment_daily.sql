/*
description: |-
  How many enrollments each program had in each status at the end of each day (UTC); of today, by now: the program's own,
  and its rows in each run. Any past day can be built, and built again, at any time: from what is there now, and what
  has changed since.
owner: catalog-analytics
materialized: table
partition: day
key: [day, program_uuid, counted, status]
columns:
  day:
    description: The day, in UTC.
    tests: [not_null]
  program_uuid:
    description: The program's uuid.
    tests: [not_null, relationships: catalog.program.uuid]
  run_key:
    description: Key of the run whose rows are counted, as it is called now; null for the program's own enrollments.
  status:
    description: enrolled, pending, suspended, canceled or ended; of rows in a run, active or inactive.
    tests:
      - not_null
      - accepted_values: [enrolled, pending, suspended, canceled, ended, active, inactive]
  n:
    description: Enrollments of that status.
    tests: [not_null]
  counted:
    description: What is counted, for there is always something here; program, or the key of the run.
    tests: [not_null]
*/

WITH wanted AS (
    SELECT
        days.day,
        (days.day + 1)::timestamp AT TIME ZONE 'UTC' AS until
    FROM marts.days() AS days (day)
),

-- Each event since the end of the first day that set a status. It counts from when its transaction began, but not
-- before the events that it waited for. One that a wrong clock stamped ahead counts from the event before it.
happened AS (
    SELECT
        change.entity,
        change.entity_id,
        change.id,
        change.action,
        coalesce(max(change.at) FILTER (WHERE change.at <= now()) OVER (ORDER BY change.id), now()) AS at,
        change.new #>> '{}' AS status,
        change.old #>> '{}' AS old_status
    FROM ops.column_change AS change
    WHERE
        change.id >= marts.first_enrollment_event()
        AND change.entity IN ('program_enrollment', 'program_course_enrollment')
        AND change."column" = 'status'
),

-- Of each enrollment that has changed since: whether it was there at the end of the first day, and as what.
before AS (
    SELECT
        happened.entity,
        happened.entity_id,
        (array_agg(happened.action ORDER BY happened.id))[1] <> 'created' AS was_there,
        (array_agg(happened.old_status ORDER BY happened.id))[1] AS status
    FROM happened
    GROUP BY happened.entity, happened.entity_id
),

present AS (
    SELECT
        'program_enrollment' AS entity,
        enrollment.id AS entity_id,
        enrollment.status
    FROM catalog.program_enrollment AS enrollment
    UNION ALL
    SELECT
        'program_course_enrollment' AS entity,
        course_row.id AS entity_id,
        course_row.status
    FROM catalog.program_course_enrollment AS course_row
),

change AS (
    SELECT
        before.entity,
        before.entity_id,
        0 AS id,
        false AS deleted,
        '-infinity'::timestamptz AS at,
        before.status
    FROM before
    WHERE before.was_there
    UNION ALL
    SELECT
        happened.entity,
        happened.entity_id,
        happened.id,
        happened.action = 'deleted' AS deleted,
        happened.at,
        happened.status
    FROM happened
),

version AS (
    SELECT
        change.entity,
        change.entity_id,
        change.deleted,
        change.status,
        change.at AS valid_from,
        lead(change.at) OVER (PARTITION BY change.entity, change.entity_id ORDER BY change.id) AS valid_to
    FROM change
),

state AS (
    SELECT
        wanted.day,
        version.entity,
        version.entity_id,
        version.status
    FROM wanted
    INNER JOIN version
        ON
            version.valid_from < wanted.until
            AND (version.valid_to IS NULL OR version.valid_to >= wanted.until)
            AND NOT version.deleted
    UNION ALL
    SELECT
        wanted.day,
        present.entity,
        present.entity_id,
        present.status
    FROM present
    LEFT JOIN before ON before.entity = present.entity AND before.entity_id = present.entity_id
    CROSS JOIN wanted
    WHERE before.entity_id IS NULL
),

-- What belongs to what: as the rows say, or the events that tell of those which are gone.
gone AS (
    SELECT
        change.entity,
        change.entity_id,
        any_value((change.old #>> '{}')::bigint) FILTER (WHERE change."column" = 'program_id') AS program_id,
        any_value((change.old #>> '{}')::bigint) FILTER (WHERE change."column" = 'course_run_id') AS course_run_id,
        any_value((change.old #>> '{}')::bigint) FILTER (WHERE change."column" = 'program_enrollment_id')
            AS program_enrollment_id,
        any_value((change.old #>> '{}')::bigint) FILTER (WHERE change."column" = 'course_enrollment_id')
            AS course_enrollment_id
    FROM ops.column_change AS change
    WHERE
        change.id >= marts.first_enrollment_event()
        AND change.action = 'deleted'
        AND change.entity IN ('program_enrollment', 'course_enrollment', 'program_course_enrollment')
        AND change."column" IN ('program_id', 'course_run_id', 'program_enrollment_id', 'course_enrollment_id')
    GROUP BY change.entity, change.entity_id
),

enrollment AS (
    SELECT
        here.id,
        here.program_id
    FROM catalog.program_enrollment AS here
    UNION ALL
    SELECT
        gone.entity_id AS id,
        gone.program_id
    FROM gone
    WHERE gone.entity = 'program_enrollment'
),

seat AS (
    SELECT
        here.id,
        here.course_run_id
    FROM catalog.course_enrollment AS here
    UNION ALL
    SELECT
        gone.entity_id AS id,
        gone.course_run_id
    FROM gone
    WHERE gone.entity = 'course_enrollment'
),

course_row AS (
    SELECT
        here.id,
        here.program_enrollment_id,
        here.course_enrollment_id
    FROM catalog.program_course_enrollment AS here
    UNION ALL
    SELECT
        gone.entity_id AS id,
        gone.program_enrollment_id,
        gone.course_enrollment_id
    FROM gone
    WHERE gone.entity = 'program_course_enrollment'
),

counted AS (
    SELECT
        state.day,
        state.status,
        enrollment.program_id,
        null AS course_run_id
    FROM state
    INNER JOIN enrollment ON enrollment.id = state.entity_id
    WHERE state.entity = 'program_enrollment'
    UNION ALL
    SELECT
        state.day,
        state.status,
        enrollment.program_id,
        seat.course_run_id
    FROM state
    INNER JOIN course_row ON course_row.id = state.entity_id
    INNER JOIN enrollment ON enrollment.id = course_row.program_enrollment_id
    INNER JOIN seat ON seat.id = course_row.course_enrollment_id
    WHERE state.entity = 'program_course_enrollment'
)

SELECT
    counted.day,
    program.uuid AS program_uuid,
    run.run_key,
    counted.status,
    count(*) AS n,
    coalesce(run.run_key, 'program') AS counted
FROM counted
INNER JOIN catalog.program AS program ON program.id = counted.program_id
LEFT JOIN catalog.course_run AS run ON run.id = counted.course_run_id
GROUP BY counted.day, program.uuid, run.run_key, counted.status;
