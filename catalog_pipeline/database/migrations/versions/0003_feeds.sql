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
            'superseded_by_id', CASE WHEN NULL IS DISTINCT FROM n."superseded_by_id" THEN jsonb_build_array(NULL, n."superseded_by_id") END,
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
            'superseded_by_id', CASE WHEN o."superseded_by_id" IS DISTINCT FROM NULL THEN jsonb_build_array(o."superseded_by_id", NULL) END,
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
            'superseded_by_id', CASE WHEN o."superseded_by_id" IS DISTINCT FROM n."superseded_by_id" THEN jsonb_build_array(o."superseded_by_id", n."superseded_by_id") END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(o."missing_since", n."missing_since") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."run_key", o."key_org", o."key_course", o."key_run", o."uuid", o."title", o."status", o."pacing", o."language", o."start", o."end", o."enrollment_start", o."enrollment_end", o."go_live", o."upgrade_deadline", o."restriction_type", o."price", o."currency", o."has_seats", o."superseded_by_id", o."missing_since") IS DISTINCT FROM (n."run_key", n."key_org", n."key_course", n."key_run", n."uuid", n."title", n."status", n."pacing", n."language", n."start", n."end", n."enrollment_start", n."enrollment_end", n."go_live", n."upgrade_deadline", n."restriction_type", n."price", n."currency", n."has_seats", n."superseded_by_id", n."missing_since");
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
            'partner_attributes', CASE WHEN NULL IS DISTINCT FROM n."partner_attributes" THEN jsonb_build_array(NULL, md5(n."partner_attributes"::text)) END,
            'dropped_since', CASE WHEN NULL IS DISTINCT FROM n."dropped_since" THEN jsonb_build_array(NULL, n."dropped_since") END,
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
            'partner_attributes', CASE WHEN o."partner_attributes" IS DISTINCT FROM NULL THEN jsonb_build_array(md5(o."partner_attributes"::text), NULL) END,
            'dropped_since', CASE WHEN o."dropped_since" IS DISTINCT FROM NULL THEN jsonb_build_array(o."dropped_since", NULL) END,
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
            'partner_attributes', CASE WHEN o."partner_attributes" IS DISTINCT FROM n."partner_attributes" THEN jsonb_build_array(md5(o."partner_attributes"::text), md5(n."partner_attributes"::text)) END,
            'dropped_since', CASE WHEN o."dropped_since" IS DISTINCT FROM n."dropped_since" THEN jsonb_build_array(o."dropped_since", n."dropped_since") END,
            'missing_since', CASE WHEN o."missing_since" IS DISTINCT FROM n."missing_since" THEN jsonb_build_array(o."missing_since", n."missing_since") END)), who
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o."organization_id", o."course_code", o."key", o."title", o."short_description", o."full_description", o."topic", o."language", o."course_type", o."product_source", o."product_status", o."status", o."uuid", o."key_for_reruns", o."external_identifier", o."partner_attributes", o."dropped_since", o."missing_since") IS DISTINCT FROM (n."organization_id", n."course_code", n."key", n."title", n."short_description", n."full_description", n."topic", n."language", n."course_type", n."product_source", n."product_status", n."status", n."uuid", n."key_for_reruns", n."external_identifier", n."partner_attributes", n."dropped_since", n."missing_since");
    END IF;
    RETURN NULL;
END $$
