"""Learners, their enrollments in programs and in runs, and the curricula that say which runs a program has."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, CatalogRow, folded
from catalog_pipeline.models.tracking import track

PROGRAM_ENROLLMENT_STATUSES = ("enrolled", "pending", "suspended", "canceled", "ended")
CURRENT_STATUSES = ("enrolled", "pending")
"""The statuses of a learner who is in the program."""
COURSE_STATUSES = ("active", "inactive")
CONFLICT_REASONS = ("active_earlier", "enrolled_there", "first_by_uuid")
OF_ONE_LEARNER = {"deferrable": True, "initially": "IMMEDIATE"}
"""Keys that carry the learner along: a merge of two learners checks them at its end."""
PII = {"pii": True}


class Learner(CatalogRow, Base):
    """A person who learns, known by a user name, by keys of organizations, or both."""

    __tablename__ = "learner"

    user_name: Mapped[str | None] = mapped_column(
        info=PII, comment="The name of the LMS's user; null while nobody has linked one."
    )
    retired_at: Mapped[datetime | None] = mapped_column(
        comment="When the learner was retired: the name and the keys are hashes since."
    )

    __table_args__ = (
        Index("learner_user_name_key", folded(user_name), unique=True),
        CheckConstraint("length(user_name) BETWEEN 1 AND 150", name="user_name_length"),
        {"schema": "catalog", "comment": "One row per learner."},
    )


class LearnerKey(CatalogRow, Base):
    """The key by which an organization knows a learner."""

    __tablename__ = "learner_key"

    learner_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.learner.id", ondelete="RESTRICT"), comment="The learner."
    )
    organization_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.organization.id", ondelete="RESTRICT"), comment="The organization."
    )
    external_key: Mapped[str] = mapped_column(
        info=PII, comment="The organization's key of the learner; unique in it without regard to case."
    )

    __table_args__ = (
        Index("learner_key_organization_id_external_key_key", organization_id, folded(external_key), unique=True),
        UniqueConstraint("learner_id", "id"),
        CheckConstraint("length(external_key) BETWEEN 1 AND 255", name="external_key_length"),
        {"schema": "catalog", "comment": "The keys by which organizations know learners; one may have several."},
    )


class Curriculum(CatalogRow, Base):
    """A part of a program that says which courses and programs it has."""

    __tablename__ = "curriculum"

    program_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.program.id", ondelete="CASCADE"), comment="The program."
    )
    uuid: Mapped[UUID] = mapped_column(comment="The upstream's uuid.")
    name: Mapped[str | None] = mapped_column(comment="Name shown to people.")
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="Whether its courses count as the program's."
    )

    __table_args__ = (
        UniqueConstraint("program_id", "uuid"),
        {"schema": "catalog", "comment": "One row per program and curriculum."},
    )


class ProgramOrganization(CatalogRow, Base):
    """An organization that authors a program."""

    __tablename__ = "program_organization"

    program_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.program.id", ondelete="CASCADE"), comment="The program."
    )
    organization_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.organization.id", ondelete="RESTRICT"), index=True, comment="The organization."
    )
    position: Mapped[int] = mapped_column(
        comment="Its place in the program's list, from 1: the keys of learners are those of the first."
    )

    __table_args__ = (
        UniqueConstraint("program_id", "organization_id"),
        {"schema": "catalog", "comment": "The authoring organizations of each program, in order."},
    )


class CurriculumCourse(CatalogRow, Base):
    """A course of a curriculum."""

    __tablename__ = "curriculum_course"

    curriculum_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.curriculum.id", ondelete="CASCADE"), comment="The curriculum."
    )
    catalog_course_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.catalog_course.id", ondelete="RESTRICT"), index=True, comment="The course."
    )
    position: Mapped[int] = mapped_column(comment="The course's place in the curriculum's list, from 1.")

    __table_args__ = (
        UniqueConstraint("curriculum_id", "catalog_course_id"),
        {"schema": "catalog", "comment": "The courses of each curriculum, in order."},
    )


class CurriculumProgram(CatalogRow, Base):
    """A program that a curriculum includes, with all its courses."""

    __tablename__ = "curriculum_program"

    curriculum_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.curriculum.id", ondelete="CASCADE"), comment="The curriculum."
    )
    program_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.program.id", ondelete="CASCADE"), index=True, comment="The child program."
    )
    position: Mapped[int] = mapped_column(comment="The program's place in the curriculum's list, from 1.")

    __table_args__ = (
        UniqueConstraint("curriculum_id", "program_id"),
        {"schema": "catalog", "comment": "The child programs of each curriculum, in order."},
    )


class ProgramEnrollment(CatalogRow, Base):
    """A learner's enrollment in a program, by one of its curricula."""

    __tablename__ = "program_enrollment"

    learner_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.learner.id", ondelete="RESTRICT"), comment="The learner."
    )
    learner_key_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="The key by which the program knows the learner; null where it is the user name."
    )
    program_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.program.id", ondelete="RESTRICT"), comment="The program."
    )
    curriculum_uuid: Mapped[UUID] = mapped_column(comment="The curriculum, whether the program still has it or not.")
    status: Mapped[str] = mapped_column(comment="enrolled, pending, suspended, canceled or ended.")
    status_since: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="Since when the status stands; kept by a trigger."
    )
    missing_since: Mapped[datetime | None] = mapped_column(
        comment="Since when the LMS no longer lists the enrollment; null while it does."
    )

    __table_args__ = (
        UniqueConstraint("learner_id", "program_id", "curriculum_uuid"),
        UniqueConstraint("learner_id", "id"),
        ForeignKeyConstraint(
            ["learner_id", "learner_key_id"],
            ["catalog.learner_key.learner_id", "catalog.learner_key.id"],
            ondelete="RESTRICT",
            **OF_ONE_LEARNER,
        ),
        Index("program_enrollment_program_id_idx", program_id),
        Index("program_enrollment_learner_key_id_idx", learner_key_id),
        CheckConstraint(f"status IN {PROGRAM_ENROLLMENT_STATUSES}", name="status"),
        {"schema": "catalog", "comment": "One row per learner, program and curriculum."},
    )


