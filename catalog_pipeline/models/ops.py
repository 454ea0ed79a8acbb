"""What the pipeline records about its own work: loads, their counts, their rejects, and the history of changes."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base, TransactionId
from catalog_pipeline.models.vocabulary import FOLD_COLLATION, ROW_OUTCOMES

LOAD_OUTCOMES = ("applied", "refused", "held")
SEVERITIES = ("error", "warn")


class Load(Base):
    """One finished load. A load that was killed leaves nothing, not even its row here."""

    __tablename__ = "load"
    __table_args__ = (
        CheckConstraint(f"outcome IN {LOAD_OUTCOMES}", name="outcome"),
        {"schema": "ops", "comment": "One row per finished load into the catalog."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    source: Mapped[str] = mapped_column(
        comment="What was loaded: discovery, lms, associations, go_live or partner:<source>/<course type>."
    )
    outcome: Mapped[str] = mapped_column(
        comment="applied, refused (too many rejects) or held (removals were held back)."
    )
    detail: Mapped[str | None] = mapped_column(comment="Why it was refused or held, and what to do.")
    as_of: Mapped[datetime] = mapped_column(comment="The time that the load's decisions take as now.")
    started_at: Mapped[datetime] = mapped_column(comment="When the load began.")
    started_by: Mapped[str | None] = mapped_column(comment="Who started it: run and the Dagster run's id, or a user.")
    finished_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="When the load ended."
    )
    documents: Mapped[int] = mapped_column(comment="Number of pending documents that it read.")
    rejected_documents: Mapped[int] = mapped_column(comment="Number of documents that it rejected whole.")
    cursor: Mapped[str | None] = mapped_column(
        comment="Of a load that reads change events: up to where it has read them. Null for all others."
    )
    xid: Mapped[str | None] = mapped_column(
        TransactionId,
        server_default=text("pg_current_xact_id()"),
        comment="The transaction of the load, by which its change events are found; null where it was not kept.",
    )


class LoadCount(Base):
    """How many rows of one table had one outcome in one load."""

    __tablename__ = "load_count"
    __table_args__ = (
        CheckConstraint(f"outcome IN {ROW_OUTCOMES}", name="outcome"),
        CheckConstraint("n > 0", name="n"),
        {"schema": "ops", "comment": "Number of rows by load, table and outcome; no row means none."},
    )

    load_id: Mapped[int] = mapped_column(
        ForeignKey("ops.load.id", ondelete="CASCADE"), primary_key=True, comment="The load."
    )
    table_name: Mapped[str] = mapped_column(primary_key=True, comment="The table, as schema.table.")
    outcome: Mapped[str] = mapped_column(
        primary_key=True, comment="created, updated, unchanged, deleted, rejected, deferred or duplicate."
    )
    n: Mapped[int] = mapped_column(comment="Number of rows.")


class RejectedRecord(Base):
    """One reason why a document, or one of its rows, did not reach the catalog."""

    __tablename__ = "rejected_record"
    __table_args__ = (
        Index("rejected_record_open_idx", "document_id", postgresql_where=text("cleared_at IS NULL")),
        {
            "schema": "ops",
            "comment": "One row per reason for a reject; open until the document is decided again.",
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    load_id: Mapped[int] = mapped_column(
        ForeignKey("ops.load.id", ondelete="CASCADE"), index=True, comment="The load that rejected it."
    )
    document_id: Mapped[int | None] = mapped_column(
        BigInteger,
        ForeignKey("landing.document.id", ondelete="CASCADE"),
        comment="The document with the rejected row.",
    )
    table_name: Mapped[str] = mapped_column(comment="The table that the row was meant for, as schema.table.")
    record_key: Mapped[str | None] = mapped_column(comment="The key of the course, run, organization or program.")
    column_name: Mapped[str | None] = mapped_column(comment="The column whose value was rejected.")
    rule: Mapped[str] = mapped_column(comment="Name of the rule that was broken.")
    value: Mapped[str | None] = mapped_column(comment="The value found, cut to 200 characters.")
    message: Mapped[str] = mapped_column(comment="What is wrong and what would be accepted.")
    rejected_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When it was rejected.")
    cleared_at: Mapped[datetime | None] = mapped_column(
        comment="When the document was decided again; null while the reject is open."
    )


class HeldRemoval(Base):
    """One row of the catalog that upstream no longer lists, and that is not archived until a person accepts it."""

    __tablename__ = "held_removal"
    __table_args__ = (
        {
            "schema": "ops",
            "comment": "What the last load of each source held back: one row per row that it would have archived.",
        },
    )

    load_id: Mapped[int] = mapped_column(
        ForeignKey("ops.load.id", ondelete="CASCADE"), primary_key=True, comment="The load that held it back."
    )
    table_name: Mapped[str] = mapped_column(
        primary_key=True,
        comment="The row's table in the schema catalog: organization, catalog_course, course_run, program.",
    )
    row_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, comment="The id of the row.")
    record_key: Mapped[str] = mapped_column(comment="The row's key; a program's uuid.")
    document_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("landing.document.id", ondelete="CASCADE"),
        index=True,
        comment="The document that listed the row; it stays pending.",
    )


class CheckResult(Base):
    """The last result of one check of a table or view, whoever ran it."""

    __tablename__ = "check_result"
    __table_args__ = (
        CheckConstraint("failing_rows >= 0", name="failing_rows"),
        CheckConstraint(f"severity IN {SEVERITIES}", name="severity"),
        {"schema": "ops", "comment": "The last result of each check of a table: one row per check that was run."},
    )

    table_name: Mapped[str] = mapped_column(primary_key=True, comment="The checked table or view, as schema.table.")
    check_name: Mapped[str] = mapped_column(primary_key=True, comment="The check, such as status_not_null.")
    failing_rows: Mapped[int] = mapped_column(BigInteger, comment="Number of rows that failed; 0 is a pass.")
    severity: Mapped[str] = mapped_column(comment="What a failure is: error, or warn.")
    checked_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="When it was checked."
    )


class ChangeEvent(Base):
    """One change of a row of a tracked table, whoever made it, psql included. Only triggers write here.

    Readers take `changes` from the view `ops.column_change`, never from this column: how changes are stored may change.
    Ids are given before a transaction commits, so `database.events` reads only what lies below the oldest transaction
    that is still running.
    """

    __tablename__ = "change_event"
    __table_args__ = (
        CheckConstraint("action IN ('created', 'updated', 'deleted', 'baseline')", name="action"),
        Index("change_event_key_idx", text(f"lower(key COLLATE {FOLD_COLLATION})")),
        Index("change_event_entity_idx", "entity", "entity_id"),
        Index("change_event_id_idx", "id", unique=True),
        Index("change_event_at_idx", "at"),
        Index(
            "change_event_former_run_key_idx",
            text("((changes -> 'run_key'::text) ->> 0)"),
            postgresql_where=text("entity = 'course_run' AND action IN ('updated', 'deleted') AND changes ? 'run_key'"),
        ),
        Index(
            "change_event_former_association_idx",
            text("((changes -> 'course_run_id'::text) ->> 0)"),
            postgresql_where=text("entity = 'run_association' AND action = 'deleted'"),
        ),
        {
            "schema": "ops",
            "comment": "History and audit: one row per created, updated or deleted row of a tracked table.",
        },
    )

    xid: Mapped[str] = mapped_column(
        TransactionId,
        server_default=text("pg_current_xact_id()"),
        primary_key=True,
        comment="The transaction that made the change.",
    )
    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of the changes of one row."
    )
    at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When the transaction began.")
    entity: Mapped[str] = mapped_column(comment="The changed table, without its schema.")
    entity_id: Mapped[int] = mapped_column(BigInteger, comment="The id of the changed row.")
    key: Mapped[str | None] = mapped_column(
        comment="The key of the changed row; for a run's association or variant, the run's key."
    )
    action: Mapped[str] = mapped_column(
        comment="created, updated or deleted; baseline: what the row was when the events before were archived."
    )
    changes: Mapped[dict[str, Any]] = mapped_column(
        JSONB,
        comment="Changed column to [old, new]; md5 instead of long text, [] for personal data. Read ops.column_change.",
    )
    actor: Mapped[str] = mapped_column(
        comment="Who made the change: load:17, cli:ann, api:ann; sql: and the database role for anything else. The"
        " session says so itself; login is what the database knows."
    )
    login: Mapped[str | None] = mapped_column(
        server_default=text("SESSION_USER"),
        comment="The database role that the session logged in as; null in events from before it was kept.",
    )


class HistoryArchive(Base):
    """One archive of the events before a day: a file has them, and the history one baseline event for each row."""

    __tablename__ = "history_archive"
    __table_args__ = (
        {
            "schema": "ops",
            "comment": "One row per archive of old change events. Snapshots of days before it are not built again.",
        },
    )

    before_day: Mapped[date] = mapped_column(
        primary_key=True, comment="The first day (UTC) whose events were not archived."
    )
    file: Mapped[str] = mapped_column(comment="Where the file was written.")
    sha256: Mapped[str] = mapped_column(comment="SHA-256 of the file as it was written, in hexadecimal.")
    events: Mapped[int] = mapped_column(BigInteger, comment="Number of events in the file.")
    baselines: Mapped[int] = mapped_column(BigInteger, comment="Number of rows that lived, with a baseline event each.")
    archived_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When it was archived.")
    archived_by: Mapped[str] = mapped_column(comment="Who did it: cli:ann.")
