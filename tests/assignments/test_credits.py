"""What a learner may spend: which policies are open to whom, and what is shown of each."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from support.assignments import COURSE, NOW, RUN, Budget, day

from catalog_pipeline.assignments.credits import credits_available
from catalog_pipeline.database.engine import connected
from catalog_pipeline.errors import UsageError

CUSTOMER, LEARNER = UUID(int=1), 7
ASSIGNED, DIRECT = UUID(int=5), UUID(int=50)


def policies(budget: Budget, learner: int = LEARNER, as_of: datetime = NOW) -> list[dict[str, Any]]:
    with connected(budget.engine) as connection:
        return credits_available(connection, CUSTOMER, learner, as_of=as_of)


def opened(budget: Budget) -> list[UUID]:
    return [policy["uuid"] for policy in policies(budget)]


@pytest.fixture
def learner(budget: Budget) -> int:
    """A learner who is linked to the customer, and a policy that is not of assignments."""
    names = {"enterprise_customer_id": budget.customer, "subsidy_id": budget.subsidy, "subsidy_uuid": UUID(int=3)}
    budget.insert("access_policy", **names, uuid=DIRECT, access_method="direct", made_at=day(-9))
    return budget.insert(
        "enterprise_learner",
        enterprise_customer_id=budget.customer,
        lms_user_id=LEARNER,
        email="ann@acme.example",
        group_uuids=[UUID(int=70)],
    )


def test_a_policy_that_assigns_is_open_while_an_assignment_is_not_acknowledged(budget: Budget, learner: int) -> None:
    assert opened(budget) == [DIRECT]
    assignment = budget.assign(lms_user_id=LEARNER)
    assert opened(budget) == [ASSIGNED, DIRECT], "the newest first"
    budget.update("content_assignment", assignment, state="expired", expired_at=NOW)
    for at in (day(-1), NOW):
        assert opened(budget) == [ASSIGNED, DIRECT]
        seen = {"action_type": "expired_acknowledged", "completed_at": at}
        budget.insert("assignment_action", content_assignment_id=assignment, **seen)
    assert opened(budget) == [DIRECT]


@pytest.mark.parametrize(
    ("table", "values", "expected"),
    [
        ("access_policy", {"active": False}, []),
        ("access_policy", {"retired": True}, []),
        ("access_policy", {"missing_since": NOW}, []),
        ("access_policy", {"spend_limit": 500, "spent": 500}, []),
        ("access_policy", {"spend_limit": 500, "spent": 499}, [ASSIGNED, DIRECT]),
        ("access_policy", {"group_uuids": [UUID(int=71)]}, []),
        ("access_policy", {"group_uuids": [UUID(int=71), UUID(int=70)]}, [ASSIGNED, DIRECT]),
        ("subsidy", {"current_balance": 0}, []),
        ("subsidy", {"current_balance": None}, []),
        ("subsidy", {"is_active": False}, [ASSIGNED]),  # what expired is shown still, where it was assigned
        ("subsidy", {"expiration": NOW}, [ASSIGNED]),
        ("subsidy", {"expiration": day(1)}, [ASSIGNED, DIRECT]),
    ],
)
def test_a_policy_is_open_as_long_as_it_has_something_to_give(
    budget: Budget, learner: int, table: str, values: dict[str, Any], expected: list[UUID]
) -> None:
    budget.assign(lms_user_id=LEARNER)
    for row in budget.rows(f"SELECT id FROM catalog.{table}"):
        budget.update(table, row["id"], **values)
    assert opened(budget) == expected


def test_a_learner_is_linked_by_the_customers_list_or_by_an_assignment(budget: Budget, learner: int) -> None:
    assert policies(budget, learner=8) == []
    budget.assign("eve@acme.example", lms_user_id=8)
    assert [policy["uuid"] for policy in policies(budget, learner=8)] == [ASSIGNED, DIRECT]
    with pytest.raises(UsageError, match="no enterprise customer"), connected(budget.engine) as connection:
        credits_available(connection, UUID(int=99), LEARNER, as_of=NOW)


def test_all_that_is_known_of_a_policy_is_shown(budget: Budget, learner: int) -> None:
    budget.update("subsidy", budget.subsidy, expiration=day(9), expiration_raw="2026-06-10 12:00:00Z")
    budget.update("access_policy", budget.policy, late_redemption_allowed_until=day(2), spend_limit=900)
    course = budget.course(course_type="verified-audit", partners='[{"name": "A", "logo_image_url": null}]')
    budget.run(course, start_raw="2026-07-01T00:00:00Z", enroll_by=day(5), price=Decimal("2600.00"))
    budget.assign(lms_user_id=LEARNER, preferred_course_run_key=RUN)
    budget.rebuild()
    policy = policies(budget)[0]
    assert list(policy) == [
        *("uuid", "display_name", "description", "policy_type", "access_method", "active", "retired", "retired_at"),
        *("catalog_uuid", "subsidy_uuid", "enterprise_customer_uuid", "spend_limit", "per_learner_enrollment_limit"),
        *("per_learner_spend_limit", "late_redemption_allowed_until", "is_late_redemption_allowed"),
        *("assignment_configuration", "group_associations", "remaining_balance", "subsidy_expiration_date"),
        *("remaining_balance_per_user", "policy_redemption_url", "learner_requests", "learner_content_assignments"),
    ]
    assert (policy["remaining_balance"], policy["subsidy_expiration_date"]) == (1_000_000, "2026-06-10 12:00:00Z")
    assert [policy[name] for name in ("remaining_balance_per_user", "learner_requests")] == [None, None]
    assert policy["is_late_redemption_allowed"] is True
    assert policies(budget, as_of=day(2))[0]["is_late_redemption_allowed"] is False
    (assignment,) = policy["learner_content_assignments"]
    assert (assignment["content_key"], assignment["learner_acknowledged"]) == (COURSE, None)
    assert assignment["content_metadata"] == {
        "start_date": "2026-07-01T00:00:00Z",
        "end_date": None,
        "enroll_by_date": day(5),
        "content_price": Decimal("2600.00"),
        "course_type": "verified-audit",
        "partners": [{"name": "A", "logo_image_url": None}],
    }


def test_content_that_is_not_held_is_null(budget: Budget, learner: int) -> None:
    budget.assign(lms_user_id=LEARNER)
    (assignment,) = policies(budget)[0]["learner_content_assignments"]
    assert assignment["content_metadata"] is None
