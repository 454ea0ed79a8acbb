"""Partner files that arrived in the folder of feeds: those that were ingested and those that still wait."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base


class FeedArrival(Base):
    """One finished file in the folder of partner feeds: a partition of the asset that ingests them."""

    __tablename__ = "feed_arrival"
    __table_args__ = (
        UniqueConstraint("path", "received_at"),
        CheckConstraint("tries >= 0", name="tries"),
        {"schema": "ops", "comment": "One row per file that arrived in the folder of partner feeds."},
    )

    partition_key: Mapped[str] = mapped_column(
        primary_key=True,
        comment="Name of the Dagster partition: source, course type, time of arrival, first digits of the SHA-256.",
    )
    path: Mapped[str] = mapped_column(comment="Path of the file, relative to the folder of feeds.")
    source: Mapped[str] = mapped_column(comment="Slug of the product source: the first folder.")
    product_type: Mapped[str] = mapped_column(comment="Slug of the course type: the second folder.")
    sha256: Mapped[str] = mapped_column(comment="SHA-256 of the file's bytes, in hexadecimal.")
    received_at: Mapped[datetime] = mapped_column(comment="When the file was put into the folder or last written to.")
    document_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("landing.document.id"), comment="The document that holds the file's bytes."
    )
    accepted_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When the pipeline first saw the finished file."
    )
    decided_at: Mapped[datetime | None] = mapped_column(
        comment="When the file was last ingested, whatever the outcome (see ops.feed), or dropped; null while it waits."
    )
    tries: Mapped[int] = mapped_column(
        server_default=text("0"), comment="How often its ingestion was begun since it last succeeded."
    )
    set_aside_at: Mapped[datetime | None] = mapped_column(
        comment="When it was set aside: at its last try, or when a person dropped it (then decided_at is set, too)."
    )
    last_error: Mapped[str | None] = mapped_column(
        comment="Why the last try that failed did: type and message of the error."
    )
