/*
description: |-
  Pairs of courses of one organization that may be the same course: their titles are equal but for case and
  punctuation, or their codes are. One row per pair; archived courses are left out.
owner: catalog-analytics
materialized: view
key: [course_key, other_course_key]
columns:
  organization_key:
    description: Key of the organization that owns both.
    tests: [not_null, relationships: catalog.organization.key]
  course_key:
    description: Key of the course that came first into the catalog.
    tests: [not_null, relationships: catalog.catalog_course.key]
  other_course_key:
    description: Key of the other course.
    tests: [not_null, relationships: catalog.catalog_course.key]
  title:
    description: Title of the first course.
    tests: [not_null]
  other_title:
    description: Title of the other course.
    tests: [not_null]
  same:
    description: What is equal, ignoring case and punctuation.
    tests: [not_null, accepted_values: [title, code, title and code]]
*/

WITH course AS (
    SELECT
        course.id,
        course.organization_id,
        course.key,
        course.title,
        regexp_replace(lower(course.title COLLATE pg_c_utf8), '[^[:alnum:]]', '', 'g') AS plain_title,
        regexp_replace(lower(course.course_code COLLATE pg_c_utf8), '[^[:alnum:]]', '', 'g') AS plain_code
    FROM catalog.catalog_course AS course
    WHERE course.status <> 'archived'
),

-- One join for each equality, so that Postgres can hash it.
pair AS (
    SELECT
        one.id,
        other.id AS other_id
    FROM course AS one
    INNER JOIN course AS other
        ON other.organization_id = one.organization_id AND other.plain_title = one.plain_title AND other.id > one.id
    WHERE one.plain_title <> ''
    UNION
    SELECT
        one.id,
        other.id AS other_id
    FROM course AS one
    INNER JOIN course AS other
        ON other.organization_id = one.organization_id AND other.plain_code = one.plain_code AND other.id > one.id
    WHERE one.plain_code <> ''
)

SELECT
    organization.key AS organization_key,
    one.key AS course_key,
    other.key AS other_course_key,
    one.title,
    other.title AS other_title,
    CASE
        WHEN one.plain_title = other.plain_title AND one.plain_code = other.plain_code THEN 'title and code'
        WHEN one.plain_title = other.plain_title THEN 'title'
        ELSE 'code'
    END AS same
FROM pair
INNER JOIN course AS one ON one.id = pair.id
INNER JOIN course AS other ON other.id = pair.other_id
INNER JOIN catalog.organization AS organization ON organization.id = one.organization_id;
