/*
description: |-
  What each policy may still give to learners: one row per policy, amounts in US cents. Several policies may spend one
  subsidy; each shows its balance whole.
owner: catalog-analytics
materialized: view
key: policy_uuid
columns:
  policy_uuid:
    description: The policy's uuid.
    tests: [not_null]
  customer_uuid:
    description: Uuid of the enterprise customer.
    tests: [not_null]
  configuration_uuid:
    description: Uuid of the configuration of its assignments; null where it has none.
  subsidy_uuid:
    description: Uuid of the subsidy that it spends.
  catalog_uuid:
    description: Uuid of the enterprise catalog whose content it pays for.
  name:
    description: The policy's name.
  is_active:
    description: Whether the policy is in use, and not retired.
    tests: [not_null]
  balance:
    description: What is left of the subsidy; what was spent is not in it, what is allocated is. Null where it is unknown.
  allocated:
    description: The sum of its allocated assignments.
    tests: [not_null]
  spent:
    description: What it has spent; null where that is unknown.
  spend_limit:
    description: The most that it may spend; null for no limit.
  remaining:
    description: |-
      What may still be allocated, by the balance and by the limit; negative where more is allocated. Null where
      neither is known.
*/

WITH allocated AS (
    SELECT
        assignment.assignment_configuration_id,
        -sum(assignment.content_quantity)::bigint AS cents
    FROM catalog.content_assignment AS assignment
    WHERE assignment.state = 'allocated'
    GROUP BY assignment.assignment_configuration_id
)

SELECT
    policy.uuid AS policy_uuid,
    customer.uuid AS customer_uuid,
    configuration.uuid AS configuration_uuid,
    policy.subsidy_uuid,
    policy.catalog_uuid,
    policy.display_name AS name,
    policy.active AND NOT policy.retired AS is_active,
    subsidy.current_balance AS balance,
    coalesce(allocated.cents, 0) AS allocated,
    policy.spent,
    policy.spend_limit,
    -- the least of those that are known
    least(
        subsidy.current_balance - coalesce(allocated.cents, 0),
        policy.spend_limit - coalesce(policy.spent, 0) - coalesce(allocated.cents, 0)
    ) AS remaining
FROM catalog.access_policy AS policy
INNER JOIN catalog.enterprise_customer AS customer ON customer.id = policy.enterprise_customer_id
LEFT JOIN catalog.assignment_configuration AS configuration ON configuration.id = policy.assignment_configuration_id
LEFT JOIN catalog.subsidy AS subsidy ON subsidy.id = policy.subsidy_id
LEFT JOIN allocated ON allocated.assignment_configuration_id = configuration.id;
