WITH association AS (
    -- which run an association is of: it is set when the association is made, and never changes
    SELECT
        change.entity_id AS run_association_id,
        (change.new #>> '{}')::bigint AS course_run_id
    FROM ops.column_change AS change
    WHERE change.entity = 'run_association' AND change."column" = 'course_run_id' AND change.action = 'created'
),

change AS (
    SELECT
        change.entity_id AS course_run_id,
        change.id,
        change.at,
        change.actor,
        change.key AS run_key,
        change.action = 'deleted' AS is_deleted,
        change."column" AS name,
        change.new AS value
    FROM ops.column_change AS change
    WHERE change.entity = 'course_run'
    UNION ALL
    SELECT
        association.course_run_id,
        change.id,
        change.at,
        change.actor,
        change.key AS run_key,
        false AS is_deleted,
        change."column" AS name,
        change.new AS value
    FROM ops.column_change AS change
    INNER JOIN association ON association.run_association_id = change.entity_id
    WHERE change.entity = 'run_association' AND change."column" = 'catalog_course_id'
),

state AS (
    -- All that was set up to each event; of what was set twice, jsonb keeps the later value.
    SELECT
        change.course_run_id,
        change.id,
        change.actor,
        change.run_key,
        bool_or(change.is_deleted) OVER so_far AS is_deleted,
        -- An event counts from when its transaction began, but not before the events that it waited for. One that a
        -- wrong clock stamped ahead counts from the event before it.
        coalesce(max(change.at) FILTER (WHERE change.at <= now()) OVER so_far, now()) AS valid_from,
        jsonb_object_agg(change.name, change.value) OVER so_far AS said
    FROM change
    WINDOW so_far AS (PARTITION BY change.course_run_id ORDER BY change.id)
),

event AS (
    SELECT DISTINCT ON (state.course_run_id, state.id)
        state.course_run_id,
        state.id,
        state.actor,
        state.run_key,
        state.is_deleted,
        state.valid_from,
        state.said
    FROM state
    ORDER BY state.course_run_id, state.id
),

version AS (
    SELECT
        event.course_run_id,
        event.run_key,
        event.actor,
        event.is_deleted,
        event.said,
        event.valid_from,
        lead(event.valid_from) OVER (PARTITION BY event.course_run_id ORDER BY event.id) AS valid_to
    FROM event
)

SELECT
    version.course_run_id,
    version.run_key,
    version.valid_from,
    version.valid_to,
    version.said ->> 'title' AS title,
    version.said ->> 'status' AS status,
    course.key AS course_key,
    (version.said ->> 'start')::timestamptz AS start,
    (version.said ->> 'end')::timestamptz AS "end",
    (version.said ->> 'enrollment_start')::timestamptz AS enrollment_start,
    (version.said ->> 'enrollment_end')::timestamptz AS enrollment_end,
    (version.said ->> 'upgrade_deadline')::timestamptz AS upgrade_deadline,
    (version.said ->> 'go_live')::timestamptz AS go_live,
    (version.said ->> 'price')::numeric AS price,
    version.said ->> 'currency' AS currency,
    version.said ->> 'restriction_type' AS restriction_type,
    version.said ->> 'pacing' AS pacing,
    version.actor AS changed_by
FROM version
LEFT JOIN catalog.catalog_course AS course ON course.id = (version.said ->> 'catalog_course_id')::bigint
-- A deleted run has no version; one that was overtaken in its own transaction was never seen.
WHERE NOT version.is_deleted AND (version.valid_to IS NULL OR version.valid_to > version.valid_from)
