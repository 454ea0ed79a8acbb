"""What a learner may spend: the policies of a customer that are open to a learner, each with what is left.

Reads the replica alone. What one learner has spent is not replicated, and so is null.
"""

from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.assignments.reading import credit_assignments
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError

OPEN = """
    SELECT p.id, p.uuid, p.display_name, p.description, p.policy_type, p.access_method, p.active, p.retired,
           p.retired_at, p.catalog_uuid, p.subsidy_uuid, c.uuid AS enterprise_customer_uuid, p.spend_limit,
           p.per_learner_enrollment_limit, p.per_learner_spend_limit, p.late_redemption_allowed_until,
           g.uuid AS assignment_configuration, g.id AS configuration_id, p.group_uuids AS group_associations,
           s.current_balance AS remaining_balance, s.expiration_raw AS subsidy_expiration_date
    FROM catalog.access_policy p
    JOIN catalog.enterprise_customer c ON c.id = p.enterprise_customer_id AND c.uuid = :customer
    JOIN catalog.subsidy s ON s.id = p.subsidy_id
    LEFT JOIN catalog.assignment_configuration g ON g.id = p.assignment_configuration_id
    LEFT JOIN catalog.enterprise_learner l ON l.enterprise_customer_id = c.id AND l.lms_user_id = :learner
    WHERE p.active AND NOT p.retired AND p.missing_since IS NULL
      -- The learner is linked to the customer; and is in a group of the policy, where it has any.
      AND (l.id IS NOT NULL OR EXISTS (
              SELECT FROM catalog.content_assignment a JOIN catalog.assignment_configuration o
                ON o.id = a.assignment_configuration_id AND o.enterprise_customer_id = c.id
              WHERE a.lms_user_id = :learner))
      AND (p.group_uuids = '{}' OR p.group_uuids && l.group_uuids)
      -- What expired is shown still, where it was assigned.
      AND (s.is_active OR p.access_method = 'assigned') AND s.current_balance > 0
      AND (p.spend_limit IS NULL OR abs(coalesce(p.spent, 0)) < p.spend_limit)
    ORDER BY coalesce(p.made_at, p.created_at) DESC, p.id DESC"""


def credits_available(connection: Connection, customer: UUID, learner: int) -> list[Row]:
    """The policies of the customer that the learner may use, newest first, each with the learner's assignments.

    Of policies that assign, only those that have an assignment of the learner that was not acknowledged. Raises
    UsageError where there is no such customer.
    """
    known = "SELECT id FROM catalog.enterprise_customer WHERE uuid = :customer"
    if not rows(connection, known, customer=customer):
        raise UsageError(
            f"There is no enterprise customer {customer}: `catalog-pipeline refresh enterprise` reads them."
        )
    found = rows(connection, OPEN, customer=customer, learner=learner)
    configurations = [policy["configuration_id"] for policy in found if policy["access_method"] == "assigned"]
    theirs = credit_assignments(connection, configurations, learner)
    return [
        _item(policy, theirs.get(policy["configuration_id"], []))
        for policy in found
        if policy["access_method"] != "assigned" or policy["configuration_id"] in theirs
    ]


def _item(policy: Row, assignments: list[Row]) -> Row:
    shown = {name: value for name, value in policy.items() if name not in ("id", "configuration_id")}
    return {
        **shown,
        "remaining_balance_per_user": None,
        "learner_content_assignments": assignments if policy["access_method"] == "assigned" else [],
    }
