WITH wanted AS (
    SELECT
        days.day,
        (days.day + 1)::timestamp AT TIME ZONE 'UTC' AS until
    FROM marts.days() AS days (day)
),

-- What each event set, a column each: JSON's null where it set none, null where it left the value alone.
-- An event counts from when its transaction began, but not before the events that it waited for. One that a wrong clock
-- stamped ahead counts from the event before it.
happened AS (
    SELECT
        change.entity,
        change.entity_id,
        change.id,
        change.action = 'deleted' AS deleted,
        coalesce(max(change.at) FILTER (WHERE change.at <= now()) OVER (ORDER BY change.id), now()) AS at,
        any_value(change.new) FILTER (WHERE change."column" = 'status') AS status,
        any_value(change.new) FILTER (WHERE change."column" = 'organization_id') AS organization_id,
        any_value(change.new) FILTER (WHERE change."column" = 'course_run_id') AS course_run_id,
        any_value(change.new) FILTER (WHERE change."column" = 'catalog_course_id') AS catalog_course_id
    FROM ops.column_change AS change
    WHERE
        change.entity IN ('course_run', 'catalog_course', 'run_association')
        AND change."column" IN ('status', 'organization_id', 'course_run_id', 'catalog_course_id')
    GROUP BY change.entity, change.entity_id, change.id, change.action, change.at
),

-- Each event numbers the values that it sets: a value holds until the next event that sets it anew.
event AS (
    SELECT
        happened.*,
        lead(at) OVER life AS valid_to,
        count(status) OVER life AS status_number,
        count(organization_id) OVER life AS organization_number,
        count(course_run_id) OVER life AS run_number,
        count(catalog_course_id) OVER life AS course_number
    FROM happened
    WINDOW life AS (PARTITION BY entity, entity_id ORDER BY id)
),

version AS (
    SELECT
        entity,
        entity_id,
        at AS valid_from,
        valid_to,
        deleted,
        first_value(status #>> '{}')
            OVER (PARTITION BY entity, entity_id, status_number ORDER BY id) AS status,
        first_value((organization_id #>> '{}')::bigint)
            OVER (PARTITION BY entity, entity_id, organization_number ORDER BY id) AS organization_id,
        first_value((course_run_id #>> '{}')::bigint)
            OVER (PARTITION BY entity, entity_id, run_number ORDER BY id) AS course_run_id,
        first_value((catalog_course_id #>> '{}')::bigint)
            OVER (PARTITION BY entity, entity_id, course_number ORDER BY id) AS catalog_course_id
    FROM event
),

state AS (
    SELECT
        wanted.day,
        version.entity,
        version.entity_id,
        version.status,
        version.organization_id,
        version.course_run_id,
        version.catalog_course_id
    FROM wanted
    INNER JOIN version
        ON
            version.valid_from < wanted.until
            AND (version.valid_to IS NULL OR version.valid_to >= wanted.until)
            AND NOT version.deleted
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
GROUP BY counted.day, coalesce(organization.key, '(none)'), counted.status