class CourseEnrollment(CatalogRow, Base):
    """A learner's seat in a run, whatever programs it serves."""

    __tablename__ = "course_enrollment"

    learner_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.learner.id", ondelete="RESTRICT"), comment="The learner."
    )
    course_run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.course_run.id", ondelete="RESTRICT"), index=True, comment="The run."
    )
    mode: Mapped[str] = mapped_column(
        server_default=text("'masters'"), comment="The mode of the seat, such as masters, verified or audit."
    )
    is_active: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Whether some program's enrollment in it is active, or its mode is a paid one; kept by a trigger.",
    )

    __table_args__ = (
        UniqueConstraint("learner_id", "course_run_id"),
        UniqueConstraint("learner_id", "id"),
        CheckConstraint("length(mode) BETWEEN 1 AND 100", name="mode_length"),
        {"schema": "catalog", "comment": "One row per learner and run: the seat that programs share."},
    )


class ProgramCourseEnrollment(CatalogRow, Base):
    """A seat in a run as one program's enrollment has it."""

    __tablename__ = "program_course_enrollment"

    learner_id: Mapped[int] = mapped_column(
        BigInteger, comment="The learner of both enrollments; where it is not given, a trigger takes it from them."
    )
    program_enrollment_id: Mapped[int] = mapped_column(BigInteger, comment="The enrollment in the program.")
    course_enrollment_id: Mapped[int] = mapped_column(BigInteger, comment="The seat in the run.")
    status: Mapped[str] = mapped_column(comment="active or inactive. Of all rows of a seat, one may be active.")
    status_since: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="Since when the status stands; kept by a trigger."
    )
    course_staff: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether the learner belongs to the staff of the run."
    )
    lms_status: Mapped[str | None] = mapped_column(
        comment="What the LMS says, where it lists the row: active or inactive. It may have two active; we have not."
    )
    missing_since: Mapped[datetime | None] = mapped_column(
        comment="Since when the LMS no longer lists the row; null while it does."
    )

    __table_args__ = (
        UniqueConstraint("course_enrollment_id", "program_enrollment_id"),
        ForeignKeyConstraint(
            ["learner_id", "program_enrollment_id"],
            ["catalog.program_enrollment.learner_id", "catalog.program_enrollment.id"],
            name="program_course_enrollment_program_enrollment_id_fkey",
            ondelete="CASCADE",
            **OF_ONE_LEARNER,
        ),
        ForeignKeyConstraint(
            ["learner_id", "course_enrollment_id"],
            ["catalog.course_enrollment.learner_id", "catalog.course_enrollment.id"],
            name="program_course_enrollment_course_enrollment_id_fkey",
            ondelete="RESTRICT",
            **OF_ONE_LEARNER,
        ),
        Index("program_course_enrollment_program_enrollment_id_idx", program_enrollment_id),
        Index(
            "program_course_enrollment_active_key",
            course_enrollment_id,
            unique=True,
            postgresql_where=(status == "active"),
        ),
        CheckConstraint(f"status IN {COURSE_STATUSES}", name="status"),
        CheckConstraint(f"lms_status IN {COURSE_STATUSES}", name="lms_status"),
        {"schema": "catalog", "comment": "One row per program enrollment and seat; of a seat, one at most is active."},
    )


