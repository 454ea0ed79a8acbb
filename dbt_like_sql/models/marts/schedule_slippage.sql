/*
description: |-
  How far the start and the end of each run have moved since they were first known, and how often: one row per run of
  which at least one moved. Where older history was archived, it counts from then on.
owner: catalog-analytics
materialized: view
counted: false
columns:
  run_key:
    description: The run's key.
  course_key:
    description: Key of the catalog course that the run belongs to; null while that is not decided.
  first_start:
    description: The first start that was known.
  start:
    description: The start that is known now.
  start_moves:
    description: How often the start changed after it was first known.
  start_days:
    description: By how many days the start moved in all, to one decimal; later is positive; null where it is unknown now.
  first_end:
    description: The first end that was known.
  end:
    description: The end that is known now.
  end_moves:
    description: How often the end changed after it was first known.
  end_days:
    description: By how many days the end moved in all, to one decimal; later is positive; null where it is unknown now.
  last_moved_at:
    description: When one of the two changed last.
*/

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
FROM catalog.course_run AS run
-- run by run, so that who asks for one run reads the events of that run
CROSS JOIN LATERAL (
    SELECT
        (array_agg(moved.value ORDER BY moved.id) FILTER (WHERE moved.is_start AND moved.value IS NOT NULL))[1]
            AS first_start,
        count(*) FILTER (WHERE moved.is_start AND moved.was_known) AS start_moves,
        (array_agg(moved.value ORDER BY moved.id) FILTER (WHERE NOT moved.is_start AND moved.value IS NOT NULL))[1]
            AS first_end,
        count(*) FILTER (WHERE NOT moved.is_start AND moved.was_known) AS end_moves,
        max(moved.at) FILTER (WHERE moved.was_known) AS last_moved_at
    FROM (
        SELECT
            change."column" = 'start' AS is_start,
            change.id,
            change.at,
            (change.new #>> '{}')::timestamptz AS value,
            change.old #>> '{}' IS NOT NULL AS was_known
        FROM ops.column_change AS change
        WHERE
            change.entity = 'course_run'
            AND change.entity_id = run.id
            AND change."column" IN ('start', 'end')
            AND change.action <> 'deleted'
    ) AS moved
) AS summed
LEFT JOIN catalog.run_association AS association ON association.course_run_id = run.id
LEFT JOIN catalog.catalog_course AS course ON course.id = association.catalog_course_id
WHERE summed.start_moves + summed.end_moves > 0;
