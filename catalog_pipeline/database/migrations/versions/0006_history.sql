CREATE OR REPLACE FUNCTION catalog.course_run_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_run', n.id, n.run_key, 'created',
               JSON_OBJECT('run_key': CASE WHEN NULL IS DISTINCT FROM n."run_key" THEN JSON_ARRAY(NULL, n."run_key" NULL ON NULL RETURNING jsonb) END,
            'key_org': CASE WHEN NULL IS DISTINCT FROM n."key_org" THEN JSON_ARRAY(NULL, n."key_org" NULL ON NULL RETURNING jsonb) END,
            'key_course': CASE WHEN NULL IS DISTINCT FROM n."key_course" THEN JSON_ARRAY(NULL, n."key_course" NULL ON NULL RETURNING jsonb) END,
            'key_run': CASE WHEN NULL IS DISTINCT FROM n."key_run" THEN JSON_ARRAY(NULL, n."key_run" NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(NULL, n."uuid" NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN NULL IS DISTINCT FROM n."title" THEN JSON_ARRAY(NULL, n."title" NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN NULL IS DISTINCT FROM n."status" THEN JSON_ARRAY(NULL, n."status" NULL ON NULL RETURNING jsonb) END,
            'pacing': CASE WHEN NULL IS DISTINCT FROM n."pacing" THEN JSON_ARRAY(NULL, n."pacing" NULL ON NULL RETURNING jsonb) END,
            'language': CASE WHEN NULL IS DISTINCT FROM n."language" THEN JSON_ARRAY(NULL, n."language" NULL ON NULL RETURNING jsonb) END,
            'start': CASE WHEN NULL IS DISTINCT FROM n."start" THEN JSON_ARRAY(NULL, n."start" NULL ON NULL RETURNING jsonb) END,
            'end': CASE WHEN NULL IS DISTINCT FROM n."end" THEN JSON_ARRAY(NULL, n."end" NULL ON NULL RETURNING jsonb) END,
            'enrollment_start': CASE WHEN NULL IS DISTINCT FROM n."enrollment_start" THEN JSON_ARRAY(NULL, n."enrollment_start" NULL ON NULL RETURNING jsonb) END,
            'enrollment_end': CASE WHEN NULL IS DISTINCT FROM n."enrollment_end" THEN JSON_ARRAY(NULL, n."enrollment_end" NULL ON NULL RETURNING jsonb) END,
            'go_live': CASE WHEN NULL IS DISTINCT FROM n."go_live" THEN JSON_ARRAY(NULL, n."go_live" NULL ON NULL RETURNING jsonb) END,
            'upgrade_deadline': CASE WHEN NULL IS DISTINCT FROM n."upgrade_deadline" THEN JSON_ARRAY(NULL, n."upgrade_deadline" NULL ON NULL RETURNING jsonb) END,
            'restriction_type': CASE WHEN NULL IS DISTINCT FROM n."restriction_type" THEN JSON_ARRAY(NULL, n."restriction_type" NULL ON NULL RETURNING jsonb) END,
            'price': CASE WHEN NULL IS DISTINCT FROM n."price" THEN JSON_ARRAY(NULL, n."price" NULL ON NULL RETURNING jsonb) END,
            'currency': CASE WHEN NULL IS DISTINCT FROM n."currency" THEN JSON_ARRAY(NULL, n."currency" NULL ON NULL RETURNING jsonb) END,
            'has_seats': CASE WHEN NULL IS DISTINCT FROM n."has_seats" THEN JSON_ARRAY(NULL, n."has_seats" NULL ON NULL RETURNING jsonb) END,
            'superseded_by_id': CASE WHEN NULL IS DISTINCT FROM n."superseded_by_id" THEN JSON_ARRAY(NULL, n."superseded_by_id" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(NULL, n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_run', o.id, o.run_key, 'deleted',
               JSON_OBJECT('run_key': CASE WHEN o."run_key" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."run_key", NULL NULL ON NULL RETURNING jsonb) END,
            'key_org': CASE WHEN o."key_org" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."key_org", NULL NULL ON NULL RETURNING jsonb) END,
            'key_course': CASE WHEN o."key_course" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."key_course", NULL NULL ON NULL RETURNING jsonb) END,
            'key_run': CASE WHEN o."key_run" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."key_run", NULL NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."uuid", NULL NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN o."title" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."title", NULL NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN o."status" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."status", NULL NULL ON NULL RETURNING jsonb) END,
            'pacing': CASE WHEN o."pacing" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."pacing", NULL NULL ON NULL RETURNING jsonb) END,
            'language': CASE WHEN o."language" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."language", NULL NULL ON NULL RETURNING jsonb) END,
            'start': CASE WHEN o."start" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."start", NULL NULL ON NULL RETURNING jsonb) END,
            'end': CASE WHEN o."end" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."end", NULL NULL ON NULL RETURNING jsonb) END,
            'enrollment_start': CASE WHEN o."enrollment_start" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."enrollment_start", NULL NULL ON NULL RETURNING jsonb) END,
            'enrollment_end': CASE WHEN o."enrollment_end" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."enrollment_end", NULL NULL ON NULL RETURNING jsonb) END,
            'go_live': CASE WHEN o."go_live" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."go_live", NULL NULL ON NULL RETURNING jsonb) END,
            'upgrade_deadline': CASE WHEN o."upgrade_deadline" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."upgrade_deadline", NULL NULL ON NULL RETURNING jsonb) END,
            'restriction_type': CASE WHEN o."restriction_type" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."restriction_type", NULL NULL ON NULL RETURNING jsonb) END,
            'price': CASE WHEN o."price" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."price", NULL NULL ON NULL RETURNING jsonb) END,
            'currency': CASE WHEN o."currency" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."currency", NULL NULL ON NULL RETURNING jsonb) END,
            'has_seats': CASE WHEN o."has_seats" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."has_seats", NULL NULL ON NULL RETURNING jsonb) END,
            'superseded_by_id': CASE WHEN o."superseded_by_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."superseded_by_id", NULL NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."missing_since", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_run', n.id, n.run_key, 'updated',
               JSON_OBJECT('run_key': CASE WHEN o."run_key" IS DISTINCT FROM n."run_key" THEN JSON_ARRAY(o."run_key", n."run_key" NULL ON NULL RETURNING jsonb) END,
            'key_org': CASE WHEN o."key_org" IS DISTINCT FROM n."key_org" THEN JSON_ARRAY(o."key_org", n."key_org" NULL ON NULL RETURNING jsonb) END,
            'key_course': CASE WHEN o."key_course" IS DISTINCT FROM n."key_course" THEN JSON_ARRAY(o."key_course", n."key_course" NULL ON NULL RETURNING jsonb) END,
            'key_run': CASE WHEN o."key_run" IS DISTINCT FROM n."key_run" THEN JSON_ARRAY(o."key_run", n."key_run" NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(o."uuid", n."uuid" NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN o."title" IS DISTINCT FROM n."title" THEN JSON_ARRAY(o."title", n."title" NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN o."status" IS DISTINCT FROM n."status" THEN JSON_ARRAY(o."status", n."status" NULL ON NULL RETURNING jsonb) END,
            'pacing': CASE WHEN o."pacing" IS DISTINCT FROM n."pacing" THEN JSON_ARRAY(o."pacing", n."pacing" NULL ON NULL RETURNING jsonb) END,
            'language': CASE WHEN o."language" IS DISTINCT FROM n."language" THEN JSON_ARRAY(o."language", n."language" NULL ON NULL RETURNING jsonb) END,
            'start': CASE WHEN o."start" IS DISTINCT FROM n."start" THEN JSON_ARRAY(o."start", n."start" NULL ON NULL RETURNING jsonb) END,
            'end': CASE WHEN o."end" IS DISTINCT FROM n."end" THEN JSON_ARRAY(o."end", n."end" NULL ON NULL RETURNING jsonb) END,
            'enrollment_start': CASE WHEN o."enrollment_start" IS DISTINCT FROM n."enrollment_start" THEN JSON_ARRAY(o."enrollment_start", n."enrollment_start" NULL ON NULL RETURNING jsonb) END,
            'enrollment_end': CASE WHEN o."enrollment_end" IS DISTINCT FROM n."enrollment_end" THEN JSON_ARRAY(o."enrollment_end", n."enrollment_end" NULL ON NULL RETURNING jsonb) END,
            'go_live': CASE WHEN o."go_live" IS DISTINCT FROM n."go_live" THEN JSON_ARRAY(o."go_live", n."go_live" NULL ON NULL RETURNING jsonb) END,
            'upgrade_deadline': CASE WHEN o."upgrade_deadline" IS DISTINCT FROM n."upgrade_deadline" THEN JSON_ARRAY(o."upgrade_deadline", n."upgrade_deadline" NULL ON NULL RETURNING jsonb) END,
            'restriction_type': CASE WHEN o."restriction_type" IS DISTINCT FROM n."restriction_type" THEN JSON_ARRAY(o."restriction_type", n."restriction_type" NULL ON NULL RETURNING jsonb) END,
            'price': CASE WHEN o."price" IS DISTINCT FROM n."price" THEN JSON_ARRAY(o."price", n."price" NULL ON NULL RETURNING jsonb) END,
            'currency': CASE WHEN o."currency" IS DISTINCT FROM n."currency" THEN JSON_ARRAY(o."currency", n."currency" NULL ON NULL RETURNING jsonb) END,
            'has_seats': CASE WHEN o."has_seats" IS DISTINCT FROM n."has_seats" THEN JSON_ARRAY(o."has_seats", n."has_seats" NULL ON NULL RETURNING jsonb) END,
            'superseded_by_id': CASE WHEN o."superseded_by_id" IS DISTINCT FROM n."superseded_by_id" THEN JSON_ARRAY(o."superseded_by_id", n."superseded_by_id" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(o."missing_since", n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."run_key", o."key_org", o."key_course", o."key_run", o."uuid", o."title", o."status", o."pacing", o."language", o."start", o."end", o."enrollment_start", o."enrollment_end", o."go_live", o."upgrade_deadline", o."restriction_type", o."price", o."currency", o."has_seats", o."superseded_by_id", o."missing_since") IS DISTINCT FROM (n."run_key", n."key_org", n."key_course", n."key_run", n."uuid", n."title", n."status", n."pacing", n."language", n."start", n."end", n."enrollment_start", n."enrollment_end", n."go_live", n."upgrade_deadline", n."restriction_type", n."price", n."currency", n."has_seats", n."superseded_by_id", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE FUNCTION catalog.organization_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'organization', n.id, n.key, 'created',
               JSON_OBJECT('key': CASE WHEN NULL IS DISTINCT FROM n."key" THEN JSON_ARRAY(NULL, n."key" NULL ON NULL RETURNING jsonb) END,
            'name': CASE WHEN NULL IS DISTINCT FROM n."name" THEN JSON_ARRAY(NULL, n."name" NULL ON NULL RETURNING jsonb) END,
            'active': CASE WHEN NULL IS DISTINCT FROM n."active" THEN JSON_ARRAY(NULL, n."active" NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(NULL, n."uuid" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(NULL, n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'organization', o.id, o.key, 'deleted',
               JSON_OBJECT('key': CASE WHEN o."key" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."key", NULL NULL ON NULL RETURNING jsonb) END,
            'name': CASE WHEN o."name" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."name", NULL NULL ON NULL RETURNING jsonb) END,
            'active': CASE WHEN o."active" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."active", NULL NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."uuid", NULL NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."missing_since", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'organization', n.id, n.key, 'updated',
               JSON_OBJECT('key': CASE WHEN o."key" IS DISTINCT FROM n."key" THEN JSON_ARRAY(o."key", n."key" NULL ON NULL RETURNING jsonb) END,
            'name': CASE WHEN o."name" IS DISTINCT FROM n."name" THEN JSON_ARRAY(o."name", n."name" NULL ON NULL RETURNING jsonb) END,
            'active': CASE WHEN o."active" IS DISTINCT FROM n."active" THEN JSON_ARRAY(o."active", n."active" NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(o."uuid", n."uuid" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(o."missing_since", n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."key", o."name", o."active", o."uuid", o."missing_since") IS DISTINCT FROM (n."key", n."name", n."active", n."uuid", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE FUNCTION catalog.program_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program', n.id, n.uuid::text, 'created',
               JSON_OBJECT('uuid': CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(NULL, n."uuid" NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN NULL IS DISTINCT FROM n."title" THEN JSON_ARRAY(NULL, n."title" NULL ON NULL RETURNING jsonb) END,
            'type': CASE WHEN NULL IS DISTINCT FROM n."type" THEN JSON_ARRAY(NULL, n."type" NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN NULL IS DISTINCT FROM n."status" THEN JSON_ARRAY(NULL, n."status" NULL ON NULL RETURNING jsonb) END,
            'marketing_slug': CASE WHEN NULL IS DISTINCT FROM n."marketing_slug" THEN JSON_ARRAY(NULL, n."marketing_slug" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(NULL, n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program', o.id, o.uuid::text, 'deleted',
               JSON_OBJECT('uuid': CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."uuid", NULL NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN o."title" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."title", NULL NULL ON NULL RETURNING jsonb) END,
            'type': CASE WHEN o."type" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."type", NULL NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN o."status" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."status", NULL NULL ON NULL RETURNING jsonb) END,
            'marketing_slug': CASE WHEN o."marketing_slug" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."marketing_slug", NULL NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."missing_since", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program', n.id, n.uuid::text, 'updated',
               JSON_OBJECT('uuid': CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(o."uuid", n."uuid" NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN o."title" IS DISTINCT FROM n."title" THEN JSON_ARRAY(o."title", n."title" NULL ON NULL RETURNING jsonb) END,
            'type': CASE WHEN o."type" IS DISTINCT FROM n."type" THEN JSON_ARRAY(o."type", n."type" NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN o."status" IS DISTINCT FROM n."status" THEN JSON_ARRAY(o."status", n."status" NULL ON NULL RETURNING jsonb) END,
            'marketing_slug': CASE WHEN o."marketing_slug" IS DISTINCT FROM n."marketing_slug" THEN JSON_ARRAY(o."marketing_slug", n."marketing_slug" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(o."missing_since", n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."uuid", o."title", o."type", o."status", o."marketing_slug", o."missing_since") IS DISTINCT FROM (n."uuid", n."title", n."type", n."status", n."marketing_slug", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE FUNCTION catalog.catalog_course_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'catalog_course', n.id, n.key, 'created',
               JSON_OBJECT('organization_id': CASE WHEN NULL IS DISTINCT FROM n."organization_id" THEN JSON_ARRAY(NULL, n."organization_id" NULL ON NULL RETURNING jsonb) END,
            'course_code': CASE WHEN NULL IS DISTINCT FROM n."course_code" THEN JSON_ARRAY(NULL, n."course_code" NULL ON NULL RETURNING jsonb) END,
            'key': CASE WHEN NULL IS DISTINCT FROM n."key" THEN JSON_ARRAY(NULL, n."key" NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN NULL IS DISTINCT FROM n."title" THEN JSON_ARRAY(NULL, n."title" NULL ON NULL RETURNING jsonb) END,
            'short_description': CASE WHEN NULL IS DISTINCT FROM n."short_description" THEN JSON_ARRAY(NULL, md5(n."short_description") NULL ON NULL RETURNING jsonb) END,
            'full_description': CASE WHEN NULL IS DISTINCT FROM n."full_description" THEN JSON_ARRAY(NULL, md5(n."full_description") NULL ON NULL RETURNING jsonb) END,
            'topic': CASE WHEN NULL IS DISTINCT FROM n."topic" THEN JSON_ARRAY(NULL, n."topic" NULL ON NULL RETURNING jsonb) END,
            'language': CASE WHEN NULL IS DISTINCT FROM n."language" THEN JSON_ARRAY(NULL, n."language" NULL ON NULL RETURNING jsonb) END,
            'course_type': CASE WHEN NULL IS DISTINCT FROM n."course_type" THEN JSON_ARRAY(NULL, n."course_type" NULL ON NULL RETURNING jsonb) END,
            'product_source': CASE WHEN NULL IS DISTINCT FROM n."product_source" THEN JSON_ARRAY(NULL, n."product_source" NULL ON NULL RETURNING jsonb) END,
            'product_status': CASE WHEN NULL IS DISTINCT FROM n."product_status" THEN JSON_ARRAY(NULL, n."product_status" NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN NULL IS DISTINCT FROM n."status" THEN JSON_ARRAY(NULL, n."status" NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(NULL, n."uuid" NULL ON NULL RETURNING jsonb) END,
            'key_for_reruns': CASE WHEN NULL IS DISTINCT FROM n."key_for_reruns" THEN JSON_ARRAY(NULL, n."key_for_reruns" NULL ON NULL RETURNING jsonb) END,
            'external_identifier': CASE WHEN NULL IS DISTINCT FROM n."external_identifier" THEN JSON_ARRAY(NULL, n."external_identifier" NULL ON NULL RETURNING jsonb) END,
            'partner_attributes': CASE WHEN NULL IS DISTINCT FROM n."partner_attributes" THEN JSON_ARRAY(NULL, md5(n."partner_attributes"::text) NULL ON NULL RETURNING jsonb) END,
            'dropped_since': CASE WHEN NULL IS DISTINCT FROM n."dropped_since" THEN JSON_ARRAY(NULL, n."dropped_since" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(NULL, n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'catalog_course', o.id, o.key, 'deleted',
               JSON_OBJECT('organization_id': CASE WHEN o."organization_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."organization_id", NULL NULL ON NULL RETURNING jsonb) END,
            'course_code': CASE WHEN o."course_code" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."course_code", NULL NULL ON NULL RETURNING jsonb) END,
            'key': CASE WHEN o."key" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."key", NULL NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN o."title" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."title", NULL NULL ON NULL RETURNING jsonb) END,
            'short_description': CASE WHEN o."short_description" IS DISTINCT FROM NULL THEN JSON_ARRAY(md5(o."short_description"), NULL NULL ON NULL RETURNING jsonb) END,
            'full_description': CASE WHEN o."full_description" IS DISTINCT FROM NULL THEN JSON_ARRAY(md5(o."full_description"), NULL NULL ON NULL RETURNING jsonb) END,
            'topic': CASE WHEN o."topic" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."topic", NULL NULL ON NULL RETURNING jsonb) END,
            'language': CASE WHEN o."language" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."language", NULL NULL ON NULL RETURNING jsonb) END,
            'course_type': CASE WHEN o."course_type" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."course_type", NULL NULL ON NULL RETURNING jsonb) END,
            'product_source': CASE WHEN o."product_source" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."product_source", NULL NULL ON NULL RETURNING jsonb) END,
            'product_status': CASE WHEN o."product_status" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."product_status", NULL NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN o."status" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."status", NULL NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."uuid", NULL NULL ON NULL RETURNING jsonb) END,
            'key_for_reruns': CASE WHEN o."key_for_reruns" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."key_for_reruns", NULL NULL ON NULL RETURNING jsonb) END,
            'external_identifier': CASE WHEN o."external_identifier" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."external_identifier", NULL NULL ON NULL RETURNING jsonb) END,
            'partner_attributes': CASE WHEN o."partner_attributes" IS DISTINCT FROM NULL THEN JSON_ARRAY(md5(o."partner_attributes"::text), NULL NULL ON NULL RETURNING jsonb) END,
            'dropped_since': CASE WHEN o."dropped_since" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."dropped_since", NULL NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."missing_since", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'catalog_course', n.id, n.key, 'updated',
               JSON_OBJECT('organization_id': CASE WHEN o."organization_id" IS DISTINCT FROM n."organization_id" THEN JSON_ARRAY(o."organization_id", n."organization_id" NULL ON NULL RETURNING jsonb) END,
            'course_code': CASE WHEN o."course_code" IS DISTINCT FROM n."course_code" THEN JSON_ARRAY(o."course_code", n."course_code" NULL ON NULL RETURNING jsonb) END,
            'key': CASE WHEN o."key" IS DISTINCT FROM n."key" THEN JSON_ARRAY(o."key", n."key" NULL ON NULL RETURNING jsonb) END,
            'title': CASE WHEN o."title" IS DISTINCT FROM n."title" THEN JSON_ARRAY(o."title", n."title" NULL ON NULL RETURNING jsonb) END,
            'short_description': CASE WHEN o."short_description" IS DISTINCT FROM n."short_description" THEN JSON_ARRAY(md5(o."short_description"), md5(n."short_description") NULL ON NULL RETURNING jsonb) END,
            'full_description': CASE WHEN o."full_description" IS DISTINCT FROM n."full_description" THEN JSON_ARRAY(md5(o."full_description"), md5(n."full_description") NULL ON NULL RETURNING jsonb) END,
            'topic': CASE WHEN o."topic" IS DISTINCT FROM n."topic" THEN JSON_ARRAY(o."topic", n."topic" NULL ON NULL RETURNING jsonb) END,
            'language': CASE WHEN o."language" IS DISTINCT FROM n."language" THEN JSON_ARRAY(o."language", n."language" NULL ON NULL RETURNING jsonb) END,
            'course_type': CASE WHEN o."course_type" IS DISTINCT FROM n."course_type" THEN JSON_ARRAY(o."course_type", n."course_type" NULL ON NULL RETURNING jsonb) END,
            'product_source': CASE WHEN o."product_source" IS DISTINCT FROM n."product_source" THEN JSON_ARRAY(o."product_source", n."product_source" NULL ON NULL RETURNING jsonb) END,
            'product_status': CASE WHEN o."product_status" IS DISTINCT FROM n."product_status" THEN JSON_ARRAY(o."product_status", n."product_status" NULL ON NULL RETURNING jsonb) END,
            'status': CASE WHEN o."status" IS DISTINCT FROM n."status" THEN JSON_ARRAY(o."status", n."status" NULL ON NULL RETURNING jsonb) END,
            'uuid': CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN JSON_ARRAY(o."uuid", n."uuid" NULL ON NULL RETURNING jsonb) END,
            'key_for_reruns': CASE WHEN o."key_for_reruns" IS DISTINCT FROM n."key_for_reruns" THEN JSON_ARRAY(o."key_for_reruns", n."key_for_reruns" NULL ON NULL RETURNING jsonb) END,
            'external_identifier': CASE WHEN o."external_identifier" IS DISTINCT FROM n."external_identifier" THEN JSON_ARRAY(o."external_identifier", n."external_identifier" NULL ON NULL RETURNING jsonb) END,
            'partner_attributes': CASE WHEN o."partner_attributes" IS DISTINCT FROM n."partner_attributes" THEN JSON_ARRAY(md5(o."partner_attributes"::text), md5(n."partner_attributes"::text) NULL ON NULL RETURNING jsonb) END,
            'dropped_since': CASE WHEN o."dropped_since" IS DISTINCT FROM n."dropped_since" THEN JSON_ARRAY(o."dropped_since", n."dropped_since" NULL ON NULL RETURNING jsonb) END,
            'missing_since': CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN JSON_ARRAY(o."missing_since", n."missing_since" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."organization_id", o."course_code", o."key", o."title", o."short_description", o."full_description", o."topic", o."language", o."course_type", o."product_source", o."product_status", o."status", o."uuid", o."key_for_reruns", o."external_identifier", o."partner_attributes", o."dropped_since", o."missing_since") IS DISTINCT FROM (n."organization_id", n."course_code", n."key", n."title", n."short_description", n."full_description", n."topic", n."language", n."course_type", n."product_source", n."product_status", n."status", n."uuid", n."key_for_reruns", n."external_identifier", n."partner_attributes", n."dropped_since", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE FUNCTION catalog.course_variant_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_variant', n.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = n.course_run_id), 'created',
               JSON_OBJECT('variant_id': CASE WHEN NULL IS DISTINCT FROM n."variant_id" THEN JSON_ARRAY(NULL, n."variant_id" NULL ON NULL RETURNING jsonb) END,
            'course_run_id': CASE WHEN NULL IS DISTINCT FROM n."course_run_id" THEN JSON_ARRAY(NULL, n."course_run_id" NULL ON NULL RETURNING jsonb) END,
            'product_source': CASE WHEN NULL IS DISTINCT FROM n."product_source" THEN JSON_ARRAY(NULL, n."product_source" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_variant', o.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = o.course_run_id), 'deleted',
               JSON_OBJECT('variant_id': CASE WHEN o."variant_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."variant_id", NULL NULL ON NULL RETURNING jsonb) END,
            'course_run_id': CASE WHEN o."course_run_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."course_run_id", NULL NULL ON NULL RETURNING jsonb) END,
            'product_source': CASE WHEN o."product_source" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."product_source", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_variant', n.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = n.course_run_id), 'updated',
               JSON_OBJECT('variant_id': CASE WHEN o."variant_id" IS DISTINCT FROM n."variant_id" THEN JSON_ARRAY(o."variant_id", n."variant_id" NULL ON NULL RETURNING jsonb) END,
            'course_run_id': CASE WHEN o."course_run_id" IS DISTINCT FROM n."course_run_id" THEN JSON_ARRAY(o."course_run_id", n."course_run_id" NULL ON NULL RETURNING jsonb) END,
            'product_source': CASE WHEN o."product_source" IS DISTINCT FROM n."product_source" THEN JSON_ARRAY(o."product_source", n."product_source" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."variant_id", o."course_run_id", o."product_source") IS DISTINCT FROM (n."variant_id", n."course_run_id", n."product_source");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE FUNCTION catalog.program_course_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program_course', n.id, (SELECT p.uuid::text FROM catalog.program p WHERE p.id = n.program_id), 'created',
               JSON_OBJECT('program_id': CASE WHEN NULL IS DISTINCT FROM n."program_id" THEN JSON_ARRAY(NULL, n."program_id" NULL ON NULL RETURNING jsonb) END,
            'catalog_course_id': CASE WHEN NULL IS DISTINCT FROM n."catalog_course_id" THEN JSON_ARRAY(NULL, n."catalog_course_id" NULL ON NULL RETURNING jsonb) END,
            'position': CASE WHEN NULL IS DISTINCT FROM n."position" THEN JSON_ARRAY(NULL, n."position" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program_course', o.id, (SELECT p.uuid::text FROM catalog.program p WHERE p.id = o.program_id), 'deleted',
               JSON_OBJECT('program_id': CASE WHEN o."program_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."program_id", NULL NULL ON NULL RETURNING jsonb) END,
            'catalog_course_id': CASE WHEN o."catalog_course_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."catalog_course_id", NULL NULL ON NULL RETURNING jsonb) END,
            'position': CASE WHEN o."position" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."position", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program_course', n.id, (SELECT p.uuid::text FROM catalog.program p WHERE p.id = n.program_id), 'updated',
               JSON_OBJECT('program_id': CASE WHEN o."program_id" IS DISTINCT FROM n."program_id" THEN JSON_ARRAY(o."program_id", n."program_id" NULL ON NULL RETURNING jsonb) END,
            'catalog_course_id': CASE WHEN o."catalog_course_id" IS DISTINCT FROM n."catalog_course_id" THEN JSON_ARRAY(o."catalog_course_id", n."catalog_course_id" NULL ON NULL RETURNING jsonb) END,
            'position': CASE WHEN o."position" IS DISTINCT FROM n."position" THEN JSON_ARRAY(o."position", n."position" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."program_id", o."catalog_course_id", o."position") IS DISTINCT FROM (n."program_id", n."catalog_course_id", n."position");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE FUNCTION catalog.run_association_changed() RETURNS trigger LANGUAGE plpgsql
-- The history is written whoever writes the row; without nested loops, because a plan that is cached on an empty
-- firing would turn a large one from seconds into minutes.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    who text := coalesce(nullif(current_setting('catalog.actor', true), ''), 'sql:' || session_user);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'run_association', n.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = n.course_run_id), 'created',
               JSON_OBJECT('course_run_id': CASE WHEN NULL IS DISTINCT FROM n."course_run_id" THEN JSON_ARRAY(NULL, n."course_run_id" NULL ON NULL RETURNING jsonb) END,
            'catalog_course_id': CASE WHEN NULL IS DISTINCT FROM n."catalog_course_id" THEN JSON_ARRAY(NULL, n."catalog_course_id" NULL ON NULL RETURNING jsonb) END,
            'source': CASE WHEN NULL IS DISTINCT FROM n."source" THEN JSON_ARRAY(NULL, n."source" NULL ON NULL RETURNING jsonb) END,
            'reason': CASE WHEN NULL IS DISTINCT FROM n."reason" THEN JSON_ARRAY(NULL, n."reason" NULL ON NULL RETURNING jsonb) END,
            'decided_at': CASE WHEN NULL IS DISTINCT FROM n."decided_at" THEN JSON_ARRAY(NULL, n."decided_at" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'run_association', o.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = o.course_run_id), 'deleted',
               JSON_OBJECT('course_run_id': CASE WHEN o."course_run_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."course_run_id", NULL NULL ON NULL RETURNING jsonb) END,
            'catalog_course_id': CASE WHEN o."catalog_course_id" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."catalog_course_id", NULL NULL ON NULL RETURNING jsonb) END,
            'source': CASE WHEN o."source" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."source", NULL NULL ON NULL RETURNING jsonb) END,
            'reason': CASE WHEN o."reason" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."reason", NULL NULL ON NULL RETURNING jsonb) END,
            'decided_at': CASE WHEN o."decided_at" IS DISTINCT FROM NULL THEN JSON_ARRAY(o."decided_at", NULL NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'run_association', n.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = n.course_run_id), 'updated',
               JSON_OBJECT('course_run_id': CASE WHEN o."course_run_id" IS DISTINCT FROM n."course_run_id" THEN JSON_ARRAY(o."course_run_id", n."course_run_id" NULL ON NULL RETURNING jsonb) END,
            'catalog_course_id': CASE WHEN o."catalog_course_id" IS DISTINCT FROM n."catalog_course_id" THEN JSON_ARRAY(o."catalog_course_id", n."catalog_course_id" NULL ON NULL RETURNING jsonb) END,
            'source': CASE WHEN o."source" IS DISTINCT FROM n."source" THEN JSON_ARRAY(o."source", n."source" NULL ON NULL RETURNING jsonb) END,
            'reason': CASE WHEN o."reason" IS DISTINCT FROM n."reason" THEN JSON_ARRAY(o."reason", n."reason" NULL ON NULL RETURNING jsonb) END,
            'decided_at': CASE WHEN o."decided_at" IS DISTINCT FROM n."decided_at" THEN JSON_ARRAY(o."decided_at", n."decided_at" NULL ON NULL RETURNING jsonb) END ABSENT ON NULL RETURNING jsonb), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."course_run_id", o."catalog_course_id", o."source", o."reason", o."decided_at") IS DISTINCT FROM (n."course_run_id", n."catalog_course_id", n."source", n."reason", n."decided_at");
    END IF;
    RETURN NULL;
END $$
