/*
description: |-
  The variants that partners list today and for which the catalog has no run, with the reason: one row per row of a
  current feed. The current feed of a partner and type is the last one that was applied, with its corrections.
owner: catalog-analytics
materialized: view
key: [feed_id, row]
columns:
  product_source:
    description: Slug of the partner, such as 2u.
    tests: [not_null]
  product_type:
    description: Slug of the feed's course type, such as executive-education-2u.
    tests: [not_null]
  variant_id:
    description: The partner's id of the variant, as the feed gives it.
    tests: [not_null]
  course_key:
    description: Key of the course that the row is about, where it can be read.
  title:
    description: The product's title, as the feed gives it.
  outcome:
    description: What became of the row.
    tests:
      - not_null
      - accepted_values: [new_product, new_variant, updated, unchanged, rejected, deferred]
  reason:
    description: Why the row has no run, in words.
    tests: [not_null]
  feed_id:
    description: The feed, as partner feeds lists it.
    tests: [not_null]
  row:
    description: The row's number in the file; the header is row 1.
    tests: [not_null]
*/

WITH applied AS (
    SELECT
        feed.id,
        feed.source,
        feed.product_type,
        max(feed.id) FILTER (WHERE NOT feed.corrects) OVER (PARTITION BY feed.source, feed.product_type) AS last_whole
    FROM ops.feed AS feed
    WHERE feed.outcome = 'applied'
)

SELECT
    applied.source AS product_source,
    applied.product_type,
    feed_row.variant_id,
    feed_row.course_key,
    feed_row.title,
    feed_row.outcome,
    feed_row.reason,
    feed_row.feed_id,
    feed_row.row
FROM applied
INNER JOIN ops.feed_row AS feed_row ON feed_row.feed_id = applied.id
LEFT JOIN catalog.course_variant AS variant
    ON variant.variant_id = CASE WHEN pg_input_is_valid(feed_row.variant_id, 'uuid') THEN feed_row.variant_id::uuid END
WHERE
    applied.id >= coalesce(applied.last_whole, 0)
    AND feed_row.variant_id IS NOT NULL
    AND variant.id IS NULL;
