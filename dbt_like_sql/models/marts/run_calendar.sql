/*
description: |-
  One row per course run, with its dates, how long it takes, and where it stands in time right now.
owner: catalog-analytics
materialized: view
key: run_key
columns:
  run_key:
    description: The run's key.
    tests: [not_null, relationships: catalog.course_run.run_key]
  course_key:
    description: Key of the catalog course that the run belongs to; null while that is not decided.
    tests: [relationships: catalog.catalog_course.key]
  organization_key:
    description: Key of the organization that owns the course; null where course_key is.
    tests: [relationships: catalog.organization.key]
  title:
    description: The run's title.
    tests: [not_null]
  status:
    description: The run's place in its workflow.
    tests:
      - not_null
      - accepted_values: [unpublished, review_by_legal, review_by_internal, reviewed, published, archived]
  start:
    description: When the run begins.
  end:
    description: When the run ends.
  enrollment_start:
    description: When enrollment opens.
  enrollment_end:
    description: When enrollment closes.
  weeks:
    description: Length in weeks, from start to end, to one decimal; null where either date is missing.
  availability:
    description: By the clock alone, as marts.run_availability says.
    tests:
      - not_null
      - accepted_values: [Archived, Current, Starting Soon, Upcoming]
  association_source:
    description: Who said which course the run belongs to (manual, discovery, feed or key); null where course_key is.
    tests:
      - accepted_values: [manual, discovery, feed, key]
*/

SELECT
    run.run_key,
    course.key AS course_key,
    organization.key AS organization_key,
    run.title,
    run.status,
    run.start,
    run."end",
    run.enrollment_start,
    run.enrollment_end,
    round(extract(epoch FROM run."end" - run.start) / (7 * 24 * 60 * 60), 1) AS weeks,
    availability.availability,
    association.source AS association_source
FROM catalog.course_run AS run
INNER JOIN marts.run_availability AS availability ON availability.run_key = run.run_key
-- the association says which course a run belongs to; a run that has none yet is listed all the same
LEFT JOIN catalog.run_association AS association ON association.course_run_id = run.id
LEFT JOIN catalog.catalog_course AS course ON course.id = association.catalog_course_id
LEFT JOIN catalog.organization AS organization ON organization.id = course.organization_id;
