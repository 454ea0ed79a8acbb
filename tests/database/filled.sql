-- Rows in every table that has a history, and some beside, as the first migration has them. Later versions take them
-- too: whoever adds a migration after which they do not fit writes here what fits both.
INSERT INTO landing.document (source, scope, kind, key, payload, payload_hash)
    VALUES ('discovery', '', 'course', 'A+1', '\x00', '\x01');
INSERT INTO ops.load (source, outcome, as_of, started_at, documents, rejected_documents)
    VALUES ('discovery', 'applied', now(), now(), 1, 0);
INSERT INTO catalog.organization (key, name) VALUES ('A', 'Ann Arbor'), ('B', 'Bergen');
INSERT INTO catalog.catalog_course (organization_id, course_code, key, title, full_description, status, listed_by_id)
    SELECT o.id, '1', o.key || '+1', 'Course', 'Long', 'published', d.id FROM catalog.organization o, landing.document d;
INSERT INTO catalog.course_run (run_key, key_org, key_course, key_run, title, status, price)
    SELECT 'course-v1:' || key || '+1+r' || n, key, '1', 'r' || n, 'Run', 'published', 10
    FROM catalog.organization, generate_series(1, 50) n;
INSERT INTO catalog.run_association (course_run_id, catalog_course_id, source, reason)
    SELECT r.id, c.id, 'key', 'its key' FROM catalog.course_run r JOIN catalog.catalog_course c ON c.key = r.key_org || '+1';
INSERT INTO catalog.course_variant (variant_id, course_run_id) SELECT gen_random_uuid(), id FROM catalog.course_run;
INSERT INTO catalog.program (uuid, title, status) VALUES (gen_random_uuid(), 'Program', 'active');
INSERT INTO catalog.program_course (program_id, catalog_course_id, position)
    SELECT p.id, c.id, 1 FROM catalog.program p, catalog.catalog_course c;
UPDATE catalog.course_run SET status = 'archived' WHERE key_run = 'r1';
