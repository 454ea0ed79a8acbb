/*
description: |-
  Where each run stands in time, by the clock alone, whatever its status. Of the present, or of the instant that the
  session sets: SET catalog.as_of = '2026-01-31'.
owner: catalog-analytics
materialized: view
key: run_key
columns:
  run_key:
    description: The run's key.
    tests: [not_null, relationships: catalog.course_run.run_key]
  availability:
    description: |-
      Archived: has ended; Current: has begun; Starting Soon: begins in less than 60 days; Upcoming: begins later, or
      has no start.
    tests:
      - not_null
      - accepted_values: [Archived, Current, Starting Soon, Upcoming]
*/

SELECT
    run.run_key,
    CASE
        WHEN run."end" < marts.as_of() THEN 'Archived'
        WHEN run.start <= marts.as_of() THEN 'Current'
        -- a difference of times, not 60 days added, which would shift by an hour with the session's time zone
        WHEN run.start - marts.as_of() < interval '60 days' THEN 'Starting Soon'
        ELSE 'Upcoming'
    END AS availability
FROM catalog.course_run AS run;
