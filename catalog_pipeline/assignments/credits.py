"""What a learner may spend: the policies of a customer that are open to a learner, each with what is left.

Reads the replica alone. What is not replicated is null: what one learner has spent, what learners asked for, and where
content is redeemed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from catalog_pipeline.assignments.reading import show_assignments
from catalog_pipeline.database.keys import folded
from catalog_pipeline.database.rows import Row, rows
from catalog_pipeline.errors import UsageError

OPEN = """
    SELECT p.id, p.uuid, p.display_name, p.description, p.policy_type, p.access_method, p.active, p.retired,
           p.retired_at, p.catalog_uuid, p.subsidy_uuid, c.uuid AS enterprise_customer_uuid, p.spend_limit,
           p.per_learner_enrollment_limit, p.per_learner_spend_limit, p.late_redemption_allowed_until,
           coalesce(p.late_redemption_allowed_until > :as_of, false) AS is_late_redemption_allowed,
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
      AND (s.is_active AND coalesce(s.expiration > :as_of, true) OR p.access_method = 'assigned')
      AND s.current_balance > 0
      AND (p.spend_limit IS NULL OR abs(coalesce(p.spent, 0)) < p.spend_limit)
    ORDER BY coalesce(p.made_at, p.created_at) DESC, p.id DESC"""
THEIRS = f"""
    SELECT a.id, a.assignment_configuration_id AS configuration_id, m.course_type, m.partners,
           m.id IS NOT NULL AS is_held,
           coalesce(r.start_raw, v.start_raw) AS start_date, coalesce(r.end_raw, v.end_raw) AS end_date,
           coalesce(r.enroll_by, v.enroll_by) AS enroll_by_date, coalesce(r.price, v.price, m.price) AS content_price,
           CASE WHEN a.state IN ('expired', 'cancelled') THEN EXISTS (
               SELECT FROM catalog.assignment_action d
               WHERE d.content_assignment_id = a.id AND d.action_type = a.state || '_acknowledged'
                 AND d.completed_at >= CASE a.state WHEN 'expired' THEN a.expired_at ELSE a.cancelled_at END)
           END AS learner_acknowledged
    FROM catalog.content_assignment a
    LEFT JOIN catalog.content_metadata m ON m.id = a.content_metadata_id AND m.content_type IS NOT NULL
    LEFT JOIN catalog.content_run r ON r.id = a.content_run_id AND r.missing_since IS NULL
    LEFT JOIN catalog.content_run v ON v.enterprise_catalog_id = m.enterprise_catalog_id
        AND a.preferred_course_run_key IS NULL AND {folded("v.run_key")} = {folded("m.advertised_run_key")}
    WHERE a.assignment_configuration_id = ANY(:configurations) AND a.lms_user_id = :learner
    ORDER BY a.allocated_at, a.uuid"""
NOT_REPLICATED: Final = ("remaining_balance_per_user", "policy_redemption_url", "learner_requests")
CONTENT = ("start_date", "end_date", "enroll_by_date", "content_price", "course_type", "partners")
LEFT_OUT = ("content", "content_status", "owner", "expiration", "recent_action", "learner_state", "error_reason")
"""What only administrators read of an assignment."""


def credits_available(connection: Connection, customer: UUID, learner: int, *, as_of: datetime) -> list[Row]:
    """The policies of the customer that the learner may use, newest first, each with the learner's assignments.

    Of policies that assign, only those that have an assignment of the learner that was not acknowledged. Raises
    UsageError where there is no such customer.
    """
    known = "SELECT id FROM catalog.enterprise_customer WHERE uuid = :customer"
    if not rows(connection, known, customer=customer):
        raise UsageError(f"There is no enterprise customer {customer}.")
    found = rows(connection, OPEN, customer=customer, learner=learner, as_of=as_of)
    configurations = [policy["configuration_id"] for policy in found if policy["access_method"] == "assigned"]
    theirs = _unacknowledged(connection, configurations, learner)
    return [
        _item(policy, theirs.get(policy["configuration_id"], []))
        for policy in found
        if policy["access_method"] != "assigned" or policy["configuration_id"] in theirs
    ]


def _unacknowledged(connection: Connection, configurations: Sequence[int], learner: int) -> dict[int, list[Row]]:
    """The learner's assignments that were not acknowledged, by configuration."""
    found = rows(connection, THEIRS, configurations=list(configurations), learner=learner)
    found = [row for row in found if not row["learner_acknowledged"]]
    by_configuration: dict[int, list[Row]] = {}
    shown = show_assignments(connection, [row["id"] for row in found])
    for row, assignment in zip(found, shown, strict=True):
        by_configuration.setdefault(row["configuration_id"], []).append(_shown(assignment, row))
    return by_configuration


def _shown(assignment: Row, row: Row) -> Row:
    acknowledged = row["learner_acknowledged"]
    return {
        **{name: value for name, value in assignment.items() if name not in LEFT_OUT},
        "actions": [{**action, "learner_acknowledged": acknowledged} for action in assignment["actions"]],
        "content_metadata": {name: row[name] for name in CONTENT} if row["is_held"] else None,
        "learner_acknowledged": acknowledged,
    }


def _item(policy: Row, assignments: list[Row]) -> Row:
    return {
        **{name: value for name, value in policy.items() if name not in ("id", "configuration_id")},
        **dict.fromkeys(NOT_REPLICATED),
        "learner_content_assignments": assignments if policy["access_method"] == "assigned" else [],
    }
