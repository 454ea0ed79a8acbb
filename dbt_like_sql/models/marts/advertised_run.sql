/*
description: |-
  The run of each course to show to learners: one row per course that has one. Among the published runs that can be
  enrolled in, the latest that has begun, can be upgraded, and has 14 days left (tier 1); else the next to begin that
  can be upgraded (tier 2); else the one that starts last (tier 3). Of the present, or of the instant that the session
  sets: SET catalog.as_of = '2026-01-31'.
owner: catalog-analytics
materialized: view
key: course_key
columns:
  course_key:
    description: The course's key, Org+Code.
    tests: [not_null, relationships: catalog.catalog_course.key]
  run_key:
    description: Key of the run to show.
    tests: [not_null, unique, relationships: catalog.course_run.run_key]
  tier:
    description: Why it is shown, 1 to 3, as above.
    tests: [not_null, accepted_values: [1, 2, 3]]
*/

WITH candidate AS (
    SELECT
        association.catalog_course_id,
        run.run_key,
        run.start,
        (run.start IS NULL OR run.start <= marts.as_of()) AS started,
        -- whole days, in UTC: a run that ends on the 14th day from today counts, at whatever hour
        (
            run."end" IS NULL
            OR (run."end" AT TIME ZONE 'UTC')::date >= (marts.as_of() AT TIME ZONE 'UTC')::date + 14
        ) AS has_two_weeks_left,
        -- least() skips nulls: the first deadline that is set; with none set, nothing says that one can upgrade
        coalesce(
            run.price > 0 AND marts.as_of() < least(run."end", run.enrollment_end, run.upgrade_deadline), false
        ) AS upgradeable
    FROM catalog.course_run AS run
    INNER JOIN catalog.run_association AS association ON association.course_run_id = run.id
    WHERE
        run.status = 'published'
        AND run.run_key LIKE 'course-v1:%' -- keys of the old form, and custom courses (ccx), are never advertised
        AND run.has_seats IS NOT false -- null: upstream does not say
),

ranked AS (
    SELECT
        candidate.catalog_course_id,
        candidate.run_key,
        candidate.start,
        CASE
            WHEN candidate.started AND candidate.has_two_weeks_left AND candidate.upgradeable THEN 1
            WHEN NOT candidate.started AND candidate.upgradeable THEN 2
            ELSE 3
        END AS tier
    FROM candidate
)

SELECT DISTINCT ON (ranked.catalog_course_id)
    course.key AS course_key,
    ranked.run_key,
    ranked.tier
FROM ranked
INNER JOIN catalog.catalog_course AS course ON course.id = ranked.catalog_course_id
ORDER BY
    ranked.catalog_course_id,
    ranked.tier,
    CASE WHEN ranked.tier = 2 THEN ranked.start END, -- the next to begin; the other tiers take the latest
    ranked.start DESC NULLS LAST,
    ranked.run_key;
