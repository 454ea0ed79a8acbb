/*
description: |-
  One row per catalog course: who owns it, how many runs it has in each status, when the next one starts, and which
  run to show to learners. Courses without runs are listed too, with zeros.
owner: catalog-analytics
materialized: view
key: course_key
columns:
  organization_key:
    description: Key of the organization that owns the course.
    tests: [not_null, relationships: catalog.organization.key]
  organization_name:
    description: Name of that organization.
    tests: [not_null]
  course_key:
    description: The course's key, Org+Code.
    tests: [not_null, relationships: catalog.catalog_course.key]
  title:
    description: The course's title.
    tests: [not_null]
  topic:
    description: The course's first subject.
  course_type:
    description: Slug of the course type, such as verified-audit.
  status:
    description: archived where it is withdrawn, else published where some run is, else draft.
    tests:
      - not_null
      - accepted_values: [draft, published, archived]
  runs:
    description: Number of runs; the sum of the five counts that follow.
    tests: [not_null]
  runs_published:
    description: Number of published runs.
    tests: [not_null]
  runs_reviewed:
    description: Number of reviewed runs, which wait for their day of publication.
    tests: [not_null]
  runs_in_review:
    description: Number of runs in legal or internal review.
    tests: [not_null]
  runs_unpublished:
    description: Number of unpublished runs.
    tests: [not_null]
  runs_archived:
    description: Number of archived runs.
    tests: [not_null]
  next_start:
    description: The earliest start in the future of a published or reviewed run.
  advertised_run:
    description: Key of the run to show to learners, as marts.advertised_run says; null where there is none.
    tests: [relationships: catalog.course_run.run_key]
*/

WITH course_run AS (
    SELECT
        association.catalog_course_id,
        run.status,
        run.start
    FROM catalog.run_association AS association
    INNER JOIN catalog.course_run AS run ON run.id = association.course_run_id
),

run_count AS (
    SELECT
        run.catalog_course_id,
        count(*) AS runs,
        count(*) FILTER (WHERE run.status = 'published') AS runs_published,
        count(*) FILTER (WHERE run.status = 'reviewed') AS runs_reviewed,
        count(*) FILTER (WHERE run.status IN ('review_by_legal', 'review_by_internal')) AS runs_in_review,
        count(*) FILTER (WHERE run.status = 'unpublished') AS runs_unpublished,
        count(*) FILTER (WHERE run.status = 'archived') AS runs_archived,
        min(run.start) FILTER (WHERE run.status IN ('published', 'reviewed') AND run.start > marts.as_of()) AS next_start
    FROM course_run AS run
    GROUP BY run.catalog_course_id
)

SELECT
    organization.key AS organization_key,
    organization.name AS organization_name,
    course.key AS course_key,
    course.title,
    course.topic,
    course.course_type,
    course.status,
    coalesce(run_count.runs, 0) AS runs,
    coalesce(run_count.runs_published, 0) AS runs_published,
    coalesce(run_count.runs_reviewed, 0) AS runs_reviewed,
    coalesce(run_count.runs_in_review, 0) AS runs_in_review,
    coalesce(run_count.runs_unpublished, 0) AS runs_unpublished,
    coalesce(run_count.runs_archived, 0) AS runs_archived,
    run_count.next_start,
    advertised.run_key AS advertised_run
FROM catalog.catalog_course AS course
INNER JOIN catalog.organization AS organization ON organization.id = course.organization_id
LEFT JOIN run_count ON run_count.catalog_course_id = course.id
LEFT JOIN marts.advertised_run AS advertised ON advertised.course_key = course.key;
