/*
description: |-
  The assignments that learners can still use or are using, with the date on which each expires and why: one row per
  assignment that is allocated, accepted or errored, and that its owner still lists. Only allocated ones do expire. Of
  the present, or of the instant that the session sets: SET catalog.as_of = '2026-01-31'.
owner: catalog-analytics
materialized: view
key: assignment_uuid
columns:
  assignment_uuid:
    description: The assignment's uuid.
    tests: [not_null, relationships: catalog.content_assignment.uuid]
  customer_uuid:
    description: Uuid of the enterprise customer.
    tests: [not_null]
  configuration_uuid:
    description: Uuid of the assignment configuration.
    tests: [not_null]
  catalog_uuid:
    description: Uuid of the enterprise catalog of the configuration's policy; null where there is no policy.
  content_key:
    description: The assigned course or run.
    tests: [not_null]
  run_key:
    description: The run whose enrollment deadline counts; null where none does.
  title:
    description: The course's title; as it was when it was allocated, where the catalog does not hold the course.
  state:
    description: The state of the assignment.
    tests:
      - not_null
      - accepted_values: [allocated, accepted, errored]
  allocated_at:
    description: When it was last allocated.
    tests: [not_null]
  expires_at:
    description: When it expires; null while that is not decided.
  reason:
    description: Why it expires then.
    tests:
      - accepted_values: [SUBSIDY_EXPIRED, ENROLLMENT_DATE_PASSED, NINETY_DAYS_PASSED]
  deadline_from:
    description: Which run's enrollment deadline counts; none where the catalog holds no content.
    tests:
      - accepted_values: [latest_run, preferred_run, fallback, advertised_run, none]
  days_left:
    description: Days until it expires, to one decimal; negative where the date has passed.
*/

SELECT
    assignment.uuid AS assignment_uuid,
    customer.uuid AS customer_uuid,
    configuration.uuid AS configuration_uuid,
    policy.catalog_uuid,
    assignment.content_key,
    expiration.run_key,
    coalesce(content.title, assignment.content_title) AS title,
    assignment.state,
    assignment.allocated_at,
    expiration.expires_at,
    expiration.reason,
    expiration.deadline_from,
    round(extract(epoch FROM expiration.expires_at - marts.as_of()) / (24 * 60 * 60), 1) AS days_left
FROM catalog.content_assignment AS assignment
INNER JOIN catalog.assignment_configuration AS configuration
    ON configuration.id = assignment.assignment_configuration_id
INNER JOIN catalog.enterprise_customer AS customer ON customer.id = configuration.enterprise_customer_id
LEFT JOIN catalog.access_policy AS policy ON policy.assignment_configuration_id = configuration.id
LEFT JOIN catalog.content_metadata AS content ON content.id = assignment.content_metadata_id
LEFT JOIN catalog.assignment_expiration AS expiration ON expiration.content_assignment_id = assignment.id
WHERE assignment.state IN ('allocated', 'accepted', 'errored') AND assignment.missing_since IS NULL;
