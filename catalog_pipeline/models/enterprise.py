"""Enterprise customers, their catalogs and learners, and what pays for them: subsidies, policies, configurations."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Uuid, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed, folded
from catalog_pipeline.models.tracking import track

CRAWL_OUTCOMES = ("applied", "held", "refused", "failed")
ACCESS_METHODS = ("direct", "request", "assigned")
CONFIGURATION_OWNERS = ("here", "enterprise_access")
PII = {"pii": True}


class OfCustomer:
    """The column of what belongs to a customer."""

    @declared_attr
    def enterprise_customer_id(cls) -> Mapped[int]:  # noqa: N805
        """The customer."""
        return mapped_column(
            BigInteger,
            ForeignKey("catalog.enterprise_customer.id", ondelete="RESTRICT"),
            index=True,
            sort_order=-1,
            comment="The customer that it belongs to.",
        )


class EnterpriseCustomer(CatalogRow, Base):
    """An organization that pays for its learners."""

    __tablename__ = "enterprise_customer"
    __table_args__ = (
        {
            "schema": "catalog",
            "comment": "One row per enterprise customer. Upstreams mention them; their names are imported.",
        },
    )

    uuid: Mapped[UUID] = mapped_column(unique=True, comment="The upstream's uuid.")
    name: Mapped[str | None] = mapped_column(comment="Name shown to learners; null where no source says it.")
    slug: Mapped[str | None] = mapped_column(comment="The last part of the address of its learner portal.")
    contact_email: Mapped[str | None] = mapped_column(
        info=PII, comment="The address of its administrators, as mails show it to learners."
    )


class EnterpriseCatalog(CatalogRow, OfCustomer, Listed, Base):
    """The content that a customer's learners may take."""

    __tablename__ = "enterprise_catalog"
    __table_args__ = (
        CheckConstraint(f"last_outcome IN {CRAWL_OUTCOMES}", name="last_outcome"),
        {"schema": "catalog", "comment": "One row per enterprise catalog: a choice of content for one customer."},
    )

    uuid: Mapped[UUID] = mapped_column(unique=True, comment="The upstream's uuid.")
    title: Mapped[str | None] = mapped_column(comment="Title shown to administrators.")
    fetched_at: Mapped[datetime | None] = mapped_column(
        comment="When its content was last read and applied; null while it never was."
    )
    last_outcome: Mapped[str | None] = mapped_column(
        comment="How the last reading of its content ended: applied, held, refused or failed."
    )
    last_detail: Mapped[str | None] = mapped_column(comment="Why the last reading did not end as applied.")


class EnterpriseLearner(CatalogRow, OfCustomer, Base):
    """A learner who is linked to a customer."""

    __tablename__ = "enterprise_learner"

    lms_user_id: Mapped[int] = mapped_column(BigInteger, comment="The learner's id in the LMS.")
    email: Mapped[str] = mapped_column(info=PII, comment="The learner's address; unique without regard to case.")
    group_uuids: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid), server_default=text("'{}'"), comment="The customer's groups that the learner is in."
    )

    __table_args__ = (
        Index("enterprise_learner_lms_user_id_key", "enterprise_customer_id", lms_user_id, unique=True),
        Index("enterprise_learner_email_key", "enterprise_customer_id", folded(email), unique=True),
        {
            "schema": "catalog",
            "comment": "The learners linked to each customer: imported, for no upstream lists them.",
        },
    )


class Subsidy(CatalogRow, OfCustomer, Listed, Base):
    """Money that a customer has set aside for its learners."""

    __tablename__ = "subsidy"
    __table_args__ = ({"schema": "catalog", "comment": "One row per subsidy: the money behind access policies."},)

    uuid: Mapped[UUID] = mapped_column(unique=True, comment="The upstream's uuid.")
    title: Mapped[str | None] = mapped_column(comment="Title shown to administrators.")
    expiration: Mapped[datetime | None] = mapped_column(
        comment="When it expires; null where upstream says nothing, or nothing readable."
    )
    expiration_raw: Mapped[str | None] = mapped_column(comment="The expiration as upstream writes it.")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), comment="Whether money may be spent.")
    current_balance: Mapped[int | None] = mapped_column(
        BigInteger, comment="What is left, in US cents; what was spent is not in it."
    )


