"""Which enrollments and rows of the catalog a program's document means, and which of them it no longer lists."""

from catalog_pipeline.database.bulk import analyze
from catalog_pipeline.database.keys import folded
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.replication.enrollments_reading import LmsProgram
from catalog_pipeline.replication.enrollments_staging import ENROLLMENTS, ROWS
from catalog_pipeline.replication.guard import Guarded, hold_back
from catalog_pipeline.settings import Settings

LAST = """
    CREATE TEMP TABLE last_enrollment ON COMMIT DROP AS
    SELECT DISTINCT ON (s.who, s.curriculum) s.place, s.who, s.curriculum, s.status, p.learner_id, p.learner_key_id
    FROM staged_enrollment s JOIN person p USING (who) ORDER BY s.who, s.curriculum, s.place DESC"""
RESOLVED = """
    CREATE TEMP TABLE resolved_enrollment ON COMMIT DROP AS
    SELECT DISTINCT ON (l.learner_id, l.curriculum) l.place, l.who, l.learner_id, l.learner_key_id,
           CAST(:program AS bigint) AS program_id, l.curriculum AS curriculum_uuid, l.status,
           NULL::timestamptz AS missing_since,
           coalesce(e.id, nextval(pg_get_serial_sequence('catalog.program_enrollment', 'id'))) AS id
    FROM last_enrollment l
    LEFT JOIN catalog.program_enrollment e
        ON (e.learner_id, e.program_id, e.curriculum_uuid) = (l.learner_id, :program, l.curriculum)
    ORDER BY l.learner_id, l.curriculum, l.place DESC"""
TWO_KEYS = """
    SELECT CAST(:document AS bigint) AS document_id, 'row ' || l.place AS record_key, 'student_key' AS column_name,
           'two_keys_in_program' AS rule, NULL AS value,
           'A later row has another key of the same learner, with the same curriculum.' AS message
    FROM last_enrollment l WHERE NOT EXISTS (SELECT FROM resolved_enrollment r WHERE r.place = l.place)"""
WHO = f"coalesce('k:' || {folded('k.external_key')}, 'u:' || {folded('l.user_name')})"
STANDING = f"""
    CREATE TEMP TABLE standing_enrollment ON COMMIT DROP AS
    SELECT e.id, e.learner_id, e.curriculum_uuid, e.status, e.missing_since, l.retired_at, {WHO} AS who
    FROM catalog.program_enrollment e JOIN catalog.learner l ON l.id = e.learner_id
    LEFT JOIN catalog.learner_key k ON k.id = e.learner_key_id
    WHERE e.program_id = :program"""
# A row of a run says only the key. One that names a rejected row's learner means what stands of that.
ENROLLMENT_OF = """
    CREATE TEMP TABLE enrollment_of ON COMMIT DROP AS
    SELECT who, curriculum_uuid, id, learner_id, count(*) OVER (PARTITION BY who) = 1 AS is_only FROM (
        SELECT who, curriculum_uuid, id, learner_id FROM resolved_enrollment
        UNION ALL
        SELECT e.who, e.curriculum_uuid, e.id, e.learner_id FROM standing_enrollment e
        WHERE e.missing_since IS NULL AND EXISTS (SELECT FROM bad_row b WHERE b.who = e.who)
          AND NOT EXISTS (SELECT FROM resolved_enrollment r WHERE r.id = e.id)) AS known"""
OF_ROW = "o.who = s.who AND (o.curriculum_uuid = s.curriculum OR s.curriculum IS NULL AND o.is_only)"
RESOLVED_ROW = f"""
    CREATE TEMP TABLE resolved_row ON COMMIT DROP AS
    SELECT DISTINCT ON (o.id, r.id) s.place, o.id AS program_enrollment_id, o.learner_id, r.id AS course_run_id,
           s.status, s.course_staff
    FROM staged_row s JOIN enrollment_of o ON {OF_ROW}
    JOIN catalog.course_run r ON {folded("r.run_key")} = {folded("s.run_key")}
    ORDER BY o.id, r.id, s.place DESC"""
