"""The fields of each kind of record: where they stand in a document, what they must be, and which column they fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalog_pipeline.models.assignment import ACTION_TYPES, ASSIGNMENT_STATES, ERROR_REASONS, EXPIRATION_REASONS
from catalog_pipeline.models.enterprise import ACCESS_METHODS

ABSENT: Any = object()
"""What stands in the place of a field that a record does not have."""


@dataclass(frozen=True)
class Field:
    """One field of a record.

    A field that a record lacks keeps what stands. So does a null, where the column may not be null: there `default` is
    the SQL of what a new row gets.
    """

    column: str
    """The column that it fills; of the staging table, if it is evidence only."""
    form: str
    """What its value must be: a key of `judging.FORMS`."""
    named: str = ""
    """Its name in documents, with dots between levels; the column's, if empty. Several have | between them."""
    required: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """Where it stands in a document: the first of these that is there counts."""
        return [tuple(name.split(".")) for name in (self.named or self.column).split("|")]

    @property
    def name(self) -> str:
        """Its name, as errors say it."""
        return ".".join(self.paths[0])

    def cells(self, records: Sequence[dict[str, Any]]) -> list[Any]:
        """Its value in each record, or ABSENT."""
        first, *others = [_at(path, records) for path in self.paths]
        for other in others:
            first = [theirs if ours is ABSENT else ours for ours, theirs in zip(first, other, strict=True)]
        return [ABSENT if cell is None else cell for cell in first] if self.default else first


def _at(path: tuple[str, ...], records: Sequence[Any]) -> list[Any]:
    """What stands at a path in each record, or ABSENT."""
    found = [record.get(path[0], ABSENT) for record in records]
    for name in path[1:]:
        found = [value.get(name, ABSENT) if isinstance(value, dict) else ABSENT for value in found]
    return found


LARGEST_INTEGER = 2**31 - 1
UUID = Field("uuid", "uuid", required=True)
CUSTOMER_UUID = "enterprise_customer_uuid|enterprise_customer"
CUSTOMER = Field("enterprise_customer_uuid", "uuid", CUSTOMER_UUID)
TITLE = Field("title", "text")

FIELDS: dict[str, tuple[Field, ...]] = {
    "customer": (UUID, Field("name", "text"), Field("slug", "text"), Field("contact_email", "email")),
    "catalog": (
        UUID,
        Field("enterprise_customer_uuid", "uuid", "enterprise_customer|enterprise_customer_uuid"),
        TITLE,
        Field("customer_name", "text", "enterprise_customer_name"),
    ),
    "subsidy": (
        UUID,
        CUSTOMER,
        TITLE,
        Field("expiration", "readable_instant", "expiration_datetime"),
        Field("expiration_raw", "text", "expiration_datetime"),
        Field("is_active", "flag", default="true"),
        Field("current_balance", "number"),
    ),
    "configuration": (UUID, CUSTOMER, Field("active", "flag", default="true")),
    "policy": (
        UUID,
        CUSTOMER,
        Field("display_name", "text"),
        Field("description", "text"),
        Field("policy_type", "text"),
        Field(
            "access_method",
            "choice",
            choices=ACCESS_METHODS,
            default="CASE WHEN s.assignment_configuration_uuid IS NULL THEN 'direct' ELSE 'assigned' END",
        ),
        Field("active", "flag", default="true"),
        Field("retired", "flag", default="false"),
        Field("retired_at", "instant"),
        Field("catalog_uuid", "uuid"),
        Field("subsidy_uuid", "uuid"),
        Field("assignment_configuration_uuid", "reference", "assignment_configuration"),
        Field("spend_limit", "number", least=0),
        Field("spent", "amount", "aggregates.amount_redeemed_usd_cents"),
        Field("per_learner_enrollment_limit", "number", least=0, most=LARGEST_INTEGER),
        Field("per_learner_spend_limit", "number", least=0),
        Field("late_redemption_allowed_until", "instant"),
        Field("group_uuids", "uuids", "group_associations|group_uuids", default="'{}'"),
        Field("made_at", "instant", "created"),
    ),
    "learner": (
        Field("enterprise_customer_uuid", "uuid", CUSTOMER_UUID, required=True),
        Field("lms_user_id", "number", required=True, least=1),
        Field("email", "email", required=True),
        Field("group_uuids", "uuids", default="'{}'"),
    ),
    "assignment": (
        Field("uuid", "uuid", default="gen_random_uuid()"),
        Field("configuration_uuid", "reference", "assignment_configuration", required=True),
        Field("learner_email", "email", required=True),
        Field("lms_user_id", "number", least=1),
        Field("content_key", "key", required=True),
        Field("parent_content_key", "key"),
        Field("is_assigned_course_run", "flag", default="(s.parent_content_key IS NOT NULL)"),
        Field("preferred_course_run_key", "key"),
        Field("content_title", "text"),
        Field("content_quantity", "number", default="0", most=0),
        Field("state", "state", default="'allocated'", choices=ASSIGNMENT_STATES),
        *(Field(f"{state}_at", "instant") for state in ASSIGNMENT_STATES if state != "allocated"),
        Field("expired_reason", "choice", choices=EXPIRATION_REASONS),
        Field("transaction_uuid", "uuid"),
        Field("allocation_batch_id", "uuid"),
        Field("admin_lms_user_id", "number"),
        Field("credit_request_uuid", "uuid"),
    ),
    "action": (
        Field("uuid", "uuid", "actions.uuid", default="gen_random_uuid()"),
        Field("action_type", "choice", "actions.action_type", required=True, choices=ACTION_TYPES),
        Field("completed_at", "instant", "actions.completed_at"),
        Field("error_reason", "choice", "actions.error_reason", choices=ERROR_REASONS),
        Field("created_at", "instant", "actions.created"),
    ),
}
"""The fields of the records of each kind."""


def name_of(kind: str, column: str) -> str:
    """The name, as errors say it, of the field that fills a column."""
    (name,) = (field.name for field in FIELDS[kind] if field.column == column)
    return name


ALLOCATION_EVIDENCE = (
    Field("allocated_at", "allocation_instant"),
    Field("recent_action", "text", "recent_action.action_type"),
    Field("recent_action_at", "allocation_instant", "recent_action.timestamp"),
    Field("expiration_reason", "text", "earliest_possible_expiration.reason"),
    Field("expiration_date", "readable_instant", "earliest_possible_expiration.date"),
)
"""What a record says of when it was allocated; the rule is `rules.allocated_at`."""
SHOWN_ONLY = (
    *("created", "modified", "learner_state", "error_reason", "learner_acknowledged", "content_metadata"),
    *("allocated_at_from", "owner", "content_status", "content", "expiration"),
)
"""What assignments are listed with, by enterprise-access or here, and follows from other fields."""
NESTED = ("actions", "recent_action", "earliest_possible_expiration")
"""The fields of an assignment that hold lists or objects; in CSV they are JSON."""
