/*
description: |-
  How the dates on which assignments expire have moved, and what moved each: one row per change of the date or the
  reason of an assignment, after it was first decided.
owner: catalog-analytics
materialized: view
counted: false
columns:
  assignment_uuid:
    description: The assignment's uuid.
  content_key:
    description: The assigned course or run.
  run_key:
    description: The run whose enrollment deadline counted then; null where none did.
  state:
    description: The state of the assignment then.
  old_expires_at:
    description: The date before.
  old_reason:
    description: The reason before.
  new_expires_at:
    description: The date since.
  new_reason:
    description: The reason since.
  days_moved:
    description: By how many days the date moved, to one decimal; later is positive, 0 where only the reason changed.
  cause:
    description: What changed, one of content, subsidy, allocation, rules and clock.
  after_expiry:
    description: Whether the assignment had expired already; then it stays expired, whatever the date.
  moved_at:
    description: When it was noticed.
*/

SELECT
    assignment.uuid AS assignment_uuid,
    assignment.content_key,
    change.run_key,
    change.state,
    change.old_expires_at,
    change.old_reason,
    change.new_expires_at,
    change.new_reason,
    round(extract(epoch FROM change.new_expires_at - change.old_expires_at) / (24 * 60 * 60), 1) AS days_moved,
    change.cause,
    change.after_expiry,
    change.moved_at
FROM ops.expiration_change AS change
INNER JOIN catalog.content_assignment AS assignment ON assignment.id = change.content_assignment_id
WHERE change.old_reason IS NOT NULL;
