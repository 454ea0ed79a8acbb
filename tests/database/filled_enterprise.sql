-- Rows in the tables of customers and assignments that have a history, and some beside, as their first migration has
-- them: for versions that have these tables.
INSERT INTO catalog.enterprise_customer (uuid) VALUES (gen_random_uuid());
INSERT INTO catalog.enterprise_catalog (enterprise_customer_id, uuid)
    SELECT id, gen_random_uuid() FROM catalog.enterprise_customer;
INSERT INTO catalog.enterprise_learner (enterprise_customer_id, lms_user_id, email)
    SELECT id, 7, 'ann@example.org' FROM catalog.enterprise_customer;
INSERT INTO catalog.subsidy (enterprise_customer_id, uuid) SELECT id, gen_random_uuid() FROM catalog.enterprise_customer;
INSERT INTO catalog.assignment_configuration (enterprise_customer_id, uuid, owner)
    SELECT id, gen_random_uuid(), 'here' FROM catalog.enterprise_customer;
INSERT INTO catalog.access_policy (enterprise_customer_id, uuid, access_method, assignment_configuration_id)
    SELECT enterprise_customer_id, gen_random_uuid(), 'assigned', id FROM catalog.assignment_configuration;
INSERT INTO catalog.content_metadata (enterprise_catalog_id, content_key)
    SELECT id, 'A+1' FROM catalog.enterprise_catalog;
INSERT INTO catalog.content_run (enterprise_catalog_id, content_metadata_id, run_key)
    SELECT enterprise_catalog_id, id, 'course-v1:A+1+r1' FROM catalog.content_metadata;
INSERT INTO catalog.content_assignment (assignment_configuration_id, learner_email, content_key, content_quantity)
    SELECT id, 'ann@example.org', 'A+1', -100 FROM catalog.assignment_configuration;
INSERT INTO catalog.assignment_action (content_assignment_id, action_type)
    SELECT id, 'notified' FROM catalog.content_assignment;
INSERT INTO catalog.assignment_expiration (content_assignment_id, expires_at, reason, ninety_days_at, deadline_from)
    SELECT id, now(), 'NINETY_DAYS_PASSED', now(), 'none' FROM catalog.content_assignment;
INSERT INTO ops.expiration_change
    (content_assignment_id, state, new_expires_at, new_reason, cause, after_expiry)
    SELECT id, 'allocated', now(), 'NINETY_DAYS_PASSED', 'clock', false FROM catalog.content_assignment;
