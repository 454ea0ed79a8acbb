"""The outbox: mail is written in the transaction that it reports on, and sent afterwards, at least once."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from catalog_pipeline.models.base import Base

PII = {"pii": True}


class MailSender(Base):
    """The one database that sends the outbox's mail: a copy of it does not."""

    __tablename__ = "mail_sender"
    __table_args__ = (
        CheckConstraint("is_only", name="is_only"),
        {"schema": "ops", "comment": "One row: the database that sends the mail in ops.outbox. A copy of it does not."},
    )

    is_only: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"), comment="There is one row.")
    database: Mapped[str] = mapped_column(comment="System identifier of its server, timeline, and its oid.")
    named_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="Since when it sends the mail.")
    named_by: Mapped[str] = mapped_column(comment="Who said so: cli:ann; the first mail where nobody did.")


class Outbox(Base):
    """One mail, from the transaction that wrote it until it is sent or given up."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("(content IS NULL) = (sent_at IS NOT NULL)", name="content"),
        CheckConstraint("sent_at IS NULL OR due_at IS NULL", name="due_at"),
        CheckConstraint("cardinality(recipients) > 0", name="recipients"),
        Index("outbox_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        {"schema": "ops", "comment": "One row per mail; mail with a due_at is still to be sent."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    message_id: Mapped[str] = mapped_column(
        unique=True, comment="The Message-ID header; the same on every attempt, so that readers see the mail once."
    )
    kind: Mapped[str] = mapped_column(comment="Kind of mail: ingestion_summary.")
    subject: Mapped[str] = mapped_column(comment="Subject line.")
    sender: Mapped[str] = mapped_column(comment="The sender's address.")
    recipients: Mapped[list[str]] = mapped_column(ARRAY(Text), info=PII, comment="The recipients' addresses.")
    delivered: Mapped[list[str]] = mapped_column(
        ARRAY(Text),
        server_default=text("'{}'"),
        info=PII,
        comment="The recipients for whom a mail server has accepted it.",
    )
    content: Mapped[bytes | None] = mapped_column(
        info=PII, comment="Headers, bodies and attachments as they are sent; null once the mail is sent."
    )
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When the mail was written.")
    due_at: Mapped[datetime | None] = mapped_column(
        server_default=text("now()"),
        comment="When it may next be sent; while it is being sent, the end of the claim. Null once sent or given up.",
    )
    claimed_at: Mapped[datetime | None] = mapped_column(
        comment="When the last sender claimed it; null again after that attempt failed."
    )
    sent_at: Mapped[datetime | None] = mapped_column(comment="When a mail server had accepted it for every recipient.")
    attempts: Mapped[int] = mapped_column(server_default=text("0"), comment="Number of attempts.")
    last_error: Mapped[str | None] = mapped_column(info=PII, comment="Why the last attempt failed; null once sent.")
