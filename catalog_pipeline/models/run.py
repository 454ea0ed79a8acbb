"""Course runs, the course each belongs to, and the partner's variant each stands for."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed, folded
from catalog_pipeline.models.tracking import track

RUN_STATUSES = ("unpublished", "review_by_legal", "review_by_internal", "reviewed", "published", "archived")
PACINGS = ("instructor_paced", "self_paced")
RESTRICTION_TYPES = ("custom-b2b-enterprise", "custom-b2c")
ASSOCIATION_SOURCES = ("manual", "discovery", "feed", "key")


class CourseRun(CatalogRow, Listed, Base):
    """One run of a course."""

    __tablename__ = "course_run"

    run_key: Mapped[str] = mapped_column(
        comment="The run's key, without branch and version; unique without regard to case."
    )
    key_org: Mapped[str] = mapped_column(comment="Organization part of the key.")
    key_course: Mapped[str] = mapped_column(
        comment="Course part of the key; may differ from the code of the run's course."
    )
    key_run: Mapped[str] = mapped_column(comment="Run part of the key.")
    uuid: Mapped[UUID | None] = mapped_column(unique=True, comment="The upstream's uuid.")
    title: Mapped[str] = mapped_column(comment="Title shown to people.")
    status: Mapped[str] = mapped_column(
        server_default=text("'unpublished'"),
        comment="Publication status of the run; archived when upstream no longer lists it.",
    )
    pacing: Mapped[str | None] = mapped_column(comment="instructor_paced or self_paced.")
    language: Mapped[str | None] = mapped_column(comment="Language code, as upstream spells it.")
    start: Mapped[datetime | None] = mapped_column(comment="When the run begins.")
    end: Mapped[datetime | None] = mapped_column(comment="When the run ends.")
    enrollment_start: Mapped[datetime | None] = mapped_column(comment="When enrollment opens.")
    enrollment_end: Mapped[datetime | None] = mapped_column(comment="When enrollment closes.")
    go_live: Mapped[datetime | None] = mapped_column(comment="When a reviewed run is to be published.")
    upgrade_deadline: Mapped[datetime | None] = mapped_column(comment="The latest upgrade deadline of a paid seat.")
    restriction_type: Mapped[str | None] = mapped_column(
        comment="Who may see the run, where that is restricted; null where it is not."
    )
    price: Mapped[Decimal | None] = mapped_column(
        Numeric(12, 2), comment="The highest price of a seat; credit seats do not count."
    )
    currency: Mapped[str | None] = mapped_column(comment="ISO 4217 code of the price.")
    has_seats: Mapped[bool | None] = mapped_column(
        comment="Whether the run has seats, so that learners can enroll; null where upstream does not say."
    )
    superseded_by_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.course_run.id", ondelete="SET NULL"),
        comment="The upstream's run that took over this run's variant; null unless one did.",
    )

    __table_args__ = (
        Index("course_run_run_key_key", folded(run_key), unique=True),
        Index("course_run_status_start_idx", status, start),
        Index("course_run_superseded_by_id_idx", superseded_by_id, postgresql_where=superseded_by_id.isnot(None)),
        CheckConstraint(f"status IN {RUN_STATUSES}", name="status"),
        CheckConstraint(f"pacing IN {PACINGS}", name="pacing"),
        CheckConstraint(f"restriction_type IN {RESTRICTION_TYPES}", name="restriction_type"),
        CheckConstraint('"end" >= start', name="end_not_before_start"),
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("length(run_key) BETWEEN 1 AND 255", name="run_key_length"),
        CheckConstraint("length(title) BETWEEN 1 AND 255", name="title_length"),
        {"schema": "catalog", "comment": "One row per course run, by run key."},
    )


class RunAssociation(CatalogRow, Base):
    """Which course a run belongs to, and why. A run has one course."""

    __tablename__ = "run_association"

    course_run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.course_run.id", ondelete="CASCADE"), unique=True, comment="The run."
    )
    catalog_course_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.catalog_course.id", ondelete="RESTRICT"),
        index=True,
        comment="The run's course.",
    )
    source: Mapped[str] = mapped_column(
        server_default=text("'manual'"),
        comment="What decided the course: manual, discovery, feed or key; each goes before those after it.",
    )
    reason: Mapped[str] = mapped_column(
        server_default=text("'Set by SQL.'"), comment="Why the run belongs to the course, in words."
    )
    decided_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When the association was last decided."
    )

    __table_args__ = (
        CheckConstraint(f"source IN {ASSOCIATION_SOURCES}", name="source"),
        {
            "schema": "catalog",
            "comment": "The course of each run, stated explicitly: it need not follow from the run's key.",
        },
    )


class CourseVariant(CatalogRow, Base):
    """A partner's variant of a product, and the one run that stands for it."""

    __tablename__ = "course_variant"

    variant_id: Mapped[UUID] = mapped_column(unique=True, comment="The partner's id of the variant.")
    course_run_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.course_run.id", ondelete="CASCADE"),
        unique=True,
        comment="The run that stands for the variant.",
    )
    product_source: Mapped[str | None] = mapped_column(comment="Slug of the partner that the variant came from.")

    __table_args__ = (
        {
            "schema": "catalog",
            "comment": "One row per partner variant: a variant has one run, and a run has at most one variant.",
        },
    )


OWN_RUN_KEY = "(SELECT r.run_key FROM catalog.course_run r WHERE r.id = {row}.course_run_id)"

track("catalog.course_run", key="{row}.run_key")
track("catalog.run_association", key=OWN_RUN_KEY)
track("catalog.course_variant", key=OWN_RUN_KEY)
