WITH moved AS (
    SELECT
        change.entity_id AS course_run_id,
        change."column" = 'start' AS is_start,
        change.id,
        change.at,
        (change.new #>> '{}')::timestamptz AS value,
        change.old #>> '{}' IS NOT NULL AS was_known
    FROM ops.column_change AS change
    WHERE
        change.entity = 'course_run'
        AND change."column" IN ('start', 'end')
        AND change.action <> 'deleted'
),

summed AS (
    SELECT
        moved.course_run_id,
        (array_agg(moved.value ORDER BY moved.id) FILTER (WHERE moved.is_start AND moved.value IS NOT NULL))[1]
            AS first_start,
        count(*) FILTER (WHERE moved.is_start AND moved.was_known) AS start_moves,
        (array_agg(moved.value ORDER BY moved.id) FILTER (WHERE NOT moved.is_start AND moved.value IS NOT NULL))[1]
            AS first_end,
        count(*) FILTER (WHERE NOT moved.is_start AND moved.was_known) AS end_moves,
        max(moved.at) FILTER (WHERE moved.was_known) AS last_moved_at
    FROM moved
    GROUP BY moved.course_run_id
)

SELECT
    run.run_key,
    course.key AS course_key,
    summed.first_start,
    run.start,
    summed.start_moves,
    round(extract(epoch FROM run.start - summed.first_start) / (24 * 60 * 60), 1) AS start_days,
    summed.first_end,
    run."end",
    summed.end_moves,
    round(extract(epoch FROM run."end" - summed.first_end) / (24 * 60 * 60), 1) AS end_days,
    summed.last_moved_at
FROM summed
INNER JOIN catalog.course_run AS run ON run.id = summed.course_run_id
LEFT JOIN catalog.run_association AS association ON association.course_run_id = run.id
LEFT JOIN catalog.catalog_course AS course ON course.id = association.catalog_course_id
WHERE summed.start_moves + summed.end_moves > 0
