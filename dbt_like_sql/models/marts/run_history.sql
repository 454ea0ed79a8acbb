/*
description: |-
  Every version of a run, with the time it was valid: its title, status, dates, price, restriction and course. What was
  known on a day is the version with valid_from <= day and (valid_to > day or valid_to is null). Where older history was
  archived, it begins with the version that held then.
owner: catalog-analytics
materialized: view
counted: false
columns:
  course_run_id:
    description: The run's surrogate key; it stays the same when the run's key changes.
  run_key:
    description: The run's key at that time.
  valid_from:
    description: Since when the version was valid.
  valid_to:
    description: Until when the version was valid; null while it is.
  title:
    description: The run's title.
  status:
    description: The run's place in its workflow.
  course_key:
    description: Key of the course that the run belonged to, as it is now; null where it had none, or it was deleted since.
  start:
    description: When the run begins.
  end:
    description: When the run ends.
  enrollment_start:
    description: When enrollment opens.
  enrollment_end:
    description: When enrollment closes.
  upgrade_deadline:
    description: The latest day to upgrade.
  go_live:
    description: When a reviewed run is to be published.
  price:
    description: The highest price of a seat.
  currency:
    description: ISO 4217 code of the price.
  restriction_type:
    description: Who may see the run, where that is restricted.
  pacing:
    description: instructor_paced or self_paced.
  changed_by:
    description: Who made the version, such as load:17 or cli:ann.
*/

WITH called AS (
    -- Every run with each key that it has or had, so that who asks for a run reads the events of that run.
    SELECT
        run.id AS course_run_id,
        run.run_key
    FROM catalog.course_run AS run
    UNION
    SELECT
        former.course_run_id,
        former.run_key
    FROM ops.former_run_key AS former
)

SELECT
    called.course_run_id,
    called.run_key,
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
FROM called
CROSS JOIN LATERAL (
    SELECT
        event.actor,
        event.is_deleted,
        event.said,
        event.valid_from,
        event.is_archived,
        lead(event.valid_from) OVER (ORDER BY event.id) AS valid_to
    FROM (
        SELECT DISTINCT ON (state.id)
            state.id,
            state.actor,
            state.is_deleted,
            state.valid_from,
            state.said,
            state.is_archived
        FROM (
            -- All that was set up to each event; of what was set twice, jsonb keeps the later value.
            SELECT
                change.id,
                change.actor,
                bool_or(change.is_deleted) OVER so_far AS is_deleted,
                -- An event counts from when its transaction began, but not before the events that it waited for. One
                -- that a wrong clock stamped ahead counts from the event before it.
                coalesce(max(change.at) FILTER (WHERE change.at <= now()) OVER so_far, now()) AS valid_from,
                jsonb_object_agg(change.name, change.value) OVER so_far AS said,
                -- what came before the last baseline, of the run or its association, is known in part only
                coalesce(change.id < max(change.id) FILTER (WHERE change.is_baseline) OVER (), false) AS is_archived
            FROM (
                SELECT
                    change.id,
                    change.at,
                    change.actor,
                    change.action = 'deleted' AS is_deleted,
                    change.action = 'baseline' AS is_baseline,
                    change."column" AS name,
                    change.new AS value
                FROM ops.column_change AS change
                WHERE change.entity = 'course_run' AND change.entity_id = called.course_run_id
                UNION ALL
                SELECT
                    change.id,
                    change.at,
                    change.actor,
                    false AS is_deleted,
                    change.action = 'baseline' AS is_baseline,
                    change."column" AS name,
                    change.new AS value
                FROM ops.column_change AS change
                WHERE
                    change.entity = 'run_association'
                    AND change."column" = 'catalog_course_id'
                    -- the associations of the run: one that stands, and those that were deleted
                    AND change.entity_id IN (
                        SELECT association.id
                        FROM catalog.run_association AS association
                        WHERE association.course_run_id = called.course_run_id
                        UNION ALL
                        SELECT former.run_association_id
                        FROM ops.former_association AS former
                        WHERE former.course_run_id = called.course_run_id::text
                    )
            ) AS change
            WINDOW so_far AS (ORDER BY change.id)
        ) AS state
        ORDER BY state.id
    ) AS event
) AS version
LEFT JOIN catalog.catalog_course AS course ON course.id = (version.said ->> 'catalog_course_id')::bigint
WHERE
    version.said ->> 'run_key' = called.run_key
    -- A deleted run has no version; one that was overtaken in its own transaction was never seen.
    AND NOT version.is_deleted
    AND NOT version.is_archived
    AND (version.valid_to IS NULL OR version.valid_to > version.valid_from);
