"""Partner feeds: each ingestion of a file, and the outcome of each of its rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base

FEED_OUTCOMES = ("applied", "superseded", "held", "refused")
FEED_ROW_OUTCOMES = ("new_product", "new_variant", "updated", "unchanged", "rejected", "deferred")
FEED_COUNTS = (*FEED_ROW_OUTCOMES, "archived", "reactivated")
"""What the report of a feed counts: its rows by outcome, and the courses archived and reactivated."""


class Feed(Base):
    """One ingestion of one feed. A dry run leaves none."""

    __tablename__ = "feed"
    __table_args__ = (
        CheckConstraint(f"outcome IN {FEED_OUTCOMES}", name="outcome"),
        Index("feed_source_product_type_idx", "source", "product_type", "id"),
        {
            "schema": "ops",
            "comment": "One row per ingestion of a partner feed; a file that is ingested twice has two rows.",
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    name: Mapped[str] = mapped_column(comment="Name of the file.")
    source: Mapped[str] = mapped_column(comment="Slug of the product source, such as 2u.")
    product_type: Mapped[str] = mapped_column(comment="Slug of the course type, such as executive-education-2u.")
    sha256: Mapped[str] = mapped_column(index=True, comment="SHA-256 of the file's bytes, in hexadecimal.")
    received_at: Mapped[datetime] = mapped_column(comment="When the file arrived; feeds are applied in this order.")
    as_of: Mapped[datetime] = mapped_column(comment="The time that the decisions take as now.")
    ingested_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="When it was ingested."
    )
    outcome: Mapped[str] = mapped_column(
        comment="applied; superseded (a newer feed was already applied); held (it would archive too much); refused."
    )
    corrects: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether it only corrects some rows of the feed before it."
    )
    detail: Mapped[str | None] = mapped_column(comment="Why it was not applied, or what was left undone.")
    counts: Mapped[dict[str, int]] = mapped_column(
        JSONB, comment="Number of rows, in all and by outcome, and of archived and reactivated courses."
    )
    warnings: Mapped[list[Any]] = mapped_column(
        JSONB, comment="Warnings about the feed as a whole: code, column, message."
    )
    archived: Mapped[list[Any]] = mapped_column(
        JSONB, comment="Courses that the feed no longer lists: course_key, title, external_identifier, reason."
    )
    reactivated: Mapped[list[Any]] = mapped_column(
        JSONB, comment="Archived courses that the feed lists again, with the same fields as archived."
    )
    missing: Mapped[list[Any]] = mapped_column(
        JSONB,
        server_default=text("'[]'"),
        comment="Courses that the feed does not list but that were not archived, with the same fields as archived.",
    )
    document_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("landing.document.id", ondelete="SET NULL"),
        comment="The document that holds the file's bytes.",
    )
    load_id: Mapped[int | None] = mapped_column(
        ForeignKey("ops.load.id", ondelete="SET NULL"), comment="The load that applied it."
    )
    rows_removed_at: Mapped[datetime | None] = mapped_column(
        comment="When its rows and its bytes were removed, because another feed had long taken its place."
    )


class FeedRow(Base):
    """One row of a feed, with its one outcome."""

    __tablename__ = "feed_row"
    __table_args__ = (
        CheckConstraint(f"outcome IN {FEED_ROW_OUTCOMES}", name="outcome"),
        {"schema": "ops", "comment": "One row per row of a feed: what was decided about it, and why."},
    )

    # Without a foreign key, which would be looked up for each of a hundred thousand rows of one feed.
    feed_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, comment="The feed.")
    row: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="Line number as a spreadsheet shows it; the header is line 1."
    )
    outcome: Mapped[str] = mapped_column(comment="new_product, new_variant, updated, unchanged, rejected or deferred.")
    reason: Mapped[str] = mapped_column(comment="Why, in words.")
    course_key: Mapped[str | None] = mapped_column(comment="Key of the course that the row is about.")
    run_key: Mapped[str | None] = mapped_column(comment="Key of the run that the row is about.")
    variant_id: Mapped[str | None] = mapped_column(comment="The partner's variant, as the feed gives it.")
    title: Mapped[str | None] = mapped_column(comment="Title, as the feed gives it.")
    external_identifier: Mapped[str | None] = mapped_column(
        comment="The partner's product number, as the feed gives it."
    )
    restriction_type: Mapped[str | None] = mapped_column(comment="Restriction, as the feed gives it.")
    is_future_variant: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether the partner only announces the variant."
    )
    changes: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="Field to [old, new] of the run; a course's first row also has the course's fields."
    )
    errors: Mapped[list[Any] | None] = mapped_column(
        JSONB, comment="Why the row was rejected: code, column, value, message."
    )
    warnings: Mapped[list[Any] | None] = mapped_column(
        JSONB, comment="Values that were not applied: code, column, message."
    )
    said: Mapped[dict[str, str] | None] = mapped_column(
        JSONB,
        comment="What the row says of fields of its run that an upstream owns; all that it says, where its course"
        " belongs to another feed.",
    )
    catalog_course_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="The course whose fields the row carries; while the feed is current, no crawl changes them."
    )
    course_run_id: Mapped[int | None] = mapped_column(
        BigInteger,
        comment="The run whose schedule, price, restriction and variant the row carries; no crawl changes them either.",
    )
