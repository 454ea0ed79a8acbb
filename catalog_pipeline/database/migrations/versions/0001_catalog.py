"""The first schema: landing, catalog and ops, with the triggers and the view that tables cannot state."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from catalog_pipeline.models.base import TransactionId

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


SCHEMAS = {
    "landing": "Documents as received, and the crawls that brought them.",
    "catalog": "The normalized truth; every invariant is enforced here.",
    "ops": "Loads, their counts, rejects, and change events.",
    "marts": "What analysts query; built by the SQL models.",
}
TRIGGERS = Path(__file__).with_suffix(".sql")
"""As `database.triggers` generated them for this schema."""
RUN_VIEW = """\
CREATE VIEW catalog.run AS
SELECT r.id, r.run_key, c.key AS course_key, o.key AS organization_key, r.title, r.status, r.pacing, r.start, r."end",
       r.enrollment_start, r.enrollment_end, r.restriction_type, r.price, r.currency, v.variant_id,
       a.source AS association_source, a.reason AS association_reason, a.decided_at, r.missing_since
FROM catalog.course_run r
LEFT JOIN catalog.run_association a ON a.course_run_id = r.id
LEFT JOIN catalog.catalog_course c ON c.id = a.catalog_course_id
LEFT JOIN catalog.organization o ON o.id = c.organization_id
LEFT JOIN catalog.course_variant v ON v.course_run_id = r.id"""
RUN_VIEW_COMMENTS = {
    "id": "Surrogate key of the run.",
    "run_key": "The key of the run.",
    "course_key": "The key of its course; null while it has none.",
    "organization_key": "The key of the organization that owns the course.",
    "title": "Title of the run.",
    "status": "The place of the run in its workflow.",
    "pacing": "instructor_paced or self_paced.",
    "start": "When the run begins.",
    '"end"': "When the run ends.",
    "enrollment_start": "When enrollment opens.",
    "enrollment_end": "When enrollment closes.",
    "restriction_type": "Who may see the run, where that is restricted.",
    "price": "The highest seat price.",
    "currency": "ISO 4217 code of the price.",
    "variant_id": "The variant of the partner that the run stands for.",
    "association_source": "Who put the run under its course: manual, discovery or key.",
    "association_reason": "Why, in words.",
    "decided_at": "When that was decided.",
    "missing_since": "Since when upstream no longer lists the run.",
}


def upgrade() -> None:
    for schema, comment in SCHEMAS.items():
        op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        op.execute(f"COMMENT ON SCHEMA {schema} IS '{comment}'")
    op.create_table(
        "crawl",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Surrogate key."),
        sa.Column("source", sa.Text(), nullable=False, comment="The crawled source: discovery, lms."),
        sa.Column(
            "scope", sa.Text(), nullable=False, comment="The crawled part of the source; empty where it has one part."
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="The kind of document."),
        sa.Column("url", sa.Text(), nullable=False, comment="The list's address, without query."),
        sa.Column(
            "mode",
            sa.Text(),
            nullable=False,
            comment="full: all documents; incremental: those changed since the watermark.",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="complete: every page was read and the count reached; incomplete: nothing was kept of it.",
        ),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), nullable=False, comment="When the first page was asked for."
        ),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When the last page was landed.",
        ),
        sa.Column("pages", sa.Integer(), nullable=False, comment="Pages read, re-read ones included."),
        sa.Column("documents", sa.Integer(), nullable=False, comment="Distinct documents seen."),
        sa.Column("created", sa.Integer(), nullable=False, comment="Documents not known before."),
        sa.Column(
            "changed",
            sa.Integer(),
            nullable=False,
            comment="Known documents with a new payload_hash, returned ones included.",
        ),
        sa.Column("missing", sa.Integer(), nullable=False, comment="Documents that this crawl found gone."),
        sa.Column(
            "watermark",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="The largest data_modified_timestamp seen so far by complete crawls.",
        ),
        sa.CheckConstraint("mode IN ('full', 'incremental')", name=op.f("crawl_mode_check")),
        sa.CheckConstraint("outcome IN ('complete', 'incomplete')", name=op.f("crawl_outcome_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("crawl_pkey")),
        schema="landing",
        comment="One row per ended crawl of one kind of document.",
    )
    op.create_index("crawl_source_kind_idx", "crawl", ["source", "kind", "id"], unique=False, schema="landing")
    op.create_table(
        "document",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Surrogate key."),
        sa.Column("source", sa.Text(), nullable=False, comment="Where it came from: discovery, lms."),
        sa.Column(
            "scope",
            sa.Text(),
            nullable=False,
            comment="The part of the source it belongs to; empty where the source has one part.",
        ),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="What it describes: organization, course, program, course_run."
        ),
        sa.Column("key", sa.Text(), nullable=False, comment="The upstream's uuid where it has one, else its key."),
        sa.Column(
            "payload",
            sa.LargeBinary(),
            nullable=False,
            comment="The JSON as received, zstd-compressed; `catalog-pipeline show KEY --raw` prints it.",
        ),
        sa.Column(
            "payload_hash",
            sa.LargeBinary(),
            nullable=True,
            comment="xxh3-128 of the payload without the fields that move by the clock; null while missing upstream.",
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When payload_hash last changed.",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when a complete crawl no longer found it.",
        ),
        sa.Column(
            "settled_hash",
            sa.LargeBinary(),
            nullable=True,
            comment="The payload_hash last published or rejected; pending while it differs.",
        ),
        sa.Column(
            "settled_rules", sa.Integer(), nullable=True, comment="The version of the rules it was last decided by."
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("document_pkey")),
        sa.UniqueConstraint("source", "scope", "kind", "key", name=op.f("document_source_scope_kind_key_key")),
        schema="landing",
        comment="One row per upstream document: its last payload, and what has been decided of it.",
    )
    op.create_index(
        "document_pending_idx",
        "document",
        ["source", "kind"],
        unique=False,
        schema="landing",
        postgresql_where=sa.text("payload_hash IS DISTINCT FROM settled_hash"),
    )
    op.create_table(
        "change_event",
        sa.Column(
            "xid",
            TransactionId(),
            server_default=sa.text("pg_current_xact_id()"),
            nullable=False,
            comment="The transaction.",
        ),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Order within it."),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the transaction began.",
        ),
        sa.Column("entity", sa.Text(), nullable=False, comment="The table, without its schema."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="The id of the row."),
        sa.Column("key", sa.Text(), nullable=True, comment="The row's key: of a run's association, the run's."),
        sa.Column("action", sa.Text(), nullable=False, comment="created, updated or deleted."),
        sa.Column(
            "changes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Column to [old, new]; of long text its md5; of personal data [].",
        ),
        sa.Column(
            "actor",
            sa.Text(),
            nullable=False,
            comment="load:17, cli:ann, api:ann; sql: and the role for anything else.",
        ),
        sa.CheckConstraint("action IN ('created', 'updated', 'deleted')", name=op.f("change_event_action_check")),
        sa.PrimaryKeyConstraint("xid", "id", name=op.f("change_event_pkey")),
        schema="ops",
        comment="One row per created, updated or deleted row of the catalog: history and audit.",
    )
    op.create_index("change_event_entity_idx", "change_event", ["entity", "entity_id"], unique=False, schema="ops")
    op.create_index(
        "change_event_key_idx",
        "change_event",
        [sa.literal_column("lower(key COLLATE pg_c_utf8)")],
        unique=False,
        schema="ops",
    )
    op.create_table(
        "load",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Surrogate key."),
        sa.Column("source", sa.Text(), nullable=False, comment="What was loaded: discovery, lms, associations."),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="applied, refused (too many rejects) or held (too many removals).",
        ),
        sa.Column("detail", sa.Text(), nullable=True, comment="Why it was refused or held, and what to do."),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="The clock by which it decided."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When it began."),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it ended.",
        ),
        sa.Column("documents", sa.Integer(), nullable=False, comment="Pending documents it looked at."),
        sa.Column(
            "rejected_documents", sa.Integer(), nullable=False, comment="Documents of these that it rejected whole."
        ),
        sa.CheckConstraint("outcome IN ('applied', 'refused', 'held')", name=op.f("load_outcome_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("load_pkey")),
        schema="ops",
        comment="One row per ended load into the catalog.",
    )
    op.create_table(
        "course_run",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column(
            "run_key",
            sa.Text(),
            nullable=False,
            comment="The run's key, without branch and version; unique whatever its case.",
        ),
        sa.Column("key_org", sa.Text(), nullable=False, comment="The organization part of the key."),
        sa.Column(
            "key_course",
            sa.Text(),
            nullable=False,
            comment="The course part of the key; need not be the code of the run's course.",
        ),
        sa.Column("key_run", sa.Text(), nullable=False, comment="The run part of the key."),
        sa.Column("uuid", sa.Uuid(), nullable=True, comment="The upstream's uuid."),
        sa.Column("title", sa.Text(), nullable=False, comment="Title for people."),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="The run's place in its workflow; archived when upstream no longer lists it.",
        ),
        sa.Column("pacing", sa.Text(), nullable=True, comment="instructor_paced or self_paced."),
        sa.Column("language", sa.Text(), nullable=True, comment="Language code, as upstream spells it."),
        sa.Column("start", sa.DateTime(timezone=True), nullable=True, comment="When the run begins."),
        sa.Column("end", sa.DateTime(timezone=True), nullable=True, comment="When the run ends."),
        sa.Column("enrollment_start", sa.DateTime(timezone=True), nullable=True, comment="When enrollment opens."),
        sa.Column("enrollment_end", sa.DateTime(timezone=True), nullable=True, comment="When enrollment closes."),
        sa.Column(
            "go_live", sa.DateTime(timezone=True), nullable=True, comment="When a reviewed run is to be published."
        ),
        sa.Column(
            "upgrade_deadline",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="The latest upgrade deadline of a paid seat.",
        ),
        sa.Column(
            "restriction_type", sa.Text(), nullable=True, comment="Who may see the run, where that is restricted."
        ),
        sa.Column("price", sa.Numeric(precision=12, scale=2), nullable=True, comment="The highest seat price."),
        sa.Column("currency", sa.Text(), nullable=True, comment="ISO 4217 code of the price."),
        sa.Column(
            "has_seats",
            sa.Boolean(),
            nullable=True,
            comment="Whether the run can be enrolled in at all; null where upstream does not say.",
        ),
        sa.Column(
            "listed_by_id",
            sa.BigInteger(),
            nullable=True,
            comment="The document that lists this row; its source owns the row's fields. Null: made here.",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when upstream no longer lists the row; null while it does.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.CheckConstraint("pacing IN ('instructor_paced', 'self_paced')", name=op.f("course_run_pacing_check")),
        sa.CheckConstraint(
            "restriction_type IN ('custom-b2b-enterprise', 'custom-b2c')",
            name=op.f("course_run_restriction_type_check"),
        ),
        sa.CheckConstraint(
            "status IN ('unpublished', 'review_by_legal', 'review_by_internal', 'reviewed', 'published', 'archived')",
            name=op.f("course_run_status_check"),
        ),
        sa.CheckConstraint('"end" >= start', name=op.f("course_run_end_not_before_start_check")),
        sa.CheckConstraint("length(run_key) BETWEEN 1 AND 255", name=op.f("course_run_run_key_length_check")),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 255", name=op.f("course_run_title_length_check")),
        sa.CheckConstraint("price >= 0", name=op.f("course_run_price_not_negative_check")),
        sa.ForeignKeyConstraint(
            ["listed_by_id"], ["landing.document.id"], name=op.f("course_run_listed_by_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("course_run_pkey")),
        sa.UniqueConstraint("uuid", name=op.f("course_run_uuid_key")),
        schema="catalog",
        comment="One row per course run, by run key.",
    )
    op.create_index(op.f("course_run_listed_by_id_idx"), "course_run", ["listed_by_id"], unique=False, schema="catalog")
    op.create_index(
        "course_run_run_key_key",
        "course_run",
        [sa.literal_column("lower(run_key COLLATE pg_c_utf8)")],
        unique=True,
        schema="catalog",
    )
    op.create_index("course_run_status_start_idx", "course_run", ["status", "start"], unique=False, schema="catalog")
    op.create_table(
        "organization",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column("key", sa.Text(), nullable=False, comment="Short name, as in keys; unique whatever its case."),
        sa.Column("name", sa.Text(), nullable=False, comment="Name for people; the key where nobody gave one."),
        sa.Column(
            "active",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="False: kept, but offers nothing new.",
        ),
        sa.Column("uuid", sa.Uuid(), nullable=True, comment="The upstream's uuid."),
        sa.Column(
            "listed_by_id",
            sa.BigInteger(),
            nullable=True,
            comment="The document that lists this row; its source owns the row's fields. Null: made here.",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when upstream no longer lists the row; null while it does.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 255", name=op.f("organization_key_length_check")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 255", name=op.f("organization_name_length_check")),
        sa.ForeignKeyConstraint(
            ["listed_by_id"], ["landing.document.id"], name=op.f("organization_listed_by_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("organization_pkey")),
        sa.UniqueConstraint("uuid", name=op.f("organization_uuid_key")),
        schema="catalog",
        comment="Who offers courses: one row per organization key.",
    )
    op.create_index(
        "organization_key_key",
        "organization",
        [sa.literal_column("lower(key COLLATE pg_c_utf8)")],
        unique=True,
        schema="catalog",
    )
    op.create_index(
        op.f("organization_listed_by_id_idx"), "organization", ["listed_by_id"], unique=False, schema="catalog"
    )
    op.create_table(
        "program",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column("uuid", sa.Uuid(), nullable=False, comment="The upstream's uuid."),
        sa.Column("title", sa.Text(), nullable=False, comment="Title for people."),
        sa.Column("type", sa.Text(), nullable=True, comment="Name of the program type, such as XSeries."),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="unpublished, active, retired or deleted; archived when upstream no longer lists it.",
        ),
        sa.Column("marketing_slug", sa.Text(), nullable=True, comment="Last part of its page's address."),
        sa.Column(
            "listed_by_id",
            sa.BigInteger(),
            nullable=True,
            comment="The document that lists this row; its source owns the row's fields. Null: made here.",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when upstream no longer lists the row; null while it does.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.CheckConstraint(
            "status IN ('unpublished', 'active', 'retired', 'deleted', 'archived')", name=op.f("program_status_check")
        ),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 255", name=op.f("program_title_length_check")),
        sa.ForeignKeyConstraint(
            ["listed_by_id"], ["landing.document.id"], name=op.f("program_listed_by_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("program_pkey")),
        sa.UniqueConstraint("uuid", name=op.f("program_uuid_key")),
        schema="catalog",
        comment="One row per program.",
    )
    op.create_index(op.f("program_listed_by_id_idx"), "program", ["listed_by_id"], unique=False, schema="catalog")
    op.create_table(
        "load_count",
        sa.Column("load_id", sa.BigInteger(), nullable=False, comment="The load."),
        sa.Column("table_name", sa.Text(), nullable=False, comment="schema.table"),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="created, updated, unchanged, deleted, rejected, deferred or duplicate.",
        ),
        sa.Column("n", sa.Integer(), nullable=False, comment="Number of rows."),
        sa.CheckConstraint(
            "outcome IN ('created', 'updated', 'unchanged', 'deleted', 'rejected', 'deferred', 'duplicate')",
            name=op.f("load_count_outcome_check"),
        ),
        sa.CheckConstraint("n > 0", name=op.f("load_count_n_check")),
        sa.ForeignKeyConstraint(["load_id"], ["ops.load.id"], name=op.f("load_count_load_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("load_id", "table_name", "outcome", name=op.f("load_count_pkey")),
        schema="ops",
        comment="Rows by table and outcome of a load; a missing row means none.",
    )
    op.create_table(
        "rejected_record",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Surrogate key."),
        sa.Column("load_id", sa.BigInteger(), nullable=False, comment="The load that rejected it."),
        sa.Column("document_id", sa.BigInteger(), nullable=True, comment="The document it stands in."),
        sa.Column(
            "table_name", sa.Text(), nullable=False, comment="The table that the row was meant for, as schema.table."
        ),
        sa.Column(
            "record_key", sa.Text(), nullable=True, comment="The key of the course, run, organization or program."
        ),
        sa.Column("column_name", sa.Text(), nullable=True, comment="The column at fault."),
        sa.Column("rule", sa.Text(), nullable=False, comment="The rule that was broken."),
        sa.Column("value", sa.Text(), nullable=True, comment="The value found, cut to 200 characters."),
        sa.Column("message", sa.Text(), nullable=False, comment="What is wrong and what would be accepted."),
        sa.Column(
            "rejected_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.Column(
            "cleared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the document was decided anew; null while open.",
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["landing.document.id"], name=op.f("rejected_record_document_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["load_id"], ["ops.load.id"], name=op.f("rejected_record_load_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("rejected_record_pkey")),
        schema="ops",
        comment="One row per reason for a reject. Open until the document is decided anew.",
    )
    op.create_index(op.f("rejected_record_load_id_idx"), "rejected_record", ["load_id"], unique=False, schema="ops")
    op.create_index(
        "rejected_record_open_idx",
        "rejected_record",
        ["document_id"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_table(
        "catalog_course",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column("organization_id", sa.BigInteger(), nullable=False, comment="The owning organization."),
        sa.Column("course_code", sa.Text(), nullable=False, comment="The second part of the key."),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="Org+Code, in the case it came in; unique whatever its case."
        ),
        sa.Column(
            "title", sa.Text(), nullable=False, comment="Title for people; the course code where nobody gave one."
        ),
        sa.Column("short_description", sa.Text(), nullable=True, comment="HTML."),
        sa.Column("full_description", sa.Text(), nullable=True, comment="HTML."),
        sa.Column("topic", sa.Text(), nullable=True, comment="The first subject."),
        sa.Column(
            "language",
            sa.Text(),
            nullable=True,
            comment="Language code of the advertised or first run, as upstream spells it.",
        ),
        sa.Column("course_type", sa.Text(), nullable=True, comment="Slug of the course type, such as verified-audit."),
        sa.Column("product_source", sa.Text(), nullable=True, comment="Slug of the product source, such as edx or 2u."),
        sa.Column("product_status", sa.Text(), nullable=True, comment="published or archived, where upstream says so."),
        sa.Column(
            "status",
            sa.Text(),
            server_default=sa.text("'draft'"),
            nullable=False,
            comment="archived: product_status is, or missing upstream; else published: some run is; else draft.",
        ),
        sa.Column("uuid", sa.Uuid(), nullable=True, comment="The upstream's uuid."),
        sa.Column(
            "key_for_reruns",
            sa.Text(),
            nullable=True,
            comment="Org+Code that new runs of this course carry instead of its own key.",
        ),
        sa.Column("external_identifier", sa.Text(), nullable=True, comment="The partner's own product number."),
        sa.Column(
            "listed_by_id",
            sa.BigInteger(),
            nullable=True,
            comment="The document that lists this row; its source owns the row's fields. Null: made here.",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when upstream no longer lists the row; null while it does.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.CheckConstraint("status IN ('draft', 'published', 'archived')", name=op.f("catalog_course_status_check")),
        sa.CheckConstraint(
            "length(course_code) BETWEEN 1 AND 255", name=op.f("catalog_course_course_code_length_check")
        ),
        sa.CheckConstraint("length(key) BETWEEN 3 AND 255", name=op.f("catalog_course_key_length_check")),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 255", name=op.f("catalog_course_title_length_check")),
        sa.ForeignKeyConstraint(
            ["listed_by_id"],
            ["landing.document.id"],
            name=op.f("catalog_course_listed_by_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["catalog.organization.id"],
            name=op.f("catalog_course_organization_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("catalog_course_pkey")),
        sa.UniqueConstraint("uuid", name=op.f("catalog_course_uuid_key")),
        schema="catalog",
        comment="One row per catalog course: the concept that runs are runs of.",
    )
    op.create_index(
        "catalog_course_external_identifier_key",
        "catalog_course",
        ["product_source", "course_type", "external_identifier"],
        unique=True,
        schema="catalog",
        postgresql_where=sa.text("external_identifier IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "catalog_course_key_for_reruns_idx",
        "catalog_course",
        [sa.literal_column("lower(key_for_reruns COLLATE pg_c_utf8)")],
        unique=False,
        schema="catalog",
        postgresql_where=sa.text("key_for_reruns IS NOT NULL"),
    )
    op.create_index(
        "catalog_course_key_key",
        "catalog_course",
        [sa.literal_column("lower(key COLLATE pg_c_utf8)")],
        unique=True,
        schema="catalog",
    )
    op.create_index(
        op.f("catalog_course_listed_by_id_idx"), "catalog_course", ["listed_by_id"], unique=False, schema="catalog"
    )
    op.create_index(
        "catalog_course_organization_code_key",
        "catalog_course",
        ["organization_id", sa.literal_column("lower(course_code COLLATE pg_c_utf8)")],
        unique=True,
        schema="catalog",
    )
    op.create_index(
        "catalog_course_status_topic_idx", "catalog_course", ["status", "topic"], unique=False, schema="catalog"
    )
    op.create_table(
        "course_variant",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column("variant_id", sa.Uuid(), nullable=False, comment="The partner's id of the variant."),
        sa.Column("course_run_id", sa.BigInteger(), nullable=False, comment="The run that stands for it."),
        sa.Column("product_source", sa.Text(), nullable=True, comment="Slug of the partner it came from."),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.ForeignKeyConstraint(
            ["course_run_id"],
            ["catalog.course_run.id"],
            name=op.f("course_variant_course_run_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("course_variant_pkey")),
        sa.UniqueConstraint("course_run_id", name=op.f("course_variant_course_run_id_key")),
        sa.UniqueConstraint("variant_id", name=op.f("course_variant_variant_id_key")),
        schema="catalog",
        comment="Partner variants: one run each, and one each per run.",
    )
    op.create_table(
        "program_course",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column("program_id", sa.BigInteger(), nullable=False, comment="The program."),
        sa.Column("catalog_course_id", sa.BigInteger(), nullable=False, comment="The course."),
        sa.Column(
            "position", sa.Integer(), nullable=False, comment="The course's place in the program's list, from 1."
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.ForeignKeyConstraint(
            ["catalog_course_id"],
            ["catalog.catalog_course.id"],
            name=op.f("program_course_catalog_course_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["program_id"], ["catalog.program.id"], name=op.f("program_course_program_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("program_course_pkey")),
        sa.UniqueConstraint(
            "program_id", "catalog_course_id", name=op.f("program_course_program_id_catalog_course_id_key")
        ),
        schema="catalog",
        comment="The courses of each program, in order.",
    )
    op.create_index(
        op.f("program_course_catalog_course_id_idx"),
        "program_course",
        ["catalog_course_id"],
        unique=False,
        schema="catalog",
    )
    op.create_table(
        "run_association",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Surrogate key; never shown in APIs, never updated.",
        ),
        sa.Column("course_run_id", sa.BigInteger(), nullable=False, comment="The run."),
        sa.Column("catalog_course_id", sa.BigInteger(), nullable=False, comment="The run's course."),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="Who said so: manual goes before discovery, discovery before key.",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why, in words."),
        sa.Column(
            "decided_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the association was last decided.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was made.",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When a value of the row last changed; kept by a trigger.",
        ),
        sa.CheckConstraint("source IN ('manual', 'discovery', 'key')", name=op.f("run_association_source_check")),
        sa.ForeignKeyConstraint(
            ["catalog_course_id"],
            ["catalog.catalog_course.id"],
            name=op.f("run_association_catalog_course_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["course_run_id"],
            ["catalog.course_run.id"],
            name=op.f("run_association_course_run_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("run_association_pkey")),
        sa.UniqueConstraint("course_run_id", name=op.f("run_association_course_run_id_key")),
        schema="catalog",
        comment="The course of each run; explicit, whatever the keys look like.",
    )
    op.create_index(
        op.f("run_association_catalog_course_id_idx"),
        "run_association",
        ["catalog_course_id"],
        unique=False,
        schema="catalog",
    )
    # Payloads come compressed: Postgres should not try again.
    op.execute("ALTER TABLE landing.document ALTER COLUMN payload SET STORAGE EXTERNAL")
    for statement in TRIGGERS.read_text().split("\n;\n"):
        op.execute(sa.text(statement.replace(":", r"\:")))
    op.execute(RUN_VIEW)
    for column, comment in RUN_VIEW_COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN catalog.run.{column} IS '{comment}'")
    op.execute("COMMENT ON VIEW catalog.run IS 'One row per run, with its course and who said so.'")
