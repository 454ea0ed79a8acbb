"""Files of partners that have arrived in the folder of feeds, and wait to be ingested or have been."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base


class FeedArrival(Base):
    """One finished file in the folder of partner feeds: a partition of the asset that ingests them."""

    __tablename__ = "feed_arrival"
    __table_args__ = (
        UniqueConstraint("path", "received_at"),
        {"schema": "ops", "comment": "One row per file that arrived in the folder of partner feeds."},
    )

    partition_key: Mapped[str] = mapped_column(
        primary_key=True, comment="Source, course type, when it arrived, and the beginning of its SHA-256."
    )
    path: Mapped[str] = mapped_column(comment="The file, from the folder of feeds on.")
    source: Mapped[str] = mapped_column(comment="Slug of the product source: the first folder.")
    product_type: Mapped[str] = mapped_column(comment="Slug of the course type: the second folder.")
    sha256: Mapped[str] = mapped_column(comment="SHA-256 of its bytes, in hexadecimal.")
    received_at: Mapped[datetime] = mapped_column(comment="When it was put there, or last written to.")
    document_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("landing.document.id"), comment="Its bytes.")
    accepted_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When it was seen.")
    decided_at: Mapped[datetime | None] = mapped_column(
        comment="When it was last ingested, whatever became of it (see ops.feed); null while it waits."
    )
