/*
description: |-
  How many courses and runs each organization had in each status at the end of each day (UTC); of today, by now.
  Any past day can be built, and built again, at any time: from what is there now, and what has changed since.
owner: catalog-analytics
materialized: table
partition: day
key: [day, organization_key, status]
columns:
  day:
    description: The day, in UTC.
    tests: [not_null]
  organization_key:
    description: Key of the organization that owned the courses, as it is called now; (none) for runs without a course.
    tests: [not_null]
  status:
    description: A course's or run's status at the end of the day.
    tests:
      - not_null
      - accepted_values: [draft, published, archived, unpublished, review_by_legal, review_by_internal, reviewed]
  courses:
    description: Catalog courses of that status.
    tests: [not_null]
  runs:
    description: Course runs of that status, by the organization of the course they belonged to.
    tests: [not_null]
*/

WITH wanted AS (
    SELECT
        days.day,
        (days.day + 1)::timestamp AT TIME ZONE 'UTC' AS until
    FROM marts.days() AS days (day)
),

-- What each event since the end of the first day set, a column each, and what was there before it; null where it left
-- the value alone. None of these columns is ever null in a row.
-- An event counts from when its transaction began, but not before the events that it waited for. One that a wrong clock
-- stamped ahead counts from the event before it.
happened AS (
    SELECT
        change.entity,
        change.entity_id,
        change.id,
        change.action,
        coalesce(max(change.at) FILTER (WHERE change.at <= now()) OVER (ORDER BY change.id), now()) AS at,
        any_value(change.new #>> '{}') FILTER (WHERE change."column" = 'status') AS status,
        any_value(change.new #>> '{}') FILTER (WHERE change."column" = 'organization_id') AS organization_id,
        any_value(change.new #>> '{}') FILTER (WHERE change."column" = 'course_run_id') AS course_run_id,
        any_value(change.new #>> '{}') FILTER (WHERE change."column" = 'catalog_course_id') AS catalog_course_id,
        any_value(change.old #>> '{}') FILTER (WHERE change."column" = 'status') AS old_status,
        any_value(change.old #>> '{}') FILTER (WHERE change."column" = 'organization_id') AS old_organization_id,
        any_value(change.old #>> '{}') FILTER (WHERE change."column" = 'course_run_id') AS old_course_run_id,
        any_value(change.old #>> '{}') FILTER (WHERE change."column" = 'catalog_course_id') AS old_catalog_course_id
    FROM ops.column_change AS change
    WHERE
        change.id >= marts.first_event()
        AND change.entity IN ('course_run', 'catalog_course', 'run_association')
        AND change."column" IN ('status', 'organization_id', 'course_run_id', 'catalog_course_id')
    GROUP BY change.entity, change.entity_id, change.id, change.action, change.at
),

-- Of each row that has changed since: whether it was there at the end of the first day, and as what.
before AS (
    SELECT
        happened.entity,
        happened.entity_id,
        (array_agg(happened.action ORDER BY happened.id))[1] <> 'created' AS was_there,
        (array_agg(happened.old_status ORDER BY happened.id) FILTER (WHERE happened.old_status IS NOT NULL))[1]
            AS status,
        (
            array_agg(happened.old_organization_id ORDER BY happened.id)
            FILTER (WHERE happened.old_organization_id IS NOT NULL)
        )[1] AS organization_id,
        (
            array_agg(happened.old_course_run_id ORDER BY happened.id)
            FILTER (WHERE happened.old_course_run_id IS NOT NULL)
        )[1] AS course_run_id,
        (
            array_agg(happened.old_catalog_course_id ORDER BY happened.id)
            FILTER (WHERE happened.old_catalog_course_id IS NOT NULL)
        )[1] AS catalog_course_id
    FROM happened
    GROUP BY happened.entity, happened.entity_id
),

present AS (
    SELECT
        'catalog_course' AS entity,
        course.id AS entity_id,
        course.status,
        course.organization_id::text AS organization_id,
        null AS course_run_id,
        null AS catalog_course_id
    FROM catalog.catalog_course AS course
    UNION ALL
    SELECT
        'course_run' AS entity,
        run.id AS entity_id,
        run.status,
        null AS organization_id,
        null AS course_run_id,
        null AS catalog_course_id
    FROM catalog.course_run AS run
    UNION ALL
    SELECT
        'run_association' AS entity,
        association.id AS entity_id,
        null AS status,
        null AS organization_id,
        association.course_run_id::text AS course_run_id,
        association.catalog_course_id::text AS catalog_course_id
    FROM catalog.run_association AS association
),

-- The rows that have changed since, as they were at the end of the first day, and what happened to them then.
change AS (
    SELECT
        before.entity,
        before.entity_id,
        0 AS id,
        false AS deleted,
        '-infinity'::timestamptz AS at,
        coalesce(before.status, present.status) AS status,
        coalesce(before.organization_id, present.organization_id) AS organization_id,
        coalesce(before.course_run_id, present.course_run_id) AS course_run_id,
        coalesce(before.catalog_course_id, present.catalog_course_id) AS catalog_course_id
    FROM before
    LEFT JOIN present ON present.entity = before.entity AND present.entity_id = before.entity_id
    WHERE before.was_there
    UNION ALL
    SELECT
        happened.entity,
        happened.entity_id,
        happened.id,
        happened.action = 'deleted' AS deleted,
        happened.at,
        happened.status,
        happened.organization_id,
        happened.course_run_id,
        happened.catalog_course_id
    FROM happened
),

-- Each change numbers the values that it sets: a value holds until the next change that sets it anew.
numbered AS (
    SELECT
        change.*,
        lead(change.at) OVER life AS valid_to,
        count(change.status) OVER life AS status_number,
        count(change.organization_id) OVER life AS organization_number,
        count(change.course_run_id) OVER life AS run_number,
        count(change.catalog_course_id) OVER life AS course_number
    FROM change
    WINDOW life AS (PARTITION BY change.entity, change.entity_id ORDER BY change.id)
),

version AS (
    SELECT
        numbered.entity,
        numbered.entity_id,
        numbered.at AS valid_from,
        numbered.valid_to,
        numbered.deleted,
        first_value(numbered.status)
            OVER (PARTITION BY numbered.entity, numbered.entity_id, numbered.status_number ORDER BY numbered.id)
            AS status,
        first_value(numbered.organization_id)
            OVER (PARTITION BY numbered.entity, numbered.entity_id, numbered.organization_number ORDER BY numbered.id)
            AS organization_id,
        first_value(numbered.course_run_id)
            OVER (PARTITION BY numbered.entity, numbered.entity_id, numbered.run_number ORDER BY numbered.id)
            AS course_run_id,
        first_value(numbered.catalog_course_id)
            OVER (PARTITION BY numbered.entity, numbered.entity_id, numbered.course_number ORDER BY numbered.id)
            AS catalog_course_id
    FROM numbered
),

state AS (
    SELECT
        wanted.day,
        version.entity,
        version.entity_id,
        version.status,
        version.organization_id::bigint AS organization_id,
        version.course_run_id::bigint AS course_run_id,
        version.catalog_course_id::bigint AS catalog_course_id
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
        present.status,
        present.organization_id::bigint AS organization_id,
        present.course_run_id::bigint AS course_run_id,
        present.catalog_course_id::bigint AS catalog_course_id
    FROM present
    LEFT JOIN before ON before.entity = present.entity AND before.entity_id = present.entity_id
    CROSS JOIN wanted
    WHERE before.entity_id IS NULL
),

counted AS (
    SELECT
        course.day,
        course.organization_id,
        course.status,
        1 AS courses,
        0 AS runs
    FROM state AS course
    WHERE course.entity = 'catalog_course'
    UNION ALL
    SELECT
        run.day,
        course.organization_id,
        run.status,
        0 AS courses,
        1 AS runs
    FROM state AS run
    LEFT JOIN state AS association
        ON
            association.entity = 'run_association'
            AND association.day = run.day
            AND association.course_run_id = run.entity_id
    LEFT JOIN state AS course
        ON
            course.entity = 'catalog_course'
            AND course.day = run.day
            AND course.entity_id = association.catalog_course_id
    WHERE run.entity = 'course_run'
)

SELECT
    counted.day,
    coalesce(organization.key, '(none)') AS organization_key,
    counted.status,
    sum(counted.courses) AS courses,
    sum(counted.runs) AS runs
FROM counted
LEFT JOIN catalog.organization AS organization ON organization.id = counted.organization_id
GROUP BY counted.day, coalesce(organization.key, '(none)'), counted.status;
