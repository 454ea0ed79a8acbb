/*
description: |-
  The history of the catalog: one row per changed column of each change. Ask for folded_key, for entity and entity_id,
  or for changed_at, each of which has an index.
owner: catalog-analytics
materialized: view
counted: false
columns:
  changed_at:
    description: When the transaction that made the change began.
  changed_by:
    description: Who made the change, such as load:17, cli:ann, or sql and the database role.
  entity:
    description: The changed table, such as course_run.
  entity_id:
    description: Surrogate key of the changed row.
  key:
    description: Key of the changed row; of a run's association or variant, the run's key.
  folded_key:
    description: That key in small letters.
  action:
    description: What happened to the row, one of created, updated and deleted; baseline says what it was when the events before were archived.
  column_name:
    description: The changed column.
  old_value:
    description: Its value before, as text; the md5 of long text; null for none and for personal data.
  new_value:
    description: Its value after, as text; the md5 of long text; null for none and for personal data.
  event_id:
    description: The change event; orders the changes of one row.
*/

SELECT
    change.at AS changed_at,
    change.actor AS changed_by,
    change.entity,
    change.entity_id,
    change.key,
    lower(change.key COLLATE pg_c_utf8) AS folded_key,
    change.action,
    change."column" AS column_name,
    change.old #>> '{}' AS old_value,
    change.new #>> '{}' AS new_value,
    change.id AS event_id
FROM ops.column_change AS change;
