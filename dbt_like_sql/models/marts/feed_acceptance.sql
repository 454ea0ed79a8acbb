/*
description: |-
  How many rows of the applied partner feeds had which outcome: one row per day (UTC), partner, course type and
  outcome. It is read from the counts of each feed, so it stays complete when the rows of old feeds are deleted.
owner: catalog-analytics
materialized: view
key: [day, product_source, product_type, outcome]
columns:
  day:
    description: The day on which the feeds were ingested, in UTC.
    tests: [not_null]
  product_source:
    description: Slug of the partner, such as 2u.
    tests: [not_null]
  product_type:
    description: Slug of the feeds' course type, such as executive-education-2u.
    tests: [not_null]
  outcome:
    description: What became of the rows.
    tests:
      - not_null
      - accepted_values: [new_product, new_variant, updated, unchanged, rejected, deferred]
  feeds:
    description: Number of feeds of the day that were applied, whatever the outcomes of their rows.
    tests: [not_null]
  rows:
    description: Number of rows with the outcome.
    tests: [not_null]
  share:
    description: Share of the day's rows of this partner and type, from 0 to 1; null where there are none.
*/

WITH counted AS (
    SELECT
        (feed.ingested_at AT TIME ZONE 'UTC')::date AS day,
        feed.source AS product_source,
        feed.product_type,
        outcome.name AS outcome,
        count(*) AS feeds,
        sum(coalesce((feed.counts ->> outcome.name)::bigint, 0)) AS rows
    FROM ops.feed AS feed
    CROSS JOIN (
        VALUES ('new_product'), ('new_variant'), ('updated'), ('unchanged'), ('rejected'), ('deferred')
    ) AS outcome (name)
    WHERE feed.outcome = 'applied'
    GROUP BY 1, 2, 3, 4
)

SELECT
    counted.day,
    counted.product_source,
    counted.product_type,
    counted.outcome,
    counted.feeds,
    counted.rows,
    round(
        counted.rows / nullif(sum(counted.rows) OVER (
            PARTITION BY counted.day, counted.product_source, counted.product_type
        ), 0),
        4
    ) AS share
FROM counted;
