"""Organizations."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed, folded
from catalog_pipeline.models.tracking import track


class Organization(CatalogRow, Listed, Base):
    """Who offers courses. `key` is the first part of course and run keys."""

    __tablename__ = "organization"

    key: Mapped[str] = mapped_column(
        comment="Short name, the first part of course and run keys; unique without regard to case."
    )
    name: Mapped[str] = mapped_column(comment="Name shown to people; the key where no source gives a name.")
    active: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="False when the organization is kept but offers nothing new."
    )
    uuid: Mapped[UUID | None] = mapped_column(unique=True, comment="The upstream's uuid.")

    __table_args__ = (
        Index("organization_key_key", folded(key), unique=True),
        CheckConstraint("length(key) BETWEEN 1 AND 255", name="key_length"),
        CheckConstraint("length(name) BETWEEN 1 AND 255", name="name_length"),
        {"schema": "catalog", "comment": "Who offers courses: one row per organization key."},
    )


track("catalog.organization", key="{row}.key")
