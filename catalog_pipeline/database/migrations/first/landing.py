"""The schema `landing`: documents as received, and the crawls that brought them."""

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from catalog_pipeline.database.migrations.first.columns import INSTANT, identity, metadata, optional, required

Table(
    "crawl",
    metadata,
    identity(),
    required("source", Text, "The crawled source: discovery, lms."),
    required("scope", Text, "The crawled part of the source; empty where it has one part."),
    required("kind", Text, "The kind of document."),
    required("url", Text, "The list's address, without its query."),
    required("mode", Text, "full (all documents) or incremental (those changed since the watermark)."),
    required(
        "outcome",
        Text,
        "complete when every page was read and the count reached; incomplete otherwise, and nothing was kept.",
    ),
    required("started_at", INSTANT, "When the first page was requested."),
    required("finished_at", INSTANT, "When the last page was landed.", default="clock_timestamp()"),
    required("pages", Integer, "Number of pages read, repeated reads included."),
    required("documents", Integer, "Number of distinct documents seen."),
    required("created", Integer, "Number of documents that were new."),
    required("changed", Integer, "Number of known documents with a new payload_hash, those listed again included."),
    required("missing", Integer, "Number of documents that this crawl no longer found."),
    optional("watermark", INSTANT, "The largest data_modified_timestamp that complete crawls have seen so far."),
    CheckConstraint("mode IN ('full', 'incremental')", "crawl_mode_check"),
    CheckConstraint("outcome IN ('complete', 'incomplete')", "crawl_outcome_check"),
    Index("crawl_source_kind_idx", "source", "kind", "id"),
    schema="landing",
    comment="One row per ended crawl of one kind of document.",
)

Table(
    "document",
    metadata,
    identity(),
    required("source", Text, "Where it came from: discovery, lms, or the product source of a partner feed."),
    required("scope", Text, "The part of the source it belongs to; empty where the source has one part."),
    required("kind", Text, "What it describes: organization, course, program, course_run."),
    required("key", Text, "The upstream's uuid where it has one, else its key."),
    required(
        "payload", LargeBinary, "The JSON as received, zstd-compressed; `catalog-pipeline show KEY --raw` prints it."
    ),
    optional(
        "payload_hash",
        LargeBinary,
        "xxh3-128 of the payload without fields that change by themselves; null while missing upstream.",
    ),
    required("changed_at", INSTANT, "When payload_hash last changed.", default="now()"),
    optional("missing_since", INSTANT, "Since when complete crawls no longer find it; null while they do."),
    optional(
        "settled_hash",
        LargeBinary,
        "The payload_hash last published or rejected; the document is pending while the two differ.",
    ),
    optional(
        "settled_rules",
        Integer,
        "The rules' version that last decided it; the document is pending while the rules are newer.",
    ),
    UniqueConstraint("source", "scope", "kind", "key"),
    Index(
        "document_pending_idx", "source", "kind", postgresql_where=text("payload_hash IS DISTINCT FROM settled_hash")
    ),
    schema="landing",
    comment="One row per upstream document: its last payload, and the version of it that was last settled.",
)
