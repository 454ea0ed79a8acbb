"""The schema `ops`: loads, rejects, history, partner feeds and mail."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from catalog_pipeline.database.migrations.first.columns import INSTANT, folded, identity, metadata, optional, required
from catalog_pipeline.models.base import TransactionId

Table(
    "load",
    metadata,
    identity(),
    required(
        "source", Text, "What was loaded: discovery, lms, associations, go_live or partner:<source>/<course type>."
    ),
    required("outcome", Text, "applied, refused (too many rejects) or held (too many removals)."),
    optional("detail", Text, "Why it was refused or held, and what to do."),
    required("as_of", INSTANT, "The time that the load's decisions take as now."),
    required("started_at", INSTANT, "When the load began."),
    optional("started_by", Text, "Who started it: run and the Dagster run's id, or a user."),
    required("finished_at", INSTANT, "When the load ended.", default="clock_timestamp()"),
    required("documents", Integer, "Number of pending documents that it read."),
    required("rejected_documents", Integer, "Number of documents that it rejected whole."),
    CheckConstraint("outcome IN ('applied', 'refused', 'held')", "load_outcome_check"),
    schema="ops",
    comment="One row per finished load into the catalog.",
)

Table(
    "load_count",
    metadata,
    required("load_id", BigInteger, "The load.", references="ops.load.id", on_delete="CASCADE", primary_key=True),
    required("table_name", Text, "The table, as schema.table.", primary_key=True),
    required(
        "outcome", Text, "created, updated, unchanged, deleted, rejected, deferred or duplicate.", primary_key=True
    ),
    required("n", Integer, "Number of rows."),
    CheckConstraint(
        "outcome IN ('created', 'updated', 'unchanged', 'deleted', 'rejected', 'deferred', 'duplicate')",
        "load_count_outcome_check",
    ),
    CheckConstraint("n > 0", "load_count_n_check"),
    schema="ops",
    comment="Number of rows by load, table and outcome; no row means none.",
)

Table(
    "rejected_record",
    metadata,
    identity(),
    required(
        "load_id", BigInteger, "The load that rejected it.", references="ops.load.id", on_delete="CASCADE", index=True
    ),
    optional(
        "document_id",
        BigInteger,
        "The document with the rejected row.",
        references="landing.document.id",
        on_delete="CASCADE",
    ),
    required("table_name", Text, "The table that the row was meant for, as schema.table."),
    optional("record_key", Text, "The key of the course, run, organization or program."),
    optional("column_name", Text, "The column whose value was rejected."),
    required("rule", Text, "Name of the rule that was broken."),
    optional("value", Text, "The value found, cut to 200 characters."),
    required("message", Text, "What is wrong and what would be accepted."),
    required("rejected_at", INSTANT, "When it was rejected.", default="now()"),
    optional("cleared_at", INSTANT, "When the document was decided again; null while the reject is open."),
    Index("rejected_record_open_idx", "document_id", postgresql_where=text("cleared_at IS NULL")),
    schema="ops",
    comment="One row per reason for a reject; open until the document is decided again.",
)

Table(
    "change_event",
    metadata,
    required(
        "xid", TransactionId, "The transaction that made the change.", default="pg_current_xact_id()", primary_key=True
    ),
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="Order of the changes of one row."),
    required("at", INSTANT, "When the transaction began.", default="now()"),
    required("entity", Text, "The changed table, without its schema."),
    required("entity_id", BigInteger, "The id of the changed row."),
    optional("key", Text, "The key of the changed row; for a run's association or variant, the run's key."),
    required("action", Text, "created, updated or deleted."),
    required(
        "changes",
        JSONB,
        "Changed column to [old, new]; md5 instead of long text, [] for personal data. Read ops.column_change.",
    ),
    required(
        "actor", Text, "Who made the change: load:17, cli:ann, api:ann; sql: and the database role for anything else."
    ),
    CheckConstraint("action IN ('created', 'updated', 'deleted')", "change_event_action_check"),
    Index("change_event_entity_idx", "entity", "entity_id"),
    Index("change_event_key_idx", folded("key")),
    schema="ops",
    comment="History and audit: one row per created, updated or deleted row of a tracked table.",
)

Table(
    "feed",
    metadata,
    identity(),
    required("name", Text, "Name of the file."),
    required("source", Text, "Slug of the product source, such as 2u."),
    required("product_type", Text, "Slug of the course type, such as executive-education-2u."),
    required("sha256", Text, "SHA-256 of the file's bytes, in hexadecimal.", index=True),
    required("received_at", INSTANT, "When the file arrived; feeds are applied in this order."),
    required("as_of", INSTANT, "The time that the decisions take as now."),
    required("ingested_at", INSTANT, "When it was ingested.", default="clock_timestamp()"),
    required(
        "outcome",
        Text,
        "applied; superseded (a newer feed was already applied); held (it would archive too much); refused.",
    ),
    required("corrects", Boolean, "Whether it only corrects some rows of the feed before it.", default="false"),
    optional("detail", Text, "Why it was not applied, or what was left undone."),
    required("counts", JSONB, "Number of rows, in all and by outcome, and of archived and reactivated courses."),
    required("warnings", JSONB, "Warnings about the feed as a whole: code, column, message."),
    required(
        "archived", JSONB, "Courses that the feed no longer lists: course_key, title, external_identifier, reason."
    ),
    required("reactivated", JSONB, "Archived courses that the feed lists again, with the same fields as archived."),
    optional(
        "document_id",
        BigInteger,
        "The document that holds the file's bytes.",
        references="landing.document.id",
        on_delete="SET NULL",
    ),
    optional("load_id", BigInteger, "The load that applied it.", references="ops.load.id", on_delete="SET NULL"),
    CheckConstraint("outcome IN ('applied', 'superseded', 'held', 'refused')", "feed_outcome_check"),
    Index("feed_source_product_type_idx", "source", "product_type", "id"),
    schema="ops",
    comment="One row per ingestion of a partner feed; a file that is ingested twice has two rows.",
)

Table(
    "feed_row",
    metadata,
    required("feed_id", BigInteger, "The feed.", primary_key=True, autoincrement=False),
    required(
        "row",
        Integer,
        "Line number as a spreadsheet shows it; the header is line 1.",
        primary_key=True,
        autoincrement=False,
    ),
    required("outcome", Text, "new_product, new_variant, updated, unchanged, rejected or deferred."),
    required("reason", Text, "Why, in words."),
    optional("course_key", Text, "Key of the course that the row is about."),
    optional("run_key", Text, "Key of the run that the row is about."),
    optional("variant_id", Text, "The partner's variant, as the feed gives it."),
    optional("title", Text, "Title, as the feed gives it."),
    optional("external_identifier", Text, "The partner's product number, as the feed gives it."),
    optional("restriction_type", Text, "Restriction, as the feed gives it."),
    required("is_future_variant", Boolean, "Whether the partner only announces the variant.", default="false"),
    optional("changes", JSONB, "Field to [old, new] of the run; a course's first row also has the course's fields."),
    optional("errors", JSONB, "Why the row was rejected: code, column, value, message."),
    optional("warnings", JSONB, "Values that were not applied: code, column, message."),
    optional(
        "catalog_course_id",
        BigInteger,
        "The course whose fields the row carries; while the feed is current, no crawl changes them.",
    ),
    optional(
        "course_run_id",
        BigInteger,
        "The run whose schedule, price, restriction and variant the row carries; no crawl changes them either.",
    ),
    CheckConstraint(
        "outcome IN ('new_product', 'new_variant', 'updated', 'unchanged', 'rejected', 'deferred')",
        "feed_row_outcome_check",
    ),
    schema="ops",
    comment="One row per row of a feed: what was decided about it, and why.",
)

Table(
    "feed_arrival",
    metadata,
    required(
        "partition_key",
        Text,
        "Name of the Dagster partition: source, course type, time of arrival, first digits of the SHA-256.",
        primary_key=True,
    ),
    required("path", Text, "Path of the file, relative to the folder of feeds."),
    required("source", Text, "Slug of the product source: the first folder."),
    required("product_type", Text, "Slug of the course type: the second folder."),
    required("sha256", Text, "SHA-256 of the file's bytes, in hexadecimal."),
    required("received_at", INSTANT, "When the file was put into the folder or last written to."),
    required("document_id", BigInteger, "The document that holds the file's bytes.", references="landing.document.id"),
    required("accepted_at", INSTANT, "When the pipeline first saw the finished file.", default="now()"),
    optional(
        "decided_at",
        INSTANT,
        "When the file was last ingested, whatever the outcome (see ops.feed); null while it waits.",
    ),
    UniqueConstraint("path", "received_at"),
    schema="ops",
    comment="One row per file that arrived in the folder of partner feeds.",
)

Table(
    "outbox",
    metadata,
    identity(),
    required(
        "message_id",
        Text,
        "The Message-ID header; the same on every attempt, so that readers see the mail once.",
        unique=True,
    ),
    required("kind", Text, "Kind of mail: ingestion_summary."),
    required("subject", Text, "Subject line."),
    required("sender", Text, "The sender's address."),
    required("recipients", ARRAY(Text), "The recipients' addresses."),
    required("delivered", ARRAY(Text), "The recipients for whom a mail server has accepted it.", default="'{}'"),
    optional("content", LargeBinary, "Headers, bodies and attachments as they are sent; null once the mail is sent."),
    required("created_at", INSTANT, "When the mail was written.", default="now()"),
    optional(
        "due_at",
        INSTANT,
        "When it may next be sent; while it is being sent, the end of the claim. Null once sent or given up.",
        default="now()",
    ),
    optional("claimed_at", INSTANT, "When the last sender claimed it; null again after that attempt failed."),
    optional("sent_at", INSTANT, "When a mail server had accepted it for every recipient."),
    required("attempts", Integer, "Number of attempts.", default="0"),
    optional("last_error", Text, "Why the last attempt failed; null once sent."),
    CheckConstraint("(content IS NULL) = (sent_at IS NOT NULL)", "outbox_content_check"),
    CheckConstraint("sent_at IS NULL OR due_at IS NULL", "outbox_due_at_check"),
    CheckConstraint("cardinality(recipients) > 0", "outbox_recipients_check"),
    Index("outbox_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    schema="ops",
    comment="One row per mail; mail with a due_at is still to be sent.",
)
