"""Programs and their courses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, Listed
from catalog_pipeline.models.tracking import track

ENROLLMENTS_OWNERS = ("here", "lms")
PROGRAM_STATUSES = ("unpublished", "active", "retired", "deleted", "archived")


class Program(CatalogRow, Listed, Base):
    """A bundle of courses."""

    __tablename__ = "program"

    uuid: Mapped[UUID] = mapped_column(unique=True, comment="The upstream's uuid.")
    title: Mapped[str] = mapped_column(comment="Title shown to people.")
    type: Mapped[str | None] = mapped_column(comment="Name of the program type, such as XSeries.")
    status: Mapped[str] = mapped_column(
        comment="unpublished, active, retired or deleted; archived when upstream no longer lists the program."
    )
    marketing_slug: Mapped[str | None] = mapped_column(comment="Last part of the address of the program's page.")
    enrollments_owner: Mapped[str] = mapped_column(
        server_default=text("'here'"),
        comment="Who keeps its enrollments: here, or lms, which we then only read.",
    )
    enrollments_adopted_at: Mapped[datetime | None] = mapped_column(
        comment="When its enrollments were taken over from the LMS, which is no longer read for it."
    )

    __table_args__ = (
        CheckConstraint(f"status IN {PROGRAM_STATUSES}", name="status"),
        CheckConstraint("length(title) BETWEEN 1 AND 255", name="title_length"),
        CheckConstraint(f"enrollments_owner IN {ENROLLMENTS_OWNERS}", name="enrollments_owner"),
        {"schema": "catalog", "comment": "One row per program."},
    )


class ProgramCourse(CatalogRow, Base):
    """A course's place in a program."""

    __tablename__ = "program_course"

    program_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.program.id", ondelete="CASCADE"), comment="The program."
    )
    catalog_course_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("catalog.catalog_course.id", ondelete="RESTRICT"),
        index=True,
        comment="The course.",
    )
    position: Mapped[int] = mapped_column(comment="The course's place in the program's list, from 1.")

    __table_args__ = (
        UniqueConstraint("program_id", "catalog_course_id"),
        {"schema": "catalog", "comment": "The courses of each program, in order."},
    )


track("catalog.program", key="{row}.uuid::text")
track("catalog.program_course", key="(SELECT p.uuid::text FROM catalog.program p WHERE p.id = {row}.program_id)")