class EnrollmentConflict(Base):
    """A seat that the LMS has active in several programs, and how that was decided."""

    __tablename__ = "enrollment_conflict"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    learner_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.learner.id", ondelete="CASCADE"), comment="The learner."
    )
    course_run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.course_run.id", ondelete="CASCADE"), index=True, comment="The run."
    )
    program_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog.program.id", ondelete="CASCADE"), index=True, comment="A program of it."
    )
    curriculum_uuid: Mapped[UUID] = mapped_column(comment="The curriculum of the enrollment.")
    since: Mapped[datetime] = mapped_column(comment="Since when the program's row stands as it does.")
    counted: Mapped[bool] = mapped_column(comment="Whether this program's row is the one that is active here.")
    reason: Mapped[str] = mapped_column(comment="Why that one counts: active_earlier, enrolled_there or first_by_uuid.")
    found_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When it was found.")
    cleared_at: Mapped[datetime | None] = mapped_column(comment="When it was no longer so; null while it is open.")

    __table_args__ = (
        Index(
            "enrollment_conflict_open_key",
            "learner_id",
            "course_run_id",
            "program_id",
            "curriculum_uuid",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
        CheckConstraint(f"reason IN {CONFLICT_REASONS}", name="reason"),
        {"schema": "ops", "comment": "One row per program that has a learner active in a run where another has, too."},
    )


LEARNER = "'learner:' || {row}.learner_id"
OF_PROGRAM = "(SELECT p.uuid::text FROM catalog.program p WHERE p.id = {row}.program_id)"
OF_CURRICULUM = (
    "(SELECT p.uuid::text FROM catalog.curriculum c JOIN catalog.program p ON p.id = c.program_id"
    " WHERE c.id = {row}.curriculum_id)"
)
track("catalog.learner", key="'learner:' || {row}.id", personal=("user_name",))
track("catalog.learner_key", key=LEARNER, personal=("external_key",))
# What follows from the rest of an event is left out: since when a status stands, and the learner, who is in its key.
track("catalog.program_enrollment", key=LEARNER, left_out=("status_since",))
track("catalog.course_enrollment", key=LEARNER)
track("catalog.program_course_enrollment", key=LEARNER, left_out=("learner_id", "status_since"))
track("catalog.program_organization", key=OF_PROGRAM)
track("catalog.curriculum", key=OF_PROGRAM)
track("catalog.curriculum_course", key=OF_CURRICULUM)
track("catalog.curriculum_program", key=OF_CURRICULUM)
