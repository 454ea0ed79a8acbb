/*
description: |-
  What changed in the content of enterprise catalogs since it was first read: one row per changed column of a course,
  program, pathway or run of a catalog. live_assignments tells how many learners it may concern. Ask for changed_at,
  which has an index.
owner: catalog-analytics
materialized: view
counted: false
columns:
  catalog_uuid:
    description: Uuid of the enterprise catalog.
  content_key:
    description: The course's key, or the uuid of a program or pathway; of a run, the key of its course.
  run_key:
    description: The run's key; null where the content itself changed.
  column_name:
    description: The changed column.
  old_value:
    description: Its value before, as text; null for none.
  new_value:
    description: Its value after, as text; null for none.
  changed_at:
    description: When the transaction that made the change began.
  live_assignments:
    description: |-
      How many assignments are allocated, accepted or errored now and are of this course; of a run, those that prefer
      the run.
*/

WITH live AS (
    SELECT
        assignment.content_metadata_id,
        assignment.content_run_id
    FROM catalog.content_assignment AS assignment
    WHERE assignment.state IN ('allocated', 'accepted', 'errored') AND assignment.missing_since IS NULL
),

of_course AS (
    SELECT
        live.content_metadata_id,
        count(*) AS assignments
    FROM live
    GROUP BY live.content_metadata_id
),

of_run AS (
    SELECT
        live.content_run_id,
        count(*) AS assignments
    FROM live
    GROUP BY live.content_run_id
)

SELECT
    catalog.uuid AS catalog_uuid,
    coalesce(course.content_key, run.parent_content_key) AS content_key,
    run.run_key,
    change."column" AS column_name,
    change.old #>> '{}' AS old_value,
    change.new #>> '{}' AS new_value,
    change.at AS changed_at,
    CASE change.entity
        WHEN 'content_run' THEN coalesce(of_run.assignments, 0)
        ELSE coalesce(of_course.assignments, 0)
    END AS live_assignments
FROM ops.column_change AS change
LEFT JOIN catalog.content_run AS run ON change.entity = 'content_run' AND run.id = change.entity_id
LEFT JOIN catalog.content_metadata AS course
    ON course.id = CASE change.entity WHEN 'content_run' THEN run.content_metadata_id ELSE change.entity_id END
INNER JOIN catalog.enterprise_catalog AS catalog
    ON catalog.id = coalesce(run.enterprise_catalog_id, course.enterprise_catalog_id)
LEFT JOIN of_course ON of_course.content_metadata_id = course.id
LEFT JOIN of_run ON of_run.content_run_id = run.id
WHERE
    change.entity IN ('content_metadata', 'content_run')
    AND change.action = 'updated'
    -- The hash says only that something changed.
    AND change."column" <> 'content_hash';
