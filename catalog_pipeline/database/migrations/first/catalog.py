"""The schema `catalog`: organizations, courses, runs and programs."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from catalog_pipeline.database.migrations.first.columns import INSTANT, folded, identity, metadata, optional, required


def row_id() -> Column[int]:
    """The id of every table of this schema."""
    return identity("Surrogate key; never shown in APIs, never updated.")


def listed() -> list[Column[Any]]:
    """The columns of what an upstream lists."""
    return [
        optional(
            "listed_by_id",
            BigInteger,
            "The document that lists this row; its source owns the row's fields. Null when none does.",
            references="landing.document.id",
            on_delete="SET NULL",
            index=True,
        ),
        optional("missing_since", INSTANT, "Since when upstream no longer lists the row; null while it does."),
    ]


def written() -> list[Column[Any]]:
    """When a row was written."""
    return [
        required("created_at", INSTANT, "When the row was created.", default="now()"),
        required("updated_at", INSTANT, "When a value of the row last changed; kept by a trigger.", default="now()"),
    ]


Table(
    "organization",
    metadata,
    row_id(),
    required("key", Text, "Short name, the first part of course and run keys; unique without regard to case."),
    required("name", Text, "Name shown to people; the key where no source gives a name."),
    required("active", Boolean, "False when the organization is kept but offers nothing new.", default="true"),
    optional("uuid", Uuid, "The upstream's uuid.", unique=True),
    *listed(),
    *written(),
    CheckConstraint("length(key) BETWEEN 1 AND 255", "organization_key_length_check"),
    CheckConstraint("length(name) BETWEEN 1 AND 255", "organization_name_length_check"),
    Index("organization_key_key", folded("key"), unique=True),
    schema="catalog",
    comment="Who offers courses: one row per organization key.",
)

Table(
    "catalog_course",
    metadata,
    row_id(),
    required(
        "organization_id",
        BigInteger,
        "The owning organization.",
        references="catalog.organization.id",
        on_delete="RESTRICT",
    ),
    required("course_code", Text, "The second part of the key."),
    required("key", Text, "Org+Code, in the case it came in; unique without regard to case."),
    required("title", Text, "Title shown to people; the course code where no source gives a title."),
    optional("short_description", Text, "Short description, in HTML."),
    optional("full_description", Text, "Full description, in HTML."),
    optional("topic", Text, "The first subject."),
    optional("language", Text, "Language code of the advertised or first run, as upstream spells it."),
    optional("course_type", Text, "Slug of the course type, such as verified-audit."),
    optional("product_source", Text, "Slug of the product source, such as edx or 2u."),
    optional("product_status", Text, "published or archived; null where upstream does not say."),
    required(
        "status",
        Text,
        "archived when product_status is archived, or upstream or its feed no longer lists it; else published when"
        " some run is published; else draft.",
        default="'draft'",
    ),
    optional("uuid", Uuid, "The upstream's uuid.", unique=True),
    optional("key_for_reruns", Text, "Org+Code that the keys of new runs carry instead of the course's own."),
    optional("external_identifier", Text, "The partner's own product number."),
    optional(
        "partner_attributes",
        JSONB,
        "Values of the partner's feed that have no column here, by feed column; null when no feed listed it.",
    ),
    optional(
        "dropped_since",
        INSTANT,
        "Since when the feed of its product source and course type no longer lists it; null while it does.",
    ),
    *listed(),
    *written(),
    CheckConstraint("status IN ('draft', 'published', 'archived')", "catalog_course_status_check"),
    CheckConstraint("length(course_code) BETWEEN 1 AND 255", "catalog_course_course_code_length_check"),
    CheckConstraint("length(key) BETWEEN 3 AND 255", "catalog_course_key_length_check"),
    CheckConstraint("length(title) BETWEEN 1 AND 255", "catalog_course_title_length_check"),
    Index(
        "catalog_course_external_identifier_key",
        "product_source",
        "course_type",
        "external_identifier",
        unique=True,
        postgresql_where=text("external_identifier IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    ),
    Index(
        "catalog_course_key_for_reruns_idx",
        folded("key_for_reruns"),
        postgresql_where=text("key_for_reruns IS NOT NULL"),
    ),
    Index("catalog_course_key_key", folded("key"), unique=True),
    Index("catalog_course_organization_code_key", "organization_id", folded("course_code"), unique=True),
    Index("catalog_course_status_topic_idx", "status", "topic"),
    schema="catalog",
    comment="One row per catalog course: the course as a concept, apart from its runs.",
)

Table(
    "course_run",
    metadata,
    row_id(),
    required("run_key", Text, "The run's key, without branch and version; unique without regard to case."),
    required("key_org", Text, "Organization part of the key."),
    required("key_course", Text, "Course part of the key; may differ from the code of the run's course."),
    required("key_run", Text, "Run part of the key."),
    optional("uuid", Uuid, "The upstream's uuid.", unique=True),
    required("title", Text, "Title shown to people."),
    required("status", Text, "Publication status of the run; archived when upstream no longer lists it."),
    optional("pacing", Text, "instructor_paced or self_paced."),
    optional("language", Text, "Language code, as upstream spells it."),
    optional("start", INSTANT, "When the run begins."),
    optional("end", INSTANT, "When the run ends."),
    optional("enrollment_start", INSTANT, "When enrollment opens."),
    optional("enrollment_end", INSTANT, "When enrollment closes."),
    optional("go_live", INSTANT, "When a reviewed run is to be published."),
    optional("upgrade_deadline", INSTANT, "The latest upgrade deadline of a paid seat."),
    optional("restriction_type", Text, "Who may see the run, where that is restricted; null where it is not."),
    optional("price", Numeric(12, 2), "The highest seat price."),
    optional("currency", Text, "ISO 4217 code of the price."),
    optional(
        "has_seats",
        Boolean,
        "Whether the run has seats, so that learners can enroll; null where upstream does not say.",
    ),
    optional(
        "superseded_by_id",
        BigInteger,
        "The upstream's run that took over this run's variant; null unless one did.",
        references="catalog.course_run.id",
        on_delete="SET NULL",
    ),
    *listed(),
    *written(),
    CheckConstraint(
        "status IN ('unpublished', 'review_by_legal', 'review_by_internal', 'reviewed', 'published', 'archived')",
        "course_run_status_check",
    ),
    CheckConstraint("pacing IN ('instructor_paced', 'self_paced')", "course_run_pacing_check"),
    CheckConstraint("restriction_type IN ('custom-b2b-enterprise', 'custom-b2c')", "course_run_restriction_type_check"),
    CheckConstraint('"end" >= start', "course_run_end_not_before_start_check"),
    CheckConstraint("price >= 0", "course_run_price_not_negative_check"),
    CheckConstraint("length(run_key) BETWEEN 1 AND 255", "course_run_run_key_length_check"),
    CheckConstraint("length(title) BETWEEN 1 AND 255", "course_run_title_length_check"),
    Index("course_run_run_key_key", folded("run_key"), unique=True),
    Index("course_run_status_start_idx", "status", "start"),
    Index("course_run_superseded_by_id_idx", "superseded_by_id", postgresql_where=text("superseded_by_id IS NOT NULL")),
    schema="catalog",
    comment="One row per course run, by run key.",
)

Table(
    "run_association",
    metadata,
    row_id(),
    required(
        "course_run_id", BigInteger, "The run.", references="catalog.course_run.id", on_delete="CASCADE", unique=True
    ),
    required(
        "catalog_course_id",
        BigInteger,
        "The run's course.",
        references="catalog.catalog_course.id",
        on_delete="RESTRICT",
        index=True,
    ),
    required(
        "source",
        Text,
        "What decided the course: manual, which goes before discovery, or discovery, which goes before key.",
    ),
    required("reason", Text, "Why the run belongs to the course, in words."),
    required("decided_at", INSTANT, "When the association was last decided.", default="now()"),
    *written(),
    CheckConstraint("source IN ('manual', 'discovery', 'key')", "run_association_source_check"),
    schema="catalog",
    comment="The course of each run, stated explicitly: it need not follow from the run's key.",
)

Table(
    "course_variant",
    metadata,
    row_id(),
    required("variant_id", Uuid, "The partner's id of the variant.", unique=True),
    required(
        "course_run_id",
        BigInteger,
        "The run that stands for the variant.",
        references="catalog.course_run.id",
        on_delete="CASCADE",
        unique=True,
    ),
    optional("product_source", Text, "Slug of the partner that the variant came from."),
    *written(),
    schema="catalog",
    comment="One row per partner variant: a variant has one run, and a run has at most one variant.",
)

Table(
    "program",
    metadata,
    row_id(),
    required("uuid", Uuid, "The upstream's uuid.", unique=True),
    required("title", Text, "Title shown to people."),
    optional("type", Text, "Name of the program type, such as XSeries."),
    required(
        "status", Text, "unpublished, active, retired or deleted; archived when upstream no longer lists the program."
    ),
    optional("marketing_slug", Text, "Last part of the address of the program's page."),
    *listed(),
    *written(),
    CheckConstraint("status IN ('unpublished', 'active', 'retired', 'deleted', 'archived')", "program_status_check"),
    CheckConstraint("length(title) BETWEEN 1 AND 255", "program_title_length_check"),
    schema="catalog",
    comment="One row per program.",
)

Table(
    "program_course",
    metadata,
    row_id(),
    required("program_id", BigInteger, "The program.", references="catalog.program.id", on_delete="CASCADE"),
    required(
        "catalog_course_id",
        BigInteger,
        "The course.",
        references="catalog.catalog_course.id",
        on_delete="RESTRICT",
        index=True,
    ),
    required("position", Integer, "The course's place in the program's list, from 1."),
    *written(),
    UniqueConstraint("program_id", "catalog_course_id"),
    schema="catalog",
    comment="The courses of each program, in order.",
)