NOT_ENROLLED = f"""
    SELECT CAST(:document AS bigint) AS document_id, s.run_key || ' row ' || s.place AS record_key,
           'student_key' AS column_name, 'not_enrolled' AS rule, NULL AS value,
           'The LMS lists no enrollment of this key in the program, by this curriculum.' AS message
    FROM staged_row s WHERE NOT EXISTS (SELECT FROM enrollment_of o WHERE {OF_ROW})"""
NOTHING_LEAVES = (
    "CREATE TEMP TABLE leaving (table_name text, id bigint, record_key text, document_id bigint) ON COMMIT DROP",
    "CREATE TEMP TABLE left_pending (id bigint) ON COMMIT DROP",
)
LEAVING = (
    """INSERT INTO leaving
       SELECT 'program_enrollment', e.id, 'learner:' || e.learner_id, :document FROM standing_enrollment e
       WHERE e.missing_since IS NULL AND e.retired_at IS NULL
         AND NOT EXISTS (SELECT FROM resolved_enrollment r WHERE r.id = e.id)
         AND NOT EXISTS (SELECT FROM bad_row b WHERE b.who = e.who)""",
    f"""INSERT INTO leaving
        SELECT 'program_course_enrollment', c.id, 'learner:' || e.learner_id || ' ' || u.run_key, :document
        FROM standing_enrollment e
        JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id
        JOIN catalog.course_enrollment s ON s.id = c.course_enrollment_id
        JOIN catalog.course_run u ON u.id = s.course_run_id
        WHERE c.missing_since IS NULL AND e.retired_at IS NULL
          AND NOT EXISTS (SELECT FROM resolved_row r
                          WHERE (r.program_enrollment_id, r.course_run_id) = (e.id, s.course_run_id))
          AND NOT EXISTS (SELECT FROM bad_row b
                          WHERE b.who = e.who AND {folded("b.run_key")} = {folded("u.run_key")})""",
)
STOOD = {
    "program_enrollment": "SELECT count(*) FROM standing_enrollment WHERE missing_since IS NULL",
    "program_course_enrollment": """
        SELECT count(*) FROM standing_enrollment e
        JOIN catalog.program_course_enrollment c ON c.program_enrollment_id = e.id WHERE c.missing_since IS NULL""",
}


def resolve(publication: Publication, program: LmsProgram, document_id: int | None) -> None:
    """Make `resolved_enrollment`, `standing_enrollment` and `resolved_row` of what is staged, and reject the rest.

    Of a key that is listed twice, the last row stands. Makes `leaving` and `left_pending`, too, with nothing in them.
    """
    for statement in NOTHING_LEAVES:
        publication.execute(statement)
    publication.execute(LAST)
    publication.execute(RESOLVED, program=program.id)
    staged = publication.scalar("SELECT count(*) FROM staged_enrollment")
    last = publication.scalar("SELECT count(*) FROM last_enrollment")
    publication.count(ENROLLMENTS, {"duplicate": staged - last})
    publication.reject(ENROLLMENTS, TWO_KEYS, document=document_id)
    publication.execute(STANDING, program=program.id)
    analyze(publication.connection, "resolved_enrollment", "standing_enrollment")
    publication.execute(ENROLLMENT_OF)
    analyze(publication.connection, "enrollment_of")
    publication.execute(RESOLVED_ROW)
    analyze(publication.connection, "resolved_row")
    publication.reject(ROWS, NOT_ENROLLED, document=document_id)


def find_removals(
    publication: Publication, program: LmsProgram, settings: Settings, document_id: int | None, *, accept: bool
) -> None:
    """Fill `leaving` and `left_pending`: what the LMS no longer lists of the program, but for what is held back."""
    for statement in LEAVING:
        publication.execute(statement, document=document_id)
    analyze(publication.connection, "leaving")
    guarded = Guarded(
        standing=STOOD,
        gone="of this program that the LMS listed",
        empty="The LMS answers an empty list of a program's enrollments where something stood",
        accept=f"catalog-pipeline refresh enrollments --program {program.uuid} --accept-removals",
        emptied="NOT EXISTS (SELECT FROM staged_enrollment) AND d.id IS NOT NULL",
    )
    hold_back(publication, guarded, settings, accept=accept)
    analyze(publication.connection, "leaving", "left_pending")
