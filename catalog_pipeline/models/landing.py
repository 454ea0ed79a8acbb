"""Upstreams, their documents as received, and the crawls that brought them."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from catalog_pipeline.models.base import Base


class Upstream(Base):
    """A service that was read, and where."""

    __tablename__ = "upstream"
    __table_args__ = (
        {
            "schema": "landing",
            "comment": "One row per service that was read. What is at another address is not read into this database.",
        },
    )

    service: Mapped[str] = mapped_column(primary_key=True, comment="The service: discovery, lms.")
    address: Mapped[str] = mapped_column(
        comment="Its host, port and path, without the scheme; sample is the bundled sample."
    )
    since: Mapped[datetime] = mapped_column(
        comment="Since when it is read at this address; watermarks of earlier crawls do not count."
    )
    by: Mapped[str] = mapped_column(comment="Who first read it there.")
    off_since: Mapped[datetime | None] = mapped_column(
        comment="Since when no setting names it and it owns nothing; null while it is configured."
    )


class Document(Base):
    """One document of an upstream, as last received."""

    __tablename__ = "document"
    __table_args__ = (
        UniqueConstraint("source", "scope", "kind", "key"),
        Index(
            "document_pending_idx",
            "source",
            "kind",
            postgresql_where=text("payload_hash IS DISTINCT FROM settled_hash"),
        ),
        {
            "schema": "landing",
            "comment": "One row per upstream document: its last payload, and the version of it that was last settled.",
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    source: Mapped[str] = mapped_column(
        comment="Where it came from: discovery, lms, or the product source of a partner feed."
    )
    scope: Mapped[str] = mapped_column(
        comment="The part of the source it belongs to; empty where the source has one part."
    )
    kind: Mapped[str] = mapped_column(comment="What it describes: organization, course, program, course_run.")
    key: Mapped[str] = mapped_column(comment="The upstream's uuid where it has one, else its key.")
    payload: Mapped[bytes] = mapped_column(
        LargeBinary,
        comment="The content as received, zstd-compressed; `catalog-pipeline show KEY --raw` prints it. Empty where it"
        " was removed: long missing upstream, or of a feed that another had long taken the place of.",
    )
    payload_hash: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        comment="xxh3-128 of the payload without fields that change by themselves; null while missing upstream.",
    )
    changed_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When payload_hash last changed."
    )
    missing_since: Mapped[datetime | None] = mapped_column(
        comment="Since when complete crawls no longer find it; null while they do."
    )
    settled_hash: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        comment="The payload_hash last published or rejected; the document is pending while the two differ.",
    )
    settled_rules: Mapped[int | None] = mapped_column(
        comment="The rules' version that last decided it; the document is pending while the rules are newer."
    )


class Crawl(Base):
    """One crawl of one kind of document."""

    __tablename__ = "crawl"
    __table_args__ = (
        CheckConstraint("mode IN ('full', 'incremental')", name="mode"),
        CheckConstraint("outcome IN ('complete', 'incomplete')", name="outcome"),
        Index("crawl_source_kind_idx", "source", "kind", "id"),
        {"schema": "landing", "comment": "One row per ended crawl of one kind of document."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, comment="Surrogate key.")
    source: Mapped[str] = mapped_column(comment="The crawled source: discovery, lms.")
    scope: Mapped[str] = mapped_column(comment="The crawled part of the source; empty where it has one part.")
    kind: Mapped[str] = mapped_column(comment="The kind of document.")
    url: Mapped[str] = mapped_column(comment="The list's address, without its query.")
    mode: Mapped[str] = mapped_column(
        comment="full (all documents) or incremental (those changed since the watermark)."
    )
    outcome: Mapped[str] = mapped_column(
        comment="complete when every page was read and the count reached; incomplete otherwise, and nothing was kept."
    )
    started_at: Mapped[datetime] = mapped_column(comment="When the first page was requested.")
    finished_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="When the last page was landed."
    )
    pages: Mapped[int] = mapped_column(comment="Number of pages read, repeated reads included.")
    documents: Mapped[int] = mapped_column(comment="Number of distinct documents seen.")
    created: Mapped[int] = mapped_column(comment="Number of documents that were new.")
    changed: Mapped[int] = mapped_column(
        comment="Number of known documents with a new payload_hash, those listed again included."
    )
    missing: Mapped[int] = mapped_column(comment="Number of documents that this crawl no longer found.")
    watermark: Mapped[datetime | None] = mapped_column(
        comment="The largest data_modified_timestamp that complete crawls have seen so far."
    )
