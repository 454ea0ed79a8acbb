CREATE VIEW catalog.program_run AS
WITH RECURSIVE part AS (
    SELECT p.id AS program_id, p.uuid AS program_uuid, p.id AS part_id, ARRAY[p.id] AS parts, ARRAY[p.uuid] AS path,
           '{}'::int[] AS positions
    FROM catalog.program p
    UNION ALL
    -- Of the ways of one length to a child program, the first by position goes on: it is the best of all that follow,
    -- and there are never more ways than programs, however they include one another.
    SELECT step.program_id, step.program_uuid, step.part_id, step.parts, step.path, step.positions
    FROM (
        SELECT part.program_id, part.program_uuid, child.id AS part_id, part.parts || child.id AS parts,
               part.path || ARRAY[c.uuid, child.uuid] AS path, part.positions || cp.position AS positions,
               row_number() OVER (
                   PARTITION BY part.program_id, child.id
                   ORDER BY part.positions || cp.position, part.path || ARRAY[c.uuid, child.uuid]
               ) AS place
        FROM part
        JOIN catalog.curriculum c ON c.program_id = part.part_id AND c.is_active
        JOIN catalog.curriculum_program cp ON cp.curriculum_id = c.id
        JOIN catalog.program child ON child.id = cp.program_id
        WHERE child.id <> ALL (part.parts)) AS step
    WHERE step.place = 1
), listed AS (
    SELECT part.program_id, part.program_uuid, pc.catalog_course_id, part.path, part.positions || pc.position AS positions,
           CASE WHEN cardinality(part.parts) = 1 THEN 'program' ELSE 'child' END AS via
    FROM part JOIN catalog.program_course pc ON pc.program_id = part.part_id
    UNION ALL
    SELECT part.program_id, part.program_uuid, cc.catalog_course_id, part.path || c.uuid, part.positions || cc.position,
           CASE WHEN cardinality(part.parts) = 1 THEN 'curriculum' ELSE 'child' END
    FROM part
    JOIN catalog.curriculum c ON c.program_id = part.part_id AND c.is_active
    JOIN catalog.curriculum_course cc ON cc.curriculum_id = c.id
)
SELECT DISTINCT ON (l.program_id, r.id)
       l.program_id, l.program_uuid, r.id AS course_run_id, r.run_key, l.catalog_course_id, l.via, l.path
FROM listed l
JOIN catalog.run_association a ON a.catalog_course_id = l.catalog_course_id
JOIN catalog.course_run r ON r.id = a.course_run_id
ORDER BY l.program_id, r.id, cardinality(l.path), l.positions, l.path;
COMMENT ON VIEW catalog.program_run IS
    'The runs of each program: of its courses, of those of its active curricula, and of their child programs.';
COMMENT ON COLUMN catalog.program_run.program_id IS 'The program.';
COMMENT ON COLUMN catalog.program_run.program_uuid IS 'The upstream''s uuid of the program.';
COMMENT ON COLUMN catalog.program_run.course_run_id IS 'The run.';
COMMENT ON COLUMN catalog.program_run.run_key IS 'The run''s key.';
COMMENT ON COLUMN catalog.program_run.catalog_course_id IS 'The course that the run belongs to.';
COMMENT ON COLUMN catalog.program_run.via IS
    'What names the course: program (itself), curriculum (one of its own) or child (a program in one of them).';
COMMENT ON COLUMN catalog.program_run.path IS
    'The uuids from the program, by curricula and child programs, to what names the course: the shortest such way.';
