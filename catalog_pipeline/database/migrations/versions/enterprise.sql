CREATE TABLE catalog.enterprise_customer (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    uuid UUID NOT NULL,
    name TEXT,
    slug TEXT,
    contact_email TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT enterprise_customer_pkey PRIMARY KEY (id),
    CONSTRAINT enterprise_customer_uuid_key UNIQUE (uuid)
);
COMMENT ON TABLE catalog.enterprise_customer IS 'One row per enterprise customer. Upstreams mention them; their names are imported.';
COMMENT ON COLUMN catalog.enterprise_customer.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.enterprise_customer.uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.enterprise_customer.name IS 'Name shown to learners; null where no source says it.';
COMMENT ON COLUMN catalog.enterprise_customer.slug IS 'The last part of the address of its learner portal.';
COMMENT ON COLUMN catalog.enterprise_customer.contact_email IS 'The address of its administrators, as mails show it to learners.';
COMMENT ON COLUMN catalog.enterprise_customer.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.enterprise_customer.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.enterprise_catalog (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_customer_id BIGINT NOT NULL,
    uuid UUID NOT NULL,
    title TEXT,
    fetched_at TIMESTAMP WITH TIME ZONE,
    last_outcome TEXT,
    last_detail TEXT,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT enterprise_catalog_pkey PRIMARY KEY (id),
    CONSTRAINT enterprise_catalog_last_outcome_check CHECK (last_outcome IN ('applied', 'held', 'refused', 'failed')),
    CONSTRAINT enterprise_catalog_enterprise_customer_id_fkey FOREIGN KEY(enterprise_customer_id) REFERENCES catalog.enterprise_customer (id) ON DELETE RESTRICT,
    CONSTRAINT enterprise_catalog_uuid_key UNIQUE (uuid),
    CONSTRAINT enterprise_catalog_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE INDEX enterprise_catalog_enterprise_customer_id_idx ON catalog.enterprise_catalog (enterprise_customer_id);
CREATE INDEX enterprise_catalog_listed_by_id_idx ON catalog.enterprise_catalog (listed_by_id);
COMMENT ON TABLE catalog.enterprise_catalog IS 'One row per enterprise catalog: a choice of content for one customer.';
COMMENT ON COLUMN catalog.enterprise_catalog.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.enterprise_catalog.enterprise_customer_id IS 'The customer that it belongs to.';
COMMENT ON COLUMN catalog.enterprise_catalog.uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.enterprise_catalog.title IS 'Title shown to administrators.';
COMMENT ON COLUMN catalog.enterprise_catalog.fetched_at IS 'When its content was last read and applied; null while it never was.';
COMMENT ON COLUMN catalog.enterprise_catalog.last_outcome IS 'How the last reading of its content ended: applied, held, refused or failed.';
COMMENT ON COLUMN catalog.enterprise_catalog.last_detail IS 'Why the last reading did not end as applied.';
COMMENT ON COLUMN catalog.enterprise_catalog.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.enterprise_catalog.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.enterprise_catalog.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.enterprise_catalog.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.enterprise_learner (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_customer_id BIGINT NOT NULL,
    lms_user_id BIGINT NOT NULL,
    email TEXT NOT NULL,
    group_uuids UUID[] DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT enterprise_learner_pkey PRIMARY KEY (id),
    CONSTRAINT enterprise_learner_enterprise_customer_id_fkey FOREIGN KEY(enterprise_customer_id) REFERENCES catalog.enterprise_customer (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX enterprise_learner_email_key ON catalog.enterprise_learner (enterprise_customer_id, lower(email COLLATE pg_c_utf8));
CREATE INDEX enterprise_learner_enterprise_customer_id_idx ON catalog.enterprise_learner (enterprise_customer_id);
CREATE UNIQUE INDEX enterprise_learner_lms_user_id_key ON catalog.enterprise_learner (enterprise_customer_id, lms_user_id);
COMMENT ON TABLE catalog.enterprise_learner IS 'The learners linked to each customer: imported, for no upstream lists them.';
COMMENT ON COLUMN catalog.enterprise_learner.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.enterprise_learner.enterprise_customer_id IS 'The customer that it belongs to.';
COMMENT ON COLUMN catalog.enterprise_learner.lms_user_id IS 'The learner''s id in the LMS.';
COMMENT ON COLUMN catalog.enterprise_learner.email IS 'The learner''s address; unique without regard to case.';
COMMENT ON COLUMN catalog.enterprise_learner.group_uuids IS 'The customer''s groups that the learner is in.';
COMMENT ON COLUMN catalog.enterprise_learner.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.enterprise_learner.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.subsidy (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_customer_id BIGINT NOT NULL,
    uuid UUID NOT NULL,
    title TEXT,
    expiration TIMESTAMP WITH TIME ZONE,
    expiration_raw TEXT,
    is_active BOOLEAN DEFAULT true NOT NULL,
    current_balance BIGINT,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT subsidy_pkey PRIMARY KEY (id),
    CONSTRAINT subsidy_enterprise_customer_id_fkey FOREIGN KEY(enterprise_customer_id) REFERENCES catalog.enterprise_customer (id) ON DELETE RESTRICT,
    CONSTRAINT subsidy_uuid_key UNIQUE (uuid),
    CONSTRAINT subsidy_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE INDEX subsidy_enterprise_customer_id_idx ON catalog.subsidy (enterprise_customer_id);
CREATE INDEX subsidy_listed_by_id_idx ON catalog.subsidy (listed_by_id);
COMMENT ON TABLE catalog.subsidy IS 'One row per subsidy: the money behind access policies.';
COMMENT ON COLUMN catalog.subsidy.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.subsidy.enterprise_customer_id IS 'The customer that it belongs to.';
COMMENT ON COLUMN catalog.subsidy.uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.subsidy.title IS 'Title shown to administrators.';
COMMENT ON COLUMN catalog.subsidy.expiration IS 'When it expires; null where upstream says nothing, or nothing readable.';
COMMENT ON COLUMN catalog.subsidy.expiration_raw IS 'The expiration as upstream writes it.';
COMMENT ON COLUMN catalog.subsidy.is_active IS 'Whether money may be spent.';
COMMENT ON COLUMN catalog.subsidy.current_balance IS 'What is left, in US cents; what was spent is not in it.';
COMMENT ON COLUMN catalog.subsidy.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.subsidy.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.subsidy.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.subsidy.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.assignment_configuration (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_customer_id BIGINT NOT NULL,
    uuid UUID NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    owner TEXT NOT NULL,
    adopted_at TIMESTAMP WITH TIME ZONE,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT assignment_configuration_pkey PRIMARY KEY (id),
    CONSTRAINT assignment_configuration_owner_check CHECK (owner IN ('here', 'enterprise_access')),
    CONSTRAINT assignment_configuration_enterprise_customer_id_fkey FOREIGN KEY(enterprise_customer_id) REFERENCES catalog.enterprise_customer (id) ON DELETE RESTRICT,
    CONSTRAINT assignment_configuration_uuid_key UNIQUE (uuid),
    CONSTRAINT assignment_configuration_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE INDEX assignment_configuration_enterprise_customer_id_idx ON catalog.assignment_configuration (enterprise_customer_id);
CREATE INDEX assignment_configuration_listed_by_id_idx ON catalog.assignment_configuration (listed_by_id);
COMMENT ON TABLE catalog.assignment_configuration IS 'One row per assignment configuration: the assignments of one policy, or of none.';
COMMENT ON COLUMN catalog.assignment_configuration.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.assignment_configuration.enterprise_customer_id IS 'The customer that it belongs to.';
COMMENT ON COLUMN catalog.assignment_configuration.uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.assignment_configuration.active IS 'Whether its assignments expire, and learners are nudged.';
COMMENT ON COLUMN catalog.assignment_configuration.owner IS 'Who changes its assignments: here, or enterprise_access, from which they are replicated.';
COMMENT ON COLUMN catalog.assignment_configuration.adopted_at IS 'Since when it is ours for good, though enterprise-access may list it; null while it was not adopted.';
COMMENT ON COLUMN catalog.assignment_configuration.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.assignment_configuration.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.assignment_configuration.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.assignment_configuration.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.access_policy (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_customer_id BIGINT NOT NULL,
    uuid UUID NOT NULL,
    display_name TEXT,
    description TEXT,
    policy_type TEXT,
    access_method TEXT NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    retired BOOLEAN DEFAULT false NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    catalog_uuid UUID,
    subsidy_uuid UUID,
    assignment_configuration_uuid UUID,
    enterprise_catalog_id BIGINT,
    subsidy_id BIGINT,
    assignment_configuration_id BIGINT,
    spend_limit BIGINT,
    spent BIGINT,
    per_learner_enrollment_limit INTEGER,
    per_learner_spend_limit BIGINT,
    late_redemption_allowed_until TIMESTAMP WITH TIME ZONE,
    group_uuids UUID[] DEFAULT '{}' NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT access_policy_pkey PRIMARY KEY (id),
    CONSTRAINT access_policy_access_method_check CHECK (access_method IN ('direct', 'request', 'assigned')),
    CONSTRAINT access_policy_spend_limit_not_negative_check CHECK (spend_limit >= 0),
    CONSTRAINT access_policy_enterprise_customer_id_fkey FOREIGN KEY(enterprise_customer_id) REFERENCES catalog.enterprise_customer (id) ON DELETE RESTRICT,
    CONSTRAINT access_policy_uuid_key UNIQUE (uuid),
    CONSTRAINT access_policy_enterprise_catalog_id_fkey FOREIGN KEY(enterprise_catalog_id) REFERENCES catalog.enterprise_catalog (id) ON DELETE SET NULL,
    CONSTRAINT access_policy_subsidy_id_fkey FOREIGN KEY(subsidy_id) REFERENCES catalog.subsidy (id) ON DELETE SET NULL,
    CONSTRAINT access_policy_assignment_configuration_uuid_key UNIQUE (assignment_configuration_uuid),
    CONSTRAINT access_policy_assignment_configuration_id_key UNIQUE (assignment_configuration_id),
    CONSTRAINT access_policy_assignment_configuration_id_fkey FOREIGN KEY(assignment_configuration_id) REFERENCES catalog.assignment_configuration (id) ON DELETE SET NULL,
    CONSTRAINT access_policy_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE INDEX access_policy_catalog_uuid_idx ON catalog.access_policy (catalog_uuid);
CREATE INDEX access_policy_enterprise_catalog_id_idx ON catalog.access_policy (enterprise_catalog_id);
CREATE INDEX access_policy_enterprise_customer_id_idx ON catalog.access_policy (enterprise_customer_id);
CREATE INDEX access_policy_listed_by_id_idx ON catalog.access_policy (listed_by_id);
CREATE INDEX access_policy_subsidy_id_idx ON catalog.access_policy (subsidy_id);
CREATE INDEX access_policy_subsidy_uuid_idx ON catalog.access_policy (subsidy_uuid);
COMMENT ON TABLE catalog.access_policy IS 'One row per policy: on which terms a subsidy pays for a catalog''s content.';
COMMENT ON COLUMN catalog.access_policy.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.access_policy.enterprise_customer_id IS 'The customer that it belongs to.';
COMMENT ON COLUMN catalog.access_policy.uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.access_policy.display_name IS 'Name shown to administrators.';
COMMENT ON COLUMN catalog.access_policy.description IS 'Description for administrators.';
COMMENT ON COLUMN catalog.access_policy.policy_type IS 'The upstream''s kind of policy.';
COMMENT ON COLUMN catalog.access_policy.access_method IS 'direct, request or assigned.';
COMMENT ON COLUMN catalog.access_policy.active IS 'Whether the policy is in use.';
COMMENT ON COLUMN catalog.access_policy.retired IS 'Whether it was retired.';
COMMENT ON COLUMN catalog.access_policy.retired_at IS 'When it was retired.';
COMMENT ON COLUMN catalog.access_policy.catalog_uuid IS 'The catalog that it names, known here or not.';
COMMENT ON COLUMN catalog.access_policy.subsidy_uuid IS 'The subsidy that it names, known here or not.';
COMMENT ON COLUMN catalog.access_policy.assignment_configuration_uuid IS 'The configuration that it names, known here or not; no other policy names it.';
COMMENT ON COLUMN catalog.access_policy.enterprise_catalog_id IS 'The catalog that it names; null while it is not known here.';
COMMENT ON COLUMN catalog.access_policy.subsidy_id IS 'The subsidy that it names; null while it is not known here.';
COMMENT ON COLUMN catalog.access_policy.assignment_configuration_id IS 'The configuration of its assignments; null while it is not known here.';
COMMENT ON COLUMN catalog.access_policy.spend_limit IS 'The most that it may spend, in US cents.';
COMMENT ON COLUMN catalog.access_policy.spent IS 'What it has spent, in US cents, without sign.';
COMMENT ON COLUMN catalog.access_policy.per_learner_enrollment_limit IS 'The most enrollments of one learner.';
COMMENT ON COLUMN catalog.access_policy.per_learner_spend_limit IS 'The most that one learner may spend, in US cents.';
COMMENT ON COLUMN catalog.access_policy.late_redemption_allowed_until IS 'Until when learners may enroll after the deadline.';
COMMENT ON COLUMN catalog.access_policy.group_uuids IS 'The groups that it is for; for all learners where empty.';
COMMENT ON COLUMN catalog.access_policy.made_at IS 'When upstream made it (its `created`).';
COMMENT ON COLUMN catalog.access_policy.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.access_policy.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.access_policy.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.access_policy.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.content_metadata (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_catalog_id BIGINT NOT NULL,
    content_key TEXT NOT NULL,
    content_uuid UUID,
    content_type TEXT,
    title TEXT,
    course_type TEXT,
    product_source TEXT,
    advertised_run_key TEXT,
    partners JSONB DEFAULT '[]' NOT NULL,
    image_url TEXT,
    listed BOOLEAN DEFAULT true NOT NULL,
    status TEXT DEFAULT 'found' NOT NULL,
    content_hash TEXT,
    start TIMESTAMP WITH TIME ZONE,
    "end" TIMESTAMP WITH TIME ZONE,
    enrollment_start TIMESTAMP WITH TIME ZONE,
    enroll_by TIMESTAMP WITH TIME ZONE,
    price NUMERIC(12, 2),
    currency TEXT,
    price_from TEXT,
    fetched_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT content_metadata_pkey PRIMARY KEY (id),
    CONSTRAINT content_metadata_content_type_check CHECK (content_type IN ('course', 'program', 'learnerpathway')),
    CONSTRAINT content_metadata_status_check CHECK (status IN ('found', 'not_in_catalog')),
    CONSTRAINT content_metadata_missing_since_check CHECK ((status = 'not_in_catalog') = (missing_since IS NOT NULL)),
    CONSTRAINT content_metadata_price_from_check CHECK (price_from IN ('fixed', 'entitlement', 'seat', 'normalized', 'none')),
    CONSTRAINT content_metadata_content_key_length_check CHECK (length(content_key) BETWEEN 1 AND 255),
    CONSTRAINT content_metadata_enterprise_catalog_id_fkey FOREIGN KEY(enterprise_catalog_id) REFERENCES catalog.enterprise_catalog (id) ON DELETE CASCADE,
    CONSTRAINT content_metadata_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX content_metadata_content_key_key ON catalog.content_metadata (enterprise_catalog_id, lower(content_key COLLATE pg_c_utf8));
CREATE INDEX content_metadata_listed_by_id_idx ON catalog.content_metadata (listed_by_id);
COMMENT ON TABLE catalog.content_metadata IS 'One row per catalog and course, program or pathway: a dated copy.';
COMMENT ON COLUMN catalog.content_metadata.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.content_metadata.enterprise_catalog_id IS 'The catalog that says this; another catalog may say something else of the same key.';
COMMENT ON COLUMN catalog.content_metadata.content_key IS 'The course''s key; the uuid of a program or pathway; unique in a catalog without regard to case.';
COMMENT ON COLUMN catalog.content_metadata.content_uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.content_metadata.content_type IS 'course, program or learnerpathway; null where nothing but the key is known.';
COMMENT ON COLUMN catalog.content_metadata.title IS 'Title shown to people.';
COMMENT ON COLUMN catalog.content_metadata.course_type IS 'Slug of the course type, such as verified-audit.';
COMMENT ON COLUMN catalog.content_metadata.product_source IS 'Slug of the product source, else its name.';
COMMENT ON COLUMN catalog.content_metadata.advertised_run_key IS 'The run whose dates are the content''s.';
COMMENT ON COLUMN catalog.content_metadata.partners IS 'Its owners, in order: name, logo_image_url.';
COMMENT ON COLUMN catalog.content_metadata.image_url IS 'The address of its card''s image.';
COMMENT ON COLUMN catalog.content_metadata.listed IS 'Whether the catalog''s list has it; false where only its key brings it.';
COMMENT ON COLUMN catalog.content_metadata.status IS 'found, or not_in_catalog: the catalog was asked for it and did not return it.';
COMMENT ON COLUMN catalog.content_metadata.content_hash IS 'xxh3-128 of the document without fields that change by themselves, as hexadecimal digits.';
COMMENT ON COLUMN catalog.content_metadata.start IS 'When the run begins.';
COMMENT ON COLUMN catalog.content_metadata."end" IS 'When the run ends.';
COMMENT ON COLUMN catalog.content_metadata.enrollment_start IS 'When enrollment opens.';
COMMENT ON COLUMN catalog.content_metadata.enroll_by IS 'Until when learners can enroll at the price; docs/enterprise.md has the rule.';
COMMENT ON COLUMN catalog.content_metadata.price IS 'What one learner costs; 0 where no source of a price has one.';
COMMENT ON COLUMN catalog.content_metadata.currency IS 'ISO 4217 code of the price.';
COMMENT ON COLUMN catalog.content_metadata.price_from IS 'Where the price comes from: fixed, entitlement, seat, normalized; none: nowhere.';
COMMENT ON COLUMN catalog.content_metadata.fetched_at IS 'When the row was last written from what upstream says. The catalog''s fetched_at may be later.';
COMMENT ON COLUMN catalog.content_metadata.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.content_metadata.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.content_metadata.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.content_metadata.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.content_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    enterprise_catalog_id BIGINT NOT NULL,
    content_metadata_id BIGINT,
    run_key TEXT NOT NULL,
    parent_content_key TEXT,
    run_uuid UUID,
    status TEXT,
    pacing TEXT,
    weeks_to_complete INTEGER,
    restriction_type TEXT,
    start TIMESTAMP WITH TIME ZONE,
    "end" TIMESTAMP WITH TIME ZONE,
    enrollment_start TIMESTAMP WITH TIME ZONE,
    enroll_by TIMESTAMP WITH TIME ZONE,
    price NUMERIC(12, 2),
    currency TEXT,
    price_from TEXT,
    start_raw TEXT,
    end_raw TEXT,
    enrollment_start_raw TEXT,
    enrollment_end_raw TEXT,
    upgrade_deadline_raw TEXT,
    problems JSONB DEFAULT '[]' NOT NULL,
    fetched_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT content_run_pkey PRIMARY KEY (id),
    CONSTRAINT content_run_price_from_check CHECK (price_from IN ('fixed', 'entitlement', 'seat', 'normalized', 'none')),
    CONSTRAINT content_run_run_key_length_check CHECK (length(run_key) BETWEEN 1 AND 255),
    CONSTRAINT content_run_enterprise_catalog_id_fkey FOREIGN KEY(enterprise_catalog_id) REFERENCES catalog.enterprise_catalog (id) ON DELETE CASCADE,
    CONSTRAINT content_run_content_metadata_id_fkey FOREIGN KEY(content_metadata_id) REFERENCES catalog.content_metadata (id) ON DELETE CASCADE,
    CONSTRAINT content_run_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE INDEX content_run_content_metadata_id_idx ON catalog.content_run (content_metadata_id);
CREATE INDEX content_run_listed_by_id_idx ON catalog.content_run (listed_by_id);
CREATE UNIQUE INDEX content_run_run_key_key ON catalog.content_run (enterprise_catalog_id, lower(run_key COLLATE pg_c_utf8));
COMMENT ON TABLE catalog.content_run IS 'One row per catalog and course run: a dated copy.';
COMMENT ON COLUMN catalog.content_run.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.content_run.enterprise_catalog_id IS 'The catalog that says this; another catalog may say something else of the same key.';
COMMENT ON COLUMN catalog.content_run.content_metadata_id IS 'Its course in the same catalog; null where the catalog has only the run.';
COMMENT ON COLUMN catalog.content_run.run_key IS 'The run''s key; unique in a catalog without regard to case.';
COMMENT ON COLUMN catalog.content_run.parent_content_key IS 'The key of its course.';
COMMENT ON COLUMN catalog.content_run.run_uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.content_run.status IS 'Publication status, as upstream spells it.';
COMMENT ON COLUMN catalog.content_run.pacing IS 'instructor_paced or self_paced.';
COMMENT ON COLUMN catalog.content_run.weeks_to_complete IS 'How many weeks a learner needs.';
COMMENT ON COLUMN catalog.content_run.restriction_type IS 'Who may see the run, where that is restricted; null where it is not.';
COMMENT ON COLUMN catalog.content_run.start IS 'When the run begins.';
COMMENT ON COLUMN catalog.content_run."end" IS 'When the run ends.';
COMMENT ON COLUMN catalog.content_run.enrollment_start IS 'When enrollment opens.';
COMMENT ON COLUMN catalog.content_run.enroll_by IS 'Until when learners can enroll at the price; docs/enterprise.md has the rule.';
COMMENT ON COLUMN catalog.content_run.price IS 'What one learner costs; 0 where no source of a price has one.';
COMMENT ON COLUMN catalog.content_run.currency IS 'ISO 4217 code of the price.';
COMMENT ON COLUMN catalog.content_run.price_from IS 'Where the price comes from: fixed, entitlement, seat, normalized; none: nowhere.';
COMMENT ON COLUMN catalog.content_run.start_raw IS 'The start as upstream writes it.';
COMMENT ON COLUMN catalog.content_run.end_raw IS 'The end as upstream writes it.';
COMMENT ON COLUMN catalog.content_run.enrollment_start_raw IS 'When enrollment opens, as upstream writes it.';
COMMENT ON COLUMN catalog.content_run.enrollment_end_raw IS 'When enrollment closes, as upstream writes it; or the enroll-by date, if it says only that.';
COMMENT ON COLUMN catalog.content_run.upgrade_deadline_raw IS 'The upgrade deadline of the seat that counts, as upstream writes it.';
COMMENT ON COLUMN catalog.content_run.problems IS 'The dates that decide enroll_by and cannot be read: field (enrollment_end, upgrade_deadline), raw.';
COMMENT ON COLUMN catalog.content_run.fetched_at IS 'When the row was last written from what upstream says. The catalog''s fetched_at may be later.';
COMMENT ON COLUMN catalog.content_run.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.content_run.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.content_run.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.content_run.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.content_assignment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    uuid UUID DEFAULT gen_random_uuid() NOT NULL,
    assignment_configuration_id BIGINT NOT NULL,
    learner_email TEXT NOT NULL,
    lms_user_id BIGINT,
    content_key TEXT NOT NULL,
    parent_content_key TEXT,
    is_assigned_course_run BOOLEAN DEFAULT false NOT NULL,
    preferred_course_run_key TEXT,
    content_title TEXT,
    content_quantity BIGINT NOT NULL,
    state TEXT DEFAULT 'allocated' NOT NULL,
    allocated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    allocated_at_from TEXT DEFAULT 'given' NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    expired_at TIMESTAMP WITH TIME ZONE,
    errored_at TIMESTAMP WITH TIME ZONE,
    reversed_at TIMESTAMP WITH TIME ZONE,
    expired_reason TEXT,
    transaction_uuid UUID,
    allocation_batch_id UUID,
    admin_lms_user_id BIGINT,
    credit_request_uuid UUID,
    content_metadata_id BIGINT,
    content_run_id BIGINT,
    listed_by_id BIGINT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT content_assignment_pkey PRIMARY KEY (id),
    CONSTRAINT content_assignment_state_check CHECK (state IN ('allocated', 'accepted', 'cancelled', 'expired', 'errored', 'reversed')),
    CONSTRAINT content_assignment_allocated_at_from_check CHECK (allocated_at_from IN ('given', 'recent_action', 'expiration', 'first_action', 'first_seen')),
    CONSTRAINT content_assignment_expired_reason_check CHECK (expired_reason IN ('SUBSIDY_EXPIRED', 'ENROLLMENT_DATE_PASSED', 'NINETY_DAYS_PASSED')),
    CONSTRAINT content_assignment_content_quantity_not_positive_check CHECK (content_quantity <= 0),
    CONSTRAINT content_assignment_content_key_length_check CHECK (length(content_key) BETWEEN 1 AND 255),
    CONSTRAINT content_assignment_uuid_key UNIQUE (uuid),
    CONSTRAINT content_assignment_assignment_configuration_id_fkey FOREIGN KEY(assignment_configuration_id) REFERENCES catalog.assignment_configuration (id) ON DELETE RESTRICT,
    CONSTRAINT content_assignment_content_metadata_id_fkey FOREIGN KEY(content_metadata_id) REFERENCES catalog.content_metadata (id) ON DELETE SET NULL,
    CONSTRAINT content_assignment_content_run_id_fkey FOREIGN KEY(content_run_id) REFERENCES catalog.content_run (id) ON DELETE SET NULL,
    CONSTRAINT content_assignment_listed_by_id_fkey FOREIGN KEY(listed_by_id) REFERENCES landing.document (id) ON DELETE SET NULL
);
CREATE INDEX content_assignment_content_key_idx ON catalog.content_assignment (lower(content_key COLLATE pg_c_utf8));
CREATE INDEX content_assignment_content_metadata_id_idx ON catalog.content_assignment (content_metadata_id);
CREATE INDEX content_assignment_content_run_id_idx ON catalog.content_assignment (content_run_id);
CREATE UNIQUE INDEX content_assignment_email_key ON catalog.content_assignment (assignment_configuration_id, lower(learner_email COLLATE pg_c_utf8), content_key);
CREATE INDEX content_assignment_listed_by_id_idx ON catalog.content_assignment (listed_by_id);
CREATE INDEX content_assignment_lms_user_id_idx ON catalog.content_assignment (lms_user_id);
CREATE UNIQUE INDEX content_assignment_lms_user_id_key ON catalog.content_assignment (assignment_configuration_id, lms_user_id, content_key) WHERE lms_user_id IS NOT NULL;
CREATE INDEX content_assignment_parent_content_key_idx ON catalog.content_assignment (lower(parent_content_key COLLATE pg_c_utf8)) WHERE content_metadata_id IS NULL;
CREATE INDEX content_assignment_preferred_course_run_key_idx ON catalog.content_assignment (lower(preferred_course_run_key COLLATE pg_c_utf8)) WHERE content_run_id IS NULL;
CREATE INDEX content_assignment_state_idx ON catalog.content_assignment (assignment_configuration_id, state);
COMMENT ON TABLE catalog.content_assignment IS 'One row per assignment of a course or run to a learner.';
COMMENT ON COLUMN catalog.content_assignment.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.content_assignment.uuid IS 'The assignment''s uuid.';
COMMENT ON COLUMN catalog.content_assignment.assignment_configuration_id IS 'The configuration that it belongs to.';
COMMENT ON COLUMN catalog.content_assignment.learner_email IS 'The learner''s address; one that names nobody once personal data was cleared.';
COMMENT ON COLUMN catalog.content_assignment.lms_user_id IS 'The learner''s id in the LMS; null until the learner is known.';
COMMENT ON COLUMN catalog.content_assignment.content_key IS 'The assigned course or run.';
COMMENT ON COLUMN catalog.content_assignment.parent_content_key IS 'The course, where a run is assigned.';
COMMENT ON COLUMN catalog.content_assignment.is_assigned_course_run IS 'Whether a run is assigned, and not a course.';
COMMENT ON COLUMN catalog.content_assignment.preferred_course_run_key IS 'The run whose dates count: the assigned one, or the one advertised when it was allocated.';
COMMENT ON COLUMN catalog.content_assignment.content_title IS 'The title when it was allocated.';
COMMENT ON COLUMN catalog.content_assignment.content_quantity IS 'The price in US cents, negated.';
COMMENT ON COLUMN catalog.content_assignment.state IS 'allocated, accepted, cancelled, expired, errored or reversed.';
COMMENT ON COLUMN catalog.content_assignment.allocated_at IS 'When it was last allocated; ninety days later it expires.';
COMMENT ON COLUMN catalog.content_assignment.allocated_at_from IS 'Where allocated_at comes from: given, recent_action, expiration, first_action or first_seen.';
COMMENT ON COLUMN catalog.content_assignment.accepted_at IS 'When the learner last accepted it.';
COMMENT ON COLUMN catalog.content_assignment.cancelled_at IS 'When it was last cancelled.';
COMMENT ON COLUMN catalog.content_assignment.expired_at IS 'When it last expired.';
COMMENT ON COLUMN catalog.content_assignment.errored_at IS 'When its redemption last failed.';
COMMENT ON COLUMN catalog.content_assignment.reversed_at IS 'When its acceptance was last reversed.';
COMMENT ON COLUMN catalog.content_assignment.expired_reason IS 'Why it expired, as decided then.';
COMMENT ON COLUMN catalog.content_assignment.transaction_uuid IS 'The ledger''s transaction of its redemption.';
COMMENT ON COLUMN catalog.content_assignment.allocation_batch_id IS 'The allocation that it was last part of.';
COMMENT ON COLUMN catalog.content_assignment.admin_lms_user_id IS 'Who allocated it.';
COMMENT ON COLUMN catalog.content_assignment.credit_request_uuid IS 'The learner''s request that it answers; then the latest run of the course counts.';
COMMENT ON COLUMN catalog.content_assignment.content_metadata_id IS 'The course in the policy''s catalog; null while it is not held.';
COMMENT ON COLUMN catalog.content_assignment.content_run_id IS 'The preferred run in the policy''s catalog; null while it is not held.';
COMMENT ON COLUMN catalog.content_assignment.listed_by_id IS 'The document that lists this row; its source owns the row''s fields. Null when none does.';
COMMENT ON COLUMN catalog.content_assignment.missing_since IS 'Since when upstream no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.content_assignment.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.content_assignment.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.assignment_transition (
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    CONSTRAINT assignment_transition_pkey PRIMARY KEY (from_state, to_state)
);
COMMENT ON TABLE catalog.assignment_transition IS 'The changes of an assignment''s state that there are; a trigger refuses all others.';
COMMENT ON COLUMN catalog.assignment_transition.from_state IS 'The state before.';
COMMENT ON COLUMN catalog.assignment_transition.to_state IS 'The state after.';

CREATE TABLE catalog.assignment_action (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    uuid UUID DEFAULT gen_random_uuid() NOT NULL,
    content_assignment_id BIGINT NOT NULL,
    action_type TEXT NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    error_reason TEXT,
    outbox_id BIGINT,
    run_key TEXT,
    run_start TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT assignment_action_pkey PRIMARY KEY (id),
    CONSTRAINT assignment_action_action_type_check CHECK (action_type IN ('learner_linked', 'notified', 'reminded', 'redeemed', 'cancelled', 'cancelled_acknowledged', 'expired', 'expired_acknowledged', 'reversed', 'nudged')),
    CONSTRAINT assignment_action_error_reason_check CHECK (error_reason IN ('email_error', 'internal_api_error', 'enrollment_error')),
    CONSTRAINT assignment_action_uuid_key UNIQUE (uuid),
    CONSTRAINT assignment_action_content_assignment_id_fkey FOREIGN KEY(content_assignment_id) REFERENCES catalog.content_assignment (id) ON DELETE CASCADE,
    CONSTRAINT assignment_action_outbox_id_fkey FOREIGN KEY(outbox_id) REFERENCES ops.outbox (id) ON DELETE SET NULL
);
CREATE INDEX assignment_action_content_assignment_id_idx ON catalog.assignment_action (content_assignment_id, action_type);
CREATE UNIQUE INDEX assignment_action_nudged_key ON catalog.assignment_action (content_assignment_id, run_key, run_start) WHERE action_type = 'nudged' AND error_reason IS NULL;
CREATE INDEX assignment_action_outbox_id_idx ON catalog.assignment_action (outbox_id) WHERE outbox_id IS NOT NULL;
COMMENT ON TABLE catalog.assignment_action IS 'What was done with each assignment: mails, acceptances, acknowledgements.';
COMMENT ON COLUMN catalog.assignment_action.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.assignment_action.uuid IS 'The action''s uuid.';
COMMENT ON COLUMN catalog.assignment_action.content_assignment_id IS 'The assignment.';
COMMENT ON COLUMN catalog.assignment_action.action_type IS 'What was done.';
COMMENT ON COLUMN catalog.assignment_action.completed_at IS 'When it succeeded; of a mail, when it was sent. Null while it has not.';
COMMENT ON COLUMN catalog.assignment_action.error_reason IS 'email_error, internal_api_error or enrollment_error, where it failed.';
COMMENT ON COLUMN catalog.assignment_action.outbox_id IS 'The mail that does it; a trigger copies how the mail ended.';
COMMENT ON COLUMN catalog.assignment_action.run_key IS 'Of a nudge: the run that begins.';
COMMENT ON COLUMN catalog.assignment_action.run_start IS 'Of a nudge: when the run begins, as the mail says.';
COMMENT ON COLUMN catalog.assignment_action.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.assignment_action.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.assignment_expiration (
    content_assignment_id BIGINT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reason TEXT NOT NULL,
    subsidy_expires_at TIMESTAMP WITH TIME ZONE,
    enroll_by TIMESTAMP WITH TIME ZONE,
    ninety_days_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deadline_from TEXT NOT NULL,
    run_key TEXT,
    content_hash TEXT,
    problems JSONB DEFAULT '[]' NOT NULL,
    computed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT assignment_expiration_pkey PRIMARY KEY (content_assignment_id),
    CONSTRAINT assignment_expiration_reason_check CHECK (reason IN ('SUBSIDY_EXPIRED', 'ENROLLMENT_DATE_PASSED', 'NINETY_DAYS_PASSED')),
    CONSTRAINT assignment_expiration_deadline_from_check CHECK (deadline_from IN ('latest_run', 'preferred_run', 'fallback', 'advertised_run', 'none')),
    CONSTRAINT assignment_expiration_content_assignment_id_fkey FOREIGN KEY(content_assignment_id) REFERENCES catalog.content_assignment (id) ON DELETE CASCADE
);
CREATE INDEX assignment_expiration_expires_at_idx ON catalog.assignment_expiration (expires_at);
COMMENT ON TABLE catalog.assignment_expiration IS 'One row per assignment, whatever its state: when it expires, and why.';
COMMENT ON COLUMN catalog.assignment_expiration.content_assignment_id IS 'The assignment.';
COMMENT ON COLUMN catalog.assignment_expiration.expires_at IS 'When it expires: the earliest of the candidates.';
COMMENT ON COLUMN catalog.assignment_expiration.reason IS 'SUBSIDY_EXPIRED, ENROLLMENT_DATE_PASSED or NINETY_DAYS_PASSED.';
COMMENT ON COLUMN catalog.assignment_expiration.subsidy_expires_at IS 'Candidate: when the subsidy expires.';
COMMENT ON COLUMN catalog.assignment_expiration.enroll_by IS 'Candidate: the enrollment deadline.';
COMMENT ON COLUMN catalog.assignment_expiration.ninety_days_at IS 'Candidate: ninety days after it was allocated.';
COMMENT ON COLUMN catalog.assignment_expiration.deadline_from IS 'Where the enrollment deadline comes from: latest_run, preferred_run, fallback, advertised_run or none.';
COMMENT ON COLUMN catalog.assignment_expiration.run_key IS 'The run whose deadline it is.';
COMMENT ON COLUMN catalog.assignment_expiration.content_hash IS 'The version of the content that was read.';
COMMENT ON COLUMN catalog.assignment_expiration.problems IS 'Dates that cannot be read and do not count: field (enrollment_end, upgrade_deadline, subsidy_expiration), raw.';
COMMENT ON COLUMN catalog.assignment_expiration.computed_at IS 'When the row was last written; not when it was last looked at.';

CREATE TABLE ops.expiration_change (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    content_assignment_id BIGINT NOT NULL,
    state TEXT NOT NULL,
    run_key TEXT,
    old_expires_at TIMESTAMP WITH TIME ZONE,
    old_reason TEXT,
    new_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    new_reason TEXT NOT NULL,
    cause TEXT NOT NULL,
    after_expiry BOOLEAN NOT NULL,
    moved_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT expiration_change_pkey PRIMARY KEY (id),
    CONSTRAINT expiration_change_cause_check CHECK (cause IN ('content', 'subsidy', 'allocation', 'rules', 'clock'))
);
CREATE INDEX expiration_change_content_assignment_id_idx ON ops.expiration_change (content_assignment_id, id);
COMMENT ON TABLE ops.expiration_change IS 'One row per change of an assignment''s expiration date or its reason.';
COMMENT ON COLUMN ops.expiration_change.id IS 'Surrogate key.';
COMMENT ON COLUMN ops.expiration_change.content_assignment_id IS 'The assignment; it may be deleted since.';
COMMENT ON COLUMN ops.expiration_change.state IS 'The assignment''s state then.';
COMMENT ON COLUMN ops.expiration_change.run_key IS 'The run whose deadline counts now.';
COMMENT ON COLUMN ops.expiration_change.old_expires_at IS 'The date before; null for the first.';
COMMENT ON COLUMN ops.expiration_change.old_reason IS 'The reason before; null for the first.';
COMMENT ON COLUMN ops.expiration_change.new_expires_at IS 'The date since.';
COMMENT ON COLUMN ops.expiration_change.new_reason IS 'The reason since.';
COMMENT ON COLUMN ops.expiration_change.cause IS 'What changed: content, subsidy, allocation, rules or clock.';
COMMENT ON COLUMN ops.expiration_change.after_expiry IS 'Whether the assignment had expired already.';
COMMENT ON COLUMN ops.expiration_change.moved_at IS 'When it was noticed.';
