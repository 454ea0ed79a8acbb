"""Catalog courses: the course as a concept, apart from its runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed, folded
from catalog_pipeline.models.tracking import track

COURSE_STATUSES = ("draft", "published", "archived")


class CatalogCourse(CatalogRow, Listed, Base):
    """One course of one organization. Its runs are in `run_association`."""

    __tablename__ = "catalog_course"

    organization_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.organization.id", ondelete="RESTRICT"),
        comment="The owning organization.",
    )
    course_code: Mapped[str] = mapped_column(comment="The second part of the key.")
    key: Mapped[str] = mapped_column(comment="Org+Code, in the case it came in; unique without regard to case.")
    title: Mapped[str] = mapped_column(comment="Title shown to people; the course code where no source gives a title.")
    short_description: Mapped[str | None] = mapped_column(comment="Short description, in HTML.")
    full_description: Mapped[str | None] = mapped_column(comment="Full description, in HTML.")
    topic: Mapped[str | None] = mapped_column(comment="The first subject.")
    language: Mapped[str | None] = mapped_column(
        comment="Language code of the advertised or first run, as upstream spells it."
    )
    course_type: Mapped[str | None] = mapped_column(comment="Slug of the course type, such as verified-audit.")
    product_source: Mapped[str | None] = mapped_column(comment="Slug of the product source, such as edx or 2u.")
    product_status: Mapped[str | None] = mapped_column(
        comment="published or archived; null where upstream does not say."
    )
    status: Mapped[str] = mapped_column(
        server_default=text("'draft'"),
        comment="archived when product_status is archived, or upstream or its feed no longer lists it; else published"
        " when some run is published; else draft.",
    )
    uuid: Mapped[UUID | None] = mapped_column(unique=True, comment="The upstream's uuid.")
    key_for_reruns: Mapped[str | None] = mapped_column(
        comment="Org+Code that the keys of new runs carry instead of the course's own."
    )
    external_identifier: Mapped[str | None] = mapped_column(comment="The partner's own product number.")
    partner_attributes: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB,
        comment="Values of the partner's feed that have no column here, by feed column; null when no feed listed it.",
    )
    dropped_since: Mapped[datetime | None] = mapped_column(
        comment="Since when the feed of its product source and course type no longer lists it; null while it does."
    )

    __table_args__ = (
        Index("catalog_course_organization_code_key", organization_id, folded(course_code), unique=True),
        Index("catalog_course_key_key", folded(key), unique=True),
        Index(
            "catalog_course_key_for_reruns_idx",
            folded(key_for_reruns),
            postgresql_where=key_for_reruns.isnot(None),
        ),
        Index(
            "catalog_course_external_identifier_key",
            product_source,
            course_type,
            external_identifier,
            unique=True,
            postgresql_where=external_identifier.isnot(None),
            postgresql_nulls_not_distinct=True,
        ),
        Index("catalog_course_status_topic_idx", status, topic),
        CheckConstraint(f"status IN {COURSE_STATUSES}", name="status"),
        CheckConstraint("length(course_code) BETWEEN 1 AND 255", name="course_code_length"),
        CheckConstraint("length(key) BETWEEN 3 AND 255", name="key_length"),
        CheckConstraint("length(title) BETWEEN 1 AND 255", name="title_length"),
        {"schema": "catalog", "comment": "One row per catalog course: the course as a concept, apart from its runs."},
    )


track(
    "catalog.catalog_course",
    key="{row}.key",
    long_text=("short_description", "full_description", "partner_attributes"),
)
