CREATE TABLE catalog.learner (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    user_name TEXT,
    retired_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT learner_pkey PRIMARY KEY (id),
    CONSTRAINT learner_user_name_length_check CHECK (length(user_name) BETWEEN 1 AND 150)
);
CREATE UNIQUE INDEX learner_user_name_key ON catalog.learner (lower(user_name COLLATE pg_c_utf8));
COMMENT ON TABLE catalog.learner IS 'One row per learner.';
COMMENT ON COLUMN catalog.learner.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.learner.user_name IS 'The name of the LMS''s user; null while nobody has linked one.';
COMMENT ON COLUMN catalog.learner.retired_at IS 'When the learner was retired: the name and the keys are hashes since.';
COMMENT ON COLUMN catalog.learner.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.learner.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.learner_key (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    learner_id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    external_key TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT learner_key_pkey PRIMARY KEY (id),
    CONSTRAINT learner_key_learner_id_id_key UNIQUE (learner_id, id),
    CONSTRAINT learner_key_external_key_length_check CHECK (length(external_key) BETWEEN 1 AND 255),
    CONSTRAINT learner_key_learner_id_fkey FOREIGN KEY(learner_id) REFERENCES catalog.learner (id) ON DELETE RESTRICT,
    CONSTRAINT learner_key_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES catalog.organization (id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX learner_key_organization_id_external_key_key ON catalog.learner_key (organization_id, lower(external_key COLLATE pg_c_utf8));
COMMENT ON TABLE catalog.learner_key IS 'The keys by which organizations know learners; one may have several.';
COMMENT ON COLUMN catalog.learner_key.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.learner_key.learner_id IS 'The learner.';
COMMENT ON COLUMN catalog.learner_key.organization_id IS 'The organization.';
COMMENT ON COLUMN catalog.learner_key.external_key IS 'The organization''s key of the learner; unique in it without regard to case.';
COMMENT ON COLUMN catalog.learner_key.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.learner_key.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.curriculum (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    program_id BIGINT NOT NULL,
    uuid UUID NOT NULL,
    name TEXT,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT curriculum_pkey PRIMARY KEY (id),
    CONSTRAINT curriculum_program_id_uuid_key UNIQUE (program_id, uuid),
    CONSTRAINT curriculum_program_id_fkey FOREIGN KEY(program_id) REFERENCES catalog.program (id) ON DELETE CASCADE
);
COMMENT ON TABLE catalog.curriculum IS 'One row per program and curriculum.';
COMMENT ON COLUMN catalog.curriculum.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.curriculum.program_id IS 'The program.';
COMMENT ON COLUMN catalog.curriculum.uuid IS 'The upstream''s uuid.';
COMMENT ON COLUMN catalog.curriculum.name IS 'Name shown to people.';
COMMENT ON COLUMN catalog.curriculum.is_active IS 'Whether its courses count as the program''s.';
COMMENT ON COLUMN catalog.curriculum.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.curriculum.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.program_organization (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    program_id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT program_organization_pkey PRIMARY KEY (id),
    CONSTRAINT program_organization_program_id_organization_id_key UNIQUE (program_id, organization_id),
    CONSTRAINT program_organization_program_id_fkey FOREIGN KEY(program_id) REFERENCES catalog.program (id) ON DELETE CASCADE,
    CONSTRAINT program_organization_organization_id_fkey FOREIGN KEY(organization_id) REFERENCES catalog.organization (id) ON DELETE RESTRICT
);
CREATE INDEX program_organization_organization_id_idx ON catalog.program_organization (organization_id);
COMMENT ON TABLE catalog.program_organization IS 'The authoring organizations of each program, in order.';
COMMENT ON COLUMN catalog.program_organization.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.program_organization.program_id IS 'The program.';
COMMENT ON COLUMN catalog.program_organization.organization_id IS 'The organization.';
COMMENT ON COLUMN catalog.program_organization.position IS 'Its place in the program''s list, from 1: the keys of learners are those of the first.';
COMMENT ON COLUMN catalog.program_organization.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.program_organization.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.curriculum_course (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    curriculum_id BIGINT NOT NULL,
    catalog_course_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT curriculum_course_pkey PRIMARY KEY (id),
    CONSTRAINT curriculum_course_curriculum_id_catalog_course_id_key UNIQUE (curriculum_id, catalog_course_id),
    CONSTRAINT curriculum_course_curriculum_id_fkey FOREIGN KEY(curriculum_id) REFERENCES catalog.curriculum (id) ON DELETE CASCADE,
    CONSTRAINT curriculum_course_catalog_course_id_fkey FOREIGN KEY(catalog_course_id) REFERENCES catalog.catalog_course (id) ON DELETE RESTRICT
);
CREATE INDEX curriculum_course_catalog_course_id_idx ON catalog.curriculum_course (catalog_course_id);
COMMENT ON TABLE catalog.curriculum_course IS 'The courses of each curriculum, in order.';
COMMENT ON COLUMN catalog.curriculum_course.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.curriculum_course.curriculum_id IS 'The curriculum.';
COMMENT ON COLUMN catalog.curriculum_course.catalog_course_id IS 'The course.';
COMMENT ON COLUMN catalog.curriculum_course.position IS 'The course''s place in the curriculum''s list, from 1.';
COMMENT ON COLUMN catalog.curriculum_course.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.curriculum_course.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.curriculum_program (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    curriculum_id BIGINT NOT NULL,
    program_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT curriculum_program_pkey PRIMARY KEY (id),
    CONSTRAINT curriculum_program_curriculum_id_program_id_key UNIQUE (curriculum_id, program_id),
    CONSTRAINT curriculum_program_curriculum_id_fkey FOREIGN KEY(curriculum_id) REFERENCES catalog.curriculum (id) ON DELETE CASCADE,
    CONSTRAINT curriculum_program_program_id_fkey FOREIGN KEY(program_id) REFERENCES catalog.program (id) ON DELETE CASCADE
);
CREATE INDEX curriculum_program_program_id_idx ON catalog.curriculum_program (program_id);
COMMENT ON TABLE catalog.curriculum_program IS 'The child programs of each curriculum, in order.';
COMMENT ON COLUMN catalog.curriculum_program.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.curriculum_program.curriculum_id IS 'The curriculum.';
COMMENT ON COLUMN catalog.curriculum_program.program_id IS 'The child program.';
COMMENT ON COLUMN catalog.curriculum_program.position IS 'The program''s place in the curriculum''s list, from 1.';
COMMENT ON COLUMN catalog.curriculum_program.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.curriculum_program.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.program_enrollment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    learner_id BIGINT NOT NULL,
    learner_key_id BIGINT,
    program_id BIGINT NOT NULL,
    curriculum_uuid UUID NOT NULL,
    status TEXT NOT NULL,
    status_since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT program_enrollment_pkey PRIMARY KEY (id),
    CONSTRAINT program_enrollment_learner_id_program_id_curriculum_uuid_key UNIQUE (learner_id, program_id, curriculum_uuid),
    CONSTRAINT program_enrollment_learner_id_id_key UNIQUE (learner_id, id),
    CONSTRAINT program_enrollment_learner_id_learner_key_id_fkey FOREIGN KEY(learner_id, learner_key_id) REFERENCES catalog.learner_key (learner_id, id) ON DELETE RESTRICT DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT program_enrollment_status_check CHECK (status IN ('enrolled', 'pending', 'suspended', 'canceled', 'ended')),
    CONSTRAINT program_enrollment_learner_id_fkey FOREIGN KEY(learner_id) REFERENCES catalog.learner (id) ON DELETE RESTRICT,
    CONSTRAINT program_enrollment_program_id_fkey FOREIGN KEY(program_id) REFERENCES catalog.program (id) ON DELETE RESTRICT
);
CREATE INDEX program_enrollment_learner_key_id_idx ON catalog.program_enrollment (learner_key_id);
CREATE INDEX program_enrollment_program_id_idx ON catalog.program_enrollment (program_id);
COMMENT ON TABLE catalog.program_enrollment IS 'One row per learner, program and curriculum.';
COMMENT ON COLUMN catalog.program_enrollment.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.program_enrollment.learner_id IS 'The learner.';
COMMENT ON COLUMN catalog.program_enrollment.learner_key_id IS 'The key by which the program knows the learner; null where it is the user name.';
COMMENT ON COLUMN catalog.program_enrollment.program_id IS 'The program.';
COMMENT ON COLUMN catalog.program_enrollment.curriculum_uuid IS 'The curriculum, whether the program still has it or not.';
COMMENT ON COLUMN catalog.program_enrollment.status IS 'enrolled, pending, suspended, canceled or ended.';
COMMENT ON COLUMN catalog.program_enrollment.status_since IS 'Since when the status stands; kept by a trigger.';
COMMENT ON COLUMN catalog.program_enrollment.missing_since IS 'Since when the LMS no longer lists the enrollment; null while it does.';
COMMENT ON COLUMN catalog.program_enrollment.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.program_enrollment.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.course_enrollment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    learner_id BIGINT NOT NULL,
    course_run_id BIGINT NOT NULL,
    mode TEXT DEFAULT 'masters' NOT NULL,
    is_active BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT course_enrollment_pkey PRIMARY KEY (id),
    CONSTRAINT course_enrollment_learner_id_course_run_id_key UNIQUE (learner_id, course_run_id),
    CONSTRAINT course_enrollment_learner_id_id_key UNIQUE (learner_id, id),
    CONSTRAINT course_enrollment_mode_length_check CHECK (length(mode) BETWEEN 1 AND 100),
    CONSTRAINT course_enrollment_learner_id_fkey FOREIGN KEY(learner_id) REFERENCES catalog.learner (id) ON DELETE RESTRICT,
    CONSTRAINT course_enrollment_course_run_id_fkey FOREIGN KEY(course_run_id) REFERENCES catalog.course_run (id) ON DELETE RESTRICT
);
CREATE INDEX course_enrollment_course_run_id_idx ON catalog.course_enrollment (course_run_id);
COMMENT ON TABLE catalog.course_enrollment IS 'One row per learner and run: the seat that programs share.';
COMMENT ON COLUMN catalog.course_enrollment.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.course_enrollment.learner_id IS 'The learner.';
COMMENT ON COLUMN catalog.course_enrollment.course_run_id IS 'The run.';
COMMENT ON COLUMN catalog.course_enrollment.mode IS 'The mode of the seat, such as masters, verified or audit.';
COMMENT ON COLUMN catalog.course_enrollment.is_active IS 'Whether some program''s enrollment in it is active, or its mode is a paid one; kept by a trigger.';
COMMENT ON COLUMN catalog.course_enrollment.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.course_enrollment.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE catalog.program_course_enrollment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    learner_id BIGINT NOT NULL,
    program_enrollment_id BIGINT NOT NULL,
    course_enrollment_id BIGINT NOT NULL,
    status TEXT NOT NULL,
    status_since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    course_staff BOOLEAN DEFAULT false NOT NULL,
    lms_status TEXT,
    missing_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT program_course_enrollment_pkey PRIMARY KEY (id),
    CONSTRAINT program_course_enrollment_course_enrollment_id_program__dfa7 UNIQUE (course_enrollment_id, program_enrollment_id),
    CONSTRAINT program_course_enrollment_program_enrollment_id_fkey FOREIGN KEY(learner_id, program_enrollment_id) REFERENCES catalog.program_enrollment (learner_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT program_course_enrollment_course_enrollment_id_fkey FOREIGN KEY(learner_id, course_enrollment_id) REFERENCES catalog.course_enrollment (learner_id, id) ON DELETE RESTRICT DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT program_course_enrollment_status_check CHECK (status IN ('active', 'inactive')),
    CONSTRAINT program_course_enrollment_lms_status_check CHECK (lms_status IN ('active', 'inactive'))
);
CREATE UNIQUE INDEX program_course_enrollment_active_key ON catalog.program_course_enrollment (course_enrollment_id) WHERE status = 'active';
CREATE INDEX program_course_enrollment_program_enrollment_id_idx ON catalog.program_course_enrollment (program_enrollment_id);
COMMENT ON TABLE catalog.program_course_enrollment IS 'One row per program enrollment and seat; of a seat, one at most is active.';
COMMENT ON COLUMN catalog.program_course_enrollment.id IS 'Surrogate key; never shown in APIs, never updated.';
COMMENT ON COLUMN catalog.program_course_enrollment.learner_id IS 'The learner of both enrollments; where it is not given, a trigger takes it from them.';
COMMENT ON COLUMN catalog.program_course_enrollment.program_enrollment_id IS 'The enrollment in the program.';
COMMENT ON COLUMN catalog.program_course_enrollment.course_enrollment_id IS 'The seat in the run.';
COMMENT ON COLUMN catalog.program_course_enrollment.status IS 'active or inactive. Of all rows of a seat, one may be active.';
COMMENT ON COLUMN catalog.program_course_enrollment.status_since IS 'Since when the status stands; kept by a trigger.';
COMMENT ON COLUMN catalog.program_course_enrollment.course_staff IS 'Whether the learner belongs to the staff of the run.';
COMMENT ON COLUMN catalog.program_course_enrollment.lms_status IS 'What the LMS says, where it lists the row: active or inactive. It may have two active; we have not.';
COMMENT ON COLUMN catalog.program_course_enrollment.missing_since IS 'Since when the LMS no longer lists the row; null while it does.';
COMMENT ON COLUMN catalog.program_course_enrollment.created_at IS 'When the row was created.';
COMMENT ON COLUMN catalog.program_course_enrollment.updated_at IS 'When a value of the row last changed; kept by a trigger.';

