"""Replicated content metadata: what each enterprise catalog says of its courses, programs, pathways and runs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed, folded
from catalog_pipeline.models.tracking import track

CONTENT_TYPES = ("course", "program", "learnerpathway")
CONTENT_STATUSES = ("found", "not_in_catalog")
PRICE_SOURCES = ("fixed", "entitlement", "seat", "normalized", "none")


class OfCatalog:
    """What content and its runs share: their catalog, when they were read, their dates and their price."""

    @declared_attr
    def enterprise_catalog_id(cls) -> Mapped[int]:  # noqa: N805
        """The catalog."""
        return mapped_column(
            BigInteger,
            ForeignKey("catalog.enterprise_catalog.id", ondelete="CASCADE"),
            sort_order=-1,
            comment="The catalog that says this; another catalog may say something else of the same key.",
        )

    start: Mapped[datetime | None] = mapped_column(sort_order=50, comment="When the run begins.")
    end: Mapped[datetime | None] = mapped_column(sort_order=51, comment="When the run ends.")
    enrollment_start: Mapped[datetime | None] = mapped_column(sort_order=52, comment="When enrollment opens.")
    enroll_by: Mapped[datetime | None] = mapped_column(
        sort_order=53, comment="Until when learners can enroll at the price; docs/enterprise.md has the rule."
    )
    price: Mapped[Decimal | None] = mapped_column(
        Numeric(12, 2), sort_order=54, comment="What one learner costs; 0 where no source of a price has one."
    )
    currency: Mapped[str | None] = mapped_column(sort_order=55, comment="ISO 4217 code of the price.")
    price_from: Mapped[str | None] = mapped_column(
        sort_order=56, comment="Where the price comes from: fixed, entitlement, seat, normalized; none: nowhere."
    )
    fetched_at: Mapped[datetime] = mapped_column(
        sort_order=80,
        server_default=text("now()"),
        comment="When the row was last written from what upstream says. The catalog's fetched_at may be later.",
    )


class ContentMetadata(CatalogRow, OfCatalog, Listed, Base):
    """A course, program or pathway, as one catalog has it. Its dates are those of its advertised run."""

    __tablename__ = "content_metadata"

    content_key: Mapped[str] = mapped_column(
        comment="The course's key; the uuid of a program or pathway; unique in a catalog without regard to case."
    )
    content_uuid: Mapped[UUID | None] = mapped_column(comment="The upstream's uuid.")
    content_type: Mapped[str | None] = mapped_column(
        comment="course, program or learnerpathway; null where nothing but the key is known."
    )
    title: Mapped[str | None] = mapped_column(comment="Title shown to people.")
    course_type: Mapped[str | None] = mapped_column(comment="Slug of the course type, such as verified-audit.")
    product_source: Mapped[str | None] = mapped_column(comment="Slug of the product source, else its name.")
    advertised_run_key: Mapped[str | None] = mapped_column(comment="The run whose dates are the content's.")
    partners: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, server_default=text("'[]'"), comment="Its owners, in order: name, logo_image_url."
    )
    image_url: Mapped[str | None] = mapped_column(comment="The address of its card's image.")
    listed: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="Whether the catalog's list has it; false where only its key brings it."
    )
    status: Mapped[str] = mapped_column(
        server_default=text("'found'"),
        comment="found, or not_in_catalog: the catalog was asked for it and did not return it.",
    )
    content_hash: Mapped[str | None] = mapped_column(
        comment="xxh3-128 of the document without fields that change by themselves, as hexadecimal digits."
    )

    __table_args__ = (
        Index("content_metadata_content_key_key", "enterprise_catalog_id", folded(content_key), unique=True),
        CheckConstraint(f"content_type IN {CONTENT_TYPES}", name="content_type"),
        CheckConstraint(f"status IN {CONTENT_STATUSES}", name="status"),
        CheckConstraint("(status = 'not_in_catalog') = (missing_since IS NOT NULL)", name="missing_since"),
        CheckConstraint(f"price_from IN {PRICE_SOURCES}", name="price_from"),
        CheckConstraint("length(content_key) BETWEEN 1 AND 255", name="content_key_length"),
        {"schema": "catalog", "comment": "One row per catalog and course, program or pathway: a dated copy."},
    )


class ContentRun(CatalogRow, OfCatalog, Listed, Base):
    """A course run, as one catalog has it."""

    __tablename__ = "content_run"

    content_metadata_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("catalog.content_metadata.id", ondelete="CASCADE"),
        index=True,
        comment="Its course in the same catalog; null where the catalog has only the run.",
    )
    run_key: Mapped[str] = mapped_column(comment="The run's key; unique in a catalog without regard to case.")
    parent_content_key: Mapped[str | None] = mapped_column(comment="The key of its course.")
    run_uuid: Mapped[UUID | None] = mapped_column(comment="The upstream's uuid.")
    status: Mapped[str | None] = mapped_column(comment="Publication status, as upstream spells it.")
    pacing: Mapped[str | None] = mapped_column(comment="instructor_paced or self_paced.")
    weeks_to_complete: Mapped[int | None] = mapped_column(comment="How many weeks a learner needs.")
    restriction_type: Mapped[str | None] = mapped_column(
        comment="Who may see the run, where that is restricted; null where it is not."
    )
    start_raw: Mapped[str | None] = mapped_column(sort_order=60, comment="The start as upstream writes it.")
    end_raw: Mapped[str | None] = mapped_column(sort_order=61, comment="The end as upstream writes it.")
    enrollment_start_raw: Mapped[str | None] = mapped_column(
        sort_order=62, comment="When enrollment opens, as upstream writes it."
    )
    enrollment_end_raw: Mapped[str | None] = mapped_column(
        sort_order=63,
        comment="When enrollment closes, as upstream writes it; or the enroll-by date, if it says only that.",
    )
    upgrade_deadline_raw: Mapped[str | None] = mapped_column(
        sort_order=64, comment="The upgrade deadline of the seat that counts, as upstream writes it."
    )
    problems: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB,
        sort_order=65,
        server_default=text("'[]'"),
        comment="The dates that decide enroll_by and cannot be read: field (enrollment_end, upgrade_deadline), raw.",
    )

    __table_args__ = (
        Index("content_run_run_key_key", "enterprise_catalog_id", folded(run_key), unique=True),
        CheckConstraint(f"price_from IN {PRICE_SOURCES}", name="price_from"),
        CheckConstraint("length(run_key) BETWEEN 1 AND 255", name="run_key_length"),
        {"schema": "catalog", "comment": "One row per catalog and course run: a dated copy."},
    )


track("catalog.content_metadata", key="{row}.content_key", left_out=("fetched_at",))
track("catalog.content_run", key="{row}.run_key", left_out=("fetched_at",))
