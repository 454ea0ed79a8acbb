"""The outbox: mail that was decided in a transaction and is sent after it, at least once."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from catalog_pipeline.models.base import Base

PII = {"pii": True}


class Outbox(Base):
    """One mail, from the transaction that decided on it until it is sent or given up."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("(content IS NULL) = (sent_at IS NOT NULL)", name="content"),
        CheckConstraint("sent_at IS NULL OR due_at IS NULL", name="due_at"),
        CheckConstraint("cardinality(recipients) > 0", name="recipients"),
        Index("outbox_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        {"schema": "ops", "comment": "One row per mail. Those with a due_at are still to be sent."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    message_id: Mapped[str] = mapped_column(
        unique=True, comment="The Message-ID header: the same on every try, so that readers see a mail once."
    )
    kind: Mapped[str] = mapped_column(comment="What it is about: ingestion_summary.")
    subject: Mapped[str] = mapped_column(comment="Its subject.")
    sender: Mapped[str] = mapped_column(comment="The address it comes from.")
    recipients: Mapped[list[str]] = mapped_column(ARRAY(Text), info=PII, comment="The addresses it goes to.")
    delivered: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), info=PII, comment="Those of them for whom a server has taken it."
    )
    content: Mapped[bytes | None] = mapped_column(
        info=PII, comment="Headers, bodies and attachments, as they go out; emptied when the mail is sent."
    )
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When it was decided on.")
    due_at: Mapped[datetime | None] = mapped_column(
        server_default=text("now()"),
        comment="From when on a sender may take it: while one is at it, the end of its claim. Null: sent or given up.",
    )
    claimed_at: Mapped[datetime | None] = mapped_column(
        comment="When the last sender took it; null again once that one has failed."
    )
    sent_at: Mapped[datetime | None] = mapped_column(comment="When a server had taken it for every recipient.")
    attempts: Mapped[int] = mapped_column(server_default=text("0"), comment="How often a sender took it.")
    last_error: Mapped[str | None] = mapped_column(info=PII, comment="Why the last try failed; null once sent.")
