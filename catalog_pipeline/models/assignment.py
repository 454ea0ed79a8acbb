"""Assignments of content to learners, what was done with them, and when they expire."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed, folded
from catalog_pipeline.models.tracking import track

ASSIGNMENT_STATES = ("allocated", "accepted", "cancelled", "expired", "errored", "reversed")
TRANSITIONS = (
    *(("allocated", to) for to in ("accepted", "cancelled", "expired", "errored")),
    *((start, "allocated") for start in ("cancelled", "errored", "expired", "reversed")),
    *(("errored", "cancelled"), ("accepted", "reversed")),
)
"""The changes of state that there are, (from, to)."""
ACTION_TYPES = (
    *("learner_linked", "notified", "reminded", "redeemed", "cancelled", "cancelled_acknowledged"),
    *("expired", "expired_acknowledged", "reversed", "nudged"),
)
ERROR_REASONS = ("email_error", "internal_api_error", "enrollment_error")
EXPIRATION_REASONS = ("SUBSIDY_EXPIRED", "ENROLLMENT_DATE_PASSED", "NINETY_DAYS_PASSED")
ALLOCATED_AT_SOURCES = ("given", "recent_action", "expiration", "first_action", "first_seen")
DEADLINE_SOURCES = ("latest_run", "preferred_run", "fallback", "advertised_run", "none")
CHANGE_CAUSES = ("content", "subsidy", "allocation", "rules", "clock")
PII = {"pii": True}


class ContentAssignment(CatalogRow, Listed, Base):
    """A course or run that a customer assigned to a learner."""

    __tablename__ = "content_assignment"

    uuid: Mapped[UUID] = mapped_column(
        unique=True, server_default=text("gen_random_uuid()"), comment="The assignment's uuid."
    )
    assignment_configuration_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.assignment_configuration.id", ondelete="RESTRICT"),
        comment="The configuration that it belongs to.",
    )
    learner_email: Mapped[str] = mapped_column(
        info=PII, comment="The learner's address; one that names nobody once personal data was cleared."
    )
    lms_user_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="The learner's id in the LMS; null until the learner is known."
    )
    content_key: Mapped[str] = mapped_column(comment="The assigned course or run.")
    parent_content_key: Mapped[str | None] = mapped_column(comment="The course, where a run is assigned.")
    is_assigned_course_run: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether a run is assigned, and not a course."
    )
    preferred_course_run_key: Mapped[str | None] = mapped_column(
        comment="The run whose dates count: the assigned one, or the one advertised when it was allocated."
    )
    content_title: Mapped[str | None] = mapped_column(comment="The title when it was allocated.")
    content_quantity: Mapped[int] = mapped_column(BigInteger, comment="The price in US cents, negated.")
    state: Mapped[str] = mapped_column(
        server_default=text("'allocated'"), comment="allocated, accepted, cancelled, expired, errored or reversed."
    )
    allocated_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When it was last allocated; ninety days later it expires."
    )
    allocated_at_from: Mapped[str] = mapped_column(
        server_default=text("'given'"),
        comment="Where allocated_at comes from: given, recent_action, expiration, first_action or first_seen.",
    )
    accepted_at: Mapped[datetime | None] = mapped_column(comment="When the learner last accepted it.")
    cancelled_at: Mapped[datetime | None] = mapped_column(comment="When it was last cancelled.")
    expired_at: Mapped[datetime | None] = mapped_column(comment="When it last expired.")
    errored_at: Mapped[datetime | None] = mapped_column(comment="When its redemption last failed.")
    reversed_at: Mapped[datetime | None] = mapped_column(comment="When its acceptance was last reversed.")
    expired_reason: Mapped[str | None] = mapped_column(comment="Why it expired, as decided then.")
    transaction_uuid: Mapped[UUID | None] = mapped_column(comment="The ledger's transaction of its redemption.")
    allocation_batch_id: Mapped[UUID | None] = mapped_column(comment="The allocation that it was last part of.")
    admin_lms_user_id: Mapped[int | None] = mapped_column(BigInteger, comment="Who allocated it.")
    credit_request_uuid: Mapped[UUID | None] = mapped_column(
        comment="The learner's request that it answers; then the latest run of the course counts."
    )
    content_metadata_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.content_metadata.id", ondelete="SET NULL"),
        comment="The course in the policy's catalog; null while it is not held.",
    )
    content_run_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.content_run.id", ondelete="SET NULL"),
        comment="The preferred run in the policy's catalog; null while it is not held.",
    )

    __table_args__ = (
        Index(
            "content_assignment_email_key",
            assignment_configuration_id,
            folded(learner_email),
            content_key,
            unique=True,
        ),
        Index(
            "content_assignment_lms_user_id_key",
            assignment_configuration_id,
            lms_user_id,
            content_key,
            unique=True,
            postgresql_where=lms_user_id.isnot(None),
        ),
        Index("content_assignment_content_key_idx", folded(content_key)),
        # What waits for its content.
        Index(
            "content_assignment_parent_content_key_idx",
            folded(parent_content_key),
            postgresql_where=content_metadata_id.is_(None),
        ),
        Index(
            "content_assignment_preferred_course_run_key_idx",
            folded(preferred_course_run_key),
            postgresql_where=content_run_id.is_(None),
        ),
        Index("content_assignment_lms_user_id_idx", lms_user_id),
        Index("content_assignment_content_metadata_id_idx", content_metadata_id),
        Index("content_assignment_content_run_id_idx", content_run_id),
        Index("content_assignment_state_idx", assignment_configuration_id, state),
        CheckConstraint(f"state IN {ASSIGNMENT_STATES}", name="state"),
        CheckConstraint(f"allocated_at_from IN {ALLOCATED_AT_SOURCES}", name="allocated_at_from"),
        CheckConstraint(f"expired_reason IN {EXPIRATION_REASONS}", name="expired_reason"),
        CheckConstraint("content_quantity <= 0", name="content_quantity_not_positive"),
        CheckConstraint("length(content_key) BETWEEN 1 AND 255", name="content_key_length"),
        {"schema": "catalog", "comment": "One row per assignment of a course or run to a learner."},
    )


class AssignmentTransition(Base):
    """A change of state that there is."""

    __tablename__ = "assignment_transition"
    __table_args__ = (
        {
            "schema": "catalog",
            "comment": "The changes of an assignment's state that there are; a trigger refuses all others.",
        },
    )

    from_state: Mapped[str] = mapped_column(primary_key=True, comment="The state before.")
    to_state: Mapped[str] = mapped_column(primary_key=True, comment="The state after.")


class AssignmentAction(CatalogRow, Base):
    """Something that was done with an assignment, or failed."""

    __tablename__ = "assignment_action"

    uuid: Mapped[UUID] = mapped_column(
        unique=True, server_default=text("gen_random_uuid()"), comment="The action's uuid."
    )
    content_assignment_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.content_assignment.id", ondelete="CASCADE"),
        comment="The assignment.",
    )
    action_type: Mapped[str] = mapped_column(comment="What was done.")
    completed_at: Mapped[datetime | None] = mapped_column(
        comment="When it succeeded; of a mail, when it was sent. Null while it has not."
    )
    error_reason: Mapped[str | None] = mapped_column(
        comment="email_error, internal_api_error or enrollment_error, where it failed."
    )
    outbox_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("ops.outbox.id", ondelete="SET NULL"),
        comment="The mail that does it; a trigger copies how the mail ended.",
    )
    run_key: Mapped[str | None] = mapped_column(comment="Of a nudge: the run that begins.")
    run_start: Mapped[datetime | None] = mapped_column(comment="Of a nudge: when the run begins, as the mail says.")

    __table_args__ = (
        Index("assignment_action_content_assignment_id_idx", content_assignment_id, action_type),
        Index("assignment_action_outbox_id_idx", outbox_id, postgresql_where=outbox_id.isnot(None)),
        Index(
            "assignment_action_nudged_key",
            content_assignment_id,
            run_key,
            run_start,
            unique=True,
            postgresql_where=text("action_type = 'nudged' AND error_reason IS NULL"),
        ),
        CheckConstraint(f"action_type IN {ACTION_TYPES}", name="action_type"),
        CheckConstraint(f"error_reason IN {ERROR_REASONS}", name="error_reason"),
        {"schema": "catalog", "comment": "What was done with each assignment: mails, acceptances, acknowledgements."},
    )


class AssignmentExpiration(Base):
    """When an assignment expires, and why. It is rebuilt; its changes are in `ops.expiration_change`."""

    __tablename__ = "assignment_expiration"
    __table_args__ = (
        Index("assignment_expiration_expires_at_idx", "expires_at"),
        CheckConstraint(f"reason IN {EXPIRATION_REASONS}", name="reason"),
        CheckConstraint(f"deadline_from IN {DEADLINE_SOURCES}", name="deadline_from"),
        {"schema": "catalog", "comment": "One row per assignment, whatever its state: when it expires, and why."},
    )

    content_assignment_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.content_assignment.id", ondelete="CASCADE"),
        primary_key=True,
        comment="The assignment.",
    )
    expires_at: Mapped[datetime] = mapped_column(comment="When it expires: the earliest of the candidates.")
    reason: Mapped[str] = mapped_column(comment="SUBSIDY_EXPIRED, ENROLLMENT_DATE_PASSED or NINETY_DAYS_PASSED.")
    subsidy_expires_at: Mapped[datetime | None] = mapped_column(comment="Candidate: when the subsidy expires.")
    enroll_by: Mapped[datetime | None] = mapped_column(comment="Candidate: the enrollment deadline.")
    ninety_days_at: Mapped[datetime] = mapped_column(comment="Candidate: ninety days after it was allocated.")
    deadline_from: Mapped[str] = mapped_column(
        comment="Where the enrollment deadline comes from: latest_run, preferred_run, fallback, advertised_run or none."
    )
    run_key: Mapped[str | None] = mapped_column(comment="The run whose deadline it is.")
    content_hash: Mapped[str | None] = mapped_column(comment="The version of the content that was read.")
    problems: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB,
        server_default=text("'[]'"),
        comment="Dates that cannot be read and do not count: field (enrollment_end, upgrade_deadline,"
        " subsidy_expiration), raw.",
    )
    computed_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When the row was last written; not when it was last looked at."
    )


class ExpirationChange(Base):
    """A change of the date or the reason of an assignment's expiration."""

    __tablename__ = "expiration_change"
    __table_args__ = (
        Index("expiration_change_content_assignment_id_idx", "content_assignment_id", "id"),
        CheckConstraint(f"cause IN {CHANGE_CAUSES}", name="cause"),
        {"schema": "ops", "comment": "One row per change of an assignment's expiration date or its reason."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    # Without a foreign key, as the history of all tables: to check a million of them takes as long as to write them.
    content_assignment_id: Mapped[int] = mapped_column(BigInteger, comment="The assignment; it may be deleted since.")
    state: Mapped[str] = mapped_column(comment="The assignment's state then.")
    run_key: Mapped[str | None] = mapped_column(comment="The run whose deadline counts now.")
    old_expires_at: Mapped[datetime | None] = mapped_column(comment="The date before; null for the first.")
    old_reason: Mapped[str | None] = mapped_column(comment="The reason before; null for the first.")
    new_expires_at: Mapped[datetime] = mapped_column(comment="The date since.")
    new_reason: Mapped[str] = mapped_column(comment="The reason since.")
    cause: Mapped[str] = mapped_column(comment="What changed: content, subsidy, allocation, rules or clock.")
    after_expiry: Mapped[bool] = mapped_column(comment="Whether the assignment had expired already.")
    moved_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When it was noticed.")


track("catalog.content_assignment", key="{row}.uuid::text", personal=("learner_email",))