class AssignmentConfiguration(CatalogRow, OfCustomer, Listed, Base):
    """What a customer's assignments belong to."""

    __tablename__ = "assignment_configuration"
    __table_args__ = (
        CheckConstraint(f"owner IN {CONFIGURATION_OWNERS}", name="owner"),
        {
            "schema": "catalog",
            "comment": "One row per assignment configuration: the assignments of one policy, or of none.",
        },
    )

    uuid: Mapped[UUID] = mapped_column(unique=True, comment="The upstream's uuid.")
    active: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="Whether its assignments expire, and learners are nudged."
    )
    owner: Mapped[str] = mapped_column(
        comment="Who changes its assignments: here, or enterprise_access, from which they are replicated."
    )
    adopted_at: Mapped[datetime | None] = mapped_column(
        comment="Since when it is ours for good, though enterprise-access may list it; null while it was not adopted."
    )


class AccessPolicy(CatalogRow, OfCustomer, Listed, Base):
    """The terms on which a subsidy is spent on the content of a catalog."""

    __tablename__ = "access_policy"
    __table_args__ = (
        CheckConstraint(f"access_method IN {ACCESS_METHODS}", name="access_method"),
        CheckConstraint("spend_limit >= 0", name="spend_limit_not_negative"),
        Index("access_policy_catalog_uuid_idx", "catalog_uuid"),
        Index("access_policy_subsidy_uuid_idx", "subsidy_uuid"),
        {"schema": "catalog", "comment": "One row per policy: on which terms a subsidy pays for a catalog's content."},
    )

    uuid: Mapped[UUID] = mapped_column(unique=True, comment="The upstream's uuid.")
    display_name: Mapped[str | None] = mapped_column(comment="Name shown to administrators.")
    description: Mapped[str | None] = mapped_column(comment="Description for administrators.")
    policy_type: Mapped[str | None] = mapped_column(comment="The upstream's kind of policy.")
    access_method: Mapped[str] = mapped_column(comment="direct, request or assigned.")
    active: Mapped[bool] = mapped_column(server_default=text("true"), comment="Whether the policy is in use.")
    retired: Mapped[bool] = mapped_column(server_default=text("false"), comment="Whether it was retired.")
    retired_at: Mapped[datetime | None] = mapped_column(comment="When it was retired.")
    catalog_uuid: Mapped[UUID | None] = mapped_column(comment="The catalog that it names, known here or not.")
    subsidy_uuid: Mapped[UUID | None] = mapped_column(comment="The subsidy that it names, known here or not.")
    assignment_configuration_uuid: Mapped[UUID | None] = mapped_column(
        unique=True, comment="The configuration that it names, known here or not; no other policy names it."
    )
    enterprise_catalog_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.enterprise_catalog.id", ondelete="SET NULL"),
        index=True,
        comment="The catalog that it names; null while it is not known here.",
    )
    subsidy_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.subsidy.id", ondelete="SET NULL"),
        index=True,
        comment="The subsidy that it names; null while it is not known here.",
    )
    assignment_configuration_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.assignment_configuration.id", ondelete="SET NULL"),
        unique=True,
        comment="The configuration of its assignments; null while it is not known here.",
    )
    spend_limit: Mapped[int | None] = mapped_column(BigInteger, comment="The most that it may spend, in US cents.")
    spent: Mapped[int | None] = mapped_column(BigInteger, comment="What it has spent, in US cents, without sign.")
    per_learner_enrollment_limit: Mapped[int | None] = mapped_column(comment="The most enrollments of one learner.")
    per_learner_spend_limit: Mapped[int | None] = mapped_column(
        BigInteger, comment="The most that one learner may spend, in US cents."
    )
    late_redemption_allowed_until: Mapped[datetime | None] = mapped_column(
        comment="Until when learners may enroll after the deadline."
    )
    group_uuids: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid), server_default=text("'{}'"), comment="The groups that it is for; for all learners where empty."
    )
    made_at: Mapped[datetime | None] = mapped_column(comment="When upstream made it (its `created`).")


OWN_UUID = "{row}.uuid::text"
track("catalog.enterprise_customer", key=OWN_UUID, personal=("contact_email",))
track("catalog.enterprise_catalog", key=OWN_UUID, left_out=("fetched_at", "last_outcome", "last_detail"))
track("catalog.enterprise_learner", key="{row}.lms_user_id::text", personal=("email",))
track("catalog.subsidy", key=OWN_UUID)
track("catalog.assignment_configuration", key=OWN_UUID)
track("catalog.access_policy", key=OWN_UUID)
