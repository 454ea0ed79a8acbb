/*
description: |-
  One row per course run with all that the catalog holds of it: dates, price, restriction, variant, its course, and
  where these come from.
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
  upgrade_deadline:
    description: The latest day to upgrade.
  go_live:
    description: When a reviewed run is to be published.
  price:
    description: The highest price of a seat; credit seats do not count.
  currency:
    description: ISO 4217 code of the price.
  pacing:
    description: instructor_paced or self_paced.
  language:
    description: Language code, as upstream spells it.
  restriction_type:
    description: Who may see the run, where that is restricted; null where it is not.
  variant_id:
    description: The partner's variant that the run stands for.
  product_source:
    description: Slug of the partner whose course the run is of, such as 2u; null for others.
  course_type:
    description: Slug of the type of the run's course, such as verified-audit.
  superseded_by:
    description: Key of the run that took this run's place, where one did.
    tests: [relationships: catalog.course_run.run_key]
  listed_by:
    description: The source that lists the run, such as discovery or lms; null where none does.
  association_source:
    description: What decided the run's course (manual, discovery, feed or key); null where course_key is.
    tests:
      - accepted_values: [manual, discovery, feed, key]
  missing_since:
    description: Since when upstream no longer lists the run; null while it does.
  created_at:
    description: When the run came into the catalog.
    tests: [not_null]
  updated_at:
    description: When anything of the run changed last.
    tests: [not_null]
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
    run.upgrade_deadline,
    run.go_live,
    run.price,
    run.currency,
    run.pacing,
    run.language,
    run.restriction_type,
    variant.variant_id,
    course.product_source,
    course.course_type,
    successor.run_key AS superseded_by,
    document.source AS listed_by,
    association.source AS association_source,
    run.missing_since,
    run.created_at,
    run.updated_at
FROM catalog.course_run AS run
LEFT JOIN catalog.run_association AS association ON association.course_run_id = run.id
LEFT JOIN catalog.catalog_course AS course ON course.id = association.catalog_course_id
LEFT JOIN catalog.organization AS organization ON organization.id = course.organization_id
LEFT JOIN catalog.course_variant AS variant ON variant.course_run_id = run.id
LEFT JOIN catalog.course_run AS successor ON successor.id = run.superseded_by_id
LEFT JOIN landing.document AS document ON document.id = run.listed_by_id;
