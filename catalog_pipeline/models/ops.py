"""What the pipeline says of its own work: loads, their counts, and what they rejected."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import FOLD_COLLATION, Base, TransactionId

LOAD_OUTCOMES = ("applied", "refused", "held")
ROW_OUTCOMES = ("created", "updated", "unchanged", "deleted", "rejected", "deferred", "duplicate")


class Load(Base):
    """One ended load. A load that was killed left nothing, this row included."""

    __tablename__ = "load"
    __table_args__ = (
        CheckConstraint(f"outcome IN {LOAD_OUTCOMES}", name="outcome"),
        {"schema": "ops", "comment": "One row per ended load into the catalog."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    source: Mapped[str] = mapped_column(comment="What was loaded: discovery, lms, associations.")
    outcome: Mapped[str] = mapped_column(comment="applied, refused (too many rejects) or held (too many removals).")
    detail: Mapped[str | None] = mapped_column(comment="Why it was refused or held, and what to do.")
    as_of: Mapped[datetime] = mapped_column(comment="The clock by which it decided.")
    started_at: Mapped[datetime] = mapped_column(comment="When it began.")
    started_by: Mapped[str | None] = mapped_column(comment="Who began it: run and the Dagster run's id, or a user.")
    finished_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"), comment="When it ended.")
    documents: Mapped[int] = mapped_column(comment="Pending documents it looked at.")
    rejected_documents: Mapped[int] = mapped_column(comment="Documents of these that it rejected whole.")


class LoadCount(Base):
    """How many rows of one table had one outcome in one load."""

    __tablename__ = "load_count"
    __table_args__ = (
        CheckConstraint(f"outcome IN {ROW_OUTCOMES}", name="outcome"),
        CheckConstraint("n > 0", name="n"),
        {"schema": "ops", "comment": "Rows by table and outcome of a load; a missing row means none."},
    )

    load_id: Mapped[int] = mapped_column(
        ForeignKey("ops.load.id", ondelete="CASCADE"), primary_key=True, comment="The load."
    )
    table_name: Mapped[str] = mapped_column(primary_key=True, comment="schema.table")
    outcome: Mapped[str] = mapped_column(
        primary_key=True, comment="created, updated, unchanged, deleted, rejected, deferred or duplicate."
    )
    n: Mapped[int] = mapped_column(comment="Number of rows.")


class RejectedRecord(Base):
    """One reason why a document, or a row of it, did not reach the catalog."""

    __tablename__ = "rejected_record"
    __table_args__ = (
        Index("rejected_record_open_idx", "document_id", postgresql_where=text("cleared_at IS NULL")),
        {
            "schema": "ops",
            "comment": "One row per reason for a reject. Open until the document is decided anew.",
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    load_id: Mapped[int] = mapped_column(
        ForeignKey("ops.load.id", ondelete="CASCADE"), index=True, comment="The load that rejected it."
    )
    document_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("landing.document.id", ondelete="CASCADE"),
        comment="The document it stands in.",
    )
    table_name: Mapped[str] = mapped_column(comment="The table that the row was meant for, as schema.table.")
    record_key: Mapped[str | None] = mapped_column(comment="The key of the course, run, organization or program.")
    column_name: Mapped[str | None] = mapped_column(comment="The column at fault.")
    rule: Mapped[str] = mapped_column(comment="The rule that was broken.")
    value: Mapped[str | None] = mapped_column(comment="The value found, cut to 200 characters.")
    message: Mapped[str] = mapped_column(comment="What is wrong and what would be accepted.")
    rejected_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When.")
    cleared_at: Mapped[datetime | None] = mapped_column(comment="When the document was decided anew; null while open.")


class ChangeEvent(Base):
    """One row of the schema `catalog` that was created, updated or deleted, whoever did it and by whatever path.

    Written by triggers alone. Events are ordered by (xid, id): an id is given before its transaction commits, so that
    readers take only what lies below the oldest transaction that is still running.
    """

    __tablename__ = "change_event"
    __table_args__ = (
        CheckConstraint("action IN ('created', 'updated', 'deleted')", name="action"),
        Index("change_event_key_idx", text(f"lower(key COLLATE {FOLD_COLLATION})")),
        Index("change_event_entity_idx", "entity", "entity_id"),
        {"schema": "ops", "comment": "One row per created, updated or deleted row of the catalog: history and audit."},
    )

    xid: Mapped[str] = mapped_column(
        TransactionId, server_default=text("pg_current_xact_id()"), primary_key=True, comment="The transaction."
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Order within it.")
    at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When the transaction began.")
    entity: Mapped[str] = mapped_column(comment="The table, without its schema.")
    entity_id: Mapped[int] = mapped_column(BigInteger, comment="The id of the row.")
    key: Mapped[str | None] = mapped_column(comment="The row's key: of a run's association, the run's.")
    action: Mapped[str] = mapped_column(comment="created, updated or deleted.")
    changes: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="Column to [old, new]; of long text its md5; of personal data []."
    )
    actor: Mapped[str] = mapped_column(comment="load:17, cli:ann, api:ann; sql: and the role for anything else.")
