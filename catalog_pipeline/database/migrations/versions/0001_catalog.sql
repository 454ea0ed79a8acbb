CREATE OR REPLACE FUNCTION catalog.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$
;
CREATE OR REPLACE FUNCTION catalog.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of %.% would leave no history: use DELETE', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $$
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.course_run FOR EACH ROW EXECUTE FUNCTION catalog.touch()
;
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
               jsonb_strip_nulls(jsonb_build_object(
            'run_key', CASE WHEN NULL IS DISTINCT FROM n."run_key" THEN jsonb_build_array(NULL, n."run_key") END,
            'key_org', CASE WHEN NULL IS DISTINCT FROM n."key_org" THEN jsonb_build_array(NULL, n."key_org") END,
            'key_course', CASE WHEN NULL IS DISTINCT FROM n."key_course" THEN jsonb_build_array(NULL, n."key_course") END,
            'key_run', CASE WHEN NULL IS DISTINCT FROM n."key_run" THEN jsonb_build_array(NULL, n."key_run") END,
            'uuid', CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN jsonb_build_array(NULL, n."uuid") END,
            'title', CASE WHEN NULL IS DISTINCT FROM n."title" THEN jsonb_build_array(NULL, n."title") END,
            'status', CASE WHEN NULL IS DISTINCT FROM n."status" THEN jsonb_build_array(NULL, n."status") END,
            'pacing', CASE WHEN NULL IS DISTINCT FROM n."pacing" THEN jsonb_build_array(NULL, n."pacing") END,
            'language', CASE WHEN NULL IS DISTINCT FROM n."language" THEN jsonb_build_array(NULL, n."language") END,
            'start', CASE WHEN NULL IS DISTINCT FROM n."start" THEN jsonb_build_array(NULL, n."start") END,
            'end', CASE WHEN NULL IS DISTINCT FROM n."end" THEN jsonb_build_array(NULL, n."end") END,
            'enrollment_start', CASE WHEN NULL IS DISTINCT FROM n."enrollment_start" THEN jsonb_build_array(NULL, n."enrollment_start") END,
            'enrollment_end', CASE WHEN NULL IS DISTINCT FROM n."enrollment_end" THEN jsonb_build_array(NULL, n."enrollment_end") END,
            'go_live', CASE WHEN NULL IS DISTINCT FROM n."go_live" THEN jsonb_build_array(NULL, n."go_live") END,
            'upgrade_deadline', CASE WHEN NULL IS DISTINCT FROM n."upgrade_deadline" THEN jsonb_build_array(NULL, n."upgrade_deadline") END,
            'restriction_type', CASE WHEN NULL IS DISTINCT FROM n."restriction_type" THEN jsonb_build_array(NULL, n."restriction_type") END,
            'price', CASE WHEN NULL IS DISTINCT FROM n."price" THEN jsonb_build_array(NULL, n."price") END,
            'currency', CASE WHEN NULL IS DISTINCT FROM n."currency" THEN jsonb_build_array(NULL, n."currency") END,
            'has_seats', CASE WHEN NULL IS DISTINCT FROM n."has_seats" THEN jsonb_build_array(NULL, n."has_seats") END,
            'missing_since', CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(NULL, n."missing_since") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_run', o.id, o.run_key, 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'run_key', CASE WHEN o."run_key" IS DISTINCT FROM NULL THEN jsonb_build_array(o."run_key", NULL) END,
            'key_org', CASE WHEN o."key_org" IS DISTINCT FROM NULL THEN jsonb_build_array(o."key_org", NULL) END,
            'key_course', CASE WHEN o."key_course" IS DISTINCT FROM NULL THEN jsonb_build_array(o."key_course", NULL) END,
            'key_run', CASE WHEN o."key_run" IS DISTINCT FROM NULL THEN jsonb_build_array(o."key_run", NULL) END,
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN jsonb_build_array(o."uuid", NULL) END,
            'title', CASE WHEN o."title" IS DISTINCT FROM NULL THEN jsonb_build_array(o."title", NULL) END,
            'status', CASE WHEN o."status" IS DISTINCT FROM NULL THEN jsonb_build_array(o."status", NULL) END,
            'pacing', CASE WHEN o."pacing" IS DISTINCT FROM NULL THEN jsonb_build_array(o."pacing", NULL) END,
            'language', CASE WHEN o."language" IS DISTINCT FROM NULL THEN jsonb_build_array(o."language", NULL) END,
            'start', CASE WHEN o."start" IS DISTINCT FROM NULL THEN jsonb_build_array(o."start", NULL) END,
            'end', CASE WHEN o."end" IS DISTINCT FROM NULL THEN jsonb_build_array(o."end", NULL) END,
            'enrollment_start', CASE WHEN o."enrollment_start" IS DISTINCT FROM NULL THEN jsonb_build_array(o."enrollment_start", NULL) END,
            'enrollment_end', CASE WHEN o."enrollment_end" IS DISTINCT FROM NULL THEN jsonb_build_array(o."enrollment_end", NULL) END,
            'go_live', CASE WHEN o."go_live" IS DISTINCT FROM NULL THEN jsonb_build_array(o."go_live", NULL) END,
            'upgrade_deadline', CASE WHEN o."upgrade_deadline" IS DISTINCT FROM NULL THEN jsonb_build_array(o."upgrade_deadline", NULL) END,
            'restriction_type', CASE WHEN o."restriction_type" IS DISTINCT FROM NULL THEN jsonb_build_array(o."restriction_type", NULL) END,
            'price', CASE WHEN o."price" IS DISTINCT FROM NULL THEN jsonb_build_array(o."price", NULL) END,
            'currency', CASE WHEN o."currency" IS DISTINCT FROM NULL THEN jsonb_build_array(o."currency", NULL) END,
            'has_seats', CASE WHEN o."has_seats" IS DISTINCT FROM NULL THEN jsonb_build_array(o."has_seats", NULL) END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN jsonb_build_array(o."missing_since", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_run', n.id, n.run_key, 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'run_key', CASE WHEN o."run_key" IS DISTINCT FROM n."run_key" THEN jsonb_build_array(o."run_key", n."run_key") END,
            'key_org', CASE WHEN o."key_org" IS DISTINCT FROM n."key_org" THEN jsonb_build_array(o."key_org", n."key_org") END,
            'key_course', CASE WHEN o."key_course" IS DISTINCT FROM n."key_course" THEN jsonb_build_array(o."key_course", n."key_course") END,
            'key_run', CASE WHEN o."key_run" IS DISTINCT FROM n."key_run" THEN jsonb_build_array(o."key_run", n."key_run") END,
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN jsonb_build_array(o."uuid", n."uuid") END,
            'title', CASE WHEN o."title" IS DISTINCT FROM n."title" THEN jsonb_build_array(o."title", n."title") END,
            'status', CASE WHEN o."status" IS DISTINCT FROM n."status" THEN jsonb_build_array(o."status", n."status") END,
            'pacing', CASE WHEN o."pacing" IS DISTINCT FROM n."pacing" THEN jsonb_build_array(o."pacing", n."pacing") END,
            'language', CASE WHEN o."language" IS DISTINCT FROM n."language" THEN jsonb_build_array(o."language", n."language") END,
            'start', CASE WHEN o."start" IS DISTINCT FROM n."start" THEN jsonb_build_array(o."start", n."start") END,
            'end', CASE WHEN o."end" IS DISTINCT FROM n."end" THEN jsonb_build_array(o."end", n."end") END,
            'enrollment_start', CASE WHEN o."enrollment_start" IS DISTINCT FROM n."enrollment_start" THEN jsonb_build_array(o."enrollment_start", n."enrollment_start") END,
            'enrollment_end', CASE WHEN o."enrollment_end" IS DISTINCT FROM n."enrollment_end" THEN jsonb_build_array(o."enrollment_end", n."enrollment_end") END,
            'go_live', CASE WHEN o."go_live" IS DISTINCT FROM n."go_live" THEN jsonb_build_array(o."go_live", n."go_live") END,
            'upgrade_deadline', CASE WHEN o."upgrade_deadline" IS DISTINCT FROM n."upgrade_deadline" THEN jsonb_build_array(o."upgrade_deadline", n."upgrade_deadline") END,
            'restriction_type', CASE WHEN o."restriction_type" IS DISTINCT FROM n."restriction_type" THEN jsonb_build_array(o."restriction_type", n."restriction_type") END,
            'price', CASE WHEN o."price" IS DISTINCT FROM n."price" THEN jsonb_build_array(o."price", n."price") END,
            'currency', CASE WHEN o."currency" IS DISTINCT FROM n."currency" THEN jsonb_build_array(o."currency", n."currency") END,
            'has_seats', CASE WHEN o."has_seats" IS DISTINCT FROM n."has_seats" THEN jsonb_build_array(o."has_seats", n."has_seats") END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(o."missing_since", n."missing_since") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."run_key", o."key_org", o."key_course", o."key_run", o."uuid", o."title", o."status", o."pacing", o."language", o."start", o."end", o."enrollment_start", o."enrollment_end", o."go_live", o."upgrade_deadline", o."restriction_type", o."price", o."currency", o."has_seats", o."missing_since") IS DISTINCT FROM (n."run_key", n."key_org", n."key_course", n."key_run", n."uuid", n."title", n."status", n."pacing", n."language", n."start", n."end", n."enrollment_start", n."enrollment_end", n."go_live", n."upgrade_deadline", n."restriction_type", n."price", n."currency", n."has_seats", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.course_run REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.course_run_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.course_run REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.course_run_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.course_run REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.course_run_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.course_run FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.organization FOR EACH ROW EXECUTE FUNCTION catalog.touch()
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
               jsonb_strip_nulls(jsonb_build_object(
            'key', CASE WHEN NULL IS DISTINCT FROM n."key" THEN jsonb_build_array(NULL, n."key") END,
            'name', CASE WHEN NULL IS DISTINCT FROM n."name" THEN jsonb_build_array(NULL, n."name") END,
            'active', CASE WHEN NULL IS DISTINCT FROM n."active" THEN jsonb_build_array(NULL, n."active") END,
            'uuid', CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN jsonb_build_array(NULL, n."uuid") END,
            'missing_since', CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(NULL, n."missing_since") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'organization', o.id, o.key, 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'key', CASE WHEN o."key" IS DISTINCT FROM NULL THEN jsonb_build_array(o."key", NULL) END,
            'name', CASE WHEN o."name" IS DISTINCT FROM NULL THEN jsonb_build_array(o."name", NULL) END,
            'active', CASE WHEN o."active" IS DISTINCT FROM NULL THEN jsonb_build_array(o."active", NULL) END,
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN jsonb_build_array(o."uuid", NULL) END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN jsonb_build_array(o."missing_since", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'organization', n.id, n.key, 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'key', CASE WHEN o."key" IS DISTINCT FROM n."key" THEN jsonb_build_array(o."key", n."key") END,
            'name', CASE WHEN o."name" IS DISTINCT FROM n."name" THEN jsonb_build_array(o."name", n."name") END,
            'active', CASE WHEN o."active" IS DISTINCT FROM n."active" THEN jsonb_build_array(o."active", n."active") END,
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN jsonb_build_array(o."uuid", n."uuid") END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(o."missing_since", n."missing_since") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."key", o."name", o."active", o."uuid", o."missing_since") IS DISTINCT FROM (n."key", n."name", n."active", n."uuid", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.organization REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.organization_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.organization REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.organization_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.organization REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.organization_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.organization FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.program FOR EACH ROW EXECUTE FUNCTION catalog.touch()
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
               jsonb_strip_nulls(jsonb_build_object(
            'uuid', CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN jsonb_build_array(NULL, n."uuid") END,
            'title', CASE WHEN NULL IS DISTINCT FROM n."title" THEN jsonb_build_array(NULL, n."title") END,
            'type', CASE WHEN NULL IS DISTINCT FROM n."type" THEN jsonb_build_array(NULL, n."type") END,
            'status', CASE WHEN NULL IS DISTINCT FROM n."status" THEN jsonb_build_array(NULL, n."status") END,
            'marketing_slug', CASE WHEN NULL IS DISTINCT FROM n."marketing_slug" THEN jsonb_build_array(NULL, n."marketing_slug") END,
            'missing_since', CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(NULL, n."missing_since") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program', o.id, o.uuid::text, 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN jsonb_build_array(o."uuid", NULL) END,
            'title', CASE WHEN o."title" IS DISTINCT FROM NULL THEN jsonb_build_array(o."title", NULL) END,
            'type', CASE WHEN o."type" IS DISTINCT FROM NULL THEN jsonb_build_array(o."type", NULL) END,
            'status', CASE WHEN o."status" IS DISTINCT FROM NULL THEN jsonb_build_array(o."status", NULL) END,
            'marketing_slug', CASE WHEN o."marketing_slug" IS DISTINCT FROM NULL THEN jsonb_build_array(o."marketing_slug", NULL) END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN jsonb_build_array(o."missing_since", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program', n.id, n.uuid::text, 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN jsonb_build_array(o."uuid", n."uuid") END,
            'title', CASE WHEN o."title" IS DISTINCT FROM n."title" THEN jsonb_build_array(o."title", n."title") END,
            'type', CASE WHEN o."type" IS DISTINCT FROM n."type" THEN jsonb_build_array(o."type", n."type") END,
            'status', CASE WHEN o."status" IS DISTINCT FROM n."status" THEN jsonb_build_array(o."status", n."status") END,
            'marketing_slug', CASE WHEN o."marketing_slug" IS DISTINCT FROM n."marketing_slug" THEN jsonb_build_array(o."marketing_slug", n."marketing_slug") END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(o."missing_since", n."missing_since") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."uuid", o."title", o."type", o."status", o."marketing_slug", o."missing_since") IS DISTINCT FROM (n."uuid", n."title", n."type", n."status", n."marketing_slug", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.program REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.program_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.program REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.program_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.program REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.program_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.program FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.catalog_course FOR EACH ROW EXECUTE FUNCTION catalog.touch()
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
               jsonb_strip_nulls(jsonb_build_object(
            'organization_id', CASE WHEN NULL IS DISTINCT FROM n."organization_id" THEN jsonb_build_array(NULL, n."organization_id") END,
            'course_code', CASE WHEN NULL IS DISTINCT FROM n."course_code" THEN jsonb_build_array(NULL, n."course_code") END,
            'key', CASE WHEN NULL IS DISTINCT FROM n."key" THEN jsonb_build_array(NULL, n."key") END,
            'title', CASE WHEN NULL IS DISTINCT FROM n."title" THEN jsonb_build_array(NULL, n."title") END,
            'short_description', CASE WHEN NULL IS DISTINCT FROM n."short_description" THEN jsonb_build_array(NULL, md5(n."short_description")) END,
            'full_description', CASE WHEN NULL IS DISTINCT FROM n."full_description" THEN jsonb_build_array(NULL, md5(n."full_description")) END,
            'topic', CASE WHEN NULL IS DISTINCT FROM n."topic" THEN jsonb_build_array(NULL, n."topic") END,
            'language', CASE WHEN NULL IS DISTINCT FROM n."language" THEN jsonb_build_array(NULL, n."language") END,
            'course_type', CASE WHEN NULL IS DISTINCT FROM n."course_type" THEN jsonb_build_array(NULL, n."course_type") END,
            'product_source', CASE WHEN NULL IS DISTINCT FROM n."product_source" THEN jsonb_build_array(NULL, n."product_source") END,
            'product_status', CASE WHEN NULL IS DISTINCT FROM n."product_status" THEN jsonb_build_array(NULL, n."product_status") END,
            'status', CASE WHEN NULL IS DISTINCT FROM n."status" THEN jsonb_build_array(NULL, n."status") END,
            'uuid', CASE WHEN NULL IS DISTINCT FROM n."uuid" THEN jsonb_build_array(NULL, n."uuid") END,
            'key_for_reruns', CASE WHEN NULL IS DISTINCT FROM n."key_for_reruns" THEN jsonb_build_array(NULL, n."key_for_reruns") END,
            'external_identifier', CASE WHEN NULL IS DISTINCT FROM n."external_identifier" THEN jsonb_build_array(NULL, n."external_identifier") END,
            'missing_since', CASE WHEN NULL IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(NULL, n."missing_since") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'catalog_course', o.id, o.key, 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'organization_id', CASE WHEN o."organization_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."organization_id", NULL) END,
            'course_code', CASE WHEN o."course_code" IS DISTINCT FROM NULL THEN jsonb_build_array(o."course_code", NULL) END,
            'key', CASE WHEN o."key" IS DISTINCT FROM NULL THEN jsonb_build_array(o."key", NULL) END,
            'title', CASE WHEN o."title" IS DISTINCT FROM NULL THEN jsonb_build_array(o."title", NULL) END,
            'short_description', CASE WHEN o."short_description" IS DISTINCT FROM NULL THEN jsonb_build_array(md5(o."short_description"), NULL) END,
            'full_description', CASE WHEN o."full_description" IS DISTINCT FROM NULL THEN jsonb_build_array(md5(o."full_description"), NULL) END,
            'topic', CASE WHEN o."topic" IS DISTINCT FROM NULL THEN jsonb_build_array(o."topic", NULL) END,
            'language', CASE WHEN o."language" IS DISTINCT FROM NULL THEN jsonb_build_array(o."language", NULL) END,
            'course_type', CASE WHEN o."course_type" IS DISTINCT FROM NULL THEN jsonb_build_array(o."course_type", NULL) END,
            'product_source', CASE WHEN o."product_source" IS DISTINCT FROM NULL THEN jsonb_build_array(o."product_source", NULL) END,
            'product_status', CASE WHEN o."product_status" IS DISTINCT FROM NULL THEN jsonb_build_array(o."product_status", NULL) END,
            'status', CASE WHEN o."status" IS DISTINCT FROM NULL THEN jsonb_build_array(o."status", NULL) END,
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM NULL THEN jsonb_build_array(o."uuid", NULL) END,
            'key_for_reruns', CASE WHEN o."key_for_reruns" IS DISTINCT FROM NULL THEN jsonb_build_array(o."key_for_reruns", NULL) END,
            'external_identifier', CASE WHEN o."external_identifier" IS DISTINCT FROM NULL THEN jsonb_build_array(o."external_identifier", NULL) END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM NULL THEN jsonb_build_array(o."missing_since", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'catalog_course', n.id, n.key, 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'organization_id', CASE WHEN o."organization_id" IS DISTINCT FROM n."organization_id" THEN jsonb_build_array(o."organization_id", n."organization_id") END,
            'course_code', CASE WHEN o."course_code" IS DISTINCT FROM n."course_code" THEN jsonb_build_array(o."course_code", n."course_code") END,
            'key', CASE WHEN o."key" IS DISTINCT FROM n."key" THEN jsonb_build_array(o."key", n."key") END,
            'title', CASE WHEN o."title" IS DISTINCT FROM n."title" THEN jsonb_build_array(o."title", n."title") END,
            'short_description', CASE WHEN o."short_description" IS DISTINCT FROM n."short_description" THEN jsonb_build_array(md5(o."short_description"), md5(n."short_description")) END,
            'full_description', CASE WHEN o."full_description" IS DISTINCT FROM n."full_description" THEN jsonb_build_array(md5(o."full_description"), md5(n."full_description")) END,
            'topic', CASE WHEN o."topic" IS DISTINCT FROM n."topic" THEN jsonb_build_array(o."topic", n."topic") END,
            'language', CASE WHEN o."language" IS DISTINCT FROM n."language" THEN jsonb_build_array(o."language", n."language") END,
            'course_type', CASE WHEN o."course_type" IS DISTINCT FROM n."course_type" THEN jsonb_build_array(o."course_type", n."course_type") END,
            'product_source', CASE WHEN o."product_source" IS DISTINCT FROM n."product_source" THEN jsonb_build_array(o."product_source", n."product_source") END,
            'product_status', CASE WHEN o."product_status" IS DISTINCT FROM n."product_status" THEN jsonb_build_array(o."product_status", n."product_status") END,
            'status', CASE WHEN o."status" IS DISTINCT FROM n."status" THEN jsonb_build_array(o."status", n."status") END,
            'uuid', CASE WHEN o."uuid" IS DISTINCT FROM n."uuid" THEN jsonb_build_array(o."uuid", n."uuid") END,
            'key_for_reruns', CASE WHEN o."key_for_reruns" IS DISTINCT FROM n."key_for_reruns" THEN jsonb_build_array(o."key_for_reruns", n."key_for_reruns") END,
            'external_identifier', CASE WHEN o."external_identifier" IS DISTINCT FROM n."external_identifier" THEN jsonb_build_array(o."external_identifier", n."external_identifier") END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(o."missing_since", n."missing_since") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."organization_id", o."course_code", o."key", o."title", o."short_description", o."full_description", o."topic", o."language", o."course_type", o."product_source", o."product_status", o."status", o."uuid", o."key_for_reruns", o."external_identifier", o."missing_since") IS DISTINCT FROM (n."organization_id", n."course_code", n."key", n."title", n."short_description", n."full_description", n."topic", n."language", n."course_type", n."product_source", n."product_status", n."status", n."uuid", n."key_for_reruns", n."external_identifier", n."missing_since");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.catalog_course REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.catalog_course_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.catalog_course REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.catalog_course_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.catalog_course REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.catalog_course_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.catalog_course FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.course_variant FOR EACH ROW EXECUTE FUNCTION catalog.touch()
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
               jsonb_strip_nulls(jsonb_build_object(
            'variant_id', CASE WHEN NULL IS DISTINCT FROM n."variant_id" THEN jsonb_build_array(NULL, n."variant_id") END,
            'course_run_id', CASE WHEN NULL IS DISTINCT FROM n."course_run_id" THEN jsonb_build_array(NULL, n."course_run_id") END,
            'product_source', CASE WHEN NULL IS DISTINCT FROM n."product_source" THEN jsonb_build_array(NULL, n."product_source") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_variant', o.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = o.course_run_id), 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'variant_id', CASE WHEN o."variant_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."variant_id", NULL) END,
            'course_run_id', CASE WHEN o."course_run_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."course_run_id", NULL) END,
            'product_source', CASE WHEN o."product_source" IS DISTINCT FROM NULL THEN jsonb_build_array(o."product_source", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'course_variant', n.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = n.course_run_id), 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'variant_id', CASE WHEN o."variant_id" IS DISTINCT FROM n."variant_id" THEN jsonb_build_array(o."variant_id", n."variant_id") END,
            'course_run_id', CASE WHEN o."course_run_id" IS DISTINCT FROM n."course_run_id" THEN jsonb_build_array(o."course_run_id", n."course_run_id") END,
            'product_source', CASE WHEN o."product_source" IS DISTINCT FROM n."product_source" THEN jsonb_build_array(o."product_source", n."product_source") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."variant_id", o."course_run_id", o."product_source") IS DISTINCT FROM (n."variant_id", n."course_run_id", n."product_source");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.course_variant REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.course_variant_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.course_variant REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.course_variant_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.course_variant REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.course_variant_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.course_variant FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.program_course FOR EACH ROW EXECUTE FUNCTION catalog.touch()
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
               jsonb_strip_nulls(jsonb_build_object(
            'program_id', CASE WHEN NULL IS DISTINCT FROM n."program_id" THEN jsonb_build_array(NULL, n."program_id") END,
            'catalog_course_id', CASE WHEN NULL IS DISTINCT FROM n."catalog_course_id" THEN jsonb_build_array(NULL, n."catalog_course_id") END,
            'position', CASE WHEN NULL IS DISTINCT FROM n."position" THEN jsonb_build_array(NULL, n."position") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program_course', o.id, (SELECT p.uuid::text FROM catalog.program p WHERE p.id = o.program_id), 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'program_id', CASE WHEN o."program_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."program_id", NULL) END,
            'catalog_course_id', CASE WHEN o."catalog_course_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."catalog_course_id", NULL) END,
            'position', CASE WHEN o."position" IS DISTINCT FROM NULL THEN jsonb_build_array(o."position", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'program_course', n.id, (SELECT p.uuid::text FROM catalog.program p WHERE p.id = n.program_id), 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'program_id', CASE WHEN o."program_id" IS DISTINCT FROM n."program_id" THEN jsonb_build_array(o."program_id", n."program_id") END,
            'catalog_course_id', CASE WHEN o."catalog_course_id" IS DISTINCT FROM n."catalog_course_id" THEN jsonb_build_array(o."catalog_course_id", n."catalog_course_id") END,
            'position', CASE WHEN o."position" IS DISTINCT FROM n."position" THEN jsonb_build_array(o."position", n."position") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."program_id", o."catalog_course_id", o."position") IS DISTINCT FROM (n."program_id", n."catalog_course_id", n."position");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.program_course REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.program_course_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.program_course REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.program_course_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.program_course REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.program_course_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.program_course FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()
;
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.run_association FOR EACH ROW EXECUTE FUNCTION catalog.touch()
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
               jsonb_strip_nulls(jsonb_build_object(
            'course_run_id', CASE WHEN NULL IS DISTINCT FROM n."course_run_id" THEN jsonb_build_array(NULL, n."course_run_id") END,
            'catalog_course_id', CASE WHEN NULL IS DISTINCT FROM n."catalog_course_id" THEN jsonb_build_array(NULL, n."catalog_course_id") END,
            'source', CASE WHEN NULL IS DISTINCT FROM n."source" THEN jsonb_build_array(NULL, n."source") END,
            'reason', CASE WHEN NULL IS DISTINCT FROM n."reason" THEN jsonb_build_array(NULL, n."reason") END,
            'decided_at', CASE WHEN NULL IS DISTINCT FROM n."decided_at" THEN jsonb_build_array(NULL, n."decided_at") END)), who
        FROM new_rows n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'run_association', o.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = o.course_run_id), 'deleted',
               jsonb_strip_nulls(jsonb_build_object(
            'course_run_id', CASE WHEN o."course_run_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."course_run_id", NULL) END,
            'catalog_course_id', CASE WHEN o."catalog_course_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."catalog_course_id", NULL) END,
            'source', CASE WHEN o."source" IS DISTINCT FROM NULL THEN jsonb_build_array(o."source", NULL) END,
            'reason', CASE WHEN o."reason" IS DISTINCT FROM NULL THEN jsonb_build_array(o."reason", NULL) END,
            'decided_at', CASE WHEN o."decided_at" IS DISTINCT FROM NULL THEN jsonb_build_array(o."decided_at", NULL) END)), who
        FROM old_rows o;
    ELSE
        INSERT INTO ops.change_event (entity, entity_id, key, action, changes, actor)
        SELECT 'run_association', n.id, (SELECT r.run_key FROM catalog.course_run r WHERE r.id = n.course_run_id), 'updated',
               jsonb_strip_nulls(jsonb_build_object(
            'course_run_id', CASE WHEN o."course_run_id" IS DISTINCT FROM n."course_run_id" THEN jsonb_build_array(o."course_run_id", n."course_run_id") END,
            'catalog_course_id', CASE WHEN o."catalog_course_id" IS DISTINCT FROM n."catalog_course_id" THEN jsonb_build_array(o."catalog_course_id", n."catalog_course_id") END,
            'source', CASE WHEN o."source" IS DISTINCT FROM n."source" THEN jsonb_build_array(o."source", n."source") END,
            'reason', CASE WHEN o."reason" IS DISTINCT FROM n."reason" THEN jsonb_build_array(o."reason", n."reason") END,
            'decided_at', CASE WHEN o."decided_at" IS DISTINCT FROM n."decided_at" THEN jsonb_build_array(o."decided_at", n."decided_at") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."course_run_id", o."catalog_course_id", o."source", o."reason", o."decided_at") IS DISTINCT FROM (n."course_run_id", n."catalog_course_id", n."source", n."reason", n."decided_at");
    END IF;
    RETURN NULL;
END $$
;
CREATE OR REPLACE TRIGGER changed_insert AFTER INSERT ON catalog.run_association REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.run_association_changed()
;
CREATE OR REPLACE TRIGGER changed_update AFTER UPDATE ON catalog.run_association REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.run_association_changed()
;
CREATE OR REPLACE TRIGGER changed_delete AFTER DELETE ON catalog.run_association REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog.run_association_changed()
;
CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON catalog.run_association FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_truncate()