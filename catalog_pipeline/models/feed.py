"""Partner feeds: each one that was ingested, and what was decided of each of its rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base

FEED_OUTCOMES = ("applied", "superseded", "held", "refused")
FEED_ROW_OUTCOMES = ("new_product", "new_variant", "updated", "unchanged", "rejected", "deferred")
FEED_COUNTS = (*FEED_ROW_OUTCOMES, "archived", "reactivated")
"""What is counted of a feed: its rows by outcome, and courses."""


class Feed(Base):
    """One ingestion of one feed. A dry run leaves none."""

    __tablename__ = "feed"
    __table_args__ = (
        CheckConstraint(f"outcome IN {FEED_OUTCOMES}", name="outcome"),
        Index("feed_source_product_type_idx", "source", "product_type", "id"),
        {"schema": "ops", "comment": "One row per ingested partner feed; one that comes again has another row."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    name: Mapped[str] = mapped_column(comment="The name of its file.")
    source: Mapped[str] = mapped_column(comment="Slug of the product source, such as 2u.")
    product_type: Mapped[str] = mapped_column(comment="Slug of the course type, such as executive-education-2u.")
    sha256: Mapped[str] = mapped_column(index=True, comment="SHA-256 of its bytes, in hexadecimal.")
    received_at: Mapped[datetime] = mapped_column(comment="When it arrived: feeds apply in this order.")
    as_of: Mapped[datetime] = mapped_column(comment="The clock by which it was decided.")
    ingested_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"), comment="When it was.")
    outcome: Mapped[str] = mapped_column(
        comment="applied; superseded (a newer one was applied before); held (it would archive too much); refused."
    )
    corrects: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether it has just some rows of the feed before, put right."
    )
    detail: Mapped[str | None] = mapped_column(comment="Why it was not applied, or what was left undone.")
    counts: Mapped[dict[str, int]] = mapped_column(
        JSONB, comment="Rows, rows by outcome, and archived and reactivated courses."
    )
    warnings: Mapped[list[Any]] = mapped_column(JSONB, comment="Of the feed as a whole: code, column, message.")
    archived: Mapped[list[Any]] = mapped_column(
        JSONB, comment="Courses that it no longer lists: course_key, title, external_identifier, reason."
    )
    reactivated: Mapped[list[Any]] = mapped_column(JSONB, comment="Archived courses that it lists again; likewise.")
    document_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("landing.document.id", ondelete="SET NULL"), comment="Its bytes."
    )
    load_id: Mapped[int | None] = mapped_column(
        ForeignKey("ops.load.id", ondelete="SET NULL"), comment="The load that applied it."
    )


class FeedRow(Base):
    """One row of a feed, with its one outcome."""

    __tablename__ = "feed_row"
    __table_args__ = (
        CheckConstraint(f"outcome IN {FEED_ROW_OUTCOMES}", name="outcome"),
        {"schema": "ops", "comment": "One row per row of a feed: what was decided of it, and why."},
    )

    # Without a foreign key, which would be looked up for each of a hundred thousand rows of one feed.
    feed_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, comment="The feed.")
    row: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="The line that a spreadsheet shows; the header is line 1."
    )
    outcome: Mapped[str] = mapped_column(
        comment="new_product, new_variant, updated, unchanged, rejected or deferred: exactly one."
    )
    reason: Mapped[str] = mapped_column(comment="Why, in words.")
    course_key: Mapped[str | None] = mapped_column(comment="The key of the course it is about.")
    run_key: Mapped[str | None] = mapped_column(comment="The key of the run it is about.")
    variant_id: Mapped[str | None] = mapped_column(comment="The partner's variant, as fed.")
    title: Mapped[str | None] = mapped_column(comment="The title, as fed.")
    external_identifier: Mapped[str | None] = mapped_column(comment="The partner's product number, as fed.")
    restriction_type: Mapped[str | None] = mapped_column(comment="The restriction, as fed.")
    is_future_variant: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether the partner only announces the variant."
    )
    changes: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="Field to [old, new]: of the run, and in the first row of a course, of the course."
    )
    errors: Mapped[list[Any] | None] = mapped_column(
        JSONB, comment="Why it was rejected: code, column, value, message."
    )
    warnings: Mapped[list[Any] | None] = mapped_column(JSONB, comment="What was not followed: code, column, message.")
    catalog_course_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="The course whose fields it carries; while the feed is current, no crawl changes them."
    )
    course_run_id: Mapped[int | None] = mapped_column(
        BigInteger, comment="The run whose schedule, price, restriction and variant it carries; likewise."
    )
