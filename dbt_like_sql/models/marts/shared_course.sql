/*
description: |-
  The runs that several programs share, a row for each run and program: who has the learners' seats, and how many
  learners could not become active here, because another program holds theirs.
owner: catalog-analytics
materialized: view
key: [run_key, program_uuid]
columns:
  run_key:
    description: Key of the run.
    tests: [not_null, relationships: catalog.course_run.run_key]
  course_key:
    description: Key of the run's course.
    tests: [not_null]
  program_uuid:
    description: Uuid of a program that has the run, by itself, by a curriculum or by a program in one.
    tests: [not_null, relationships: catalog.program.uuid]
  program_title:
    description: Title of the program.
    tests: [not_null]
  programs:
    description: How many programs have the run.
    tests: [not_null]
  active:
    description: Rows of the program's enrollments in the run that are active.
    tests: [not_null]
  inactive:
    description: Those that are inactive.
    tests: [not_null]
  would_conflict:
    description: Learners who are enrolled or pending in the program, and whose seat in the run another program holds.
    tests: [not_null]
*/

WITH shared AS (
    SELECT
        program_run.program_id,
        program_run.course_run_id,
        program_run.run_key,
        program_run.catalog_course_id,
        count(*) OVER (PARTITION BY program_run.course_run_id) AS programs
    FROM catalog.program_run AS program_run
),

course_row AS (
    SELECT
        enrollment.program_id,
        seat.course_run_id,
        seat.learner_id,
        course_row.status
    FROM catalog.program_course_enrollment AS course_row
    INNER JOIN catalog.program_enrollment AS enrollment ON enrollment.id = course_row.program_enrollment_id
    INNER JOIN catalog.course_enrollment AS seat ON seat.id = course_row.course_enrollment_id
),

counted AS (
    SELECT
        course_row.program_id,
        course_row.course_run_id,
        count(*) FILTER (WHERE course_row.status = 'active') AS active,
        count(*) FILTER (WHERE course_row.status = 'inactive') AS inactive
    FROM course_row
    GROUP BY course_row.program_id, course_row.course_run_id
),

would_conflict AS (
    SELECT
        shared.program_id,
        shared.course_run_id,
        count(DISTINCT holder.learner_id) AS learners
    FROM course_row AS holder
    INNER JOIN shared
        ON shared.course_run_id = holder.course_run_id AND shared.program_id <> holder.program_id
    INNER JOIN catalog.program_enrollment AS enrollment
        ON enrollment.learner_id = holder.learner_id AND enrollment.program_id = shared.program_id
    WHERE holder.status = 'active' AND enrollment.status IN ('enrolled', 'pending')
    GROUP BY shared.program_id, shared.course_run_id
)

SELECT
    shared.run_key,
    course.key AS course_key,
    program.uuid AS program_uuid,
    program.title AS program_title,
    shared.programs,
    coalesce(counted.active, 0) AS active,
    coalesce(counted.inactive, 0) AS inactive,
    coalesce(would_conflict.learners, 0) AS would_conflict
FROM shared
INNER JOIN catalog.program AS program ON program.id = shared.program_id
INNER JOIN catalog.catalog_course AS course ON course.id = shared.catalog_course_id
LEFT JOIN counted ON counted.program_id = shared.program_id AND counted.course_run_id = shared.course_run_id
LEFT JOIN would_conflict
    ON would_conflict.program_id = shared.program_id AND would_conflict.course_run_id = shared.course_run_id
WHERE shared.programs > 1;