CREATE TABLE ops.enrollment_conflict (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    learner_id BIGINT NOT NULL,
    course_run_id BIGINT NOT NULL,
    program_id BIGINT NOT NULL,
    curriculum_uuid UUID NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    counted BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    found_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    cleared_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT enrollment_conflict_pkey PRIMARY KEY (id),
    CONSTRAINT enrollment_conflict_reason_check CHECK (reason IN ('active_earlier', 'enrolled_there', 'first_by_uuid')),
    CONSTRAINT enrollment_conflict_learner_id_fkey FOREIGN KEY(learner_id) REFERENCES catalog.learner (id) ON DELETE CASCADE,
    CONSTRAINT enrollment_conflict_course_run_id_fkey FOREIGN KEY(course_run_id) REFERENCES catalog.course_run (id) ON DELETE CASCADE,
    CONSTRAINT enrollment_conflict_program_id_fkey FOREIGN KEY(program_id) REFERENCES catalog.program (id) ON DELETE CASCADE
);
CREATE INDEX enrollment_conflict_course_run_id_idx ON ops.enrollment_conflict (course_run_id);
CREATE UNIQUE INDEX enrollment_conflict_open_key ON ops.enrollment_conflict (learner_id, course_run_id, program_id, curriculum_uuid) WHERE cleared_at IS NULL;
CREATE INDEX enrollment_conflict_program_id_idx ON ops.enrollment_conflict (program_id);
COMMENT ON TABLE ops.enrollment_conflict IS 'One row per program that has a learner active in a run where another has, too.';
COMMENT ON COLUMN ops.enrollment_conflict.id IS 'Surrogate key.';
COMMENT ON COLUMN ops.enrollment_conflict.learner_id IS 'The learner.';
COMMENT ON COLUMN ops.enrollment_conflict.course_run_id IS 'The run.';
COMMENT ON COLUMN ops.enrollment_conflict.program_id IS 'A program of it.';
COMMENT ON COLUMN ops.enrollment_conflict.curriculum_uuid IS 'The curriculum of the enrollment.';
COMMENT ON COLUMN ops.enrollment_conflict.since IS 'Since when the program''s row stands as it does.';
COMMENT ON COLUMN ops.enrollment_conflict.counted IS 'Whether this program''s row is the one that is active here.';
COMMENT ON COLUMN ops.enrollment_conflict.reason IS 'Why that one counts: active_earlier, enrolled_there or first_by_uuid.';
COMMENT ON COLUMN ops.enrollment_conflict.found_at IS 'When it was found.';
COMMENT ON COLUMN ops.enrollment_conflict.cleared_at IS 'When it was no longer so; null while it is open.';
